//! Writing a stream.

use std::borrow::Cow;

use bytes::BytesMut;

use super::calls::Calls;
use crate::{
    ClientError, Reply, Usage,
    canonical::{Event, Finish, Media, Signature, TokenLogprob},
    gemini::{
        array::ArrayFraming,
        error,
        generate::{
            finish, logprobs,
            part::{PartOut, vouch},
            response::{AnswerOut, CandidateOut, ContentOut, Few},
            write_json,
        },
        usage,
    },
};

/// Most answers that a stream is followed for; no format lets a client ask for more.
const MOST_CHOICES: usize = 128;

/// Writes events for a client. Each is a whole answer of what is new. Held back: calls until their arguments are complete,
/// signatures until the part they stand on, and the finish reasons, which come last and with the usage.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    reply: Reply,
    framing: Option<ArrayFraming>,
    id: Option<String>,
    model: Option<String>,
    usage: Option<Usage>,
    choices: Vec<Choice>,
    ended: bool,
    /// The event that is being written; kept for its room.
    json: Vec<u8>,
}

/// How far one of the answers has come.
#[derive(Debug, Clone, Default)]
struct Choice {
    index: u32,
    calls: Calls,
    signature: Option<Signature>,
    finish: Option<Finish>,
    /// A call came whose arguments are no object.
    malformed: bool,
    /// A call was written; only the first of a step needs a signature.
    has_called: bool,
}

impl Choice {
    /// Gives the first call its signature, which the client sends back, and then maybe to Gemini itself.
    fn vouch(&mut self, parts: &mut [PartOut<'_>]) {
        if !self.has_called {
            vouch(parts);
            self.has_called = !parts.is_empty();
        }
    }
}

impl Writer {
    pub(crate) fn new(reply: Reply) -> Self {
        Self {
            framing: reply.as_array.then(ArrayFraming::default),
            reply,
            id: None,
            model: None,
            usage: None,
            choices: Vec::new(),
            ended: false,
            json: Vec::new(),
        }
    }

    /// Writes what one event means; never called with an error or the end.
    pub(crate) fn write(&mut self, event: &Event<'_>, out: &mut BytesMut) {
        match event {
            Event::Start { id, model } => {
                self.id = id.as_ref().map(|id| id.clone().into_owned());
                self.model = model.as_ref().map(|model| model.clone().into_owned());
            }
            Event::Usage(usage) => self.usage = Some(*usage),
            Event::Text {
                choice,
                text,
                logprobs,
            } if !text.is_empty() => {
                self.part(*choice, PartOut::text(text.as_ref()), logprobs, out)
            }
            Event::Refusal { choice, text } if !text.is_empty() => {
                self.part(*choice, PartOut::text(text.as_ref()), &[], out);
            }
            Event::Thinking { choice, text } if !text.is_empty() => {
                self.thought(*choice, text, out);
            }
            Event::Signature {
                choice,
                signature,
                redacted,
            } => self.sign(*choice, signature, *redacted, out),
            Event::ToolCall {
                choice,
                index,
                id,
                name,
            } => {
                if let Some(choice) = self.open(*choice) {
                    let signature = choice.signature.take();
                    choice.calls.begin(*index, id, name, signature);
                }
            }
            Event::Arguments {
                choice,
                index,
                json,
            } => {
                if let Some(choice) = self.open(*choice) {
                    choice.calls.arguments(*index, json);
                }
            }
            Event::Image { choice, media } => self.image(*choice, media, out),
            Event::Finish { choice, reason } => {
                if let Some(choice) = self.open(*choice) {
                    choice.finish = Some(reason.clone());
                }
            }
            Event::Text { .. }
            | Event::Refusal { .. }
            | Event::Thinking { .. }
            | Event::Error(_)
            | Event::End => {}
        }
    }

    /// Ends a complete stream: what was held back, why each answer ended, and the usage. Called once, after every answer has
    /// finished.
    pub(crate) fn finish(&mut self, out: &mut BytesMut) {
        if self.ended {
            return;
        }
        let mut choices = std::mem::take(&mut self.choices);
        choices.sort_by_key(|choice| choice.index);
        let candidates = Few::Any(choices.iter_mut().map(last).collect());
        let usage = self.usage.as_ref().map(usage::write);
        self.answer(candidates, usage, out);
        if let Some(framing) = &mut self.framing {
            framing.close(out);
        }
        self.ended = true;
    }

    /// Ends the stream with an error.
    pub(crate) fn fail(&mut self, error: &ClientError, out: &mut BytesMut) {
        if self.ended {
            return;
        }
        match &mut self.framing {
            Some(framing) => {
                framing.element(error::render(error).1.as_bytes(), out);
                framing.close(out);
            }
            None => out.extend_from_slice(error::stream_error(error).as_bytes()),
        }
        self.ended = true;
    }

    /// The client gets nothing more of what was written, of which it has something or nothing.
    pub(crate) fn retract(&mut self, is_begun: bool) {
        self.ended = false;
        if let Some(framing) = &mut self.framing {
            *framing = ArrayFraming::default();
            if is_begun {
                framing.element(b"{}", &mut BytesMut::new());
            }
        }
    }

    /// What was used before is not told.
    pub(crate) fn forget_usage(&mut self) {
        self.usage = None;
    }

    /// Goes on where events were passed on, with whole calls in them.
    pub(crate) fn adopt(&mut self) {
        if let Some(framing) = &mut self.framing {
            framing.element(b"{}", &mut BytesMut::new());
        }
        for choice in &mut self.choices {
            choice.has_called |= !choice.calls.take().is_empty();
        }
    }

    fn image(&mut self, choice: u32, media: &Media, out: &mut BytesMut) {
        self.part(choice, PartOut::media(media), &[], out);
    }

    fn thought(&mut self, choice: u32, text: &str, out: &mut BytesMut) {
        // A signature that is held back belongs to the reasoning before, not to this.
        self.release(choice, out);
        self.part(choice, PartOut::thought(text), &[], out);
    }

    fn sign(&mut self, choice: u32, signature: &Signature, redacted: bool, out: &mut BytesMut) {
        self.release(choice, out);
        if redacted {
            self.part(choice, PartOut::redacted(signature), &[], out);
        } else if let Some(choice) = self.open(choice) {
            choice.signature = Some(signature.clone());
        }
    }

    /// Writes a signature that is held back, on a part of its own.
    fn release(&mut self, choice: u32, out: &mut BytesMut) {
        if self
            .open(choice)
            .is_some_and(|choice| choice.signature.is_some())
        {
            self.part(choice, PartOut::text(""), &[], out);
        }
    }

    /// Writes a part, after the calls that came before it, and with the signature that was held back for it.
    fn part(
        &mut self,
        index: u32,
        part: PartOut<'_>,
        logprobs: &[TokenLogprob],
        out: &mut BytesMut,
    ) {
        let Some(choice) = self.open(index) else {
            return;
        };
        let calls = choice.calls.take();
        let signature = choice.signature.take();
        let mut parts = Vec::new();
        for call in &calls {
            choice.malformed |= !call.write(&mut parts);
        }
        choice.vouch(&mut parts);
        let part = match &signature {
            Some(_) => part.signed(signature.as_ref()),
            None => part,
        };
        let content = if parts.is_empty() {
            ContentOut::one(part)
        } else {
            parts.push(part);
            ContentOut::new(parts)
        };
        let candidate = CandidateOut {
            content,
            finish_reason: None,
            finish_message: None,
            index,
            logprobs_result: logprobs::write(logprobs),
        };
        self.answer(Few::one(candidate), None, out);
    }

    /// Writes one event.
    fn answer(
        &mut self,
        candidates: Few<CandidateOut<'_>>,
        usage_metadata: Option<usage::Wire>,
        out: &mut BytesMut,
    ) {
        let Self {
            reply,
            framing,
            id,
            model,
            json,
            ..
        } = self;
        json.clear();
        let answer = AnswerOut {
            candidates,
            usage_metadata,
            model_version: model.as_deref().unwrap_or(&reply.model),
            response_id: id.as_deref().unwrap_or(&reply.id),
        };
        write_json(&answer, json);
        match framing {
            Some(framing) => framing.element(json, out),
            None => {
                // google-genai takes lines that begin with this, space included.
                out.extend_from_slice(b"data: ");
                out.extend_from_slice(json);
                out.extend_from_slice(b"\r\n\r\n");
            }
        }
    }

    /// An answer that has not ended.
    fn open(&mut self, index: u32) -> Option<&mut Choice> {
        if self.ended {
            return None;
        }
        let at = self.choices.iter().position(|choice| choice.index == index);
        let at = match at {
            Some(at) => at,
            None if self.choices.len() < MOST_CHOICES => {
                self.choices.push(Choice {
                    index,
                    ..Choice::default()
                });
                self.choices.len() - 1
            }
            None => return None,
        };
        self.choices
            .get_mut(at)
            .filter(|choice| choice.finish.is_none())
    }
}

/// What is left to say of an answer.
fn last(choice: &mut Choice) -> CandidateOut<'_> {
    let mut parts = Vec::new();
    let mut malformed = choice.malformed;
    for call in choice.calls.all() {
        malformed |= !call.write(&mut parts);
    }
    if !choice.has_called {
        vouch(&mut parts);
    }
    if choice.signature.is_some() {
        parts.push(PartOut::text("").signed(choice.signature.as_ref()));
    }
    let (word, message) = match &choice.finish {
        _ if malformed => (Some(finish::MALFORMED), None),
        Some(reason) => {
            let (word, message) = finish::write(reason);
            (Some(word), message)
        }
        None => (None, None),
    };
    CandidateOut {
        content: ContentOut::new(parts),
        finish_reason: word,
        finish_message: message.map(Cow::Borrowed),
        index: choice.index,
        logprobs_result: None,
    }
}
