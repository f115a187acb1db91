//! A provider, ready to be called.

use std::{borrow::Cow, collections::HashMap, fmt, path::PathBuf, sync::Arc};

use access::limit::{LimitError, Rates, RatesFields};
use entities::ProviderConfig;
use http::{HeaderMap, Request, Uri};
use protocol::{Endpoint, Format, Operation, Outgoing, Target};
use router::ProviderId;
use secrecy::{ExposeSecret, SecretString};
use upstream::{
    AuthError, BaseUrl, BaseUrlError, Client, Clients, Pieces, SetupError, Signer,
    TransportSettings,
};

use crate::{
    Call, ProviderKind, SecretError, Secrets, Way,
    call::{own_headers, sensitive},
    kind::Served,
    provider_model::{ModelSettings, add_headers},
    site::Site,
};

/// Why a provider's configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProviderError {
    /// The type is unknown.
    #[error("unknown type '{0}'; known: openai, anthropic, gemini, azure, bedrock, vertex")]
    Kind(String),
    /// `config` is not what it should be.
    #[error("{0}")]
    Config(#[from] serde_json::Error),
    /// `base_url` is no usable address.
    #[error("base_url: {0}")]
    BaseUrl(#[from] BaseUrlError),
    /// `api_key` cannot be had.
    #[error("api_key: {0}")]
    Key(#[from] SecretError),
    /// `api_key` holds characters that no header may.
    #[error("api_key: holds characters that cannot be sent in a header")]
    KeyCharacters,
    /// A header that cannot be sent, or that the gateway sets itself.
    #[error("headers.{0}: cannot be sent")]
    Header(String),
    /// `api` is set where the type has but one.
    #[error("api: is for types openai and azure only, not for {0}")]
    Api(&'static str),
    /// Something that is set for one model cannot be used.
    #[error("models.{model}.{reason}")]
    Model {
        /// The provider's name of the model.
        model: String,
        /// Field and reason.
        reason: String,
    },
    /// A field that a type needs or does not have, or that cannot be used.
    #[error("{}: {reason}", field.trim_start_matches("config."))]
    Field {
        /// As [`ProviderError::field`] gives it.
        field: &'static str,
        /// Why not.
        reason: String,
    },
    /// A secret beside `api_key` cannot be had.
    #[error("{}: {source}", field.trim_start_matches("config."))]
    Secret {
        /// As [`ProviderError::field`] gives it.
        field: &'static str,
        /// Why not.
        source: SecretError,
    },
    /// `rpm` or `tpm` is no limit.
    #[error(transparent)]
    Rates(#[from] LimitError),
    /// `proxy` or `ca_file` cannot be used.
    #[error(transparent)]
    Transport(#[from] SetupError),
}

impl ProviderError {
    /// The field of `config` (or `type`) at fault.
    #[must_use]
    pub fn field(&self) -> &'static str {
        match self {
            Self::Kind(_) => "type",
            Self::Config(_) => "config",
            Self::BaseUrl(_) => "config.base_url",
            Self::Key(_) | Self::KeyCharacters => "config.api_key",
            Self::Header(_) => "config.headers",
            Self::Api(_) => "config.api",
            Self::Model { .. } => "config.models",
            Self::Field { field, .. } | Self::Secret { field, .. } => field,
            Self::Rates(error) if error.field == "rpm" => "config.rpm",
            Self::Rates(_) => "config.tpm",
            Self::Transport(SetupError::CaFile { .. }) => "config.ca_file",
            Self::Transport(_) => "config.proxy",
        }
    }
}

/// A provider of a snapshot.
pub struct Provider {
    /// Its row.
    pub id: ProviderId,
    /// Its name.
    pub name: Arc<str>,
    /// What it speaks.
    pub kind: ProviderKind,
    /// Its address.
    pub base_url: BaseUrl,
    /// Most attempts that may run at it at a time, from each gateway.
    pub max_concurrent: Option<usize>,
    /// What may be asked of it in how much time, from each gateway.
    pub rates: Rates,
    /// What it is called through.
    pub client: Arc<Client>,
    /// What must not be repeated to anybody.
    secrets: Vec<SecretString>,
    /// Of operations whose path does not name the model.
    urls: [Option<Uri>; Endpoint::ALL.len()],
    models_url: Option<Uri>,
    site: Site,
    signer: Option<Signer>,
    /// What holds for models that have no settings of their own.
    common: ModelSettings,
    /// By the provider's names.
    models: HashMap<String, ModelSettings>,
}

impl fmt::Debug for Provider {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Provider")
            .field("id", &self.id)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Provider {
    /// Makes a provider of its configuration.
    ///
    /// # Errors
    /// The configuration cannot be used.
    pub fn new(
        id: ProviderId,
        name: Arc<str>,
        kind: ProviderKind,
        config: &ProviderConfig,
        secrets: &Secrets,
        clients: &Clients,
    ) -> Result<Self, ProviderError> {
        let config = &with_open_headers(config, secrets)?;
        let site = Site::new(kind, config, secrets)?;
        let base_url = base_url(&site, kind, config, clients)?;
        let key = config
            .api_key
            .as_deref()
            .map(|stored| secrets.open(stored))
            .transpose()?;
        let transport = TransportSettings {
            proxy: config.proxy.clone(),
            ca_file: config.ca_file.as_ref().map(PathBuf::from),
        };
        let url = |path: &str| {
            base_url
                .join(path)
                .map_err(|_| BaseUrlError::Extra("such characters"))
        };
        let mut urls = [const { None }; Endpoint::ALL.len()];
        for endpoint in Endpoint::ALL {
            if let Some(path) = kind.path(base_url.as_str(), endpoint) {
                urls[endpoint as usize] = Some(url(path)?);
            }
        }
        let headers = headers(kind, config, key.as_ref())?;
        let api = site.default_api();
        let settings = |model| ModelSettings::new(kind, api, config, model, &headers);
        let mut models = HashMap::with_capacity(config.models.len());
        for (model, own) in &config.models {
            models.insert(model.clone(), settings(Some((model.as_str(), own)))?);
        }
        let rates = RatesFields {
            rpm: config.rpm,
            tpm: config.tpm,
            concurrent: None,
        };
        let client = clients.get(&transport)?;
        let models_url = kind.models_path(base_url.as_str()).map(url).transpose()?;
        Ok(Self {
            id,
            name,
            kind,
            urls,
            models_url,
            rates: Rates::of(&rates, "")?,
            max_concurrent: config
                .max_concurrent
                .map(|limit| usize::try_from(limit).unwrap_or(usize::MAX)),
            signer: site.signer(config, secrets, &base_url, &client)?,
            common: settings(None)?,
            models,
            client,
            secrets: secrets_in(key, config, secrets),
            base_url,
            site,
        })
    }

    /// How it is asked, by the name `model`, what a client asked of `endpoint`; `stream` says whether as a stream.
    #[must_use]
    pub fn way<'a>(&'a self, endpoint: Endpoint, model: &'a str, stream: bool) -> Way<'a> {
        let settings = self.models.get(model).unwrap_or(&self.common);
        let of_model = self.site.serves(endpoint, model);
        let endpoint = match of_model.unwrap_or_else(|| self.kind.serves(endpoint, settings.api)) {
            Served::By(endpoint) => endpoint,
            Served::Estimated => return Way::Estimate,
            Served::Not => return Way::Unserved,
        };
        let base = self.base_url.as_str();
        let url = match &self.urls[endpoint as usize] {
            Some(url) => Some(url.clone()),
            None => {
                let path = match &self.site {
                    Site::Plain => ProviderKind::model_path(base, endpoint, model, stream),
                    site => site.path(base, endpoint, model, stream),
                };
                path.and_then(|path| self.base_url.join(&path).ok())
            }
        };
        let Some(url) = url else {
            return Way::Unserved;
        };
        let format = match endpoint.operation() {
            Operation::Generate(format) | Operation::Count(format) => format,
            _ => Format::Chat,
        };
        Way::Call(Box::new(Call {
            endpoint,
            url,
            outgoing: Outgoing {
                extra: &settings.extra,
                ..self.site.outgoing(endpoint, self.kind.bare_name(model))
            },
            target: Target {
                model,
                traits: settings.traits(format, self.kind.vendors_name(model)),
            },
            fetches_urls: settings.fetches_urls(),
            errors: self.site.errors(endpoint),
            framing: self.site.framing(),
            has_betas_in_body: self.kind == ProviderKind::Bedrock,
            counts_bare: self.kind == ProviderKind::Vertex && endpoint == Endpoint::CountTokens,
            kind: self.kind,
            headers: &settings.headers,
        }))
    }

    /// What may be asked of one of its models in how much time, beside its own limits.
    #[must_use]
    pub fn model_rates(&self, model: &str) -> Option<Rates> {
        let settings = self.models.get(model)?;
        Some(settings.rates).filter(Rates::is_limited)
    }

    /// Where it lists its models; types of cloud vendors do not.
    #[must_use]
    pub fn models_url(&self) -> Option<&Uri> {
        self.models_url.as_ref()
    }

    /// Adds to a request what proves who asks, where its headers do not. The request is not changed after.
    ///
    /// # Errors
    /// It cannot be had; the request must not be sent.
    pub async fn sign(&self, request: &mut Request<Pieces>) -> Result<(), AuthError> {
        match &self.signer {
            Some(signer) => signer.sign(request).await,
            None => Ok(()),
        }
    }

    /// Where the page after the one in `body` is, of a list of models that came from [`Self::models_url`] or from here.
    #[must_use]
    pub fn next_models_url(&self, body: &[u8]) -> Option<Uri> {
        let first = self.models_url.as_ref()?;
        let query = self.kind.next_models_query(body)?;
        format!("{first}{query}").parse().ok()
    }

    /// Headers of a request of the gateway's own: its key, and those configured.
    #[must_use]
    pub fn headers(&self) -> HeaderMap {
        own_headers(self.kind, &self.common.headers)
    }

    /// Replaces its key and the values of its configured headers, should they stand in `text`, so that an error of the
    /// provider's that echoes them can be passed on. Values of less than eight characters are words, not secrets.
    #[must_use]
    pub fn redact(&self, text: &str) -> Option<String> {
        let mut redacted = None;
        for secret in &self.secrets {
            let secret = secret.expose_secret();
            let current = redacted.as_deref().unwrap_or(text);
            if current.contains(secret) {
                redacted = Some(current.replace(secret, "***"));
            }
        }
        redacted
    }
}

/// The configuration with what its headers are set to in clear.
fn with_open_headers(
    config: &ProviderConfig,
    secrets: &Secrets,
) -> Result<ProviderConfig, ProviderError> {
    let mut config = config.clone();
    let of_models = config
        .models
        .values_mut()
        .flat_map(|model| model.headers.values_mut());
    let all = config.headers.values_mut().map(|it| ("config.headers", it));
    for (field, value) in all.chain(of_models.map(|it| ("config.models", it))) {
        let opened = secrets.open_header(value);
        *value = opened
            .map_err(|source| ProviderError::Secret { field, source })?
            .expose_secret()
            .to_owned();
    }
    Ok(config)
}

/// Where a provider is: as configured, or where its vendor has it.
///
/// # Errors
/// It has no such place, or one that cannot be used.
fn base_url(
    site: &Site,
    kind: ProviderKind,
    config: &ProviderConfig,
    clients: &Clients,
) -> Result<BaseUrl, ProviderError> {
    let address = match &config.base_url {
        Some(address) => Cow::Borrowed(address.as_str()),
        None => site.default_base_url(kind)?,
    };
    Ok(BaseUrl::parse(&address, clients.policy())?)
}

fn secrets_in(
    key: Option<SecretString>,
    config: &ProviderConfig,
    secrets: &Secrets,
) -> Vec<SecretString> {
    /// Servers without keys are given words like `none` or `EMPTY`; replacing those would break the JSON around them.
    const SHORTEST: usize = 8;
    let of_models = config
        .models
        .values()
        .flat_map(|model| model.headers.values());
    let values = config
        .headers
        .values()
        .chain(of_models)
        .map(|value| SecretString::from(value.as_str()));
    // These were opened before, or the provider would not have come to be.
    let of_aws = [&config.secret_access_key, &config.session_token]
        .into_iter()
        .flatten()
        .filter_map(|stored| secrets.open(stored).ok());
    let mut secrets: Vec<_> = key
        .into_iter()
        .chain(of_aws)
        .chain(values)
        .filter(|secret| secret.expose_secret().len() >= SHORTEST)
        .collect();
    // A longer one may contain a shorter one.
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.expose_secret().len()));
    secrets
}

fn headers(
    kind: ProviderKind,
    config: &ProviderConfig,
    key: Option<&SecretString>,
) -> Result<HeaderMap, ProviderError> {
    let mut headers = HeaderMap::with_capacity(config.headers.len() + 1);
    if let Some(key) = key {
        let (name, before) = kind.key_header(key.expose_secret());
        sensitive(
            &mut headers,
            name,
            &format!("{before}{}", key.expose_secret()),
        )
        .map_err(|_| ProviderError::KeyCharacters)?;
    }
    add_headers(&mut headers, &config.headers).map_err(ProviderError::Header)?;
    Ok(headers)
}

#[cfg(test)]
mod tests;
