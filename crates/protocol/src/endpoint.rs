//! What a client may ask for, and in which protocol.

use crate::Format;

/// A family of APIs: how a caller proves who it is, and how errors are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// OpenAI's.
    OpenAi,
    /// Anthropic's.
    Anthropic,
    /// Gemini's.
    Gemini,
}

/// What an endpoint does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Generates text; may be streamed.
    Generate(Format),
    /// Goes on from a text (OpenAI's legacy Completions); may be streamed.
    Complete,
    /// Counts the tokens of a request to generate.
    Count(Format),
    /// Turns texts into vectors.
    Embed(Protocol),
    /// Passed on to an OpenAI-type provider as it is.
    Forward,
}

/// An operation that is routed to a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `POST /v1/chat/completions`
    ChatCompletions,
    /// `POST /v1/completions`
    Completions,
    /// `POST /v1/embeddings`
    Embeddings,
    /// `POST /v1/responses`
    Responses,
    /// `POST /v1/responses/input_tokens`
    InputTokens,
    /// `POST /v1/messages`
    Messages,
    /// `POST /v1/messages/count_tokens`
    CountMessagesTokens,
    /// `POST /v1beta/models/{model}:generateContent`
    GenerateContent,
    /// `POST /v1beta/models/{model}:streamGenerateContent`
    StreamGenerateContent,
    /// `POST /v1beta/models/{model}:countTokens`
    CountTokens,
    /// `POST /v1beta/models/{model}:embedContent`
    EmbedContent,
    /// `POST /v1beta/models/{model}:batchEmbedContents`
    BatchEmbedContents,
    /// `POST /v1/images/generations`
    ImageGenerations,
    /// `POST /v1/images/edits`
    ImageEdits,
    /// `POST /v1/images/variations`
    ImageVariations,
    /// `POST /v1/audio/speech`
    Speech,
    /// `POST /v1/audio/transcriptions`
    Transcriptions,
    /// `POST /v1/audio/translations`
    Translations,
    /// `POST /v1/moderations`
    Moderations,
    /// `POST /v1/rerank`
    Rerank,
}

impl Endpoint {
    /// Every endpoint, in the order of the documentation.
    pub const ALL: [Self; 20] = [
        Self::ChatCompletions,
        Self::Completions,
        Self::Embeddings,
        Self::Responses,
        Self::InputTokens,
        Self::Messages,
        Self::CountMessagesTokens,
        Self::GenerateContent,
        Self::StreamGenerateContent,
        Self::CountTokens,
        Self::EmbedContent,
        Self::BatchEmbedContents,
        Self::ImageGenerations,
        Self::ImageEdits,
        Self::ImageVariations,
        Self::Speech,
        Self::Transcriptions,
        Self::Translations,
        Self::Moderations,
        Self::Rerank,
    ];

    /// Whether it answers with images, as many as `n` says.
    #[must_use]
    pub fn makes_images(self) -> bool {
        matches!(
            self,
            Self::ImageGenerations | Self::ImageEdits | Self::ImageVariations
        )
    }

    /// Path at the gateway; also what request logs call the endpoint. `{model}` stands where the path names the model.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::ChatCompletions => "/v1/chat/completions",
            Self::Completions => "/v1/completions",
            Self::Embeddings => "/v1/embeddings",
            Self::Responses => "/v1/responses",
            Self::InputTokens => "/v1/responses/input_tokens",
            Self::Messages => "/v1/messages",
            Self::CountMessagesTokens => "/v1/messages/count_tokens",
            Self::GenerateContent => "/v1beta/models/{model}:generateContent",
            Self::StreamGenerateContent => "/v1beta/models/{model}:streamGenerateContent",
            Self::CountTokens => "/v1beta/models/{model}:countTokens",
            Self::EmbedContent => "/v1beta/models/{model}:embedContent",
            Self::BatchEmbedContents => "/v1beta/models/{model}:batchEmbedContents",
            Self::ImageGenerations => "/v1/images/generations",
            Self::ImageEdits => "/v1/images/edits",
            Self::ImageVariations => "/v1/images/variations",
            Self::Speech => "/v1/audio/speech",
            Self::Transcriptions => "/v1/audio/transcriptions",
            Self::Translations => "/v1/audio/translations",
            Self::Moderations => "/v1/moderations",
            Self::Rerank => "/v1/rerank",
        }
    }

    /// The endpoint that a client's path names, and the model where the path names that too. A model in a path may hold
    /// slashes and colons: the verb stands after the last colon. Gemini's newer SDKs write the version `v1` there.
    #[must_use]
    pub fn of(path: &str) -> Option<(Self, Option<&str>)> {
        let named = path
            .strip_prefix(MODELS)
            .or_else(|| path.strip_prefix(MODELS_OF_V1));
        if let Some(rest) = named {
            let (model, verb) = rest.rsplit_once(':')?;
            let mut verbs = Self::ALL
                .into_iter()
                .filter(|endpoint| endpoint.protocol() == Protocol::Gemini);
            let endpoint = verbs.find(|endpoint| endpoint.verb() == Some(verb))?;
            return (!model.is_empty()).then_some((endpoint, Some(model)));
        }
        let endpoint = Self::ALL
            .into_iter()
            .find(|endpoint| endpoint.path() == path)?;
        Some((endpoint, None))
    }

    /// The verb after the model, in Gemini's paths.
    #[must_use]
    pub fn verb(self) -> Option<&'static str> {
        self.path()
            .strip_prefix(MODELS)?
            .rsplit_once(':')
            .map(|(_, verb)| verb)
    }

    /// The protocol its clients speak.
    #[must_use]
    pub fn protocol(self) -> Protocol {
        match self {
            Self::Messages | Self::CountMessagesTokens => Protocol::Anthropic,
            Self::GenerateContent
            | Self::StreamGenerateContent
            | Self::CountTokens
            | Self::EmbedContent
            | Self::BatchEmbedContents => Protocol::Gemini,
            _ => Protocol::OpenAi,
        }
    }

    /// What it does.
    #[must_use]
    pub fn operation(self) -> Operation {
        match self {
            Self::ChatCompletions => Operation::Generate(Format::Chat),
            Self::Responses => Operation::Generate(Format::Responses),
            Self::Messages => Operation::Generate(Format::Messages),
            Self::GenerateContent | Self::StreamGenerateContent => {
                Operation::Generate(Format::Gemini)
            }
            Self::Completions => Operation::Complete,
            Self::InputTokens => Operation::Count(Format::Responses),
            Self::CountMessagesTokens => Operation::Count(Format::Messages),
            Self::CountTokens => Operation::Count(Format::Gemini),
            Self::Embeddings => Operation::Embed(Protocol::OpenAi),
            Self::EmbedContent | Self::BatchEmbedContents => Operation::Embed(Protocol::Gemini),
            Self::ImageGenerations
            | Self::ImageEdits
            | Self::ImageVariations
            | Self::Speech
            | Self::Transcriptions
            | Self::Translations
            | Self::Moderations
            | Self::Rerank => Operation::Forward,
        }
    }

    /// Whether its answer is generated text, which may be streamed.
    #[must_use]
    pub fn streams(self) -> bool {
        matches!(
            self.operation(),
            Operation::Generate(_) | Operation::Complete
        )
    }
}

/// Begins the paths that name their model.
const MODELS: &str = "/v1beta/models/";
/// The same in the version that Gemini calls stable.
const MODELS_OF_V1: &str = "/v1/models/";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_its_endpoint_and_maybe_its_model() {
        assert_eq!(
            Endpoint::of("/v1/messages"),
            Some((Endpoint::Messages, None))
        );
        assert_eq!(
            Endpoint::of("/v1beta/models/org/name:tag:streamGenerateContent"),
            Some((Endpoint::StreamGenerateContent, Some("org/name:tag")))
        );
        assert_eq!(
            Endpoint::of("/v1/models/name:tag:countTokens"),
            Some((Endpoint::CountTokens, Some("name:tag")))
        );
        for path in [
            "/v1beta/models/x",
            "/v1beta/models/:countTokens",
            "/v1beta/models/x:",
            "/v1beta/models/x:predict",
            "/v1beta/models/x:generateContent:",
            "/v1beta/models/x:generateContent/y",
            "/v1beta/models/x:GenerateContent",
            "/v1beta/models/x%3AgenerateContent",
            "/v1beta/models",
            "/v1/models/x",
            "/v1/models/:generateContent",
            "/v1/files",
        ] {
            assert_eq!(Endpoint::of(path), None, "{path}");
        }
        for endpoint in Endpoint::ALL {
            assert_eq!(
                Endpoint::of(endpoint.path()).map(|(found, _)| found),
                Some(endpoint)
            );
        }
    }
}
