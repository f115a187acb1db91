//! Money as people read it.

/// Nano-USD as a decimal number of USD, exact and without needless zeros.
pub(crate) fn usd(nano: i64) -> String {
    const NANOS: u64 = 1_000_000_000;
    let sign = if nano < 0 { "-" } else { "" };
    let (whole, rest) = (nano.unsigned_abs() / NANOS, nano.unsigned_abs() % NANOS);
    if rest == 0 {
        return format!("{sign}{whole}");
    }
    let decimals = format!("{rest:09}");
    format!("{sign}{whole}.{}", decimals.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::usd;

    #[test]
    fn every_nano_is_shown_and_no_needless_zero() {
        for (nano, expected) in [
            (0, "0"),
            (1, "0.000000001"),
            (12_750_000, "0.01275"),
            (1_000_000_000, "1"),
            (10_500_000_000, "10.5"),
            (-1_500_000_000, "-1.5"),
            (i64::MAX, "9223372036.854775807"),
            (i64::MIN, "-9223372036.854775808"),
        ] {
            assert_eq!(usd(nano), expected);
        }
    }
}
