//! Counts the tokens of a request where the provider has no operation for it.
//!
//! The vocabulary is `o200k_base`, that of OpenAI's current models; for others it is an estimate, and so is every count of
//! a whole request, since how a provider frames messages and tools is not published. The vocabulary is loaded at the first
//! count: it takes about 50 MB, which a gateway that never counts does not spend.
//!
//! ```
//! assert_eq!(tokens::count("hello world"), 2);
//! ```

mod request;
mod vocabulary;

pub use request::count_request;
use vocabulary::VOCABULARY;

/// Longest piece that the tokenizer gets at once: its time grows with the square of what it cannot split.
const PIECE: usize = 8 * 1024;
/// Text beyond this is not tokenized but taken to be like what came before, so that a count takes bounded time.
const COUNTED: usize = 1 << 20;

/// Tokens in `text`; exact for `o200k_base` up to 8 kB, a close estimate beyond.
#[must_use]
pub fn count(text: &str) -> u64 {
    let counted = &text[..text.floor_char_boundary(COUNTED)];
    let mut rest = counted;
    let mut tokens = 0;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(cut(rest));
        tokens += VOCABULARY.count_ordinary(piece) as u64;
        rest = after;
    }
    scaled(tokens, counted.len(), text.len())
}

/// Where to cut a piece off: before the last space, so that no word is torn, or anywhere if there is none.
fn cut(text: &str) -> usize {
    let end = text.floor_char_boundary(PIECE);
    if end == text.len() {
        return end;
    }
    text[..end].rfind(' ').filter(|at| *at > 0).unwrap_or(end)
}

fn scaled(tokens: u64, counted: usize, whole: usize) -> u64 {
    if counted == whole {
        return tokens;
    }
    (u128::from(tokens) * whole as u128 / counted.max(1) as u128) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_texts_are_counted_to_the_token() {
        // Figures of OpenAI's own tokenizer.
        for (text, tokens) in [
            ("", 0),
            ("hello world", 2),
            ("antidisestablishmentarianism", 6),
            ("<|endoftext|>", 7),
        ] {
            assert_eq!(count(text), tokens, "{text}");
        }
    }

    #[test]
    fn long_texts_are_cut_between_words() {
        let sentence = " The quick brown fox jumps over the lazy dog.";
        assert_eq!(count(&sentence.repeat(2000)), count(sentence) * 2000);
    }

    #[test]
    fn text_without_spaces_and_beyond_the_limit_is_counted_too() {
        let dense = "好".repeat(PIECE);
        assert!(count(&dense) >= PIECE as u64 / 2);
        let huge = "word ".repeat(COUNTED);
        let tokens = count(&huge);
        assert!(
            (COUNTED as u64 * 9 / 10..COUNTED as u64 * 21 / 10).contains(&tokens),
            "{tokens}"
        );
    }
}
