//! Events that differ from one before them in what they say alone.
//!
//! Nearly all events of a stream do: a piece of text stands where another one stood, and all around it is the same. What was
//! read from the one holds for the other, which is compared with it instead of being read: a string in place of a string, or a
//! number in place of a number, leaves JSON what it is, and what it means but for these.

use super::look::Look;
use crate::json::{Kind, Scanner, Value};

/// Longest event that others are compared with. Each stream has one.
const LONGEST: usize = 1024;

/// A value in which events differ that say the same otherwise, by its place in one of them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Varying {
    start: usize,
    end: usize,
    what: What,
}

#[derive(Debug, PartialEq, Eq)]
enum What {
    /// A string that is counted by its bytes, and not empty.
    Text,
    /// A number of the event.
    Sequence,
    /// A string that means nothing.
    Padding,
}

impl Varying {
    /// Of a text that was counted, where it has any.
    pub(super) fn text(value: &Value<'_>) -> Option<Self> {
        (value.text_len() > 0).then(|| Self::of(value, What::Text))
    }

    /// Of the event's number.
    pub(super) fn sequence(value: &Value<'_>) -> Self {
        Self::of(value, What::Sequence)
    }

    /// Of a member that nobody reads, if it is the one whose text is another in each event
    /// (<https://platform.openai.com/docs/api-reference/chat/create#chat-create-stream_options>).
    pub(super) fn padding(name: &str, value: &Value<'_>) -> Option<Self> {
        let is_padding = name == "obfuscation" && value.kind == Kind::String;
        is_padding.then(|| Self::of(value, What::Padding))
    }

    /// The same, of a value that was found in a text which begins there.
    pub(super) fn behind(self, start: usize) -> Self {
        Self {
            start: self.start + start,
            end: self.end + start,
            ..self
        }
    }

    fn of(value: &Value<'_>, what: What) -> Self {
        let span = value.span();
        Self {
            start: span.start,
            end: span.end,
            what,
        }
    }
}

/// An event that others are compared with.
#[derive(Debug)]
pub(super) struct Template {
    text: Box<str>,
    varying: Vec<Varying>,
    /// Bytes of generated text beside what varies.
    fixed_bytes: usize,
}

/// What an event says that is like the template.
#[derive(Debug)]
pub(super) struct Alike {
    /// Bytes of generated text in it, of which there are some.
    pub(super) text_bytes: usize,
    /// Its number.
    pub(super) sequence: Option<u64>,
}

impl Template {
    /// Made of an event and what was read from it; `None` where that is more than a text, or none.
    pub(super) fn of(data: &[u8], look: &mut Look) -> Option<Self> {
        let mut varying = std::mem::take(&mut look.varying);
        varying.sort_unstable_by_key(|it| it.start);
        let texts = varying.iter().filter(|it| it.what == What::Text);
        let text_bytes: usize = texts.map(|it| it.end - it.start - "\"\"".len()).sum();
        if text_bytes == 0 || !look.says_text_alone() || data.len() > LONGEST {
            return None;
        }
        Some(Self {
            text: std::str::from_utf8(data).ok()?.into(),
            varying,
            fixed_bytes: look.text_bytes.checked_sub(text_bytes)?,
        })
    }

    /// Looks at an event; `None` where it has to be read, since it differs in more.
    pub(super) fn look(&self, data: &[u8]) -> Option<Alike> {
        let mut scanner = Scanner::new(data).ok()?;
        let mut alike = Alike {
            text_bytes: self.fixed_bytes,
            sequence: None,
        };
        let mut at = 0;
        for varying in &self.varying {
            if !scanner.pass(&self.text[at..varying.start]) {
                return None;
            }
            let value = scanner.value().ok()?;
            match (&varying.what, value.kind) {
                (What::Text, Kind::String) if value.text_len() > 0 => {
                    alike.text_bytes += value.text_len();
                }
                (What::Sequence, Kind::Number) => alike.sequence = Some(value.raw().parse().ok()?),
                (What::Padding, Kind::String) => {}
                _ => return None,
            }
            at = varying.end;
        }
        let is_alike = scanner.pass(&self.text[at..]) && scanner.is_at_end();
        is_alike.then_some(alike)
    }
}
