//! Taking members out of an object, or elements out of an array.

use std::ops::Range;

/// Where a member or an element stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// How many stand before it.
    pub(super) index: usize,
    /// From the key's (the element's) first byte to the value's last.
    pub(super) span: Range<usize>,
}

impl Place {
    /// The range to cut so that what remains is still separated by single commas, where `removed` of those before it are
    /// taken out too: with the comma before it, or, when nothing kept precedes it, the one after it.
    pub(super) fn cut(&self, body: &[u8], removed: usize) -> Range<usize> {
        let Range { start, end } = self.span;
        if self.index > removed {
            let before = body.get(..start).unwrap_or_default().trim_ascii_end();
            let before = before.strip_suffix(b",").unwrap_or(before);
            before.trim_ascii_end().len()..end
        } else {
            let rest = body.get(end..).unwrap_or_default();
            match rest.trim_ascii_start().strip_prefix(b",") {
                Some(next) => start..body.len() - next.trim_ascii_start().len(),
                None => start..end,
            }
        }
    }
}
