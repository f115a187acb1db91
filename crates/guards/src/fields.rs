//! Guards as they are written down.

use serde::{Deserialize, Serialize};

/// The guards of a model, of a key or of all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuardsFields {
    /// What text is searched for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<RuleFields>,
    /// Who else is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moderation: Option<ModerationFields>,
}

/// A pattern, and what becomes of text that matches it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleFields {
    /// Tells it from the others; clients and logs see it.
    pub name: String,
    /// A regular expression.
    pub pattern: String,
    /// What becomes of text that matches.
    pub action: Action,
    /// Where it is looked for.
    #[serde(default)]
    pub on: On,
    /// What stands in the place of a match that is redacted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replacement: Option<String>,
}

/// What becomes of text that matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The match is replaced.
    Redact,
    /// The request is refused, or the answer withheld.
    Deny,
}

/// What is looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum On {
    /// In what clients send.
    Request,
    /// In what models answer.
    Response,
    /// In both.
    #[default]
    Both,
}

impl On {
    pub(crate) fn requests(self) -> bool {
        self != Self::Response
    }

    pub(crate) fn answers(self) -> bool {
        self != Self::Request
    }
}

/// A moderation endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModerationFields {
    /// Takes `POST {"input": "..."}` and answers as OpenAI's `/v1/moderations` does.
    pub url: String,
    /// A reference to the key that is sent as a bearer token: `env:NAME` or `file:/path`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<String>,
    /// Sent as `model`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// How long it may take, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// What it is asked about; requests alone if nothing is said.
    #[serde(default = "requests", skip_serializing_if = "is_requests")]
    pub on: On,
    /// What becomes of requests, and of answers, while it does not answer.
    #[serde(default)]
    pub on_failure: OnFailure,
    /// What becomes of requests for streams, where it is asked about answers.
    #[serde(default, skip_serializing_if = "is_moderate")]
    pub streams: Streams,
}

fn requests() -> On {
    On::Request
}

fn is_requests(on: &On) -> bool {
    *on == requests()
}

fn is_moderate(streams: &Streams) -> bool {
    *streams == Streams::Moderate
}

/// What becomes of requests for streams, which can only be judged piece by piece.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Streams {
    /// They are told piece by piece, each of which is asked about before.
    #[default]
    Moderate,
    /// They are told without asking.
    Allow,
    /// They are refused.
    Deny,
}

/// What becomes of requests while a moderation endpoint does not answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// They are served.
    Allow,
    /// They are refused.
    #[default]
    Deny,
}

/// Why guards are none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct GuardError {
    /// The field that is wrong, as `rules[0].pattern`.
    pub field: String,
    /// What is wrong with it.
    pub reason: String,
}
