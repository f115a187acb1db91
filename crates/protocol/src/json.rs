//! A validating JSON scanner that borrows.
//!
//! Routing needs a handful of fields out of bodies of up to megabytes, the byte range of each (so that the body can be
//! changed by splicing), and a depth limit that also holds inside skipped values. Typed deserialization gives neither
//! ranges nor a limit for what it ignores, so this walks the text once and allocates nothing.
//! Grammar: RFC 8259.

mod error;
mod run;
mod value;
pub(crate) mod walk;

use std::ops::Range;

pub use self::{
    error::{Reason, SyntaxError},
    value::{Kind, Value},
};

/// Deepest nesting accepted, the same as serde_json's.
pub const MAX_DEPTH: u8 = 127;

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
    /// Where the name of the last member stands, with its quotes.
    name: Range<usize>,
}

/// Stands for what is behind the last byte: JSON has this one nowhere.
const NOTHING: u8 = 0;

/// What was gone past, and whether it is a string with escapes.
#[derive(Clone, Copy)]
struct Passed {
    kind: Kind,
    escaped: bool,
}

type Scan<T> = Result<T, SyntaxError>;

impl<'a> Scanner<'a> {
    /// Starts at the first byte of `input`, which must be UTF-8.
    ///
    /// # Errors
    /// The first byte that is not UTF-8.
    pub(crate) fn new(input: &'a [u8]) -> Scan<Self> {
        let text = simdutf8::compat::from_utf8(input)
            .map_err(|error| SyntaxError::new(Reason::Utf8, error.valid_up_to()))?;
        Ok(Self::of(text))
    }

    /// Starts at the first byte of `text`.
    pub(crate) fn of(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            depth: 0,
            name: 0..0,
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
    #[inline]
    pub(crate) fn peek(&mut self) -> Scan<Kind> {
        match self.token() {
            b'"' => Ok(Kind::String),
            b'{' => Ok(Kind::Object),
            b'[' => Ok(Kind::Array),
            b't' | b'f' => Ok(Kind::Bool),
            b'n' => Ok(Kind::Null),
            b'-' | b'0'..=b'9' => Ok(Kind::Number),
            _ => self.fail(Reason::Value),
        }
    }

    /// Skips the next value, whole, and answers where it was.
    ///
    /// # Errors
    /// It is not JSON, or nested too deeply.
    #[inline]
    pub(crate) fn value(&mut self) -> Scan<Value<'a>> {
        let first = self.token();
        let start = self.at;
        let Passed { kind, escaped } = self.skip(first)?;
        Ok(Value {
            kind,
            escaped,
            text: self.text,
            start,
            end: self.at,
        })
    }

    /// Goes past the value that begins here, with `first`.
    fn skip(&mut self, first: u8) -> Scan<Passed> {
        let kind = match first {
            b'"' => {
                let escaped = self.string()?;
                let kind = Kind::String;
                return Ok(Passed { kind, escaped });
            }
            b'{' => {
                let mut cursor = self.enter_object()?;
                while self.member(&mut cursor)?.is_some() {
                    self.skip_next()?;
                }
                Kind::Object
            }
            b'[' => {
                let mut cursor = self.enter_array()?;
                while self.next_element(&mut cursor)? {
                    self.skip_next()?;
                }
                Kind::Array
            }
            b'-' | b'0'..=b'9' => {
                self.number()?;
                Kind::Number
            }
            b't' => self.literal("true", Kind::Bool)?,
            b'f' => self.literal("false", Kind::Bool)?,
            b'n' => self.literal("null", Kind::Null)?,
            _ => return self.fail(Reason::Value),
        };
        Ok(Passed {
            kind,
            escaped: false,
        })
    }

    /// The same, of the value that comes next.
    fn skip_next(&mut self) -> Scan<Passed> {
        let first = self.token();
        self.skip(first)
    }

    /// Steps into the object that comes next.
    ///
    /// # Errors
    /// None comes, or it is nested too deeply.
    pub(crate) fn enter_object(&mut self) -> Scan<Cursor> {
        self.enter(b'{', Reason::Object)
    }

    /// Steps into the array that comes next.
    ///
    /// # Errors
    /// None comes, or it is nested too deeply.
    pub(crate) fn enter_array(&mut self) -> Scan<Cursor> {
        self.enter(b'[', Reason::Array)
    }

    /// The next key of the object, quotes included, or `None` past its end. Its value must be taken before the next call.
    ///
    /// # Errors
    /// What follows is not a member.
    #[inline]
    pub(crate) fn next_member(&mut self, cursor: &mut Cursor) -> Scan<Option<Value<'a>>> {
        Ok(self.member(cursor)?.map(|escaped| Value {
            kind: Kind::String,
            escaped,
            text: self.text,
            start: self.name.start,
            end: self.name.end,
        }))
    }

    /// Goes to the next value of an object; whether its name has escapes, or `None` past its end.
    fn member(&mut self, cursor: &mut Cursor) -> Scan<Option<bool>> {
        if !self.separate(cursor, b'}')? {
            return Ok(None);
        }
        self.name().map(Some)
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
        self.token();
        if self.is_at_end() {
            Ok(())
        } else {
            self.fail(Reason::Trailing)
        }
    }

    fn enter(&mut self, open: u8, reason: Reason) -> Scan<Cursor> {
        if self.token() != open {
            return self.fail(reason);
        }
        if self.depth == MAX_DEPTH {
            return self.fail(Reason::Depth);
        }
        self.depth += 1;
        self.at += 1;
        Ok(Cursor { first: true })
    }

    /// Goes to the next member or element; false past the bracket that closes.
    #[inline]
    fn separate(&mut self, cursor: &mut Cursor, close: u8) -> Scan<bool> {
        let byte = self.token();
        if byte == close {
            self.at += 1;
            self.depth -= 1;
            return Ok(false);
        }
        if cursor.first {
            cursor.first = false;
            return Ok(true);
        }
        if byte != b',' {
            return self.fail(Reason::Comma);
        }
        self.at += 1;
        self.token();
        Ok(true)
    }

    /// Goes past the name of a member and its colon; whether it has escapes.
    #[inline]
    fn name(&mut self) -> Scan<bool> {
        if self.byte() != b'"' {
            return self.fail(Reason::Key);
        }
        let start = self.at;
        let escaped = self.string()?;
        self.name = start..self.at;
        if self.token() != b':' {
            return self.fail(Reason::Colon);
        }
        self.at += 1;
        Ok(escaped)
    }

    /// Skips one; whether it has escapes.
    #[inline]
    fn string(&mut self) -> Scan<bool> {
        let bytes = self.text.as_bytes();
        let from = self.at + 1;
        // Names and most values are short: to set out for the end of a long one would take longer than to be there.
        if let Some(length) = run::short(&bytes[from..])
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
                return self.fail(Reason::EndOfString);
            };
            let run = &bytes[from..from + found];
            if run.iter().fold(u8::MAX, |least, byte| least.min(*byte)) < 0x20 {
                self.at = from + run.iter().position(|byte| *byte < 0x20).unwrap_or_default();
                return self.fail(Reason::Control);
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
                self.fail(Reason::Escape)
            }
        }
    }

    fn number(&mut self) -> Scan<()> {
        if self.byte() == b'-' {
            self.at += 1;
        }
        if self.byte() == b'0' {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.byte() == b'.' {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.byte(), b'e' | b'E') {
            self.at += 1;
            if matches!(self.byte(), b'+' | b'-') {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    #[inline]
    fn digits(&mut self) -> Scan<()> {
        let from = self.at;
        while self.byte().is_ascii_digit() {
            self.at += 1;
        }
        if self.at == from {
            self.fail(Reason::Number)
        } else {
            Ok(())
        }
    }

    #[inline]
    fn literal(&mut self, word: &'static str, kind: Kind) -> Scan<Kind> {
        if self.pass(word) {
            return Ok(kind);
        }
        self.fail(Reason::Value)
    }

    /// The next byte that is not white space.
    #[inline]
    fn token(&mut self) -> u8 {
        loop {
            let byte = self.byte();
            if byte > b' ' || !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return byte;
            }
            self.at += 1;
        }
    }

    #[inline]
    fn byte(&self) -> u8 {
        let bytes = self.text.as_bytes();
        bytes.get(self.at).copied().unwrap_or(NOTHING)
    }

    /// Tells what is wrong here. Where something is expected and nothing is left, that is what is wrong.
    #[cold]
    fn fail<T>(&self, reason: Reason) -> Scan<T> {
        let is_awaited = matches!(
            reason,
            Reason::Value | Reason::Key | Reason::Colon | Reason::Comma
        );
        let reason = if is_awaited && self.is_at_end() {
            Reason::End
        } else {
            reason
        };
        Err(SyntaxError::new(reason, self.at))
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
