//! Changing a body without copying it, unless it is short: a few byte ranges are replaced, the rest is sliced.

use std::ops::Range;

use bytes::Bytes;

/// Below this, in bytes, to copy a body costs less than to hold, count and write its pieces.
const SHORT: usize = 4096;

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

    /// The changed body in order: slices of `body`, which are not copied, and replacements; a short one in one piece.
    #[must_use]
    pub fn pieces(&self, body: &Bytes) -> Vec<Bytes> {
        if body.len() < SHORT && !self.edits.is_empty() {
            return vec![self.joined(body)];
        }
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

    fn joined(&self, body: &Bytes) -> Bytes {
        let added: usize = self.edits.iter().map(|(_, it)| it.len()).sum();
        let mut joined = Vec::with_capacity(body.len() + added);
        let mut from = 0;
        for (range, replacement) in &self.edits {
            joined.extend_from_slice(&body[from..range.start]);
            joined.extend_from_slice(replacement);
            from = range.end;
        }
        joined.extend_from_slice(&body[from..]);
        joined.into()
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
        assert_eq!(splice.pieces(&body).len(), 1);
    }

    #[test]
    fn of_a_long_body_nothing_is_copied() {
        let body = Bytes::from(vec![b'.'; SHORT]);
        let mut splice = Splice::default();
        splice.replace(7..9, "xx");
        let pieces = splice.pieces(&body);
        assert_eq!(pieces[0].as_ptr(), body.as_ptr());
        assert_eq!(pieces[2].as_ptr(), body[9..].as_ptr());
        assert_eq!(pieces.concat().len(), SHORT);
    }
}
