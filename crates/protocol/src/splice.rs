//! Changing a body without copying it: a few byte ranges are replaced, the rest is sliced.

use std::ops::Range;

use bytes::Bytes;

/// Replacements in a body, by byte range; ranges do not overlap.
#[derive(Debug, Clone, Default)]
pub struct Splice {
    edits: Vec<(Range<usize>, Bytes)>,
}

impl Splice {
    /// Puts `replacement` where `range` is now; an empty range inserts.
    pub fn replace(&mut self, range: Range<usize>, replacement: impl Into<Bytes>) {
        let place = (range.start, range.end);
        let at = self
            .edits
            .partition_point(|(other, _)| (other.start, other.end) <= place);
        debug_assert!(
            at == 0 || self.edits[at - 1].0.end <= range.start,
            "edits overlap"
        );
        self.edits.insert(at, (range, replacement.into()));
    }

    /// The changed body in order: slices of `body`, which are not copied, and replacements.
    #[must_use]
    pub fn pieces(&self, body: &Bytes) -> Vec<Bytes> {
        let mut pieces = Vec::with_capacity(self.edits.len() * 2 + 1);
        let mut from = 0;
        for (range, replacement) in &self.edits {
            pieces.push(body.slice(from..range.start));
            pieces.push(replacement.clone());
            from = range.end;
        }
        pieces.push(body.slice(from..));
        pieces.retain(|piece| !piece.is_empty());
        pieces
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_apply_in_order_of_place_whatever_the_order_they_came_in() {
        let body = Bytes::from_static(b"0123456789");
        let mut splice = Splice::default();
        splice.replace(7..9, "xx");
        splice.replace(0..0, "<");
        splice.replace(2..3, "");
        assert_eq!(splice.pieces(&body).concat(), b"<013456xx9");
        assert_eq!(Splice::default().pieces(&body).concat(), b"0123456789");
    }
}
