//! Which members of a body are read, by endpoint.

use crate::Endpoint;

/// How a member is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Model,
    Stream,
    StreamFormat,
    StreamOptions,
    ChatMessages,
    Prompt,
    EmbeddingsInput,
    ResponsesInput,
    /// Stands for input that the provider keeps, so that `input` may be missing.
    StoredInput,
    Instructions,
    /// Text in a form that is the provider's.
    Text,
    TextConfig,
    ResponseFormat,
    Messages,
    System,
    Metadata,
    OutputConfig,
    OutputFormat,
    Version,
    Contents,
    SystemInstruction,
    GenerationConfig,
    GenerateRequest,
    EmbedContent,
    EmbedRequests,
    Tools,
    Number,
    Integer,
    /// The most tokens that may come out.
    MaxOutput,
    Choices,
    CacheKey,
    User,
    SafetyId,
    Own,
}

/// A member that is read; each may stand only once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) role: Role,
    /// Tells it from the others of its endpoint, 0 to 31.
    pub(super) id: u8,
}

const fn field(id: u8, role: Role) -> Option<Field> {
    Some(Field { role, id })
}

impl Field {
    /// The field that `name` is in the body of `endpoint`, if it is read there.
    pub(super) fn of(endpoint: Endpoint, name: &str) -> Option<Self> {
        match endpoint {
            Endpoint::ChatCompletions | Endpoint::Completions | Endpoint::Embeddings => {
                openai(endpoint, name)
            }
            Endpoint::Responses | Endpoint::InputTokens => responses(name),
            Endpoint::Messages | Endpoint::CountMessagesTokens => messages(name),
            Endpoint::GenerateContent
            | Endpoint::StreamGenerateContent
            | Endpoint::CountTokens
            | Endpoint::EmbedContent
            | Endpoint::BatchEmbedContents => gemini(endpoint, name),
            _ => forwarded(endpoint, name),
        }
    }
}

// Names are told apart by their length first: a body has members by the dozen, and most of them are not read.

fn openai(endpoint: Endpoint, name: &str) -> Option<Field> {
    match name.len() {
        1 if name == "n" => field(0, Role::Choices),
        4 if name == "user" => field(1, Role::User),
        5 => match name {
            "model" => field(2, Role::Model),
            "tools" => field(3, Role::Tools),
            "top_p" => field(4, Role::Number),
            "input" if endpoint == Endpoint::Embeddings => field(5, Role::EmbeddingsInput),
            _ => None,
        },
        6 => match name {
            "stream" => field(6, Role::Stream),
            "prompt" if endpoint == Endpoint::Completions => field(7, Role::Prompt),
            _ => None,
        },
        7 if name == "timeout" => own(8, endpoint),
        8 => match name {
            "messages" if endpoint == Endpoint::ChatCompletions => field(9, Role::ChatMessages),
            "provider" => own(10, endpoint),
            _ => None,
        },
        9 if name == "functions" => field(11, Role::Tools),
        10 if name == "max_tokens" => field(12, Role::MaxOutput),
        11 => match name {
            "temperature" => field(13, Role::Number),
            "retry_count" => own(14, endpoint),
            _ => None,
        },
        14 if name == "stream_options" => field(15, Role::StreamOptions),
        15 if name == "response_format" => field(16, Role::ResponseFormat),
        16 => match name {
            "prompt_cache_key" => field(17, Role::CacheKey),
            "presence_penalty" => field(18, Role::Number),
            _ => None,
        },
        17 if name == "frequency_penalty" => field(19, Role::Number),
        18 if name == "fallback_providers" => own(20, endpoint),
        21 if name == "max_completion_tokens" => field(21, Role::MaxOutput),
        _ => None,
    }
}

/// The gateway's own fields, which only the two completions endpoints have.
fn own(id: u8, endpoint: Endpoint) -> Option<Field> {
    if endpoint == Endpoint::Embeddings {
        return None;
    }
    field(id, Role::Own)
}

fn responses(name: &str) -> Option<Field> {
    match name.len() {
        4 => match name {
            "text" => field(0, Role::TextConfig),
            "user" => field(1, Role::User),
            _ => None,
        },
        5 => match name {
            "model" => field(2, Role::Model),
            "tools" => field(3, Role::Tools),
            "top_p" => field(4, Role::Number),
            "input" => field(5, Role::ResponsesInput),
            _ => None,
        },
        6 => match name {
            "stream" => field(6, Role::Stream),
            "prompt" => field(7, Role::StoredInput),
            _ => None,
        },
        11 if name == "temperature" => field(8, Role::Number),
        12 => match name {
            "instructions" => field(9, Role::Instructions),
            "conversation" => field(10, Role::StoredInput),
            _ => None,
        },
        16 if name == "prompt_cache_key" => field(11, Role::CacheKey),
        17 => match name {
            "max_output_tokens" => field(12, Role::MaxOutput),
            "safety_identifier" => field(13, Role::SafetyId),
            _ => None,
        },
        20 if name == "previous_response_id" => field(14, Role::StoredInput),
        _ => None,
    }
}

fn messages(name: &str) -> Option<Field> {
    match name.len() {
        5 => match name {
            "model" => field(0, Role::Model),
            "tools" => field(1, Role::Tools),
            "top_p" => field(2, Role::Number),
            "top_k" => field(3, Role::Integer),
            _ => None,
        },
        6 => match name {
            "stream" => field(4, Role::Stream),
            "system" => field(5, Role::System),
            _ => None,
        },
        8 => match name {
            "messages" => field(6, Role::Messages),
            "metadata" => field(7, Role::Metadata),
            _ => None,
        },
        10 if name == "max_tokens" => field(8, Role::MaxOutput),
        11 => match name {
            "temperature" => field(9, Role::Number),
            "mcp_servers" => field(10, Role::Tools),
            _ => None,
        },
        13 => match name {
            "output_config" => field(11, Role::OutputConfig),
            "output_format" => field(12, Role::OutputFormat),
            _ => None,
        },
        17 if name == "anthropic_version" => field(13, Role::Version),
        _ => None,
    }
}

/// Gemini's bodies are proto3 JSON: a field may be spelled in either case, and is the same field.
fn gemini(endpoint: Endpoint, name: &str) -> Option<Field> {
    let is_embed = matches!(
        endpoint,
        Endpoint::EmbedContent | Endpoint::BatchEmbedContents
    );
    match name {
        "model" => field(0, Role::Model),
        "content" if endpoint == Endpoint::EmbedContent => field(1, Role::EmbedContent),
        "requests" if endpoint == Endpoint::BatchEmbedContents => field(2, Role::EmbedRequests),
        _ if is_embed => None,
        "contents" => field(3, Role::Contents),
        "tools" => field(4, Role::Tools),
        "systemInstruction" | "system_instruction" => field(5, Role::SystemInstruction),
        "generationConfig" | "generation_config" => field(6, Role::GenerationConfig),
        "generateContentRequest" | "generate_content_request"
            if endpoint == Endpoint::CountTokens =>
        {
            field(7, Role::GenerateRequest)
        }
        _ => None,
    }
}

fn forwarded(endpoint: Endpoint, name: &str) -> Option<Field> {
    match name {
        "n" if endpoint.makes_images() => field(8, Role::Choices),
        "model" => field(0, Role::Model),
        "stream" => field(1, Role::Stream),
        "stream_format" => field(2, Role::StreamFormat),
        "user" => field(3, Role::User),
        "prompt" => field(4, Role::Text),
        "input" => field(5, Role::Text),
        "query" => field(6, Role::Text),
        "documents" => field(7, Role::Text),
        _ => None,
    }
}
