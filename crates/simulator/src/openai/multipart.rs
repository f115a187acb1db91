//! Forms of several parts (RFC 7578), as far as uploads use them.

use bytes::Bytes;
use http::HeaderMap;
use memchr::memmem;

/// The parts in order, each with its name; none when the body is no such form, or breaks off.
pub(crate) fn read(headers: &HeaderMap, body: &Bytes) -> Option<Vec<(String, Bytes)>> {
    let content = headers.get(http::header::CONTENT_TYPE)?.to_str().ok()?;
    let boundary = parameter(content.strip_prefix("multipart/form-data")?, "boundary")?;
    let delimiter = format!("\r\n--{boundary}");
    // The first delimiter has no line before it.
    let first = &delimiter.as_bytes()[2..];
    let mut rest = body.slice(body.starts_with(first).then_some(first.len())?..);
    let mut parts = Vec::new();
    while !rest.starts_with(b"--") {
        rest = rest.slice(rest.starts_with(b"\r\n").then_some(2)?..);
        let end = memmem::find(&rest, delimiter.as_bytes())?;
        let part = rest.slice(..end);
        let head = memmem::find(&part, b"\r\n\r\n")?;
        let name = std::str::from_utf8(&part[..head])
            .ok()?
            .lines()
            .find_map(|line| {
                let (header, value) = line.split_once(':')?;
                let is_disposition = header.eq_ignore_ascii_case("content-disposition");
                is_disposition.then(|| parameter(value, "name")).flatten()
            })?;
        parts.push((name.to_owned(), part.slice(head + 4..)));
        rest = rest.slice(end + delimiter.len()..);
    }
    Some(parts)
}

/// A parameter of a header, with or without quotes.
fn parameter<'a>(header: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = header
        .split(';')
        .filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = pairs.find(|(key, _)| key.eq_ignore_ascii_case(name))?;
    Some(value.trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::CONTENT_TYPE;

    use super::*;

    #[test]
    fn parts_are_found_or_nothing_is() {
        let good = "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n--b\r\ncontent-disposition: form-data; \
                    name=file; filename=\"a\"\r\nContent-Type: audio/wav\r\n\r\n\r\n--x\r\n\r\n--b--\r\n";
        let headers = HeaderMap::from_iter([(
            CONTENT_TYPE,
            HeaderValue::from_static("multipart/form-data; boundary=b"),
        )]);
        let parts = read(&headers, &Bytes::from(good)).unwrap();
        assert_eq!(parts[0], ("model".to_owned(), Bytes::from("m")));
        assert_eq!(parts[1], ("file".to_owned(), Bytes::from("\r\n--x\r\n")));
        for cut in 0..good.len() - 4 {
            assert_eq!(
                read(&headers, &Bytes::from(good[..cut].to_owned())),
                None,
                "{cut}"
            );
        }
        assert_eq!(read(&HeaderMap::new(), &Bytes::from(good)), None);
    }
}
