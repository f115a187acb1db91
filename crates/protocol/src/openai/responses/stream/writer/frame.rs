//! Framing of events, and their bodies.

use bytes::{BufMut, BytesMut};
use serde::Serialize;

use crate::openai::responses::{
    item::{Content, Item, Logprob, SummaryText},
    response::echo::Answer,
};

/// Frames events and numbers them.
#[derive(Debug, Clone, Default)]
pub(super) struct Frames {
    number: u64,
}

#[derive(Serialize)]
struct Numbered<'a, B> {
    r#type: &'static str,
    sequence_number: u64,
    #[serde(flatten)]
    body: &'a B,
}

impl Frames {
    /// The event with this number was the last.
    pub(super) fn go_on_after(&mut self, number: u64) {
        self.number = number.saturating_add(1);
    }

    /// The next number.
    pub(super) fn take_number(&mut self) -> u64 {
        let number = self.number;
        self.number += 1;
        number
    }

    /// Writes an event.
    pub(super) fn event<B: Serialize>(
        &mut self,
        r#type: &'static str,
        body: &B,
        out: &mut BytesMut,
    ) {
        let data = Numbered {
            r#type,
            sequence_number: self.take_number(),
            body,
        };
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(r#type.as_bytes());
        out.extend_from_slice(b"\ndata: ");
        serde_json::to_writer(out.writer(), &data)
            .expect("keys of our types are strings, and memory takes every write");
        out.extend_from_slice(b"\n\n");
    }

    /// Writes that an item begins.
    pub(super) fn added(&mut self, output_index: usize, item: &Item, out: &mut BytesMut) {
        self.event(
            "response.output_item.added",
            &ItemAt { output_index, item },
            out,
        );
    }
}

/// Of events of the whole answer.
#[derive(Serialize)]
pub(super) struct ResponseIs<'a> {
    pub(super) response: Answer<'a>,
}

/// Of `response.output_item.*`.
#[derive(Serialize)]
pub(super) struct ItemAt<'a> {
    pub(super) output_index: usize,
    pub(super) item: &'a Item,
}

/// The place of a part of a message.
#[derive(Clone, Copy, Serialize)]
pub(super) struct ContentAt<'a> {
    pub(super) item_id: &'a str,
    pub(super) output_index: usize,
    pub(super) content_index: usize,
}

/// The place of a summary's only part.
#[derive(Clone, Copy, Serialize)]
pub(super) struct SummaryAt<'a> {
    pub(super) item_id: &'a str,
    pub(super) output_index: usize,
    pub(super) summary_index: usize,
}

/// The place of a call.
#[derive(Clone, Copy, Serialize)]
pub(super) struct CallAt<'a> {
    pub(super) item_id: &'a str,
    pub(super) output_index: usize,
}

/// Of `*.delta`, and of `*.done` as far as a text is said.
#[derive(Serialize)]
pub(super) struct Said<'a, P> {
    #[serde(flatten)]
    pub(super) at: P,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) delta: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) arguments: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) logprobs: Option<&'a [Logprob]>,
}

impl<'a, P> Said<'a, P> {
    /// At `at`, nothing yet.
    pub(super) fn at(at: P) -> Self {
        Self {
            at,
            delta: None,
            text: None,
            refusal: None,
            arguments: None,
            logprobs: None,
        }
    }

    /// More of a text at `at`.
    pub(super) fn delta(at: P, delta: &'a str) -> Self {
        Self {
            delta: Some(delta),
            ..Self::at(at)
        }
    }
}

/// Of `response.content_part.*`.
#[derive(Serialize)]
pub(super) struct ContentPart<'a> {
    #[serde(flatten)]
    pub(super) at: ContentAt<'a>,
    pub(super) part: &'a Content,
}

/// Of `response.reasoning_summary_part.*`.
#[derive(Serialize)]
pub(super) struct SummaryPart<'a> {
    #[serde(flatten)]
    pub(super) at: SummaryAt<'a>,
    pub(super) part: &'a SummaryText,
}
