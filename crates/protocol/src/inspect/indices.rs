//! Which of the answers asked for have ended.

use std::collections::BTreeSet;

/// A set of indices; holds those below 64, which are all that occur, without allocating.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Indices {
    low: u64,
    high: BTreeSet<u32>,
}

impl Indices {
    pub(crate) fn insert(&mut self, index: u32) {
        match 1_u64.checked_shl(index) {
            Some(bit) => self.low |= bit,
            None => {
                self.high.insert(index);
            }
        }
    }

    pub(crate) fn extend(&mut self, other: Self) {
        self.low |= other.low;
        if !other.high.is_empty() {
            self.high.extend(other.high);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.low.count_ones() as usize + self.high.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.low == 0 && self.high.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_counts_once_however_large() {
        let mut indices = Indices::default();
        assert!(indices.is_empty());
        for index in [0, 63, 64, u32::MAX, 0, 64] {
            indices.insert(index);
        }
        let mut other = Indices::default();
        other.insert(1);
        other.insert(64);
        indices.extend(other);
        assert_eq!((indices.len(), indices.is_empty()), (5, false));
    }
}
