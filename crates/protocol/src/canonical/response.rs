//! A whole answer.

use super::Part;
use crate::Usage;

/// An answer.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Response {
    /// The provider's id of it.
    pub id: Option<String>,
    /// The model, as the provider reports it.
    pub model: Option<String>,
    /// When it was made, in Unix seconds.
    pub created: Option<i64>,
    /// One for each answer asked for.
    pub choices: Vec<Choice>,
    /// Tokens used.
    pub usage: Option<Usage>,
    /// Class of service that was given, in the provider's words.
    pub service_tier: Option<String>,
}

/// One of the answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// Its place.
    pub index: u32,
    /// What is said; may be empty.
    pub parts: Vec<Part>,
    /// Why it ended.
    pub finish: Finish,
    /// Of each token of its text, where asked for.
    pub logprobs: Vec<TokenLogprob>,
}

/// Why an answer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finish {
    /// It was said.
    Stop,
    /// At one of the stop texts; which one, where the provider says so.
    StopSequence(Option<String>),
    /// At the limit of output tokens.
    Length,
    /// At the end of the context window.
    ContextLength,
    /// To let tools run.
    ToolCalls,
    /// By a filter; the provider's word for it.
    Filtered(Option<String>),
    /// The model declined; why, where the provider says so.
    Refused(Option<String>),
    /// For the client to send it back and go on (Anthropic's `pause_turn`).
    Paused,
    /// The model called a tool in a way that cannot be read; the provider's word for it. A failure of the provider's.
    Broken(String),
}

/// Log probability of one token.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenLogprob {
    /// The token's text.
    pub token: String,
    /// Natural logarithm of its probability.
    pub logprob: f64,
    /// Its bytes, where they are no whole text.
    pub bytes: Option<Vec<u8>>,
    /// The likeliest at its place; their own `top` is empty.
    pub top: Vec<TokenLogprob>,
}
