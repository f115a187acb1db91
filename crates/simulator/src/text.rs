//! Generated text, token by token.

use crate::Content;

const LOREM: [&str; 24] = [
    "Lorem",
    " ipsum",
    " dolor",
    " sit",
    " amet,",
    " consectetur",
    " adipiscing",
    " elit,",
    " sed",
    " do",
    " eiusmod",
    " tempor",
    " incididunt",
    " ut",
    " labore",
    " et",
    " dolore",
    " magna",
    " aliqua.",
    " Ut",
    " enim",
    " ad",
    " minim",
    " veniam,",
];

/// Bytes of every length, joined emoji, combining marks, right-to-left text, quotes and backslashes, and the line
/// separators that some clients split at although server-sent events do not.
const UNICODE: [&str; 16] = [
    "Grüße",
    " 世界",
    " 🌍",
    " 👩‍👩‍👧",
    " naïve",
    " e\u{301}",
    " \"quoted\"",
    " back\\slash",
    " שלום",
    " नमस्ते",
    "\u{2028}",
    "\u{2029}",
    "\u{85}",
    "\nline\n",
    " 𝒳",
    " \u{1f3f4}\u{e0067}",
];

/// `count` tokens of the asked kind; the prompt serves [`Content::Echo`].
pub(crate) fn tokens(content: Content, prompt: &str, count: usize) -> Vec<String> {
    let words: Vec<String> = match content {
        Content::Lorem => LOREM.iter().map(ToString::to_string).collect(),
        Content::Unicode => UNICODE.iter().map(ToString::to_string).collect(),
        Content::Echo => prompt
            .split_inclusive(char::is_whitespace)
            .map(str::to_owned)
            .collect(),
    };
    words.into_iter().cycle().take(count).collect()
}

/// A given text in pieces of about one token.
pub(crate) fn pieces(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    chars
        .chunks(4)
        .map(|piece| piece.iter().collect())
        .collect()
}

/// The tokens providers would count in a text, about.
pub(crate) fn count(text: &str) -> u64 {
    text.len().div_ceil(4) as u64
}

/// JSON with everything outside ASCII escaped; such characters stand in strings only.
pub(crate) fn ascii(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for char in json.chars() {
        if char.is_ascii() {
            escaped.push(char);
        } else {
            for unit in char.encode_utf16(&mut [0; 2]) {
                escaped.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_say_the_same() {
        let json = serde_json::json!({"a": UNICODE.concat()});
        let escaped = ascii(&json.to_string());
        assert!(escaped.is_ascii());
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&escaped).unwrap(),
            json
        );
    }
}
