//! A provider, ready to be called.

use std::{borrow::Cow, collections::HashMap, fmt, path::PathBuf, sync::Arc};

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
        let client = clients.get(&transport)?;
        let models_url = kind.models_path(base_url.as_str()).map(url).transpose()?;
        Ok(Self {
            id,
            name,
            kind,
            urls,
            models_url,
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
mod tests {
    use upstream::NetworkPolicy;

    use super::*;

    fn make(config: serde_json::Value) -> Result<Provider, ProviderError> {
        make_kind(ProviderKind::OpenAi, config)
    }

    fn make_kind(kind: ProviderKind, config: serde_json::Value) -> Result<Provider, ProviderError> {
        let config: ProviderConfig = serde_json::from_value(config)?;
        let secrets = Secrets::new(None).unwrap();
        let clients = Clients::new(NetworkPolicy::Any);
        Provider::new(ProviderId(1), "p".into(), kind, &config, &secrets, &clients)
    }

    fn call<'a>(provider: &'a Provider, endpoint: Endpoint, model: &'a str) -> Call<'a> {
        match provider.way(endpoint, model, false) {
            Way::Call(call) => *call,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_provider_knows_its_addresses_and_credentials() {
        let config = serde_json::json!({
            "base_url": "http://127.0.0.1:9001/v1/", "api_key": "plain:sk-up-0123", "headers": {"X-Team": "a"}
        });
        let provider = make(config).unwrap();
        assert_eq!(
            call(&provider, Endpoint::Embeddings, "m").url.to_string(),
            "http://127.0.0.1:9001/v1/embeddings"
        );
        assert_eq!(
            provider.models_url().unwrap().to_string(),
            "http://127.0.0.1:9001/v1/models"
        );
        assert_eq!(provider.headers()["authorization"], "Bearer sk-up-0123");
        assert_eq!(provider.headers()["x-team"], "a");
        assert!(!format!("{provider:?} {:?}", provider.headers()).contains("sk-up"));
        assert_eq!(
            provider.redact("bad key sk-up-0123!").as_deref(),
            Some("bad key ***!")
        );
        assert_eq!(provider.redact("nothing"), None);
        let default = make(serde_json::json!({})).unwrap();
        assert_eq!(
            call(&default, Endpoint::ChatCompletions, "m")
                .url
                .to_string(),
            "https://api.openai.com/v1/chat/completions"
        );
        assert!(default.headers().is_empty());
    }

    #[track_caller]
    fn goes_to(kind: ProviderKind, base_url: Option<&str>, endpoint: Endpoint, url: &str) {
        let provider = make_kind(kind, serde_json::json!({"base_url": base_url})).unwrap();
        assert_eq!(call(&provider, endpoint, "m").url.to_string(), url);
    }

    #[test]
    fn what_base_urls_may_end_in_is_not_doubled() {
        use ProviderKind::{Anthropic, Gemini};
        let messages = "https://api.anthropic.com/v1/messages";
        goes_to(Anthropic, None, Endpoint::ChatCompletions, messages);
        let bases = [
            "http://h/p",
            "http://h/p/",
            "http://h/p/v1",
            "http://h/p/v1/",
        ];
        for base in bases {
            let url = "http://h/p/v1/messages/count_tokens";
            goes_to(Anthropic, Some(base), Endpoint::CountTokens, url);
        }
        let generate = "https://generativelanguage.googleapis.com/v1beta/models/m:generateContent";
        goes_to(Gemini, None, Endpoint::Messages, generate);
        for base in [
            "http://h",
            "http://h/",
            "http://h/v1beta",
            "http://h/v1beta/",
        ] {
            let url = "http://h/v1beta/models/m:batchEmbedContents";
            goes_to(Gemini, Some(base), Endpoint::Embeddings, url);
        }
    }

    #[test]
    fn each_type_has_its_own_way_to_carry_the_key() {
        let client = |pairs: &[(&'static str, &str)]| -> HeaderMap {
            let pairs = pairs.iter();
            pairs
                .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
                .collect()
        };
        let sent = client(&[
            ("anthropic-version", "2024-01-01"),
            ("anthropic-beta", "b"),
            ("openai-beta", "o"),
        ]);
        let config = serde_json::json!({"api_key": "plain:sk-up-0123"});
        let anthropic = make_kind(ProviderKind::Anthropic, config.clone()).unwrap();
        let asked = call(&anthropic, Endpoint::Messages, "m");
        let headers = asked.headers(&sent, true);
        assert_eq!(headers["x-api-key"], "sk-up-0123");
        assert_eq!(
            (&headers["anthropic-version"], &headers["anthropic-beta"]),
            (&"2024-01-01".parse().unwrap(), &"b".parse().unwrap())
        );
        assert_eq!(
            asked.headers(&sent, false)["anthropic-version"],
            "2023-06-01"
        );
        assert_eq!(headers.get("openai-beta"), None);
        assert_eq!(anthropic.headers()["anthropic-version"], "2023-06-01");
        let gemini = make_kind(ProviderKind::Gemini, config).unwrap();
        let headers = call(&gemini, Endpoint::Messages, "m").headers(&sent, false);
        assert_eq!(headers["x-goog-api-key"], "sk-up-0123");
        assert_eq!(headers.len(), 1);
    }

    #[test]
    fn settings_of_a_model_win() {
        let provider = make_kind(
            ProviderKind::Anthropic,
            serde_json::json!({"headers": {"x-a": "1", "x-b": "1"}, "urls": "fetch", "models": {"claude": {
                "max_tokens": 7, "thinking": "none", "sampling": false, "headers": {"x-b": "2"}, "extra_body": {"top_k": 5}}}}),
        )
        .unwrap();
        let own = call(&provider, Endpoint::Messages, "claude");
        assert_eq!(
            (own.target.traits.max_tokens, own.target.traits.sampling),
            (7, false)
        );
        assert_eq!(own.target.traits.thinking, protocol::ThinkingStyle::None);
        assert_eq!((own.target.traits.urls, own.fetches_urls), (false, true));
        assert_eq!(
            (
                own.outgoing.extra[0].0.as_str(),
                own.outgoing.extra[0].1.get()
            ),
            ("top_k", "5")
        );
        let headers = own.headers(&HeaderMap::new(), false);
        assert_eq!(
            (&headers["x-a"], &headers["x-b"]),
            (&"1".parse().unwrap(), &"2".parse().unwrap())
        );
        let other = call(&provider, Endpoint::Messages, "other");
        assert!(other.target.traits.sampling && other.outgoing.extra.is_empty());
        assert_eq!(other.headers(&HeaderMap::new(), false)["x-b"], "1");
    }

    #[test]
    fn a_server_with_one_api_is_asked_by_it() {
        let provider =
            make(serde_json::json!({"api": "chat", "models": {"new": {"api": "responses"}}}))
                .unwrap();
        let endpoint = |model| call(&provider, Endpoint::Responses, model).endpoint;
        assert_eq!(
            (endpoint("old"), endpoint("new")),
            (Endpoint::ChatCompletions, Endpoint::Responses)
        );
        assert!(matches!(
            provider.way(Endpoint::InputTokens, "old", false),
            Way::Estimate
        ));
        let anthropic = make_kind(ProviderKind::Anthropic, serde_json::json!({})).unwrap();
        assert!(matches!(
            anthropic.way(Endpoint::Speech, "m", false),
            Way::Unserved
        ));
    }

    #[test]
    fn only_what_can_be_a_secret_is_replaced() {
        let provider = make(serde_json::json!({
            "api_key": "plain:none", "headers": {"api-key": "second-secret", "x-also": "second-secret-2", "x-team": "a"}
        }))
        .unwrap();
        let echo = r#"{"a": "none", "b": "second-secret", "c": "second-secret-2"}"#;
        assert_eq!(
            provider.redact(echo).as_deref(),
            Some(r#"{"a": "none", "b": "***", "c": "***"}"#)
        );
        assert_eq!(provider.redact("a none"), None);
    }

    #[test]
    fn what_cannot_be_used_is_refused_by_its_field() {
        let field = |config| make(config).unwrap_err().field();
        assert_eq!(
            field(serde_json::json!({"base_url": "nowhere"})),
            "config.base_url"
        );
        assert_eq!(
            field(serde_json::json!({"api_key": "sealed:v1:a:b"})),
            "config.api_key"
        );
        assert_eq!(
            field(serde_json::json!({"api_key": "plain:a\nb"})),
            "config.api_key"
        );
        assert_eq!(
            field(serde_json::json!({"headers": {"Host": "x"}})),
            "config.headers"
        );
        assert_eq!(
            field(serde_json::json!({"headers": {"a b": "x"}})),
            "config.headers"
        );
        assert_eq!(
            field(serde_json::json!({"proxy": "socks://x"})),
            "config.proxy"
        );
        assert_eq!(
            field(serde_json::json!({"ca_file": "/no/such/file"})),
            "config.ca_file"
        );
        assert_eq!(field(serde_json::json!({"base_uri": "x"})), "config");
        assert_eq!(field(serde_json::json!({"api": "batch"})), "config");
        for own in [
            serde_json::json!({"max_tokens": 0}),
            serde_json::json!({"extra_body": {"model": "x"}}),
            serde_json::json!({"headers": {"Host": "x"}}),
        ] {
            assert_eq!(
                field(serde_json::json!({"models": {"m": own}})),
                "config.models"
            );
        }
        let api = serde_json::json!({"api": "chat"});
        let refused = make_kind(ProviderKind::Gemini, api).unwrap_err();
        assert_eq!(refused.field(), "config.api");
        assert_eq!(
            "cohere".parse::<ProviderKind>().unwrap_err().field(),
            "type"
        );
    }
}
