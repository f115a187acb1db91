//! What is not JSON.

/// Where and why a text is not JSON. Each step of a walk may answer it, so it fits into a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{reason} at byte {offset}")]
pub struct SyntaxError {
    /// What was wrong.
    pub reason: Reason,
    /// Bytes from the start; the greatest where there are more.
    pub offset: u32,
}

impl SyntaxError {
    pub(crate) fn new(reason: Reason, offset: usize) -> Self {
        Self {
            reason,
            offset: u32::try_from(offset).unwrap_or(u32::MAX),
        }
    }
}

/// Why a text is not JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// It is not even text.
    #[error("invalid UTF-8")]
    Utf8,
    /// It stops within a value.
    #[error("unexpected end")]
    End,
    /// It stops within a string.
    #[error("unexpected end in a string")]
    EndOfString,
    /// Something stands in place of a value.
    #[error("expected a value")]
    Value,
    /// A value of another type stands in place of an object.
    #[error("expected an object")]
    Object,
    /// A value of another type stands in place of an array.
    #[error("expected an array")]
    Array,
    /// A member does not begin with its name.
    #[error("expected a string as key")]
    Key,
    /// A member's name has no value.
    #[error("expected ':'")]
    Colon,
    /// Two values stand side by side.
    #[error("expected ',' or the end of the container")]
    Comma,
    /// There are more than [`MAX_DEPTH`](super::MAX_DEPTH) containers in one another.
    #[error("nested too deeply")]
    Depth,
    /// A number that the grammar does not know.
    #[error("invalid number")]
    Number,
    /// A backslash in a string that means nothing.
    #[error("invalid escape in a string")]
    Escape,
    /// A line break, say, that stands in a string as it is.
    #[error("control character in a string")]
    Control,
    /// More than one value.
    #[error("unexpected characters after the value")]
    Trailing,
}
