//! What a client may ask for, and in which protocol.

/// The protocol a client speaks; errors are told in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// OpenAI's APIs.
    OpenAi,
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
}

impl Endpoint {
    /// Every endpoint, in the order of the documentation.
    pub const ALL: [Self; 3] = [Self::ChatCompletions, Self::Completions, Self::Embeddings];

    /// The endpoint that a client's path names.
    #[must_use]
    pub fn of(path: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|endpoint| endpoint.path() == path)
    }

    /// Path at the gateway; also what request logs call the endpoint.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::ChatCompletions => "/v1/chat/completions",
            Self::Completions => "/v1/completions",
            Self::Embeddings => "/v1/embeddings",
        }
    }

    /// Path below an OpenAI-type provider's base URL, which ends in the API's version.
    #[must_use]
    pub fn upstream_path(self) -> &'static str {
        match self {
            Self::ChatCompletions => "/chat/completions",
            Self::Completions => "/completions",
            Self::Embeddings => "/embeddings",
        }
    }

    /// The protocol its clients speak.
    #[must_use]
    pub fn protocol(self) -> Protocol {
        Protocol::OpenAi
    }

    /// Whether its answer is generated text, which may be streamed.
    #[must_use]
    pub fn streams(self) -> bool {
        !matches!(self, Self::Embeddings)
    }
}
