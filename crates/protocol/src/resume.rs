//! Going on with a stream that broke: another provider's answer is compared with what the client has, and only what lies
//! beyond it is written, by the writer that wrote the beginning.

mod shadow;

use bytes::{Bytes, BytesMut};

use crate::{canonical::Event, translate::Writer};

pub(crate) use shadow::Shadow;

/// Most bytes of an answer that are kept for comparison; a longer one is not resumed.
const LONGEST: usize = 1 << 20;

/// What the client has been given of an answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Transcript {
    items: Vec<Item>,
    bytes: usize,
    /// It holds something that no other provider can repeat, or it has ended.
    is_sealed: bool,
}

/// Neighbouring pieces of one kind are one item; how they were cut does not matter.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    Said(Kind, String),
    Call {
        id: String,
        name: String,
        arguments: String,
        /// Whether the client was told that no more arguments come.
        is_closed: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Refusal,
    Thinking,
}

/// What is said by an event, if it says anything that can be compared.
fn said<'e>(event: &'e Event<'_>) -> Option<(Kind, &'e str)> {
    match event {
        Event::Text {
            choice: 0,
            text,
            logprobs,
        } if logprobs.is_empty() => Some((Kind::Text, text)),
        Event::Refusal { choice: 0, text } => Some((Kind::Refusal, text)),
        Event::Thinking { choice: 0, text } => Some((Kind::Thinking, text)),
        _ => None,
    }
}

impl Transcript {
    /// Notes what goes to the client.
    pub(crate) fn note(&mut self, event: &Event<'_>) {
        if let Some((kind, text)) = said(event) {
            return self.say(kind, text);
        }
        match event {
            Event::Start { .. } | Event::Usage(_) => {}
            Event::ToolCall {
                choice: 0,
                index,
                id,
                name,
            } if *index as usize == self.calls() => {
                self.bytes += name.len();
                self.items.push(Item::Call {
                    id: id.as_ref().to_owned(),
                    name: name.as_ref().to_owned(),
                    arguments: String::new(),
                    is_closed: false,
                });
            }
            Event::Arguments {
                choice: 0,
                index,
                json,
            } => {
                let known = self.calls_mut().nth(*index as usize);
                match known {
                    Some(arguments) => {
                        arguments.push_str(json);
                        self.bytes += json.len();
                    }
                    None => self.is_sealed = true,
                }
            }
            _ => self.is_sealed = true,
        }
        self.bound();
    }

    fn say(&mut self, kind: Kind, text: &str) {
        if text.is_empty() {
            return;
        }
        self.bytes += text.len();
        match self.items.last_mut() {
            Some(Item::Said(last, said)) if *last == kind => said.push_str(text),
            _ => self.items.push(Item::Said(kind, text.to_owned())),
        }
        self.bound();
    }

    fn bound(&mut self) {
        self.is_sealed |= self.bytes > LONGEST;
        if self.is_sealed {
            self.items = Vec::new();
        }
    }

    /// Nothing can be compared with it any more.
    pub(crate) fn seal(&mut self) {
        self.is_sealed = true;
        self.items = Vec::new();
    }

    /// The client was told that the last call has all its arguments.
    pub(crate) fn close_call(&mut self) {
        if let Some(Item::Call { is_closed, .. }) = self.items.last_mut() {
            *is_closed = true;
        }
    }

    /// How many calls began.
    pub(crate) fn calls(&self) -> usize {
        let is_call = |item: &&Item| matches!(item, Item::Call { .. });
        self.items.iter().filter(is_call).count()
    }

    fn calls_mut(&mut self) -> impl Iterator<Item = &mut String> {
        self.items.iter_mut().filter_map(|item| match item {
            Item::Call { arguments, .. } => Some(arguments),
            Item::Said(..) => None,
        })
    }

    fn has_id(&self, wanted: &str) -> bool {
        let is_it = |item: &Item| matches!(item, Item::Call { id, .. } if id == wanted);
        self.items.iter().any(is_it)
    }

    /// Whether another provider's answer can be compared with it.
    pub(crate) fn is_comparable(&self) -> bool {
        !self.is_sealed
    }
}

/// How far a provider has repeated a transcript.
#[derive(Debug, Clone)]
struct Repetition {
    /// For each item that was begun, how many of its bytes came again.
    matched: Vec<usize>,
    /// Bytes that have not come again.
    left: usize,
}

/// What an event is, compared with a transcript.
enum Compared<'d> {
    /// The client has it.
    Known,
    /// The client does not have it, but all that came before.
    New(Event<'d>),
    /// The client has something else.
    Other,
}

impl Repetition {
    fn new(transcript: &Transcript) -> Self {
        Self {
            matched: Vec::new(),
            left: transcript.bytes,
        }
    }

    fn is_whole(&self, transcript: &Transcript) -> bool {
        self.left == 0 && self.matched.len() == transcript.items.len()
    }

    fn compare<'d>(&mut self, transcript: &Transcript, event: Event<'d>) -> Compared<'d> {
        if let Some((kind, text)) = said(&event) {
            if text.is_empty() {
                return Compared::Known;
            }
            return match self.hear(transcript, kind, text) {
                Some(0) => Compared::Known,
                Some(rest) if self.is_whole(transcript) => Compared::New(last_of(event, rest)),
                _ => Compared::Other,
            };
        }
        match event {
            Event::Usage(_) => Compared::New(event),
            Event::ToolCall {
                choice: 0,
                ref name,
                ref id,
                ..
            } => match transcript.items.get(self.matched.len()) {
                Some(Item::Call { name: known, .. }) if known == name => {
                    self.matched.push(0);
                    self.left -= known.len();
                    Compared::Known
                }
                None if self.left == 0 && !transcript.has_id(id) => Compared::New(event),
                _ => Compared::Other,
            },
            Event::Arguments {
                choice: 0,
                index,
                ref json,
            } => match self.argue(transcript, index as usize, json) {
                Some(0) => Compared::Known,
                Some(rest) if self.is_whole(transcript) => Compared::New(last_of(event, rest)),
                _ => Compared::Other,
            },
            event if self.is_whole(transcript) => Compared::New(event),
            _ => Compared::Other,
        }
    }

    /// How many bytes of `text` go beyond the transcript; `None` where it says something else.
    fn hear(&mut self, transcript: &Transcript, kind: Kind, text: &str) -> Option<usize> {
        let at = self.matched.len().checked_sub(1);
        let is_in = |at: &usize| {
            matches!(&transcript.items[*at], Item::Said(known, said)
                if *known == kind && self.matched[*at] <= said.len())
        };
        let at = match at.filter(is_in) {
            Some(at) => at,
            None if self.matched.len() < transcript.items.len() => {
                self.matched.push(0);
                self.matched.len() - 1
            }
            // Beyond the last item.
            None => return (self.left == 0).then_some(text.len()),
        };
        let Item::Said(known, said) = &transcript.items[at] else {
            return None;
        };
        if *known != kind {
            return None;
        }
        let is_last = at + 1 == transcript.items.len();
        self.repeat(at, said, text, is_last)
    }

    fn argue(&mut self, transcript: &Transcript, index: usize, json: &str) -> Option<usize> {
        let mut calls = transcript.items.iter().enumerate();
        let mut calls = calls.by_ref().filter_map(|(at, item)| match item {
            Item::Call {
                arguments,
                is_closed,
                ..
            } => Some((at, arguments, *is_closed)),
            Item::Said(..) => None,
        });
        let (at, arguments, is_closed) = calls.nth(index)?;
        if at >= self.matched.len() {
            return None;
        }
        let is_last = at + 1 == transcript.items.len();
        let is_open =
            || !is_closed && serde_json::from_str::<serde::de::IgnoredAny>(arguments).is_err();
        let rest = self.repeat(at, arguments, json, is_last)?;
        (rest == 0 || is_open()).then_some(rest)
    }

    /// Goes on in the item `at`; answers how many bytes of `piece` go beyond it.
    fn repeat(&mut self, at: usize, known: &str, piece: &str, may_go_on: bool) -> Option<usize> {
        let ahead = known.get(self.matched[at]..)?;
        let common = ahead.len().min(piece.len());
        if ahead.as_bytes()[..common] != piece.as_bytes()[..common] {
            return None;
        }
        self.matched[at] += common;
        self.left -= common;
        let rest = piece.len() - common;
        (rest == 0 || may_go_on).then_some(rest)
    }
}

/// The event with only the last `bytes` of what it says.
fn last_of(event: Event<'_>, bytes: usize) -> Event<'_> {
    let cut = |text: std::borrow::Cow<'_, str>| text[text.len() - bytes..].to_owned().into();
    match event {
        Event::Text { choice, text, .. } => Event::Text {
            choice,
            text: cut(text),
            logprobs: Vec::new(),
        },
        Event::Refusal { choice, text } => Event::Refusal {
            choice,
            text: cut(text),
        },
        Event::Thinking { choice, text } => Event::Thinking {
            choice,
            text: cut(text),
        },
        Event::Arguments {
            choice,
            index,
            json,
        } => Event::Arguments {
            choice,
            index,
            json: cut(json),
        },
        event => event,
    }
}

/// What a translation keeps so that another provider may go on with it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Memory {
    pub(crate) transcript: Transcript,
    /// Set until what the client has was repeated.
    repetition: Option<Repetition>,
    /// Whether another stream began this answer.
    is_continued: bool,
    /// Whether the provider said something else than the client has.
    pub(crate) differs: bool,
}

impl Memory {
    /// Takes an event; answers with what of it goes to the client.
    pub(crate) fn pass<'d>(&mut self, event: Event<'d>) -> Option<Event<'d>> {
        if self.differs || self.is_continued && matches!(event, Event::Start { .. }) {
            return None;
        }
        let Some(repetition) = &mut self.repetition else {
            return self.noted(event);
        };
        match repetition.compare(&self.transcript, event) {
            Compared::Known => None,
            Compared::New(event @ Event::Usage(_)) => Some(event),
            Compared::New(event) => {
                self.repetition = None;
                self.noted(event)
            }
            Compared::Other => {
                self.differs = true;
                None
            }
        }
    }

    fn noted<'d>(&mut self, event: Event<'d>) -> Option<Event<'d>> {
        let is_clash = self.is_continued
            && matches!(&event, Event::ToolCall { id, .. } if self.transcript.has_id(id));
        if is_clash {
            self.differs = true;
            return None;
        }
        self.transcript.note(&event);
        Some(event)
    }

    /// The provider's stream ends here.
    pub(crate) fn end(&mut self) {
        self.differs |= self.repetition.is_some();
    }
}

/// The beginning of an answer, with which another provider's stream may go on.
#[derive(Debug, Clone)]
pub struct Resumption {
    writer: Writer,
    transcript: Transcript,
    /// Written, and not sent yet.
    unsent: Bytes,
}

impl Resumption {
    /// What `writer` wrote, if another provider can repeat it.
    pub(crate) fn of(writer: &Writer, transcript: &Transcript, unsent: &[u8]) -> Option<Self> {
        let may_go_on = transcript.is_comparable() && writer.is_steady();
        may_go_on.then(|| Self {
            writer: writer.clone(),
            transcript: transcript.clone(),
            unsent: Bytes::copy_from_slice(unsent),
        })
    }

    /// What writes the rest.
    pub(crate) fn writer(&self) -> Writer {
        let mut writer = self.writer.clone();
        writer.forget_usage();
        writer
    }

    /// What is sent before the rest.
    pub(crate) fn unsent(&self) -> BytesMut {
        BytesMut::from(&*self.unsent)
    }

    /// For a stream that goes on with it.
    pub(crate) fn memory(&self) -> Memory {
        Memory {
            transcript: self.transcript.clone(),
            repetition: Some(Repetition::new(&self.transcript)),
            is_continued: true,
            differs: false,
        }
    }
}

#[cfg(test)]
mod tests;
