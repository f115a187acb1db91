//! Output items, as answers and streams hold them.

use serde::Serialize;

use crate::canonical::{Finish, Media, Part, Source, TokenLogprob};

/// `status` of an item.
pub(super) const IN_PROGRESS: &str = "in_progress";
/// `status` of an item that is whole.
pub(super) const COMPLETED: &str = "completed";
/// `status` of an item that was cut off.
pub(super) const INCOMPLETE: &str = "incomplete";

/// An item of `output`.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Item {
    Message {
        id: String,
        status: &'static str,
        role: &'static str,
        content: Vec<Content>,
    },
    FunctionCall {
        id: String,
        status: &'static str,
        call_id: String,
        name: String,
        arguments: String,
    },
    Reasoning {
        id: String,
        status: &'static str,
        summary: Vec<SummaryText>,
        #[serde(skip_serializing_if = "Option::is_none")]
        encrypted_content: Option<String>,
    },
    ImageGenerationCall {
        id: String,
        status: &'static str,
        result: Option<String>,
    },
}

/// Kind of an item, by which its id begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Message,
    Call,
    Reasoning,
    Image,
}

impl Kind {
    /// The id of the item at `index` of the answer to the request `request`.
    pub(super) fn id(self, request: &str, index: usize) -> String {
        let prefix = match self {
            Self::Message => "msg",
            Self::Call => "fc",
            Self::Reasoning => "rs",
            Self::Image => "ig",
        };
        format!("{prefix}_{request}_{index}")
    }
}

/// A part of a message.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Content {
    OutputText {
        text: String,
        annotations: [(); 0],
        logprobs: Vec<Logprob>,
    },
    Refusal {
        refusal: String,
    },
}

impl Content {
    /// A text without annotations.
    pub(super) fn text(text: String, logprobs: Vec<Logprob>) -> Self {
        Self::OutputText {
            text,
            annotations: [],
            logprobs,
        }
    }
}

/// A part of a reasoning item.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename = "summary_text")]
pub(super) struct SummaryText {
    pub(super) text: String,
}

/// Log probability of a token, with all that the SDKs require.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Logprob {
    #[serde(flatten)]
    token: Token,
    top_logprobs: Vec<Token>,
}

#[derive(Debug, Clone, Serialize)]
struct Token {
    token: String,
    bytes: Vec<u8>,
    logprob: f64,
}

impl From<&TokenLogprob> for Token {
    fn from(it: &TokenLogprob) -> Self {
        let whole = || it.token.as_bytes().to_vec();
        Self {
            token: it.token.clone(),
            bytes: it.bytes.clone().unwrap_or_else(whole),
            logprob: it.logprob,
        }
    }
}

impl From<&TokenLogprob> for Logprob {
    fn from(it: &TokenLogprob) -> Self {
        Self {
            token: it.into(),
            top_logprobs: it.top.iter().map(Token::from).collect(),
        }
    }
}

/// How an answer ends here: its `status` and, where it is incomplete, the reason.
///
/// A refusal without a word is told as a filtered answer, since an empty complete one would look like success. A pause
/// (which only tools of the provider's own cause) is told as the limit: the answer is cut off either way.
pub(super) fn status(finish: &Finish, has_refusal: bool) -> (&'static str, Option<&'static str>) {
    match finish {
        Finish::Length | Finish::ContextLength | Finish::Paused => {
            (INCOMPLETE, Some("max_output_tokens"))
        }
        Finish::Filtered(_) => (INCOMPLETE, Some("content_filter")),
        Finish::Refused(_) if !has_refusal => (INCOMPLETE, Some("content_filter")),
        Finish::Refused(_)
        | Finish::Stop
        | Finish::StopSequence(_)
        | Finish::ToolCalls
        | Finish::Broken(_) => (COMPLETED, None),
    }
}

/// A picture that is elsewhere, in Markdown: the format has a place for the bytes of a picture only.
pub(super) fn address(media: &Media) -> Option<String> {
    match &media.source {
        Source::Url(url) => Some(format!("![image]({url})")),
        Source::Inline(_) | Source::FileId(_) | Source::Text(_) => None,
    }
}

/// The base64 of a picture, where it is here.
pub(super) fn picture(media: &Media) -> Option<&str> {
    match &media.source {
        Source::Inline(data) => Some(data),
        Source::Url(_) | Source::FileId(_) | Source::Text(_) => None,
    }
}

/// Whether a part stands in a message item.
pub(super) fn is_message(part: &Part) -> bool {
    matches!(part, Part::Text { .. } | Part::Refusal(_))
}
