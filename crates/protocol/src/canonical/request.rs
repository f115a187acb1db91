//! What is asked for.

use super::{CacheControl, Json, Message};
use crate::Feature;

/// A request for generated text. The model is not part of it: the client's name for it stays with the gateway, the
/// provider's comes with the [`Target`](crate::Target).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Request {
    /// The conversation.
    pub messages: Vec<Message>,
    /// Tools that the model may call.
    pub tools: Vec<Tool>,
    /// Whether it must.
    pub tool_choice: Option<ToolChoice>,
    /// Whether it may call several at once.
    pub parallel_tool_calls: Option<bool>,
    /// Form of the answer.
    pub output: Output,
    /// Most tokens of output, reasoning included.
    pub max_tokens: Option<u64>,
    /// Texts at which the answer ends.
    pub stop: Vec<String>,
    /// Randomness: 0 to 2, or 0 to 1 with Anthropic.
    pub temperature: Option<f64>,
    /// Nucleus sampling, 0 to 1.
    pub top_p: Option<f64>,
    /// Sampling among the likeliest so many.
    pub top_k: Option<u64>,
    /// -2 to 2.
    pub presence_penalty: Option<f64>,
    /// -2 to 2.
    pub frequency_penalty: Option<f64>,
    /// For repeatable sampling.
    pub seed: Option<i64>,
    /// Answers wanted; absent means one.
    pub choices: Option<u32>,
    /// Whether log probabilities are wanted.
    pub logprobs: Option<Logprobs>,
    /// How much reasoning, and what of it may be seen.
    pub reasoning: Reasoning,
    /// Length of the answer, in OpenAI's words `low`, `medium`, `high`.
    pub verbosity: Option<String>,
    /// Id of the end user.
    pub user: Option<String>,
    /// Labels for the provider's own records.
    pub metadata: Vec<(String, String)>,
    /// Class of service, in the words of the format it came in.
    pub service_tier: Option<String>,
    /// Ties together requests that share the beginning of their prompt (OpenAI's `prompt_cache_key`).
    pub cache_key: Option<String>,
    /// Whether the answer is to be streamed.
    pub stream: bool,
    /// What else was asked for and has no place here.
    pub extras: Vec<Extra>,
}

/// Something that only the format it came in has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extra {
    /// What it is.
    pub feature: Feature,
    /// The field that asks for it, such as `tools[1]`.
    pub param: String,
}

/// A tool that the client runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// What it does.
    pub description: Option<String>,
    /// JSON schema of its arguments, an object's; absent where it takes none.
    pub parameters: Option<Json>,
    /// Whether the arguments have to obey the schema; absent means as the format does by default.
    pub strict: Option<bool>,
    /// Cache the prompt up to here.
    pub cache: Option<CacheControl>,
}

/// Whether a tool is to be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolChoice {
    /// As the model sees fit.
    Auto,
    /// None.
    None,
    /// At least one.
    Required,
    /// This one.
    Tool(String),
    /// One of these: must call (`true`) or may call.
    Allowed(Vec<String>, bool),
}

/// Form of the answer.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Output {
    /// Text.
    #[default]
    Text,
    /// Any JSON object.
    JsonObject,
    /// JSON that obeys a schema.
    JsonSchema(JsonSchema),
}

/// A schema that the answer has to obey.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonSchema {
    /// Its name; formats that need one and got none write `response`.
    pub name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// JSON schema.
    pub schema: Json,
    /// Whether it has to be obeyed to the letter.
    pub strict: Option<bool>,
}

/// Which log probabilities are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Logprobs {
    /// Of how many likeliest tokens at each place, beside the chosen one.
    pub top: Option<u32>,
}

/// How much reasoning, and what of it may be seen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reasoning {
    /// Switch and budget.
    pub mode: Option<ReasoningMode>,
    /// Effort in words.
    pub effort: Option<Effort>,
    /// What of it is shown.
    pub summary: Option<Summary>,
}

/// Switch and budget of reasoning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReasoningMode {
    /// None (Anthropic's `disabled`, Gemini's budget 0).
    Off,
    /// As much as the model sees fit (Anthropic's `adaptive`, Gemini's budget -1).
    Adaptive,
    /// Adaptive, and between tool calls only (Anthropic's `between_tools`).
    BetweenTools,
    /// At most so many tokens.
    Budget(u64),
}

/// Effort of reasoning, least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effort {
    /// `none`
    None,
    /// `minimal`
    Minimal,
    /// `low`
    Low,
    /// `medium`
    Medium,
    /// `high`
    High,
    /// `xhigh`
    XHigh,
    /// `max`
    Max,
}

/// What is shown of the reasoning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Summary {
    /// Nothing (Anthropic's `omitted`, Gemini's `includeThoughts: false`).
    Omitted,
    /// As the provider likes (OpenAI's `auto`, Anthropic's `summarized`, Gemini's `includeThoughts: true`).
    Auto,
    /// OpenAI's `concise`.
    Concise,
    /// OpenAI's `detailed`.
    Detailed,
}
