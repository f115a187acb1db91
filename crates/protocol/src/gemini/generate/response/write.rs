//! Writing an answer.

use std::borrow::Cow;

use serde::Serialize;

use crate::{
    Reply,
    canonical::{Choice, Response},
    gemini::{
        generate::{
            finish, json_text, logprobs,
            part::{PartOut, vouch, write_parts},
        },
        usage,
    },
};

/// An answer, or one event of a stream.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::gemini::generate) struct AnswerOut<'a> {
    #[serde(skip_serializing_if = "Few::is_empty")]
    pub(in crate::gemini::generate) candidates: Few<CandidateOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::gemini::generate) usage_metadata: Option<usage::Wire>,
    pub(in crate::gemini::generate) model_version: &'a str,
    pub(in crate::gemini::generate) response_id: &'a str,
}

/// One of the answers.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::gemini::generate) struct CandidateOut<'a> {
    pub(in crate::gemini::generate) content: ContentOut<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::gemini::generate) finish_reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::gemini::generate) finish_message: Option<Cow<'a, str>>,
    pub(in crate::gemini::generate) index: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::gemini::generate) logprobs_result: Option<logprobs::Wire>,
}

/// What it says.
#[derive(Serialize)]
pub(in crate::gemini::generate) struct ContentOut<'a> {
    parts: Few<PartOut<'a>>,
    role: &'static str,
}

/// Things in an array. The one that an event of a stream mostly has needs no memory of its own.
#[derive(Serialize)]
#[serde(untagged)]
pub(in crate::gemini::generate) enum Few<T> {
    /// One.
    One([T; 1]),
    /// Any number.
    Any(Vec<T>),
}

impl<T> Few<T> {
    /// One.
    pub(in crate::gemini::generate) fn one(thing: T) -> Self {
        Self::One([thing])
    }

    fn is_empty(&self) -> bool {
        matches!(self, Self::Any(things) if things.is_empty())
    }
}

impl<'a> ContentOut<'a> {
    /// Said by the model. Never without a part: google-genai's chats forget a turn of which one content has none.
    pub(in crate::gemini::generate) fn new(parts: Vec<PartOut<'a>>) -> Self {
        if parts.is_empty() {
            return Self::one(PartOut::text(""));
        }
        Self {
            parts: Few::Any(parts),
            role: "model",
        }
    }

    /// One part said by the model.
    pub(in crate::gemini::generate) fn one(part: PartOut<'a>) -> Self {
        Self {
            parts: Few::one(part),
            role: "model",
        }
    }
}

/// Writes an answer for a client. A refusal is text, and its finish reason says that it is one.
pub(crate) fn write(response: &Response, reply: &Reply) -> Vec<u8> {
    let answer = AnswerOut {
        candidates: Few::Any(response.choices.iter().map(candidate).collect()),
        usage_metadata: response.usage.as_ref().map(usage::write),
        model_version: response.model.as_deref().unwrap_or(&reply.model),
        response_id: response.id.as_deref().unwrap_or(&reply.id),
    };
    json_text(&answer).into_bytes()
}

fn candidate(choice: &Choice) -> CandidateOut<'_> {
    let (word, message) = finish::write(&choice.finish);
    let mut parts = write_parts(&choice.parts, true, |_| true);
    // The client sends the calls back, and then maybe to Gemini itself.
    vouch(&mut parts);
    CandidateOut {
        content: ContentOut::new(parts),
        finish_reason: Some(word),
        finish_message: message.map(Cow::Borrowed),
        index: choice.index,
        logprobs_result: logprobs::write(&choice.logprobs),
    }
}
