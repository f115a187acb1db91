//! What the types of providers speak, and where.

use std::str::FromStr;

use entities::OpenAiApi;
use http::{HeaderName, HeaderValue, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use protocol::{
    Endpoint, Format, Operation, Protocol, anthropic, gemini,
    openai::{self, ListedModel},
};
use router::EndpointSet;

use crate::{ProviderError, site, snapshot::route_endpoint};

/// The protocol a provider speaks: the column `type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProviderKind {
    /// OpenAI, or any server compatible with it.
    OpenAi,
    /// Anthropic.
    Anthropic,
    /// Gemini.
    Gemini,
    /// Azure OpenAI.
    Azure,
    /// Anthropic's models on Amazon Bedrock.
    Bedrock,
    /// Gemini, and Anthropic's models, on Google Vertex AI.
    Vertex,
}

/// How a type of provider answers for a client's endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Served {
    /// By this operation of its own.
    By(Endpoint),
    /// It counts no tokens, so that they are estimated here.
    Estimated,
    /// Not at all.
    Not,
}

/// All that RFC 3986 does not call unreserved, so that a name stays one segment of a path.
pub(crate) const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

impl ProviderKind {
    /// Every type, in the order of the documentation.
    pub const ALL: [Self; 6] = [
        Self::OpenAi,
        Self::Anthropic,
        Self::Gemini,
        Self::Azure,
        Self::Bedrock,
        Self::Vertex,
    ];

    /// As stored.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
            Self::Azure => "azure",
            Self::Bedrock => "bedrock",
            Self::Vertex => "vertex",
        }
    }

    /// The vendor's own address; cloud vendors have one for each customer or region.
    #[must_use]
    pub fn default_base_url(self) -> Option<&'static str> {
        match self {
            Self::OpenAi => Some("https://api.openai.com/v1"),
            Self::Anthropic => Some("https://api.anthropic.com"),
            Self::Gemini => Some("https://generativelanguage.googleapis.com"),
            Self::Azure | Self::Bedrock | Self::Vertex => None,
        }
    }

    /// What clients can ask it for.
    #[must_use]
    pub fn endpoints(self) -> EndpointSet {
        Endpoint::ALL
            .into_iter()
            .filter(|endpoint| self.serves(*endpoint, OpenAiApi::Both) != Served::Not)
            .map(route_endpoint)
            .collect()
    }

    /// How it answers for `endpoint`, whichever of its models is asked.
    pub(crate) fn serves(self, endpoint: Endpoint, api: OpenAiApi) -> Served {
        match self {
            Self::OpenAi => openai(endpoint, api),
            Self::Azure => azure(endpoint, api),
            Self::Bedrock => match endpoint.operation() {
                Operation::Generate(_) | Operation::Complete => Served::By(Endpoint::Messages),
                Operation::Count(_) => Served::Estimated,
                _ => Served::Not,
            },
            // By which operation depends on the model.
            Self::Vertex => match endpoint.operation() {
                Operation::Generate(_) | Operation::Complete => {
                    Served::By(Endpoint::GenerateContent)
                }
                Operation::Count(_) => Served::By(Endpoint::CountTokens),
                _ => Served::Not,
            },
            Self::Anthropic => match endpoint.operation() {
                Operation::Generate(_) | Operation::Complete => Served::By(Endpoint::Messages),
                Operation::Count(_) => Served::By(Endpoint::CountMessagesTokens),
                _ => Served::Not,
            },
            Self::Gemini => match endpoint.operation() {
                Operation::Generate(_) | Operation::Complete => {
                    Served::By(Endpoint::GenerateContent)
                }
                Operation::Count(_) => Served::By(Endpoint::CountTokens),
                Operation::Embed(Protocol::Gemini) => Served::By(endpoint),
                Operation::Embed(_) => Served::By(Endpoint::BatchEmbedContents),
                _ => Served::Not,
            },
        }
    }

    /// The path of an operation below the base URL `base`, where it does not name the model. What base URLs may end in
    /// is not doubled.
    pub(crate) fn path(self, base: &str, endpoint: Endpoint) -> Option<&'static str> {
        let path = endpoint.path();
        match self {
            Self::OpenAi => path.strip_prefix("/v1"),
            Self::Anthropic => Some(below(base, path, "/v1")),
            Self::Gemini | Self::Azure | Self::Bedrock | Self::Vertex => None,
        }
    }

    /// The path of an operation of Gemini's, which names the model.
    pub(crate) fn model_path(
        base: &str,
        endpoint: Endpoint,
        model: &str,
        stream: bool,
    ) -> Option<String> {
        let verb = match (endpoint, stream) {
            (Endpoint::GenerateContent, true) => "streamGenerateContent?alt=sse",
            _ => endpoint.verb()?,
        };
        let (collection, name) = match model.split_once('/') {
            Some((collection @ ("models" | "tunedModels"), name)) => (collection, name),
            _ => ("models", model),
        };
        let name = utf8_percent_encode(name, SEGMENT);
        let version = below(base, "/v1beta", "/v1beta");
        Some(format!("{version}/{collection}/{name}:{verb}"))
    }

    /// A model's name as it stands in bodies: Gemini's list names the collection too.
    pub(crate) fn bare_name(self, model: &str) -> &str {
        match self {
            Self::Gemini => model.strip_prefix("models/").unwrap_or(model),
            _ => model,
        }
    }

    /// Why a provider of this type cannot be asked by the name `model`, whatever is asked.
    #[must_use]
    pub fn refuses(self, model: &str) -> Option<&'static str> {
        (self == Self::Bedrock)
            .then(|| site::refused_by_bedrock(model))
            .flatten()
    }

    /// The name by which a model's vendor knows it: Bedrock's ids have a region and the vendor before it.
    pub(crate) fn vendors_name(self, model: &str) -> &str {
        match self {
            Self::Bedrock => model
                .find("claude")
                .and_then(|at| model.get(at..))
                .unwrap_or(model),
            _ => model,
        }
    }

    /// Reads its list of models.
    ///
    /// # Errors
    /// It is none.
    pub fn parse_models(self, body: &[u8]) -> Result<Vec<ListedModel>, serde_json::Error> {
        match self {
            Self::OpenAi | Self::Azure => openai::parse_model_list(body),
            Self::Anthropic | Self::Bedrock => anthropic::parse_model_list(body),
            Self::Gemini | Self::Vertex => gemini::parse_model_list(body),
        }
    }

    /// The path of its list of models, in pages as large as it gives. The cloud vendors' lists name what could be had, not
    /// what this customer has.
    pub(crate) fn models_path(self, base: &str) -> Option<&'static str> {
        match self {
            Self::OpenAi => Some("/models"),
            Self::Anthropic => Some(below(base, "/v1/models?limit=1000", "/v1")),
            Self::Gemini => Some(below(base, "/v1beta/models?pageSize=1000", "/v1beta")),
            Self::Azure | Self::Bedrock | Self::Vertex => None,
        }
    }

    /// What is added to the address of its list of models to ask for the page after the one in `body`.
    pub(crate) fn next_models_query(self, body: &[u8]) -> Option<String> {
        let (name, value) = match self {
            Self::OpenAi | Self::Azure | Self::Bedrock | Self::Vertex => return None,
            Self::Anthropic => ("after_id", anthropic::next_page(body)?),
            Self::Gemini => ("pageToken", gemini::next_page(body)?),
        };
        Some(format!("&{name}={}", utf8_percent_encode(&value, SEGMENT)))
    }

    /// The header that carries `key`, and what stands before the key in it. For Azure a key may be written as `Bearer` and
    /// an access token.
    pub(crate) fn key_header(self, key: &str) -> (HeaderName, &'static str) {
        match self {
            Self::Azure if key.starts_with("Bearer ") => (header::AUTHORIZATION, ""),
            Self::Azure => (HeaderName::from_static("api-key"), ""),
            Self::OpenAi | Self::Bedrock | Self::Vertex => (header::AUTHORIZATION, "Bearer "),
            Self::Anthropic => (HeaderName::from_static("x-api-key"), ""),
            Self::Gemini => (HeaderName::from_static("x-goog-api-key"), ""),
        }
    }

    /// Headers of a client's that reach it, whatever protocol the client speaks.
    pub(crate) fn passed_headers(self) -> &'static [HeaderName] {
        static OF_OPENAI: [HeaderName; 2] = [
            HeaderName::from_static("openai-beta"),
            HeaderName::from_static("idempotency-key"),
        ];
        static OF_ANTHROPIC: [HeaderName; 2] = [
            HeaderName::from_static("anthropic-beta"),
            HeaderName::from_static("idempotency-key"),
        ];
        match self {
            Self::OpenAi | Self::Azure => &OF_OPENAI,
            Self::Anthropic => &OF_ANTHROPIC,
            Self::Vertex => &OF_ANTHROPIC[..1],
            Self::Gemini | Self::Bedrock => &[],
        }
    }

    /// The header that names the version of the protocol, with the version that the gateway itself writes; clients that
    /// speak the protocol may name another.
    pub(crate) fn version_header(self) -> Option<(HeaderName, HeaderValue)> {
        (self == Self::Anthropic).then(|| {
            let name = HeaderName::from_static("anthropic-version");
            (name, HeaderValue::from_static("2023-06-01"))
        })
    }
}

fn openai(endpoint: Endpoint, api: OpenAiApi) -> Served {
    match (endpoint.operation(), api) {
        (Operation::Generate(Format::Responses), OpenAiApi::Both)
        | (Operation::Generate(_), OpenAiApi::Responses) => Served::By(Endpoint::Responses),
        (Operation::Generate(_), _) => Served::By(Endpoint::ChatCompletions),
        (Operation::Count(Format::Responses), OpenAiApi::Both | OpenAiApi::Responses) => {
            Served::By(Endpoint::InputTokens)
        }
        (Operation::Count(_), _) => Served::Estimated,
        (Operation::Embed(_), _) => Served::By(Endpoint::Embeddings),
        (Operation::Complete | Operation::Forward, _) => Served::By(endpoint),
    }
}

/// As OpenAI, but for what Azure does not have.
fn azure(endpoint: Endpoint, api: OpenAiApi) -> Served {
    match endpoint {
        Endpoint::ImageVariations | Endpoint::Moderations | Endpoint::Rerank => Served::Not,
        endpoint => openai(endpoint, api),
    }
}

/// `path` without the `version` it starts with, where the base URL ends in that already.
fn below(base: &str, path: &'static str, version: &str) -> &'static str {
    match path.strip_prefix(version) {
        Some(rest) if base.ends_with(version) => rest,
        _ => path,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kind: ProviderKind, api: OpenAiApi, endpoint: Endpoint, expected: Served) {
        assert_eq!(kind.serves(endpoint, api), expected, "{endpoint:?}");
    }

    #[test]
    fn every_endpoint_for_text_reaches_every_type() {
        use Endpoint::{
            ChatCompletions, Completions, GenerateContent, Messages, Responses,
            StreamGenerateContent,
        };
        for kind in ProviderKind::ALL {
            let expected = match kind {
                ProviderKind::OpenAi | ProviderKind::Azure => Completions,
                ProviderKind::Anthropic | ProviderKind::Bedrock => Messages,
                ProviderKind::Gemini | ProviderKind::Vertex => GenerateContent,
            };
            check(kind, OpenAiApi::Both, Completions, Served::By(expected));
        }
        for endpoint in [
            ChatCompletions,
            Responses,
            Messages,
            GenerateContent,
            StreamGenerateContent,
        ] {
            check(
                ProviderKind::Anthropic,
                OpenAiApi::Both,
                endpoint,
                Served::By(Messages),
            );
            check(
                ProviderKind::Gemini,
                OpenAiApi::Both,
                endpoint,
                Served::By(GenerateContent),
            );
            check(
                ProviderKind::OpenAi,
                OpenAiApi::Chat,
                endpoint,
                Served::By(ChatCompletions),
            );
            check(
                ProviderKind::OpenAi,
                OpenAiApi::Responses,
                endpoint,
                Served::By(Responses),
            );
        }
        check(
            ProviderKind::OpenAi,
            OpenAiApi::Both,
            Responses,
            Served::By(Responses),
        );
        check(
            ProviderKind::OpenAi,
            OpenAiApi::Both,
            Messages,
            Served::By(ChatCompletions),
        );
    }

    #[test]
    fn tokens_are_counted_where_the_provider_can() {
        use Endpoint::{CountMessagesTokens, CountTokens, InputTokens};
        check(
            ProviderKind::OpenAi,
            OpenAiApi::Both,
            InputTokens,
            Served::By(InputTokens),
        );
        check(
            ProviderKind::OpenAi,
            OpenAiApi::Chat,
            InputTokens,
            Served::Estimated,
        );
        check(
            ProviderKind::OpenAi,
            OpenAiApi::Both,
            CountTokens,
            Served::Estimated,
        );
        check(
            ProviderKind::Anthropic,
            OpenAiApi::Both,
            CountTokens,
            Served::By(CountMessagesTokens),
        );
        check(
            ProviderKind::Gemini,
            OpenAiApi::Both,
            InputTokens,
            Served::By(CountTokens),
        );
    }

    #[test]
    fn what_a_type_lacks_is_not_served_by_it() {
        for endpoint in [
            Endpoint::Embeddings,
            Endpoint::EmbedContent,
            Endpoint::Speech,
        ] {
            check(
                ProviderKind::Anthropic,
                OpenAiApi::Both,
                endpoint,
                Served::Not,
            );
        }
        check(
            ProviderKind::Gemini,
            OpenAiApi::Both,
            Endpoint::Rerank,
            Served::Not,
        );
        check(
            ProviderKind::Gemini,
            OpenAiApi::Both,
            Endpoint::Embeddings,
            Served::By(Endpoint::BatchEmbedContents),
        );
        check(
            ProviderKind::OpenAi,
            OpenAiApi::Both,
            Endpoint::EmbedContent,
            Served::By(Endpoint::Embeddings),
        );
    }

    #[test]
    fn a_model_is_one_segment_of_the_path() {
        let path = |base: &str, model: &str, stream| {
            ProviderKind::model_path(base, Endpoint::GenerateContent, model, stream)
        };
        assert_eq!(
            path("http://h", "g/../x?y", false).unwrap(),
            "/v1beta/models/g%2F..%2Fx%3Fy:generateContent"
        );
        assert_eq!(
            path("http://h/v1beta", "models/g", true).unwrap(),
            "/models/g:streamGenerateContent?alt=sse"
        );
        assert_eq!(
            path("http://h", "tunedModels/t", false).unwrap(),
            "/v1beta/tunedModels/t:generateContent"
        );
    }
}
