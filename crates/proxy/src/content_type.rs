//! What a provider says that its answer is.

use http::{HeaderMap, header};

/// As it says it; empty where it says nothing.
pub(crate) fn of(headers: &HeaderMap) -> &str {
    let value = headers.get(header::CONTENT_TYPE);
    let text = value.and_then(|value| value.to_str().ok());
    text.unwrap_or_default().trim()
}

/// Whether `content_type` has this in it, in whatever case. To search a text so short as to search a long one takes longer.
pub(crate) fn has(content_type: &str, part: &str) -> bool {
    let part = part.as_bytes();
    // By its first letter most places are passed over at once.
    let may_be = |window: &&[u8]| window[0].eq_ignore_ascii_case(&part[0]);
    let mut places = content_type.as_bytes().windows(part.len()).filter(may_be);
    places.any(|window| window.eq_ignore_ascii_case(part))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_type_is_known_in_any_case_and_with_what_stands_around_it() {
        let mut headers = HeaderMap::new();
        assert!(of(&headers).is_empty() && !has("", "json"));
        for (value, is_json) in [
            ("application/json", true),
            (" Application/vnd.API+JSON; charset=utf-8 ", true),
            ("json", true),
            ("jso", false),
            ("text/event-stream", false),
        ] {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(value));
            assert_eq!(of(&headers), value.trim());
            assert_eq!(has(of(&headers), "json"), is_json, "{value}");
        }
    }
}
