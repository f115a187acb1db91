//! Ids of tool calls, which match `^[a-zA-Z0-9_-]+$` there.

use std::{borrow::Cow, fmt::Write};

/// Begins the ids that were rewritten.
const REWRITTEN: &str = "lo1-";

/// `id`, or where it does not fit one made of it: `lo1-`, then each byte that does not fit, and `_`, as `_` and two
/// hexadecimal digits. Different ids stay different, so a result finds its call.
pub(super) fn fitting(id: &str) -> Cow<'_, str> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let is_fitting = !id.is_empty() && id.bytes().all(|byte| fits(byte) || byte == b'_');
    if is_fitting && !id.starts_with(REWRITTEN) {
        return Cow::Borrowed(id);
    }
    let mut rewritten = String::with_capacity(REWRITTEN.len() + id.len() + 16);
    rewritten.push_str(REWRITTEN);
    for byte in id.bytes() {
        if fits(byte) {
            rewritten.push(char::from(byte));
        } else {
            write!(rewritten, "_{byte:02x}").expect("text takes whatever is written");
        }
    }
    Cow::Owned(rewritten)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn original(written: &str) -> String {
        let Some(rest) = written.strip_prefix(REWRITTEN) else {
            return written.to_owned();
        };
        let mut pieces = rest.split('_');
        let mut bytes = pieces.next().unwrap().as_bytes().to_vec();
        for piece in pieces {
            bytes.push(u8::from_str_radix(&piece[..2], 16).unwrap());
            bytes.extend_from_slice(&piece.as_bytes()[2..]);
        }
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn ids_that_fit_stay() {
        for id in ["toolu_01A", "call-1", "_"] {
            assert_eq!(fitting(id), id);
        }
        assert_eq!(fitting("functions.x:0"), "lo1-functions_2ex_3a0");
        assert_eq!(fitting(""), "lo1-");
    }

    proptest! {
        #[test]
        fn every_id_fits_and_can_be_told_from_all_others(id in "(lo1-)?(\\PC|[a-z0-9_.:-]){0,12}") {
            let written = fitting(&id);
            prop_assert!(!written.is_empty());
            prop_assert!(written.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)));
            prop_assert_eq!(original(&written), id);
        }
    }
}
