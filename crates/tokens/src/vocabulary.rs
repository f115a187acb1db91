//! The vocabulary, as the build has packed it: unpacked when it is first needed.

use std::{
    io::{self, Read as _},
    sync::LazyLock,
};

use flate2::read::DeflateDecoder;
use tiktoken_rs::{CoreBPE, O200K_BASE_PAT_STR};

/// For each token, in the order of their ranks, its length in one byte and its bytes.
static PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/vocabulary"));

/// `o200k_base`, without its special tokens: in a text that is counted they are text.
pub(crate) static VOCABULARY: LazyLock<CoreBPE> = LazyLock::new(|| {
    let tokens = unpack(PACKED).expect("the vocabulary is whole");
    let ranked = tokens.into_iter().zip(0..).collect();
    CoreBPE::new(ranked, Default::default(), O200K_BASE_PAT_STR).expect("the pattern is one")
});

fn unpack(packed: &[u8]) -> io::Result<Vec<Vec<u8>>> {
    let mut bytes = Vec::new();
    DeflateDecoder::new(packed).read_to_end(&mut bytes)?;
    let mut tokens = Vec::new();
    let mut rest = bytes.as_slice();
    while let Some((length, after)) = rest.split_first() {
        let (token, after) = after
            .split_at_checked(usize::from(*length))
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        tokens.push(token.to_vec());
        rest = after;
    }
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_the_tokens_that_the_vocabulary_gives_them() {
        let given = tiktoken_rs::o200k_base_singleton();
        for text in [
            "The quick brown fox jumps over the lazy dog; it's 12,345 times lazier.\r\n\n\t",
            "fn main() { println!(\"{}\", i64::MAX); } // Größe, 好的, привет, 🦀🏳️‍🌈",
            "<|endoftext|><|endofprompt|>",
        ] {
            let tokens = VOCABULARY.encode_ordinary(text);
            assert_eq!(tokens, given.encode_ordinary(text), "{text}");
        }
    }

    #[test]
    fn every_token_has_its_rank() {
        let given = tiktoken_rs::o200k_base_singleton();
        let tokens = unpack(PACKED).unwrap();
        assert_eq!(tokens.len(), 199_998);
        for (token, rank) in tokens.iter().zip(0..) {
            assert_eq!(given.decode_bytes(&[rank]).ok().as_ref(), Some(token));
        }
    }
}
