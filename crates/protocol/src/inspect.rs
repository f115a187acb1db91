//! Looking at answers that are passed on.

use bytes::{Bytes, BytesMut};

use crate::{
    ClientError, Endpoint, Format, Malformed, Media, Operation, Protocol, ProviderError, Reply,
    Step, Unusable, Usage,
    anthropic::{self, usage::Counts},
    gemini::array::ArrayFraming,
    json::{Kind, Value},
    openai,
    resume::{Resumption, Shadow},
    sse,
    translate::Progress,
};

mod chat;
mod gemini;
mod indices;
mod look;
mod messages;
mod other;
mod responses;
mod template;

pub(crate) use indices::Indices;
use look::Look;
use template::{Alike, Template};

/// What is read from a whole answer; its bytes go to the client as they came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Answer {
    /// What the provider says it used.
    pub usage: Option<Usage>,
    /// Bytes of text that came out, for an estimate where the provider says nothing.
    pub output_bytes: usize,
    /// Images and sound, of the endpoints for these.
    pub media: Media,
}

impl Answer {
    /// Looks at the body of a 200 to a request for `endpoint` that was not streamed.
    ///
    /// # Errors
    /// The body is no answer, and another provider should be asked.
    pub fn inspect(endpoint: Endpoint, body: &[u8]) -> Result<Self, Unusable> {
        match endpoint {
            Endpoint::ChatCompletions | Endpoint::Completions => chat::answer(body),
            Endpoint::Responses => responses::answer(body),
            Endpoint::Messages => messages::answer(body),
            Endpoint::GenerateContent | Endpoint::StreamGenerateContent => gemini::answer(body),
            Endpoint::Embeddings => other::answer(body, "data", Kind::Array),
            Endpoint::EmbedContent => other::answer(body, "embedding", Kind::Object),
            Endpoint::BatchEmbedContents => other::answer(body, "embeddings", Kind::Array),
            Endpoint::InputTokens | Endpoint::CountMessagesTokens => {
                other::answer(body, "input_tokens", Kind::Number)
            }
            Endpoint::CountTokens => other::answer(body, "totalTokens", Kind::Number),
            Endpoint::ImageGenerations
            | Endpoint::ImageEdits
            | Endpoint::ImageVariations
            | Endpoint::Speech
            | Endpoint::Transcriptions
            | Endpoint::Translations
            | Endpoint::Moderations
            | Endpoint::Rerank => other::forwarded(endpoint, body),
        }
    }
}

/// What a stream that is passed on is expected to hold.
#[derive(Debug, Clone, Copy)]
pub struct Inspected {
    /// What it answers.
    pub endpoint: Endpoint,
    /// Whether the client asked for usage at the end of a Chat Completions stream; else it is kept from it.
    pub passes_usage: bool,
    /// Answers asked for in one request; each ends with its own finish reason.
    pub choices: usize,
    /// Whether a Gemini client reads a JSON array instead of events.
    pub as_array: bool,
}

/// Looks at a stream as it passes.
#[derive(Debug)]
pub(crate) struct Inspection {
    expected: Inspected,
    progress: Progress,
    state: State,
    /// What most events are like.
    template: Option<Template>,
    framing: Option<ArrayFraming>,
    /// Kept where another provider may go on with the stream.
    shadow: Option<Box<Shadow>>,
}

/// What is kept between the events.
#[derive(Debug)]
enum State {
    Chat,
    /// The number of the event that comes next.
    Responses(u64),
    Messages(Counts),
    Gemini,
    Other,
}

impl Inspection {
    pub(crate) fn new(expected: Inspected) -> Self {
        let operation = expected.endpoint.operation();
        let format = match operation {
            Operation::Generate(format) => Some(format),
            _ => None,
        };
        let state = match operation {
            Operation::Generate(Format::Chat) | Operation::Complete => State::Chat,
            Operation::Generate(Format::Responses) => State::Responses(0),
            Operation::Generate(Format::Messages) => State::Messages(Counts::default()),
            Operation::Generate(Format::Gemini) => State::Gemini,
            Operation::Count(_) | Operation::Embed(_) | Operation::Forward => State::Other,
        };
        let is_array = expected.as_array && expected.endpoint.protocol() == Protocol::Gemini;
        Self {
            expected,
            progress: Progress::new(format, expected.choices),
            state,
            template: None,
            framing: is_array.then(ArrayFraming::default),
            shadow: None,
        }
    }

    /// Keeps what goes to the client, so that another provider may go on with it.
    pub(crate) fn remember(&mut self, reply: Reply) {
        if let Operation::Generate(format) = self.expected.endpoint.operation() {
            self.shadow = Some(Box::new(Shadow::new(format, reply)));
        }
    }

    /// The answer so far, if another provider can go on with it.
    pub(crate) fn resumption(&self) -> Option<Resumption> {
        self.shadow.as_ref()?.resumption()
    }

    /// Something between the events: a comment, say. Gemini's clients fail at it.
    pub(crate) fn aside(&self, raw: Bytes) -> Step {
        if self.expected.endpoint.protocol() == Protocol::Gemini {
            return Step::default();
        }
        Step {
            bytes: raw,
            ..Step::default()
        }
    }

    pub(crate) fn look(&mut self, event: &sse::Event, data: &[u8]) -> Result<Step, Malformed> {
        let alike = self.template.as_ref().and_then(|it| it.look(data));
        let look = match alike {
            Some(alike) => self.like_others(&alike),
            None => self.read(data)?,
        };
        let Look {
            done,
            content,
            finished,
            all_finished,
            usage_only,
            usage,
            text_bytes,
            error,
            varying: _,
        } = look;
        let progress = &mut self.progress;
        progress.usage = usage.or(progress.usage);
        if error.is_some() {
            return Ok(Step {
                error,
                ..Step::default()
            });
        }
        progress.done |= done;
        progress.text_bytes += text_bytes;
        progress.finish(finished);
        if all_finished {
            progress.finish_all();
        }
        if usage_only && !self.expected.passes_usage {
            return Ok(Step::default());
        }
        if let Some(shadow) = &mut self.shadow {
            shadow.follow(data);
        }
        let bytes = match &mut self.framing {
            None => event.raw.clone(),
            Some(framing) => written(|out| framing.element(data, out)),
        };
        Ok(Step {
            bytes,
            content,
            ..Step::default()
        })
    }

    fn like_others(&mut self, alike: &Alike) -> Look {
        if let (State::Responses(next), Some(sequence)) = (&mut self.state, alike.sequence) {
            *next = sequence.saturating_add(1);
        }
        Look {
            content: true,
            text_bytes: alike.text_bytes,
            ..Look::default()
        }
    }

    fn read(&mut self, data: &[u8]) -> Result<Look, Malformed> {
        let mut look = match &mut self.state {
            State::Chat => chat::look(data),
            State::Responses(sequence_number) => responses::look(data, sequence_number),
            State::Messages(counts) => messages::look(data, counts),
            State::Gemini => gemini::look(data),
            State::Other => other::look(data),
        }?;
        if let Some(template) = Template::of(data, &mut look) {
            self.template = Some(template);
        }
        Ok(look)
    }

    pub(crate) fn finish(&mut self) -> Bytes {
        if let Some(framing) = &mut self.framing {
            return written(|out| framing.close(out));
        }
        match self.state {
            State::Chat => Bytes::from_static(b"data: [DONE]\n\n"),
            State::Messages(_) => {
                Bytes::from_static(b"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n")
            }
            State::Responses(_) | State::Gemini | State::Other => Bytes::new(),
        }
    }

    pub(crate) fn fail(&mut self, error: &ClientError) -> Bytes {
        if let Some(framing) = &mut self.framing {
            let (_, body) = crate::gemini::render(error);
            return written(|out| {
                framing.element(body.as_bytes(), out);
                framing.close(out);
            });
        }
        match self.state {
            State::Chat | State::Other => openai::stream_error(error).into(),
            State::Responses(sequence_number) => {
                openai::responses::stream::error_event(sequence_number, error).into()
            }
            State::Messages(_) => anthropic::stream_error(error).into(),
            State::Gemini => crate::gemini::stream_error(error).into(),
        }
    }

    pub(crate) fn has_no_marker(&self) -> bool {
        matches!(self.state, State::Gemini)
    }

    pub(crate) fn progress(&self) -> &Progress {
        &self.progress
    }
}

fn written(write: impl FnOnce(&mut BytesMut)) -> Bytes {
    let mut out = BytesMut::new();
    write(&mut out);
    out.freeze()
}

impl ProviderError {
    /// Reads the value of an `error` member, which some servers send as null in every answer.
    fn unless_null(value: &Value<'_>) -> Option<Self> {
        (!value.is_null()).then(|| Self::of_value(value.raw()))
    }
}

fn must_be_object(is_object: bool) -> Result<(), Malformed> {
    if is_object {
        Ok(())
    } else {
        Err(Malformed("not a JSON object".to_owned()))
    }
}

#[cfg(test)]
mod tests;
