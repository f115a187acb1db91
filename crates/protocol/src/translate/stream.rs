//! Streams, event by event.

mod screened;

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
    resume::{Memory, Resumption},
    screen::{Screen, Screened},
};

/// Reads the events of a provider.
#[derive(Debug)]
pub(crate) enum Reader {
    Chat(chat::stream::Reader),
    Responses(responses::stream::Reader),
    Messages(messages::stream::Reader),
    Gemini(generate::stream::Reader),
}

impl Reader {
    pub(crate) fn new(format: Format) -> Self {
        match format {
            Format::Chat => Self::Chat(chat::stream::Reader::default()),
            Format::Responses => Self::Responses(responses::stream::Reader::default()),
            Format::Messages => Self::Messages(messages::stream::Reader::default()),
            Format::Gemini => Self::Gemini(generate::stream::Reader::default()),
        }
    }

    pub(crate) fn read<'d>(
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

/// Writes events for a client.
#[derive(Debug, Clone)]
pub(crate) enum Writer {
    Chat(chat::stream::Writer),
    Responses(responses::stream::Writer),
    Messages(messages::stream::Writer),
    Gemini(generate::stream::Writer),
    Completions(completions::stream::Writer),
}

impl Writer {
    pub(crate) fn new(format: Format, reply: Reply) -> Self {
        match format {
            Format::Chat => Self::Chat(chat::stream::Writer::new(reply)),
            Format::Responses => Self::Responses(responses::stream::Writer::new(reply)),
            Format::Messages => Self::Messages(messages::stream::Writer::new(reply)),
            Format::Gemini => Self::Gemini(generate::stream::Writer::new(reply)),
        }
    }

    pub(crate) fn write(&mut self, event: &Event<'_>, out: &mut BytesMut) {
        match self {
            Self::Chat(writer) => writer.write(event, out),
            Self::Responses(writer) => writer.write(event, out),
            Self::Messages(writer) => writer.write(event, out),
            Self::Gemini(writer) => writer.write(event, out),
            Self::Completions(writer) => writer.write(event, out),
        }
    }

    /// Whether the rest can be written from here on.
    pub(crate) fn is_steady(&self) -> bool {
        match self {
            Self::Chat(_) | Self::Messages(_) | Self::Gemini(_) => true,
            Self::Responses(writer) => writer.is_steady(),
            Self::Completions(_) => false,
        }
    }

    /// What was used before is not told.
    pub(crate) fn forget_usage(&mut self) {
        match self {
            Self::Chat(writer) => writer.forget_usage(),
            Self::Responses(writer) => writer.forget_usage(),
            Self::Messages(writer) => writer.forget_usage(),
            Self::Gemini(writer) => writer.forget_usage(),
            Self::Completions(_) => {}
        }
    }

    /// The client gets nothing more of what was written, of which it has something or nothing.
    fn retract(&mut self, is_begun: bool) {
        match self {
            Self::Responses(writer) => writer.retract(is_begun),
            Self::Gemini(writer) => writer.retract(is_begun),
            Self::Chat(_) | Self::Messages(_) | Self::Completions(_) => {}
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
    /// Kept where another provider may go on with the stream.
    memory: Option<Box<Memory>>,
    /// Looks at what is said before it is written.
    screened: Option<Box<Screened>>,
    /// Whether it is told what is said, to somebody who judges it before the client gets it.
    is_overheard: bool,
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
            memory: None,
            screened: None,
            is_overheard: false,
        }
    }

    /// Has what is said told beside it.
    pub(crate) fn overhear(&mut self) {
        debug_assert!(
            self.screened.is_some(),
            "arguments are whole only where they are screened"
        );
        self.is_overheard = true;
    }

    /// Has what is said screened. A stream that is remembered cannot be.
    pub(crate) fn screen(&mut self, screen: Box<dyn Screen>) {
        debug_assert!(self.memory.is_none(), "it would remember what was not said");
        self.screened = Some(Box::new(Screened::new(screen)));
    }

    /// Of a provider that speaks `from`, which goes on with an answer that another began.
    pub(crate) fn resumed(from: Format, resumption: &Resumption) -> Self {
        Self {
            memory: Some(Box::new(resumption.memory())),
            out: resumption.unsent(),
            ..Self::with(from, resumption.writer(), 1)
        }
    }

    /// Keeps what goes to the client, so that another provider may go on with it.
    pub(crate) fn remember(&mut self) {
        self.memory.get_or_insert_default();
    }

    /// The answer so far, if another provider can go on with it.
    pub(crate) fn resumption(&self) -> Option<Resumption> {
        let memory = self.memory.as_ref()?;
        Resumption::of(&self.writer, &memory.transcript, &self.out)
    }

    /// Translates the data of one event; answers with what it means for the client, in the client's format.
    pub(crate) fn look(&mut self, data: &[u8]) -> Result<Step, Malformed> {
        if self.screened.is_some() {
            return self.look_screened(data);
        }
        let Self {
            reader,
            writer,
            out,
            progress,
            memory,
            ..
        } = self;
        let mut content = false;
        let mut error = None;
        let mut ended = false;
        reader.read(data, &mut |event| match event {
            Event::Error(told) => error = Some(told),
            Event::End => ended = true,
            event => {
                content |= progress.note(&event);
                match memory {
                    None => writer.write(&event, out),
                    // What is broken is told as an error, and may yet go on.
                    Some(_) if is_broken(&event) => {}
                    Some(memory) => {
                        if let Some(event) = memory.pass(event) {
                            writer.write(&event, out);
                        }
                    }
                }
            }
        })?;
        let error = progress.take_broken().or(error);
        if let Some(memory) = memory {
            if ended && error.is_none() {
                memory.end();
            }
            if memory.differs || error.is_some() {
                // What is written stays for whatever comes next: the client's error, or how the answer goes on.
                return Ok(Step {
                    content,
                    error,
                    differs: memory.differs,
                    ..Step::default()
                });
            }
        }
        if ended && error.is_none() {
            progress.done = true;
            writer.finish(out);
        }
        Ok(Step {
            bytes: out.split().freeze(),
            content,
            error,
            ..Step::default()
        })
    }

    /// What a complete stream whose end marker is missing still needs.
    pub(crate) fn finish(&mut self) -> Bytes {
        self.writer.finish(&mut self.out);
        self.out.split().freeze()
    }

    /// The client gets nothing more of what was written, of which it has something or nothing.
    pub(crate) fn retract(&mut self, is_begun: bool) {
        self.out.clear();
        self.writer.retract(is_begun);
    }

    /// The event that tells of an error, after which nothing follows.
    pub(crate) fn fail(&mut self, error: &ClientError) -> Bytes {
        self.writer.fail(error, &mut self.out);
        self.out.split().freeze()
    }

    pub(crate) fn has_no_marker(&self) -> bool {
        matches!(self.writer, Writer::Gemini(_))
    }

    pub(crate) fn progress(&self) -> &Progress {
        &self.progress
    }
}

fn is_broken(event: &Event<'_>) -> bool {
    let broken = |reason: &Finish| matches!(reason, Finish::Broken(_));
    matches!(event, Event::Finish { reason, .. } if broken(reason))
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

    /// The error that an answer ended in instead of a finish.
    fn take_broken(&mut self) -> Option<ProviderError> {
        self.broken.take().map(|message| ProviderError {
            message,
            ..ProviderError::default()
        })
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
