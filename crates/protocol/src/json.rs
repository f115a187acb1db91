//! A validating JSON scanner that borrows.
//!
//! Routing needs a handful of fields out of bodies of up to megabytes, the byte range of each (so that the body can be
//! changed by splicing), and a depth limit that also holds inside skipped values. Typed deserialization gives neither
//! ranges nor a limit for what it ignores, so this walks the text once and allocates nothing.
//! Grammar: RFC 8259.

pub(crate) mod walk;

use std::{borrow::Cow, ops::Range};

/// Deepest nesting accepted, the same as serde_json's.
pub const MAX_DEPTH: u8 = 127;

/// Where and why a text is not JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason} at byte {offset}")]
pub struct SyntaxError {
    /// What was wrong.
    pub reason: &'static str,
    /// Bytes from the start.
    pub offset: usize,
}

/// Type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `null`
    Null,
    /// `true` or `false`
    Bool,
    /// A number
    Number,
    /// A string
    String,
    /// An array
    Array,
    /// An object
    Object,
}

/// A value that was skipped: its text, and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Value<'a> {
    /// Its type.
    pub kind: Kind,
    /// Its text, with the quotes if a string.
    pub raw: &'a str,
    /// Offset of its first byte.
    pub start: usize,
    /// Whether it is a string with escapes.
    escaped: bool,
}

impl<'a> Value<'a> {
    /// Its place in the input.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.start..self.start + self.raw.len()
    }

    /// The string it holds, if it is one. Escapes that name no character (lone surrogates) give `None` too.
    #[must_use]
    pub fn as_str(&self) -> Option<Cow<'a, str>> {
        match self.kind {
            Kind::String if self.escaped => serde_json::from_str(self.raw).ok().map(Cow::Owned),
            Kind::String => Some(Cow::Borrowed(&self.raw[1..self.raw.len() - 1])),
            _ => None,
        }
    }

    /// The boolean it is, if it is one.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        (self.kind == Kind::Bool).then_some(self.raw == "true")
    }

    /// The number it is, if it is one.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        (self.kind == Kind::Number).then(|| self.raw.parse().ok())?
    }

    /// The whole number it is, if it is one.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        (self.kind == Kind::Number).then(|| self.raw.parse().ok())?
    }

    /// Whether it is `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.kind == Kind::Null
    }
}

/// Position in an array or object that is being walked.
#[derive(Debug)]
pub(crate) struct Cursor {
    first: bool,
}

/// Walks a JSON text from left to right.
#[derive(Debug)]
pub(crate) struct Scanner<'a> {
    text: &'a str,
    at: usize,
    depth: u8,
}

/// Bytes in which the end of a short string is looked for, eight at a time.
const SHORT: usize = 32;

/// The bytes before the first that ends a run of a string's plain characters: a quote, a backslash or a control character.
/// None if it is not among the first few.
fn short_run(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::MAX / 255;
    const HIGHS: u64 = ONES << 7;
    // The highest bit of each byte that is less than `limit`, at most 128. A byte behind the first may be marked wrongly.
    let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word & HIGHS;
    let (words, _) = bytes[..bytes.len().min(SHORT)].as_chunks();
    words.iter().enumerate().find_map(|(index, word)| {
        let word = u64::from_le_bytes(*word);
        let is = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
        let ends = is(b'"') | is(b'\\') | below(word, 0x20);
        (ends != 0).then(|| index * 8 + ends.trailing_zeros() as usize / 8)
    })
}

type Scan<T> = Result<T, SyntaxError>;

impl<'a> Scanner<'a> {
    /// Starts at the first byte of `input`, which must be UTF-8.
    ///
    /// # Errors
    /// The first byte that is not UTF-8.
    pub(crate) fn new(input: &'a [u8]) -> Scan<Self> {
        let text = simdutf8::compat::from_utf8(input).map_err(|error| SyntaxError {
            reason: "invalid UTF-8",
            offset: error.valid_up_to(),
        })?;
        Ok(Self::of(text))
    }

    /// Starts at the first byte of `text`.
    pub(crate) fn of(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            depth: 0,
        }
    }

    /// Offset of the next byte.
    #[must_use]
    pub(crate) fn offset(&self) -> usize {
        self.at
    }

    /// Type of the next value, judged by its first byte.
    ///
    /// # Errors
    /// No value starts here.
    pub(crate) fn peek(&mut self) -> Scan<Kind> {
        self.space();
        match self.byte() {
            Some(b'"') => Ok(Kind::String),
            Some(b'{') => Ok(Kind::Object),
            Some(b'[') => Ok(Kind::Array),
            Some(b't' | b'f') => Ok(Kind::Bool),
            Some(b'n') => Ok(Kind::Null),
            Some(b'-' | b'0'..=b'9') => Ok(Kind::Number),
            Some(_) => self.fail("expected a value"),
            None => self.fail("unexpected end"),
        }
    }

    /// Skips the next value, whole, and answers where it was.
    ///
    /// # Errors
    /// It is not JSON, or nested too deeply.
    pub(crate) fn value(&mut self) -> Scan<Value<'a>> {
        let kind = self.peek()?;
        let start = self.at;
        let mut escaped = false;
        match kind {
            Kind::String => escaped = self.string()?,
            Kind::Number => self.number()?,
            Kind::Bool if self.byte() == Some(b't') => self.literal("true")?,
            Kind::Bool => self.literal("false")?,
            Kind::Null => self.literal("null")?,
            Kind::Array => {
                let mut cursor = self.enter_array()?;
                while self.next_element(&mut cursor)? {
                    self.value()?;
                }
            }
            Kind::Object => {
                let mut cursor = self.enter_object()?;
                while self.next_member(&mut cursor)?.is_some() {
                    self.value()?;
                }
            }
        }
        Ok(Value {
            kind,
            raw: &self.text[start..self.at],
            start,
            escaped,
        })
    }

    /// Steps into the object that comes next.
    ///
    /// # Errors
    /// None comes, or it is nested too deeply.
    pub(crate) fn enter_object(&mut self) -> Scan<Cursor> {
        self.enter(b'{', "expected an object")
    }

    /// Steps into the array that comes next.
    ///
    /// # Errors
    /// None comes, or it is nested too deeply.
    pub(crate) fn enter_array(&mut self) -> Scan<Cursor> {
        self.enter(b'[', "expected an array")
    }

    /// The next key of the object, quotes included, or `None` past its end. Its value must be taken before the next call.
    ///
    /// # Errors
    /// What follows is not a member.
    pub(crate) fn next_member(&mut self, cursor: &mut Cursor) -> Scan<Option<Value<'a>>> {
        if !self.separate(cursor, b'}')? {
            return Ok(None);
        }
        self.space();
        let start = self.at;
        if self.byte() != Some(b'"') {
            return self.fail("expected a string as key");
        }
        let escaped = self.string()?;
        let key = Value {
            kind: Kind::String,
            raw: &self.text[start..self.at],
            start,
            escaped,
        };
        self.space();
        if self.byte() != Some(b':') {
            return self.fail("expected ':'");
        }
        self.at += 1;
        Ok(Some(key))
    }

    /// Whether the array has another element, which must be taken before the next call.
    ///
    /// # Errors
    /// What follows is neither an element nor the end.
    pub(crate) fn next_element(&mut self, cursor: &mut Cursor) -> Scan<bool> {
        self.separate(cursor, b']')
    }

    /// Steps over what is the same as `expected`; whether it was.
    pub(crate) fn pass(&mut self, expected: &str) -> bool {
        let is_same = self.text.as_bytes()[self.at..].starts_with(expected.as_bytes());
        if is_same {
            self.at += expected.len();
        }
        is_same
    }

    /// Whether nothing is left.
    pub(crate) fn is_at_end(&self) -> bool {
        self.at == self.text.len()
    }

    /// Makes sure that nothing but white space is left.
    ///
    /// # Errors
    /// Something is.
    pub(crate) fn end(&mut self) -> Scan<()> {
        self.space();
        if self.is_at_end() {
            Ok(())
        } else {
            self.fail("unexpected characters after the value")
        }
    }

    fn enter(&mut self, open: u8, reason: &'static str) -> Scan<Cursor> {
        self.space();
        if self.byte() != Some(open) {
            return self.fail(reason);
        }
        if self.depth == MAX_DEPTH {
            return self.fail("nested too deeply");
        }
        self.depth += 1;
        self.at += 1;
        Ok(Cursor { first: true })
    }

    fn separate(&mut self, cursor: &mut Cursor, close: u8) -> Scan<bool> {
        self.space();
        match self.byte() {
            Some(byte) if byte == close => {
                self.at += 1;
                self.depth -= 1;
                return Ok(false);
            }
            Some(b',') if !cursor.first => self.at += 1,
            Some(_) if cursor.first => {}
            Some(_) => return self.fail("expected ',' or the end of the container"),
            None => return self.fail("unexpected end"),
        }
        cursor.first = false;
        Ok(true)
    }

    /// Skips one; whether it has escapes.
    #[inline]
    fn string(&mut self) -> Scan<bool> {
        let bytes = self.text.as_bytes();
        let from = self.at + 1;
        // Names and most values are short: to set out with vector instructions would take longer than to be there.
        if let Some(length) = short_run(&bytes[from..])
            && bytes[from + length] == b'"'
        {
            self.at = from + length + 1;
            return Ok(false);
        }
        self.long_string(from)
    }

    /// The same of one that is not short, or not plain, whose text begins there. Apart, so that others need not make room for
    /// what it takes.
    #[inline(never)]
    fn long_string(&mut self, mut from: usize) -> Scan<bool> {
        let bytes = self.text.as_bytes();
        let mut escaped = false;
        loop {
            let Some(found) = memchr::memchr2(b'"', b'\\', &bytes[from..]) else {
                self.at = bytes.len();
                return self.fail("unexpected end in a string");
            };
            let run = &bytes[from..from + found];
            if run.iter().fold(u8::MAX, |least, byte| least.min(*byte)) < 0x20 {
                self.at = from + run.iter().position(|byte| *byte < 0x20).unwrap_or_default();
                return self.fail("control character in a string");
            }
            let at = from + found;
            if bytes[at] == b'"' {
                self.at = at + 1;
                return Ok(escaped);
            }
            escaped = true;
            from = at + self.escape(at)?;
        }
    }

    /// Length of the escape that starts at `at`.
    fn escape(&mut self, at: usize) -> Scan<usize> {
        let bytes = self.text.as_bytes();
        match bytes.get(at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(2),
            Some(b'u')
                if bytes
                    .get(at + 2..at + 6)
                    .is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)) =>
            {
                Ok(6)
            }
            _ => {
                self.at = at;
                self.fail("invalid escape in a string")
            }
        }
    }

    fn number(&mut self) -> Scan<()> {
        if self.byte() == Some(b'-') {
            self.at += 1;
        }
        match self.byte() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits()?,
            _ => return self.fail("invalid number"),
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.byte(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.byte(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Scan<()> {
        let from = self.at;
        while matches!(self.byte(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == from {
            self.fail("invalid number")
        } else {
            Ok(())
        }
    }

    fn literal(&mut self, word: &str) -> Scan<()> {
        if self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            return Ok(());
        }
        self.fail("expected a value")
    }

    fn space(&mut self) {
        while matches!(self.byte(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn fail<T>(&self, reason: &'static str) -> Scan<T> {
        Err(SyntaxError {
            reason,
            offset: self.at,
        })
    }
}

/// A text as JSON.
pub(crate) fn quoted(text: &str) -> String {
    // A string always has a form. `Value`'s own goes by way of the formatter, which takes longer.
    serde_json::to_string(text).unwrap_or_default()
}

/// Checks that `input` is one JSON value within the depth limit.
///
/// # Errors
/// The first thing that is not.
pub fn validate(input: &[u8]) -> Result<Kind, SyntaxError> {
    let mut scanner = Scanner::new(input)?;
    let kind = scanner.value()?.kind;
    scanner.end()?;
    Ok(kind)
}

#[cfg(test)]
mod tests;
