//! A value that was gone past.

use std::{borrow::Cow, ops::Range};

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
    /// Whether it is a string with escapes.
    pub(super) escaped: bool,
    /// What it stands in. Most values are only gone past, so it is not cut out before somebody asks.
    pub(super) text: &'a str,
    /// Offset of its first byte.
    pub start: usize,
    pub(super) end: usize,
}

impl<'a> Value<'a> {
    /// Its text, with the quotes if a string.
    #[must_use]
    pub fn raw(&self) -> &'a str {
        &self.text[self.start..self.end]
    }

    /// Its place in the input.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.start..self.end
    }

    /// Bytes of a string's text, escapes as they stand; 0 for what is no string.
    pub(crate) fn text_len(&self) -> usize {
        match self.kind {
            Kind::String => self.end - self.start - "\"\"".len(),
            _ => 0,
        }
    }

    /// The string it holds, if it is one. Escapes that name no character (lone surrogates) give `None` too.
    #[must_use]
    #[inline]
    pub fn as_str(&self) -> Option<Cow<'a, str>> {
        match self.kind {
            Kind::String if self.escaped => unescaped(self.raw()).map(Cow::Owned),
            Kind::String => Some(Cow::Borrowed(&self.text[self.start + 1..self.end - 1])),
            _ => None,
        }
    }

    /// The boolean it is, if it is one.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        (self.kind == Kind::Bool).then(|| self.raw() == "true")
    }

    /// The number it is, if it is one.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        (self.kind == Kind::Number).then(|| self.raw().parse().ok())?
    }

    /// The whole number it is, if it is one.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        (self.kind == Kind::Number).then(|| self.raw().parse().ok())?
    }

    /// Whether it is `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.kind == Kind::Null
    }
}

/// What a string with escapes says, unless these name no character.
#[cold]
fn unescaped(raw: &str) -> Option<String> {
    serde_json::from_str(raw).ok()
}
