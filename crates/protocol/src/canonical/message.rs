//! The conversation.

use super::{Json, Signature};

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Instructions of the operator.
    System,
    /// The same, in the word that OpenAI's reasoning models use.
    Developer,
    /// The person.
    User,
    /// The model.
    Assistant,
    /// Results of the calls that the model made in the turn before; all parts are [`Part::ToolResult`].
    Tool,
}

/// One turn.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said, in order.
    pub parts: Vec<Part>,
    /// Which of several speakers of one role (Chat's `name`).
    pub name: Option<String>,
}

impl Message {
    /// A message of these parts.
    #[must_use]
    pub fn new(role: Role, parts: Vec<Part>) -> Self {
        Self {
            role,
            parts,
            name: None,
        }
    }
}

/// A mark up to which the provider is asked to cache the prompt (Anthropic's `cache_control`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CacheControl {
    /// For five minutes, or as long as the provider does by default.
    Default,
    /// For an hour.
    Hour,
}

/// A piece of a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// Text; never empty.
    Text {
        /// The text.
        text: String,
        /// Cache the prompt up to here.
        cache: Option<CacheControl>,
    },
    /// A picture.
    Image {
        /// Where it is.
        media: Media,
        /// How closely the model should look.
        detail: Option<Detail>,
        /// Cache the prompt up to here.
        cache: Option<CacheControl>,
    },
    /// A document.
    File {
        /// Where it is.
        media: Media,
        /// Its name.
        name: Option<String>,
        /// Cache the prompt up to here.
        cache: Option<CacheControl>,
    },
    /// Sound.
    Audio(Media),
    /// The model calls a tool.
    ToolCall(ToolCall),
    /// What a tool answered.
    ToolResult(ToolResult),
    /// The model's reasoning.
    Thinking(Thinking),
    /// The model declines.
    Refusal(String),
}

impl Part {
    /// Text without a cache mark.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text {
            text: text.into(),
            cache: None,
        }
    }
}

/// Bytes of a kind, and where they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Media {
    /// Such as `image/png`; known for [`Source::Inline`].
    pub media_type: Option<String>,
    /// Where the bytes are.
    pub source: Source,
}

/// Where media is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Here, as standard base64.
    Inline(String),
    /// At an address.
    Url(String),
    /// Uploaded to the provider before; only that provider knows the id.
    FileId(String),
    /// Plain text (a document of Anthropic's `text` source).
    Text(String),
}

/// How closely the model should look at a picture (OpenAI's `detail`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Detail {
    /// `auto`
    Auto,
    /// `low`
    Low,
    /// `high`
    High,
    /// `original`
    Original,
}

/// A call of a tool.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolCall {
    /// Ties the result to the call. Formats without ids get one made by their reader.
    pub id: String,
    /// The tool.
    pub name: String,
    /// An object.
    pub arguments: Json,
    /// Cache the prompt up to here.
    pub cache: Option<CacheControl>,
}

/// What a tool answered.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolResult {
    /// Id of the call.
    pub call_id: String,
    /// Name of the tool, as found at the call.
    pub name: String,
    /// [`Part::Text`], [`Part::Image`] and [`Part::File`]; may be empty.
    pub content: Vec<Part>,
    /// Gemini's results are objects: where one came as such it is here, and `content` holds its text.
    pub object: Option<Json>,
    /// Whether the tool failed.
    pub is_error: bool,
    /// Cache the prompt up to here.
    pub cache: Option<CacheControl>,
}

/// The model's reasoning. One with a signature and no text stands for reasoning that is hidden; where a format ties
/// signatures to the parts that follow (Gemini), it belongs to the part after it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Thinking {
    /// What may be read of it; may be empty.
    pub text: String,
    /// The maker's proof.
    pub signature: Option<Signature>,
    /// Anthropic's `redacted_thinking`: the signature is all of it, encrypted.
    pub redacted: bool,
}
