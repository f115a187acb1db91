//! Base64 as proto3's JSON has it: either alphabet, with or without padding, comes in; the standard one goes out.

use std::borrow::Cow;

use base64::{
    Engine as _,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

const ANY_PADDING: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::STANDARD, ANY_PADDING);

/// The bytes of `text`, in either alphabet.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(to_standard(text).as_bytes()).ok()
}

/// The standard alphabet, padded.
pub(crate) fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// `text` in the standard alphabet, padded, if it is base64 at all.
pub(crate) fn canonical(text: &str) -> Option<String> {
    decode(text).map(|bytes| encode(&bytes))
}

fn to_standard(text: &str) -> Cow<'_, str> {
    if text.bytes().any(|byte| matches!(byte, b'-' | b'_')) {
        Cow::Owned(text.replace('-', "+").replace('_', "/"))
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_alphabet_is_read_and_the_standard_one_written() {
        for text in ["+/+/AA==", "-_-_AA==", "-_-_AA", "+/-_AA"] {
            assert_eq!(canonical(text).as_deref(), Some("+/+/AA=="), "{text}");
        }
        assert_eq!(canonical("").as_deref(), Some(""));
        for text in ["*", "a", "ab=c", "é"] {
            assert_eq!(canonical(text), None, "{text}");
        }
    }
}
