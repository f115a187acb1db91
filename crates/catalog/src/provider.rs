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
    /// What must not be repeated to anybody.
    secrets: Vec<SecretString>,
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
            secrets: secrets_in(key, config),
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

fn secrets_in(key: Option<SecretString>, config: &ProviderConfig) -> Vec<SecretString> {
    /// Servers without keys are given words like `none` or `EMPTY`; replacing those would break the JSON around them.
    const SHORTEST: usize = 8;
    let values = config
        .headers
        .values()
        .map(|value| SecretString::from(value.as_str()));
    let mut secrets: Vec<_> = key
        .into_iter()
        .chain(values)
        .filter(|secret| secret.expose_secret().len() >= SHORTEST)
        .collect();
    // A longer one may contain a shorter one.
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.expose_secret().len()));
    secrets
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
            "base_url": "http://127.0.0.1:9001/v1/", "api_key": "plain:sk-up-0123", "headers": {"X-Team": "a"}
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
            default.url(Endpoint::ChatCompletions).to_string(),
            "https://api.openai.com/v1/chat/completions"
        );
        assert!(default.headers().is_empty());
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
        assert_eq!(
            "cohere".parse::<ProviderKind>().unwrap_err().field(),
            "type"
        );
    }
}
