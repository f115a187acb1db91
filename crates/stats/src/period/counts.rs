//! How many requests took how long, also as bytes.

use std::collections::BTreeMap;

use sea_orm::IdenStatic;
use sea_orm::sea_query::Expr;

/// Requests by milliseconds, as [`coarse`] has them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Counts(pub(crate) BTreeMap<i64, i64>);

impl Counts {
    /// So many requests more that took so long.
    pub(crate) fn add(&mut self, took: i64, requests: i64) {
        let sum = self.0.entry(took).or_default();
        *sum = sum.saturating_add(requests);
    }

    /// Adds what [`Counts::to_bytes`] gave.
    pub(crate) fn add_bytes(&mut self, bytes: &[u8]) {
        let (mut rest, mut took) = (bytes, 0u64);
        while let (Some(more), Some(requests)) = (take(&mut rest), take(&mut rest)) {
            took = took.wrapping_add(more);
            self.add(took.cast_signed(), requests.cast_signed());
        }
    }

    /// Pairs of LEB128 numbers: by how much longer than the pair before, and how many.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let (mut bytes, mut before) = (Vec::new(), 0u64);
        for (took, requests) in &self.0 {
            let took = took.cast_unsigned();
            put(&mut bytes, took.wrapping_sub(before));
            put(&mut bytes, requests.cast_unsigned());
            before = took;
        }
        bytes
    }
}

fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// Milliseconds, exact below 100, else to two digits.
pub(crate) fn coarse(column: impl IdenStatic) -> Expr {
    let name = column.as_str();
    Expr::cust(format!(
        "CASE WHEN {name} < 100 THEN {name} WHEN {name} < 1000 THEN {name} - {name} % 10 \
         WHEN {name} < 10000 THEN {name} - {name} % 100 WHEN {name} < 100000 THEN {name} - {name} % 1000 \
         ELSE {name} - {name} % 10000 END"
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bytes_are_read_back_and_add_up(
            counts in prop::collection::btree_map(0..i64::MAX, 1..i64::MAX / 2, 0..50)
        ) {
            let counts = Counts(counts);
            let mut found = Counts::default();
            found.add_bytes(&counts.to_bytes());
            prop_assert_eq!(&found, &counts);
            found.add_bytes(&counts.to_bytes());
            let twice = counts.0.iter().map(|(took, requests)| (*took, requests * 2));
            prop_assert_eq!(found, Counts(twice.collect()));
        }
    }

    #[test]
    fn most_pairs_take_two_bytes() {
        let counts = Counts((1..=100).map(|took| (took * 10, 99)).collect());
        assert_eq!(counts.to_bytes().len(), 200);
    }
}
