//! Money: integer nano-USD inside, decimal numbers of USD for people. No float is ever between the two.

const DIGITS: usize = 9;
const NANOS: u64 = 1_000_000_000;

/// Why a text is no amount of money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Signs, exponents, spaces and separators are refused.
    #[error("must be a decimal number of USD, such as 2.5")]
    NoNumber,
    /// A price that has to be rounded is not the price.
    #[error("must have at most 9 decimals")]
    TooFine,
    /// No column holds it.
    #[error("is too large")]
    TooLarge,
}

/// Nano-USD as a decimal number of USD, exact and without needless zeros.
#[must_use]
pub fn usd(nano: i64) -> String {
    let sign = if nano < 0 { "-" } else { "" };
    let (whole, rest) = (nano.unsigned_abs() / NANOS, nano.unsigned_abs() % NANOS);
    if rest == 0 {
        return format!("{sign}{whole}");
    }
    let decimals = format!("{rest:09}");
    format!("{sign}{whole}.{}", decimals.trim_end_matches('0'))
}

/// A decimal number of USD in nano-USD, exactly. Zeros beyond the nano-dollar are no precision.
///
/// # Errors
/// It is no such number, finer than a nano-dollar, or too large.
pub fn parse_usd(text: &str) -> Result<i64, AmountError> {
    let (whole, decimals) = match text.split_once('.') {
        Some((whole, decimals)) => (whole, Some(decimals)),
        None => (text, None),
    };
    let is_number =
        |digits: &str| !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    if !is_number(whole) || !decimals.is_none_or(is_number) {
        return Err(AmountError::NoNumber);
    }
    let decimals = decimals.unwrap_or_default().trim_end_matches('0');
    if decimals.len() > DIGITS {
        return Err(AmountError::TooFine);
    }
    // Both parts are digits, so that only their size can keep them from being read.
    format!("{whole}{decimals:0<DIGITS$}")
        .parse()
        .map_err(|_| AmountError::TooLarge)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{AmountError, parse_usd, usd};

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

    #[test]
    fn amounts_are_read_exactly_or_not_at_all() {
        use AmountError::{NoNumber, TooFine, TooLarge};
        for (text, expected) in [
            ("0", Ok(0)),
            ("2.5", Ok(2_500_000_000)),
            ("007.50", Ok(7_500_000_000)),
            ("0.000000001", Ok(1)),
            ("1.0000000010000", Ok(1_000_000_001)),
            ("9223372036.854775807", Ok(i64::MAX)),
            ("9223372036.854775808", Err(TooLarge)),
            ("99999999999999999999999", Err(TooLarge)),
            ("0.0000000001", Err(TooFine)),
            ("", Err(NoNumber)),
            (".5", Err(NoNumber)),
            ("5.", Err(NoNumber)),
            ("1.2.3", Err(NoNumber)),
            ("-1", Err(NoNumber)),
            ("+1", Err(NoNumber)),
            ("1e3", Err(NoNumber)),
            (" 1", Err(NoNumber)),
            ("1,5", Err(NoNumber)),
            ("٣", Err(NoNumber)),
            ("NaN", Err(NoNumber)),
        ] {
            assert_eq!(parse_usd(text), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_again(nano in 0..=i64::MAX) {
            prop_assert_eq!(parse_usd(&usd(nano)), Ok(nano));
        }
    }
}
