//! What the cloud vendors' types need besides an address and a key, and where they have their operations.

use std::{borrow::Cow, sync::Arc};

use entities::{OpenAiApi, ProviderConfig};
use protocol::{Endpoint, Outgoing, Protocol};
use secrecy::SecretString;
use upstream::{BaseUrl, Client, CredentialError, Signer};

use crate::{
    ProviderError, ProviderKind, Secrets,
    kind::{SEGMENT, Served},
};

mod azure;
mod bedrock;
mod vertex;

use azure::Azure;
use bedrock::Bedrock;
pub(crate) use bedrock::refuses as refused_by_bedrock;
use vertex::Vertex;

/// Settings of a cloud vendor's type; nothing for the others.
#[derive(Debug)]
pub(crate) enum Site {
    /// Addressed by its base URL alone.
    Plain,
    Azure(Azure),
    Bedrock(Bedrock),
    Vertex(Vertex),
}

/// How the events of a stream are framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Server-sent events.
    Sse,
    /// Amazon's event stream, with the events of Anthropic's API in it.
    AmazonEvents,
}

impl Site {
    pub(crate) fn new(
        kind: ProviderKind,
        config: &ProviderConfig,
        secrets: &Secrets,
    ) -> Result<Self, ProviderError> {
        refuse_foreign(kind, config)?;
        Ok(match kind {
            ProviderKind::OpenAi | ProviderKind::Anthropic | ProviderKind::Gemini => Self::Plain,
            ProviderKind::Azure => Self::Azure(Azure::new(config)?),
            ProviderKind::Bedrock => Self::Bedrock(Bedrock::new(config)?),
            ProviderKind::Vertex => Self::Vertex(Vertex::new(config, secrets)?),
        })
    }

    /// Where it is, unless the configuration says where.
    pub(crate) fn default_base_url(
        &self,
        kind: ProviderKind,
    ) -> Result<Cow<'static, str>, ProviderError> {
        match self {
            Self::Plain | Self::Azure(_) => kind
                .default_base_url()
                .map(Cow::Borrowed)
                .ok_or_else(|| missing("config.base_url", kind)),
            Self::Bedrock(bedrock) => Ok(Cow::Owned(bedrock.base_url())),
            Self::Vertex(vertex) => Ok(Cow::Owned(vertex.base_url())),
        }
    }

    /// What proves to it who asks, where a header does not.
    pub(crate) fn signer(
        &self,
        config: &ProviderConfig,
        secrets: &Secrets,
        base_url: &BaseUrl,
        client: &Arc<Client>,
    ) -> Result<Option<Signer>, ProviderError> {
        match self {
            Self::Plain | Self::Azure(_) => Ok(None),
            Self::Bedrock(bedrock) => bedrock.signer(config, secrets),
            Self::Vertex(vertex) => vertex.signer(base_url, client.clone()).map(Some),
        }
    }

    /// Which of OpenAI's APIs it has, unless the configuration says which.
    pub(crate) fn default_api(&self) -> OpenAiApi {
        match self {
            Self::Azure(azure) => azure.default_api(),
            _ => OpenAiApi::default(),
        }
    }

    /// How it answers for `endpoint` when asked by the name `model`, where that decides.
    pub(crate) fn serves(&self, endpoint: Endpoint, model: &str) -> Option<Served> {
        match self {
            Self::Vertex(_) => Some(vertex::serves(endpoint, model)),
            Self::Bedrock(_) if bedrock::refuses(model).is_some() => Some(Served::Not),
            Self::Plain | Self::Azure(_) | Self::Bedrock(_) => None,
        }
    }

    /// The path of an operation below the base URL `base`.
    pub(crate) fn path(
        &self,
        base: &str,
        endpoint: Endpoint,
        model: &str,
        stream: bool,
    ) -> Option<String> {
        match self {
            Self::Plain => None,
            Self::Azure(azure) => azure.path(base, endpoint, model),
            Self::Bedrock(_) => Some(bedrock::path(model, stream)),
            Self::Vertex(vertex) => vertex.path(base, endpoint, model, stream),
        }
    }

    /// How a body in its format is made one for it.
    pub(crate) fn outgoing<'a>(&self, endpoint: Endpoint, model: &'a str) -> Outgoing<'a> {
        match self {
            Self::Plain | Self::Azure(_) => Outgoing {
                model: Some(model),
                ..Outgoing::default()
            },
            Self::Bedrock(_) => Outgoing {
                is_stream_in_url: true,
                anthropic_version: Some(bedrock::VERSION),
                ..Outgoing::default()
            },
            Self::Vertex(_) => vertex::outgoing(endpoint, model),
        }
    }

    /// Whose errors its operation `endpoint` tells. Bedrock has a shape of its own, and what stands before Anthropic's
    /// models at Vertex AI tells Google's.
    pub(crate) fn errors(&self, endpoint: Endpoint) -> Option<Protocol> {
        let protocol = endpoint.protocol();
        match self {
            Self::Plain | Self::Azure(_) => Some(protocol),
            Self::Bedrock(_) => None,
            Self::Vertex(_) => Some(protocol).filter(|it| *it == Protocol::Gemini),
        }
    }

    /// How its streams are framed.
    pub(crate) fn framing(&self) -> Framing {
        match self {
            Self::Bedrock(_) => Framing::AmazonEvents,
            Self::Plain | Self::Azure(_) | Self::Vertex(_) => Framing::Sse,
        }
    }
}

/// The fields that only some types have.
fn own_fields(config: &ProviderConfig) -> [(&'static str, bool, ProviderKind); 8] {
    use ProviderKind::{Azure, Bedrock, Vertex};
    [
        ("config.api_version", config.api_version.is_some(), Azure),
        ("config.region", config.region.is_some(), Bedrock),
        (
            "config.access_key_id",
            config.access_key_id.is_some(),
            Bedrock,
        ),
        (
            "config.secret_access_key",
            config.secret_access_key.is_some(),
            Bedrock,
        ),
        (
            "config.session_token",
            config.session_token.is_some(),
            Bedrock,
        ),
        ("config.project", config.project.is_some(), Vertex),
        ("config.location", config.location.is_some(), Vertex),
        (
            "config.service_account",
            config.service_account.is_some(),
            Vertex,
        ),
    ]
}

fn refuse_foreign(kind: ProviderKind, config: &ProviderConfig) -> Result<(), ProviderError> {
    let mut fields = own_fields(config).into_iter();
    match fields.find(|(_, is_set, owner)| *is_set && *owner != kind) {
        Some((field, _, owner)) => Err(invalid(
            field,
            format!("is for type {} only, not for {}", owner.name(), kind.name()),
        )),
        None if kind == ProviderKind::Vertex && config.api_key.is_some() => Err(invalid(
            "config.api_key",
            "type vertex takes a service_account instead",
        )),
        None => Ok(()),
    }
}

fn invalid(field: &'static str, reason: impl Into<String>) -> ProviderError {
    ProviderError::Field {
        field,
        reason: reason.into(),
    }
}

fn missing(field: &'static str, kind: ProviderKind) -> ProviderError {
    invalid(field, format!("is required for type {}", kind.name()))
}

/// A text that stands in a host name or a path: letters, digits and what `also` names.
fn word(
    field: &'static str,
    kind: ProviderKind,
    value: Option<&str>,
    also: &[u8],
) -> Result<String, ProviderError> {
    let value = value.ok_or_else(|| missing(field, kind))?;
    let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || also.contains(&byte);
    if value.is_empty() || !value.bytes().all(is_fit) {
        return Err(invalid(field, "holds characters that it cannot have"));
    }
    Ok(value.to_owned())
}

/// The secret behind the stored form in `field`.
fn open(
    field: &'static str,
    stored: Option<&str>,
    secrets: &Secrets,
) -> Result<Option<SecretString>, ProviderError> {
    stored
        .map(|stored| secrets.open(stored))
        .transpose()
        .map_err(|source| ProviderError::Secret { field, source })
}

fn refused(field: &'static str) -> impl Fn(CredentialError) -> ProviderError {
    move |error| invalid(field, error.to_string())
}

/// A name as one segment of a path.
fn segment(name: &str) -> percent_encoding::PercentEncode<'_> {
    percent_encoding::utf8_percent_encode(name, SEGMENT)
}

#[cfg(test)]
mod tests;
