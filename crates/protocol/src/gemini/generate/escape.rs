//! JSON that survives readers of lines.

use std::io;

use serde::Serialize;
use serde_json::ser::Formatter;

/// Appends `value` as JSON on one line, also to those who split lines where Unicode does: U+0085, U+2028 and U+2029 are
/// escaped, as google-genai cuts an event there (older versions use Python's `splitlines`).
pub(crate) fn write_json<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) {
    let mut serializer = serde_json::Serializer::with_formatter(out, OneLine);
    value
        .serialize(&mut serializer)
        .expect("keys of our types are strings, and a vector takes all bytes");
}

/// The same as a text.
pub(crate) fn json_text<T: Serialize + ?Sized>(value: &T) -> String {
    let mut out = Vec::new();
    write_json(value, &mut out);
    String::from_utf8(out).expect("serde_json writes UTF-8")
}

struct OneLine;

impl Formatter for OneLine {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        escaped(writer, fragment)
    }

    // Outside of its strings JSON is ASCII.
    fn write_raw_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        escaped(writer, fragment)
    }
}

fn escaped<W: ?Sized + io::Write>(writer: &mut W, fragment: &str) -> io::Result<()> {
    // Every such character starts with one of these bytes; most texts hold neither.
    if memchr::memchr2(0xC2, 0xE2, fragment.as_bytes()).is_none() {
        return writer.write_all(fragment.as_bytes());
    }
    let mut rest = fragment;
    while let Some((before, found, after)) = split(rest) {
        writer.write_all(before.as_bytes())?;
        writer.write_all(found)?;
        rest = after;
    }
    writer.write_all(rest.as_bytes())
}

fn split(text: &str) -> Option<(&str, &'static [u8], &str)> {
    let at = text.find(['\u{85}', '\u{2028}', '\u{2029}'])?;
    let (before, rest) = text.split_at(at);
    let mut characters = rest.chars();
    let escape: &[u8] = match characters.next()? {
        '\u{85}' => b"\\u0085",
        '\u{2028}' => b"\\u2028",
        _ => b"\\u2029",
    };
    Some((before, escape, characters.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::Json;

    #[test]
    fn no_reader_of_lines_can_cut_it() {
        let text = "é–a\u{85}\u{2028}b\u{2029}\n\u{b}\u{1c}\"";
        let json = json_text(text);
        assert_eq!(json, r#""é–a\u0085\u2028b\u2029\n\u000b\u001c\"""#);
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        let carried = Json::parse("{\"k\u{2028}\":\"\u{85}\"}").unwrap();
        assert_eq!(json_text(&carried), r#"{"k\u2028":"\u0085"}"#);
    }
}
