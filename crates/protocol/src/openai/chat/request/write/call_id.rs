//! Ids of calls, as OpenAI takes them.

use std::{borrow::Cow, fmt::Write};

/// OpenAI refuses longer ones.
const LONGEST: usize = 40;

/// The id itself, or where it is too long or of other characters one made of it: the same for the call and its result, and
/// in each request of a conversation, so that the provider's prompt cache finds it again.
pub(super) fn write(id: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if (1..=LONGEST).contains(&id.len()) && id.bytes().all(is_plain) {
        return Cow::Borrowed(id);
    }
    let mut short = String::with_capacity(LONGEST);
    let written = write!(short, "call_{:032x}", fnv(id.as_bytes()));
    written.expect("a string takes all");
    Cow::Owned(short)
}

/// FNV-1a of 128 bits, whose value no release changes. Ids that collide by intent harm only their own conversation.
fn fnv(bytes: &[u8]) -> u128 {
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    bytes.iter().fold(BASIS, |hash, byte| {
        (hash ^ u128::from(*byte)).wrapping_mul(PRIME)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ids_that_openai_refuses_are_rewritten() {
        let longest = "c".repeat(40);
        for kept in ["call_1", "toolu_01-A", &longest] {
            assert_eq!(write(kept), kept);
        }
        let too_long = "c".repeat(41);
        let foreign = ["", "functions.x:0", "é", &too_long];
        for (index, id) in foreign.iter().enumerate() {
            let written = write(id);
            assert_eq!(written.len(), 37);
            assert!(foreign[..index].iter().all(|other| write(other) != written));
        }
    }

    #[test]
    fn the_hash_is_the_published_one() {
        assert_eq!(fnv(b"a"), 0xd228_cb69_6f1a_8caf_7891_2b70_4e4a_8964);
    }
}
