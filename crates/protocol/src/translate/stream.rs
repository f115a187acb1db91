//! Streams, event by event.

use bytes::{Bytes, BytesMut};

use super::Reply;
use crate::{
    ClientError, Format, Malformed, ProviderError, Step, Usage,
    anthropic::messages,
    canonical::{Event, Finish},
    estimate_tokens,
    gemini::generate,
    inspect::Indices,
    openai::{chat, completions, responses},
};

/// Reads the events of a provider.
#[derive(Debug)]
pub(super) enum Reader {
    Chat(chat::stream::Reader),
    Responses(responses::stream::Reader),
    Messages(messages::stream::Reader),
    Gemini(generate::stream::Reader),
}

impl Reader {
    pub(super) fn new(format: Format) -> Self {
        match format {
            Format::Chat => Self::Chat(chat::stream::Reader::default()),
            Format::Responses => Self::Responses(responses::stream::Reader::default()),
            Format::Messages => Self::Messages(messages::stream::Reader::default()),
            Format::Gemini => Self::Gemini(generate::stream::Reader::default()),
        }
    }

    pub(super) fn read<'d>(
        &mut self,
        data: &'d [u8],
        sink: &mut dyn FnMut(Event<'d>),
    ) -> Result<(), Malformed> {
        match self {
            Self::Chat(reader) => reader.read(data, sink),
            Self::Responses(reader) => reader.read(data, sink),
            Self::Messages(reader) => reader.read(data, sink),
            Self::Gemini(reader) => reader.read(data, sink),
        }
    }
}

#[derive(Debug)]
enum Writer {
    Chat(chat::stream::Writer),
    Responses(responses::stream::Writer),
    Messages(messages::stream::Writer),
    Gemini(generate::stream::Writer),
    Completions(completions::stream::Writer),
}

impl Writer {
    fn new(format: Format, reply: Reply) -> Self {
        match format {
            Format::Chat => Self::Chat(chat::stream::Writer::new(reply)),
            Format::Responses => Self::Responses(responses::stream::Writer::new(reply)),
            Format::Messages => Self::Messages(messages::stream::Writer::new(reply)),
            Format::Gemini => Self::Gemini(generate::stream::Writer::new(reply)),
        }
    }

    fn write(&mut self, event: &Event<'_>, out: &mut BytesMut) {
        match self {
            Self::Chat(writer) => writer.write(event, out),
            Self::Responses(writer) => writer.write(event, out),
            Self::Messages(writer) => writer.write(event, out),
            Self::Gemini(writer) => writer.write(event, out),
            Self::Completions(writer) => writer.write(event, out),
        }
    }

    fn finish(&mut self, out: &mut BytesMut) {
        match self {
            Self::Chat(writer) => writer.finish(out),
            Self::Responses(writer) => writer.finish(out),
            Self::Messages(writer) => writer.finish(out),
            Self::Gemini(writer) => writer.finish(out),
            Self::Completions(writer) => writer.finish(out),
        }
    }

    fn fail(&mut self, error: &ClientError, out: &mut BytesMut) {
        match self {
            Self::Chat(writer) => writer.fail(error, out),
            Self::Responses(writer) => writer.fail(error, out),
            Self::Messages(writer) => writer.fail(error, out),
            Self::Gemini(writer) => writer.fail(error, out),
            Self::Completions(writer) => writer.fail(error, out),
        }
    }
}

/// Bytes asked for at once for what is written: some twenty events of text. A client that reads as fast as they come frees
/// the room for the next ones.
const ROOM: usize = 4096;

/// A stream on its way from a provider of one format to a client of another.
#[derive(Debug)]
pub(crate) struct Translation {
    reader: Reader,
    writer: Writer,
    out: BytesMut,
    progress: Progress,
}

impl Translation {
    /// Of a provider that speaks `from`, to a client that speaks `to`.
    pub(crate) fn new(from: Format, to: Format, reply: Reply) -> Self {
        let choices = choices(&reply);
        Self::with(from, Writer::new(to, reply), choices)
    }

    /// Of a provider that speaks `from`, to a client of legacy Completions.
    pub(crate) fn completion(from: Format, reply: Reply) -> Self {
        let choices = choices(&reply);
        let writer = completions::stream::Writer::new(reply);
        Self::with(from, Writer::Completions(writer), choices)
    }

    fn with(from: Format, writer: Writer, choices: usize) -> Self {
        Self {
            reader: Reader::new(from),
            writer,
            out: BytesMut::with_capacity(ROOM),
            progress: Progress::new(Some(from), choices),
        }
    }

    /// Translates the data of one event; answers with what it means for the client, in the client's format.
    pub(crate) fn look(&mut self, data: &[u8]) -> Result<Step, Malformed> {
        let Self {
            reader,
            writer,
            out,
            progress,
        } = self;
        let mut content = false;
        let mut error = None;
        let mut ended = false;
        reader.read(data, &mut |event| match event {
            Event::Error(told) => error = Some(told),
            Event::End => ended = true,
            event => {
                content |= progress.note(&event);
                writer.write(&event, out);
            }
        })?;
        if let Some(reason) = progress.broken.take() {
            error = Some(ProviderError {
                message: reason,
                ..ProviderError::default()
            });
        }
        if ended && error.is_none() {
            progress.done = true;
            writer.finish(out);
        }
        Ok(Step {
            bytes: out.split().freeze(),
            content,
            error,
        })
    }

    /// What a complete stream whose end marker is missing still needs.
    pub(crate) fn finish(&mut self) -> Bytes {
        self.writer.finish(&mut self.out);
        self.out.split().freeze()
    }

    /// The event that tells of an error, after which nothing follows.
    pub(crate) fn fail(&mut self, error: &ClientError) -> Bytes {
        self.writer.fail(error, &mut self.out);
        self.out.split().freeze()
    }

    pub(crate) fn progress(&self) -> &Progress {
        &self.progress
    }
}

/// How many answers were asked for.
fn choices(reply: &Reply) -> usize {
    reply.request.choices.unwrap_or(1) as usize
}

/// How far a stream has come.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    choices: usize,
    finished: Indices,
    /// The end marker came.
    pub(crate) done: bool,
    /// What the provider said last.
    pub(crate) usage: Option<Usage>,
    /// Output is not told before the end, as in Messages: before that, not more of it than the first token.
    tells_output_late: bool,
    /// Bytes of generated text.
    pub(crate) text_bytes: usize,
    broken: Option<String>,
}

impl Progress {
    /// Of a provider that speaks `from`, if that is one of the formats, and was asked for so many answers.
    pub(crate) fn new(from: Option<Format>, choices: usize) -> Self {
        Self {
            choices,
            tells_output_late: from == Some(Format::Messages),
            ..Self::default()
        }
    }

    /// Whether every answer has ended, so that only the end marker can be missing.
    pub(crate) fn is_complete(&self) -> bool {
        self.done || self.finished.len() >= self.choices
    }

    /// What the provider says was used so far; the output of a stream that is cut short is estimated where the provider
    /// would have told it at the end.
    pub(crate) fn usage(&self) -> Option<Usage> {
        let told = self.usage?;
        if !self.tells_output_late || self.is_complete() {
            return Some(told);
        }
        Some(told.with_estimated_output(estimate_tokens(self.text_bytes)))
    }

    /// Notes answers that have ended.
    pub(crate) fn finish(&mut self, choices: Indices) {
        self.finished.extend(choices);
    }

    /// Notes that no answer will come to an end any more than it has: the prompt was refused.
    pub(crate) fn finish_all(&mut self) {
        self.choices = self.finished.len();
    }

    /// Notes an event; answers whether it is something a client would keep.
    fn note(&mut self, event: &Event<'_>) -> bool {
        match event {
            Event::Text { text, .. }
            | Event::Refusal { text, .. }
            | Event::Thinking { text, .. } => {
                self.text_bytes += text.len();
                !text.is_empty()
            }
            Event::Arguments { json, .. } => {
                self.text_bytes += json.len();
                true
            }
            Event::ToolCall { name, .. } => {
                self.text_bytes += name.len();
                true
            }
            Event::Signature { .. } | Event::Image { .. } => true,
            Event::Finish {
                reason: Finish::Broken(reason),
                ..
            } => {
                self.broken = Some(reason.clone());
                false
            }
            Event::Finish { choice, .. } => {
                self.finished.insert(*choice);
                true
            }
            Event::Usage(usage) => {
                self.usage = Some(*usage);
                false
            }
            Event::Start { .. } | Event::Error(_) | Event::End => false,
        }
    }
}
