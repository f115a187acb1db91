//! What a request asks of the simulated model, whatever dialect it was asked in.

use serde_json::Value;

/// The neutral form of a request: each dialect reads its own into this.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ask {
    /// The text of the last user message: what [`crate::Content::Echo`] repeats.
    pub(crate) prompt: String,
    /// The tool results that the request ends with, as text; empty when it ends with something else.
    pub(crate) results: Vec<String>,
    pub(crate) tools: Vec<Tool>,
    pub(crate) choice: Choice,
    /// Whether several calls are allowed; none when the request does not say.
    pub(crate) parallel: Option<bool>,
    pub(crate) format: Format,
    pub(crate) stops: Vec<String>,
    /// Tokens the answer's text may have.
    pub(crate) cap: Option<u64>,
    /// Tokens of reasoning that are told, unless the behaviour says how many.
    pub(crate) thinks: u32,
    /// Tokens of reasoning that are billed and not told.
    pub(crate) hidden_thinking: u64,
    pub(crate) prompt_tokens: u64,
    pub(crate) choices: u64,
}

/// A tool that may be called.
#[derive(Clone, Debug)]
pub(crate) struct Tool {
    pub(crate) name: String,
    /// The JSON schema of its arguments; null when it takes none.
    pub(crate) schema: Value,
}

/// Whether tools are called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Choice {
    #[default]
    Auto,
    None,
    /// Some tool must be.
    Required,
    /// This tool must be.
    Named(String),
}

/// What the text has to be.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Format {
    #[default]
    Text,
    /// Any JSON object.
    Json,
    /// A value that obeys this schema.
    Schema(Value),
}
