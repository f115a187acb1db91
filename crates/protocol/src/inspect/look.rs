//! What one event of a stream says.

use super::{indices::Indices, template::Varying};
use crate::{ProviderError, Usage};

/// What is read from one event; its bytes go to the client as they came.
#[derive(Debug, PartialEq, Eq, Default)]
pub(super) struct Look {
    /// It ends the stream.
    pub(super) done: bool,
    /// It holds something a client would keep: text, a tool call, reasoning, a refusal, or a finish reason.
    pub(super) content: bool,
    /// Answers that come to their finish reason in it: they are complete but for usage and the end marker.
    pub(super) finished: Indices,
    /// It finishes every answer there is.
    pub(super) all_finished: bool,
    /// It holds nothing but usage, as asked for with `stream_options.include_usage`.
    pub(super) usage_only: bool,
    /// What the provider says it used so far.
    pub(super) usage: Option<Usage>,
    /// Bytes of generated text in it.
    pub(super) text_bytes: usize,
    /// It is an error.
    pub(super) error: Option<ProviderError>,
    /// In what another event may differ from it and be read as it was.
    pub(super) varying: Vec<Varying>,
}

impl Look {
    /// Notes text of `bytes`.
    pub(super) fn text(&mut self, bytes: usize) {
        self.text_bytes += bytes;
        self.content |= bytes > 0;
    }

    /// Whether it holds something a client would keep, and nothing that concerns the stream as a whole.
    pub(super) fn says_text_alone(&self) -> bool {
        let Self {
            done,
            content,
            finished,
            all_finished,
            usage_only,
            usage,
            text_bytes: _,
            error,
            varying: _,
        } = self;
        let is_more = *done || *all_finished || *usage_only || usage.is_some() || error.is_some();
        *content && !is_more && finished.is_empty()
    }
}
