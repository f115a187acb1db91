//! What one request gets: pace, content, the shape of its stream, and what goes wrong.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Fault;

/// How one request is treated; every field is optional and the default is the simulator's own settings.
///
/// As JSON it is the text of a prompt marker and the `do` of a rule; unknown fields are refused.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Behaviour {
    /// Milliseconds to the first token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttft_ms: Option<u64>,
    /// Pace of the tokens after the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_second: Option<f64>,
    /// Tokens of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u32>,
    /// `true`: all of them, whatever cap the request sets, as servers that do not know the field do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heeds_no_cap: Option<bool>,
    /// What the answer is made of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
    /// Exactly this text as the answer, instead of `content`; may be empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Answer with this refusal and no text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// Reasoning tokens before the answer: thinking, thought parts or a reasoning item where the request has asked for
    /// them, and in chat completions `reasoning_content` as many compatible servers send.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_tokens: Option<u32>,
    /// This finish reason, in the dialect's own words, instead of the true one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish_reason: Option<String>,
    /// Make these calls, where tools are offered and none of their results was just given; empty makes none. Without
    /// it the tool demanded is called, else the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<Vec<CallSpec>>,
    /// `true`: make the calls also right after the results of tools, as a model in a loop does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls_again: Option<bool>,
    /// Reasoning that the caller cannot read, where the dialect has such.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redacted_reasoning: Option<bool>,
    /// End the answer so, whatever is true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish: Option<Finish>,
    /// Refuse the prompt as a filter would: no content, in the dialect's own way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocked: Option<bool>,
    /// Input tokens told to have come from the cache; the input grows to hold them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cached_tokens: Option<u64>,
    /// Input tokens told to have been written to the cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write_tokens: Option<u64>,
    /// `false`: never tell the usage, as servers without accounting do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<bool>,

    /// Answer with this status, and an error of the protocol unless `body` or `error` say otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Which error to answer with; its own status unless `status` is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorKind>,
    /// Body to send instead: text as it is, anything else as JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
    /// Content type to claim, right or wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Headers to set on the answer.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// When the caller may come again, in one of the ways providers say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<RetryAfter>,

    /// What goes wrong on the way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
    /// How a stream's events are written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sse: Option<SseShape>,
    /// What happens to the kept-alive connection after the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_alive: Option<KeepAlive>,
    /// An informational status (100, 102, 103) sent before the answer; HTTP/1.1 only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub informational: Option<u16>,
}

impl Behaviour {
    /// An error answer with this status.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self {
            status: Some(status),
            ..Self::default()
        }
    }

    /// A normal answer with this fault on its way.
    #[must_use]
    pub fn fault(fault: Fault) -> Self {
        Self {
            fault: Some(fault),
            ..Self::default()
        }
    }

    /// One of the errors that providers word in their own way.
    #[must_use]
    pub fn error(error: ErrorKind) -> Self {
        Self {
            error: Some(error),
            ..Self::default()
        }
    }

    /// The same, and when to come again.
    #[must_use]
    pub fn retry_after(mut self, retry_after: RetryAfter) -> Self {
        self.retry_after = Some(retry_after);
        self
    }
}

/// One call of a tool.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CallSpec {
    /// The tool; the demanded or first one when left out. It may be one that was not offered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The arguments; an example that obeys the tool's schema when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arguments: Option<serde_json::Map<String, Value>>,
}

/// Why an answer ends, in every dialect's own word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// It was complete.
    Stop,
    /// The cap on its tokens was reached.
    Length,
    /// A content filter cut it.
    ContentFilter,
}

/// What generated text is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// Latin filler words.
    #[default]
    Lorem,
    /// Words of many scripts, emoji, line separators and quotes: everything that breaks careless splitting.
    Unicode,
    /// The words of the last user message, over and over.
    Echo,
}

/// An error as the provider words it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// 400, the prompt is longer than the model's context.
    ContextLengthExceeded,
    /// 400, the prompt was refused by the content policy.
    ContentPolicy,
    /// 400, some other mistake of the caller.
    InvalidRequest,
    /// 401, wrong key.
    InvalidApiKey,
    /// 401, wrong key, and the whole key is repeated in the message.
    EchoKey,
    /// 403.
    PermissionDenied,
    /// 404, no such model.
    ModelNotFound,
    /// 429, too many requests.
    RateLimit,
    /// 429, the account has run out of money.
    InsufficientQuota,
    /// 500.
    ServerError,
    /// 503.
    Overloaded,
    /// 200 with an HTML page, as a captive portal or a misconfigured proxy would; with `status` any other.
    Html,
}

/// The ways providers say when to come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryAfter {
    /// `retry-after: 2`
    Seconds(u64),
    /// `retry-after-ms: 1500`
    Ms(u64),
    /// `retry-after` with an HTTP date so many seconds ahead.
    DateIn(u64),
    /// `x-ratelimit-reset-requests: 2s` with no requests remaining.
    RateLimitReset(u64),
}

/// How the events of a stream are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SseShape {
    /// Cut the stream into writes of this many bytes, wherever that falls; 0 writes each event in one piece.
    pub split_bytes: usize,
    /// What ends a line.
    pub line_end: LineEnd,
    /// A comment before every event.
    pub comments: bool,
    /// No space after `data:`.
    pub tight: bool,
    /// All events at once, as a proxy that buffers would send them.
    pub coalesce: bool,
    /// Everything outside ASCII as JSON escapes, pairs of surrogates included.
    pub ascii: bool,
}

/// What ends a line of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineEnd {
    /// `\n`
    #[default]
    Lf,
    /// `\r\n`
    CrLf,
    /// `\r`
    Cr,
}

impl LineEnd {
    /// The bytes themselves.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Lf => "\n",
            Self::CrLf => "\r\n",
            Self::Cr => "\r",
        }
    }
}

/// What a provider does to a connection it had promised to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeepAlive {
    /// Closes it as soon as the answer is written, without having said `connection: close`.
    CloseAfterAnswer,
    /// Keeps it, and resets it when the next request arrives on it: what a caller sees of an idle timeout that
    /// passed while its request was on the way.
    ResetOnReuse,
}
