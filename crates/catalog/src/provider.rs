//! A provider, ready to be called.

use std::{fmt, path::PathBuf, str::FromStr, sync::Arc};

use entities::ProviderConfig;
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use protocol::Endpoint;
use router::{EndpointSet, ProviderId};
use secrecy::{ExposeSecret, SecretString};
use upstream::{BaseUrl, BaseUrlError, Client, Clients, SetupError, TransportSettings};

use crate::{SecretError, Secrets, snapshot::route_endpoint};

/// The protocol a provider speaks: the column `type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProviderKind {
    /// OpenAI, or any server compatible with it.
    OpenAi,
}

impl ProviderKind {
    /// Every type, in the order of the documentation.
    pub const ALL: [Self; 1] = [Self::OpenAi];

    /// As stored.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
        }
    }

    /// The vendor's own address.
    #[must_use]
    pub fn default_base_url(self) -> &'static str {
        match self {
            Self::OpenAi => "https://api.openai.com/v1",
        }
    }

    /// What it can be asked for.
    #[must_use]
    pub fn endpoints(self) -> EndpointSet {
        match self {
            Self::OpenAi => Endpoint::ALL.into_iter().map(route_endpoint).collect(),
        }
    }
}

impl FromStr for ProviderKind {
    type Err = ProviderError;

    fn from_str(name: &str) -> Result<Self, ProviderError> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == name)
            .ok_or_else(|| ProviderError::Kind(name.to_owned()))
    }
}

/// Why a provider's configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProviderError {
    /// The type is unknown.
    #[error("unknown type '{0}'; known: openai")]
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
    key: Option<SecretString>,
    headers: HeaderMap,
    urls: [Uri; Endpoint::ALL.len()],
    models_url: Uri,
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
        let address = config
            .base_url
            .as_deref()
            .unwrap_or_else(|| kind.default_base_url());
        let base_url = BaseUrl::parse(address, clients.policy())?;
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
        let [chat, completions, embeddings] =
            Endpoint::ALL.map(|endpoint| url(endpoint.upstream_path()));
        Ok(Self {
            id,
            name,
            kind,
            headers: headers(config, key.as_ref())?,
            urls: [chat?, completions?, embeddings?],
            models_url: url("/models")?,
            client: clients.get(&transport)?,
            base_url,
            key,
        })
    }

    /// Where requests for `endpoint` go.
    #[must_use]
    pub fn url(&self, endpoint: Endpoint) -> &Uri {
        &self.urls[endpoint as usize]
    }

    /// Where it lists its models.
    #[must_use]
    pub fn models_url(&self) -> &Uri {
        &self.models_url
    }

    /// Headers of every request to it: its key, and those configured.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Replaces its key, should it stand in `text`, so that an error of the provider's that echoes it can be passed on.
    #[must_use]
    pub fn redact(&self, text: &str) -> Option<String> {
        let key = self.key.as_ref()?.expose_secret();
        (!key.is_empty() && text.contains(key)).then(|| text.replace(key, "***"))
    }
}

fn headers(
    config: &ProviderConfig,
    key: Option<&SecretString>,
) -> Result<HeaderMap, ProviderError> {
    const OWN: [HeaderName; 5] = [
        header::HOST,
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
        header::CONNECTION,
        header::ACCEPT_ENCODING,
    ];
    let mut headers = HeaderMap::with_capacity(config.headers.len() + 1);
    if let Some(key) = key {
        let mut value = HeaderValue::try_from(format!("Bearer {}", key.expose_secret()))
            .map_err(|_| ProviderError::KeyCharacters)?;
        value.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, value);
    }
    for (name, value) in &config.headers {
        let refused = || ProviderError::Header(name.clone());
        let parsed = HeaderName::try_from(name).map_err(|_| refused())?;
        if OWN.contains(&parsed) {
            return Err(refused());
        }
        let mut value = HeaderValue::try_from(value).map_err(|_| refused())?;
        value.set_sensitive(true);
        headers.insert(parsed, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use upstream::NetworkPolicy;

    use super::*;

    fn make(config: serde_json::Value) -> Result<Provider, ProviderError> {
        let config: ProviderConfig = serde_json::from_value(config)?;
        let secrets = Secrets::new(None).unwrap();
        let clients = Clients::new(NetworkPolicy::Any);
        Provider::new(
            ProviderId(1),
            "p".into(),
            ProviderKind::OpenAi,
            &config,
            &secrets,
            &clients,
        )
    }

    #[test]
    fn a_provider_knows_its_addresses_and_credentials() {
        let config = serde_json::json!({
            "base_url": "http://127.0.0.1:9001/v1/", "api_key": "plain:sk-up", "headers": {"X-Team": "a"}
        });
        let provider = make(config).unwrap();
        assert_eq!(
            provider.url(Endpoint::Embeddings).to_string(),
            "http://127.0.0.1:9001/v1/embeddings"
        );
        assert_eq!(
            provider.models_url().to_string(),
            "http://127.0.0.1:9001/v1/models"
        );
        assert_eq!(provider.headers()["authorization"], "Bearer sk-up");
        assert_eq!(provider.headers()["x-team"], "a");
        assert!(!format!("{provider:?} {:?}", provider.headers()).contains("sk-up"));
        assert_eq!(
            provider.redact("bad key sk-up!").as_deref(),
            Some("bad key ***!")
        );
        assert_eq!(provider.redact("nothing"), None);
        let default = make(serde_json::json!({})).unwrap();
        assert_eq!(
            default.url(Endpoint::ChatCompletions).to_string(),
            "https://api.openai.com/v1/chat/completions"
        );
        assert!(default.headers().is_empty());
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
        assert_eq!(
            "cohere".parse::<ProviderKind>().unwrap_err().field(),
            "type"
        );
    }
}
