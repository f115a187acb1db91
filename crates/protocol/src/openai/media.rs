//! Pictures, files and sound: data URLs to and from the canonical form.

use crate::canonical::{Media, Source};

/// Why a URL is none of those that [`of_url`] reads.
pub(super) const NO_DATA_URL: &str =
    "a data URL must have the form data:<media type>;base64,<data>";

/// What a URL stands for: an address, or with the scheme `data` the bytes themselves. `None` where it is a data URL that
/// names no media type or is not base64.
pub(super) fn of_url(url: String) -> Option<Media> {
    let is_data = url
        .get(..5)
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"));
    if !is_data {
        return Some(Media {
            media_type: None,
            source: Source::Url(url),
        });
    }
    let (head, data) = url.get(5..)?.split_once(',')?;
    let mut terms = head.split(';').map(str::trim);
    let media_type = terms.next().filter(|kind| kind.contains('/'))?;
    if !terms.any(|term| term.eq_ignore_ascii_case("base64")) {
        return None;
    }
    inline(media_type.to_ascii_lowercase(), data)
}

/// Bytes in base64; `None` where they are not.
pub(super) fn inline(media_type: String, data: &str) -> Option<Media> {
    Some(Media {
        media_type: Some(media_type),
        source: Source::Inline(standard(data)?),
    })
}

/// The URL of media that has one.
pub(super) fn url(media: &Media) -> Option<String> {
    match &media.source {
        Source::Url(url) => Some(url.clone()),
        Source::Inline(data) => {
            let media_type = media.media_type.as_deref();
            let media_type = media_type.unwrap_or("application/octet-stream");
            Some(format!("data:{media_type};base64,{data}"))
        }
        Source::FileId(_) | Source::Text(_) => None,
    }
}

/// Base64 of either alphabet, with or without padding, in the standard alphabet with padding. What is not judged are the
/// bits that the last character leaves over.
fn standard(data: &str) -> Option<String> {
    let bare = data.trim_end_matches('=');
    let is_base64 = bare
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_'));
    if !is_base64 || bare.len() % 4 == 1 || data.len() - bare.len() > 2 {
        return None;
    }
    let mut standard = bare.replace('-', "+").replace('_', "/");
    while !standard.len().is_multiple_of(4) {
        standard.push('=');
    }
    Some(standard)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_urls_are_read_whatever_their_alphabet() {
        let read = |url: &str| of_url(url.to_owned()).and_then(|media| self::url(&media));
        for (written, expected) in [
            (
                "data:image/png;base64,AAAA",
                Some("data:image/png;base64,AAAA"),
            ),
            (
                "DATA:Image/PNG;name=a.png;BASE64,-_8=",
                Some("data:image/png;base64,+/8="),
            ),
            (
                "data:image/png;base64,-_8",
                Some("data:image/png;base64,+/8="),
            ),
            ("data:image/png;base64,", Some("data:image/png;base64,")),
            ("https://a/b.png", Some("https://a/b.png")),
            ("data:image/png,AAAA", None),
            ("data:;base64,AAAA", None),
            ("data:image/png;base64", None),
            ("data:image/png;base64,A", None),
            ("data:image/png;base64,A A=", None),
            ("data:image/png;base64,AA======", None),
        ] {
            assert_eq!(read(written).as_deref(), expected, "{written}");
        }
    }
}
