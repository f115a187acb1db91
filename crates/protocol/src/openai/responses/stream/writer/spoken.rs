//! Messages and reasoning in a stream.

use bytes::BytesMut;

use super::frame::{ContentAt, ContentPart, Frames, Said, SummaryAt, SummaryPart};
use crate::{
    canonical::TokenLogprob,
    openai::responses::item::{Content, IN_PROGRESS, Item, Logprob, SummaryText},
};

/// A message. Its last part is open.
#[derive(Debug, Clone)]
pub(super) struct Message {
    place: usize,
    id: String,
    content: Vec<Content>,
}

impl Message {
    /// Begins a message.
    pub(super) fn open(id: String, place: usize, frames: &mut Frames, out: &mut BytesMut) -> Self {
        let item = Item::Message {
            id: id.clone(),
            status: IN_PROGRESS,
            role: "assistant",
            content: Vec::new(),
        };
        frames.added(place, &item, out);
        Self {
            place,
            id,
            content: Vec::new(),
        }
    }

    pub(super) fn has_id(&self, id: &str) -> bool {
        self.id == id
    }

    /// Begins a part, empty yet.
    pub(super) fn begin_part(&mut self, is_refusal: bool, frames: &mut Frames, out: &mut BytesMut) {
        let part = if is_refusal {
            Content::Refusal {
                refusal: String::new(),
            }
        } else {
            Content::text(String::new(), Vec::new())
        };
        self.open_part(part, frames, out);
    }

    /// The index of the part that is open.
    pub(super) fn last_part(&self) -> Option<usize> {
        self.content.len().checked_sub(1)
    }

    /// Writes more of a text.
    pub(super) fn text(
        &mut self,
        delta: &str,
        logprobs: &[TokenLogprob],
        frames: &mut Frames,
        out: &mut BytesMut,
    ) {
        if !matches!(self.content.last(), Some(Content::OutputText { .. })) {
            self.open_part(Content::text(String::new(), Vec::new()), frames, out);
        }
        let more: Vec<Logprob> = logprobs.iter().map(Logprob::from).collect();
        let body = Said {
            logprobs: Some(&more),
            ..Said::delta(self.at(), delta)
        };
        frames.event("response.output_text.delta", &body, out);
        if let Some(Content::OutputText { text, logprobs, .. }) = self.content.last_mut() {
            text.push_str(delta);
            logprobs.extend(more);
        }
    }

    /// Writes more of a refusal.
    pub(super) fn refusal(&mut self, delta: &str, frames: &mut Frames, out: &mut BytesMut) {
        if !matches!(self.content.last(), Some(Content::Refusal { .. })) {
            let refusal = String::new();
            self.open_part(Content::Refusal { refusal }, frames, out);
        }
        let body = Said::delta(self.at(), delta);
        frames.event("response.refusal.delta", &body, out);
        if let Some(Content::Refusal { refusal }) = self.content.last_mut() {
            refusal.push_str(delta);
        }
    }

    /// Ends it: its place and the item.
    pub(super) fn close(
        self,
        status: &'static str,
        frames: &mut Frames,
        out: &mut BytesMut,
    ) -> (usize, Item) {
        self.close_part(frames, out);
        let item = Item::Message {
            id: self.id,
            status,
            role: "assistant",
            content: self.content,
        };
        (self.place, item)
    }

    fn open_part(&mut self, part: Content, frames: &mut Frames, out: &mut BytesMut) {
        self.close_part(frames, out);
        self.content.push(part);
        self.part("response.content_part.added", frames, out);
    }

    fn close_part(&self, frames: &mut Frames, out: &mut BytesMut) {
        match self.content.last() {
            None => return,
            Some(Content::OutputText { text, logprobs, .. }) => {
                let body = Said {
                    text: Some(text),
                    logprobs: Some(logprobs),
                    ..Said::at(self.at())
                };
                frames.event("response.output_text.done", &body, out);
            }
            Some(Content::Refusal { refusal }) => {
                let body = Said {
                    refusal: Some(refusal),
                    ..Said::at(self.at())
                };
                frames.event("response.refusal.done", &body, out);
            }
        }
        self.part("response.content_part.done", frames, out);
    }

    fn part(&self, event: &'static str, frames: &mut Frames, out: &mut BytesMut) {
        if let Some(part) = self.content.last() {
            let at = self.at();
            frames.event(event, &ContentPart { at, part }, out);
        }
    }

    fn at(&self) -> ContentAt<'_> {
        ContentAt {
            item_id: &self.id,
            output_index: self.place,
            content_index: self.content.len().saturating_sub(1),
        }
    }
}

/// Reasoning, whose text stands in one part of the summary.
#[derive(Debug, Clone)]
pub(super) struct Reasoning {
    place: usize,
    id: String,
    summary: Option<SummaryText>,
    encrypted_content: Option<String>,
}

impl Reasoning {
    /// Begins reasoning.
    pub(super) fn open(id: String, place: usize, frames: &mut Frames, out: &mut BytesMut) -> Self {
        let item = Item::Reasoning {
            id: id.clone(),
            status: IN_PROGRESS,
            summary: Vec::new(),
            encrypted_content: None,
        };
        frames.added(place, &item, out);
        Self {
            place,
            id,
            summary: None,
            encrypted_content: None,
        }
    }

    pub(super) fn has_id(&self, id: &str) -> bool {
        self.id == id
    }

    /// Writes more of its text.
    pub(super) fn think(&mut self, delta: &str, frames: &mut Frames, out: &mut BytesMut) {
        if self.summary.is_none() {
            self.summary = Some(SummaryText {
                text: String::new(),
            });
            self.part("response.reasoning_summary_part.added", frames, out);
        }
        let body = Said::delta(self.at(), delta);
        frames.event("response.reasoning_summary_text.delta", &body, out);
        if let Some(summary) = &mut self.summary {
            summary.text.push_str(delta);
        }
    }

    /// Notes its signature.
    pub(super) fn sign(&mut self, encrypted_content: String) {
        self.encrypted_content = Some(encrypted_content);
    }

    /// Ends it: its place and the item.
    pub(super) fn close(
        self,
        status: &'static str,
        frames: &mut Frames,
        out: &mut BytesMut,
    ) -> (usize, Item) {
        if let Some(summary) = &self.summary {
            let body = Said {
                text: Some(&summary.text),
                ..Said::at(self.at())
            };
            frames.event("response.reasoning_summary_text.done", &body, out);
            self.part("response.reasoning_summary_part.done", frames, out);
        }
        let item = Item::Reasoning {
            id: self.id,
            status,
            summary: self.summary.into_iter().collect(),
            encrypted_content: self.encrypted_content,
        };
        (self.place, item)
    }

    fn part(&self, event: &'static str, frames: &mut Frames, out: &mut BytesMut) {
        if let Some(part) = &self.summary {
            let at = self.at();
            frames.event(event, &SummaryPart { at, part }, out);
        }
    }

    fn at(&self) -> SummaryAt<'_> {
        SummaryAt {
            item_id: &self.id,
            output_index: self.place,
            summary_index: 0,
        }
    }
}
