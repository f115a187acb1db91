//! Signatures and sealed text of the simulator's own making, so that a changed or foreign one is found out.
//!
//! Any simulator can check what another has made, as the real services' servers can. The hash keeps no secrets: it
//! tells mistakes, not attacks.

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::prelude::BASE64_STANDARD;

/// Padding may be there or not, as lenient readers take it.
const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

/// A signature of `text` for one use.
pub(crate) fn sign(kind: &str, text: &str) -> String {
    BASE64_STANDARD.encode(format!("simulator {kind} {}", hash(kind, text)))
}

/// Text that only its maker can read.
pub(crate) fn seal(kind: &str, text: &str) -> String {
    BASE64_STANDARD.encode(format!("simulator {kind} {} {text}", hash(kind, text)))
}

/// Whether `sealed` came from [`seal`] for the same use, unchanged.
pub(crate) fn is_own(kind: &str, sealed: &str) -> bool {
    let own = || {
        let plain = String::from_utf8(BASE64_STANDARD.decode(sealed).ok()?).ok()?;
        let rest = plain.strip_prefix("simulator ")?.strip_prefix(kind)?;
        let (found, text) = rest.trim_start().split_once(' ')?;
        Some(found == hash(kind, text))
    };
    own() == Some(true)
}

/// Bytes in either alphabet of base64, as proto3 JSON takes them.
pub(crate) fn either_base64(text: &str) -> Option<Vec<u8>> {
    let decode = |alphabet| GeneralPurpose::new(alphabet, LENIENT).decode(text).ok();
    decode(&STANDARD).or_else(|| decode(&URL_SAFE))
}

/// FNV-1a over 128 bits.
fn hash(kind: &str, text: &str) -> String {
    let bytes = kind.bytes().chain([0]).chain(text.bytes());
    let hash = bytes.fold(
        0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128,
        |hash, byte| {
            (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
        },
    );
    format!("{hash:032x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_same_is_own() {
        let sealed = seal("a", "text with spaces");
        assert!(is_own("a", &sealed));
        assert!(!is_own("b", &sealed));
        assert!(!is_own("a", &seal("b", "text with spaces")));
        assert!(!is_own("a", &sealed[4..]));
        assert!(!is_own("a", "AAAA") && !is_own("a", "no base64"));
        assert_ne!(sign("a", "x"), sign("a", "y"));
        assert_eq!(sign("a", "x"), sign("a", "x"));
    }

    #[test]
    fn both_alphabets_are_read() {
        for text in ["+/8=", "-_8=", "-_8"] {
            assert_eq!(either_base64(text).unwrap(), [0xfb, 0xff], "{text}");
        }
        assert_eq!(either_base64("?"), None);
    }
}
