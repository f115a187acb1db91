//! Calls of tools whose arguments may interleave, while only one block can be open.

use std::collections::VecDeque;

/// A call that waits for the one before it to end.
#[derive(Debug, Clone)]
pub(super) struct Waiting {
    pub(super) index: u32,
    pub(super) id: String,
    pub(super) name: String,
    pub(super) arguments: String,
}

/// Calls that wait, in the order in which they began.
pub(super) type Queue = VecDeque<Waiting>;

/// Tells when pieces of JSON add up to a whole object.
#[derive(Debug, Clone, Default)]
pub(super) struct Balance {
    depth: u64,
    in_string: bool,
    escaped: bool,
    begun: bool,
}

impl Balance {
    /// Takes the next piece.
    pub(super) fn push(&mut self, piece: &str) {
        for byte in piece.bytes() {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.in_string => self.escaped = true,
                b'"' => self.in_string = !self.in_string,
                _ if self.in_string => {}
                b'{' | b'[' => {
                    self.begun = true;
                    self.depth += 1;
                }
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
    }

    /// Whether the object is whole.
    pub(super) fn is_whole(&self) -> bool {
        self.begun && self.depth == 0 && !self.in_string
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_whole_at_its_last_brace() {
        let json = r#"{"a":{"b":"}\"]"},"c":[1,{}]}"#;
        let mut balance = Balance::default();
        for (at, character) in json.char_indices() {
            assert!(!balance.is_whole(), "before byte {at}");
            balance.push(&character.to_string());
        }
        assert!(balance.is_whole());
        let mut hostile = Balance::default();
        hostile.push("}}]{");
        assert!(!hostile.is_whole());
    }
}
