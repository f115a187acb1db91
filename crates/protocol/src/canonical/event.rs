//! What happens in a stream.

use std::borrow::Cow;

use super::{Finish, Media, Signature, TokenLogprob};
use crate::{ProviderError, Usage};

/// One thing that happens. Texts are borrowed from the event they came in where they hold no escapes.
///
/// Order: [`Event::Start`] first; in a choice parts follow one another, but for tool calls, whose arguments may interleave;
/// [`Event::Finish`] ends a choice; [`Event::Usage`] may come anywhere, [`Event::End`] is last.
#[derive(Debug, Clone, PartialEq)]
pub enum Event<'a> {
    /// The answer begins.
    Start {
        /// The provider's id of it.
        id: Option<Cow<'a, str>>,
        /// The model, as the provider reports it.
        model: Option<Cow<'a, str>>,
    },
    /// Tokens used so far; each replaces the one before.
    Usage(Usage),
    /// More text.
    Text {
        /// Which of the answers.
        choice: u32,
        /// The text.
        text: Cow<'a, str>,
        /// Of its tokens, where asked for.
        logprobs: Vec<TokenLogprob>,
    },
    /// More of a refusal.
    Refusal {
        /// Which of the answers.
        choice: u32,
        /// The text.
        text: Cow<'a, str>,
    },
    /// More reasoning. One that follows anything else than reasoning of its choice begins a new part.
    Thinking {
        /// Which of the answers.
        choice: u32,
        /// The text.
        text: Cow<'a, str>,
    },
    /// Ends the reasoning part that is open; where none is, it stands for hidden reasoning.
    Signature {
        /// Which of the answers.
        choice: u32,
        /// The maker's proof.
        signature: Signature,
        /// Anthropic's `redacted_thinking`.
        redacted: bool,
    },
    /// A tool call begins.
    ToolCall {
        /// Which of the answers.
        choice: u32,
        /// Which of its calls, from 0 and rising.
        index: u32,
        /// Ties the result to the call.
        id: Cow<'a, str>,
        /// The tool.
        name: Cow<'a, str>,
    },
    /// More of a call's arguments, as a piece of JSON. Where none come, they are `{}`.
    Arguments {
        /// Which of the answers.
        choice: u32,
        /// Which of its calls.
        index: u32,
        /// The piece.
        json: Cow<'a, str>,
    },
    /// A picture that the model made.
    Image {
        /// Which of the answers.
        choice: u32,
        /// Where it is.
        media: Media,
    },
    /// An answer has ended.
    Finish {
        /// Which of the answers.
        choice: u32,
        /// Why.
        reason: Finish,
    },
    /// The provider reports an error; nothing follows.
    Error(ProviderError),
    /// The end marker; nothing follows.
    End,
}
