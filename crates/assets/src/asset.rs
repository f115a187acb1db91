//! A file, and the answer that brings it.

use std::{
    borrow::Cow,
    io::{self, Read as _},
};

use flate2::read::GzDecoder;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

/// On every answer.
const HEADERS: [(HeaderName, &str); 4] = [
    // A new version of the program is a new version of every file, all at once.
    (header::CACHE_CONTROL, "no-cache"),
    (header::VARY, "accept-encoding"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
];

/// One file.
#[derive(Debug)]
pub struct Asset {
    /// Its path below the folder it was packed from.
    pub name: &'static str,
    /// As in `Content-Type`.
    pub media_type: &'static str,
    /// As in `ETag`, with its quotes; changes with the content.
    pub tag: &'static str,
    /// The content, compressed.
    pub gzip: &'static [u8],
}

impl Asset {
    /// The answer to who asks for it with these headers: 200, or 304 (RFC 9110, section 15.4.5) where he has it. A page may use
    /// what the content security `policy` lets it.
    #[must_use]
    pub fn answer(&self, asked: &HeaderMap, policy: &'static str) -> Response<Cow<'static, [u8]>> {
        let mut response = Response::new(Cow::Borrowed([].as_slice()));
        let told = response.headers_mut();
        for (name, value) in HEADERS {
            told.insert(name, HeaderValue::from_static(value));
        }
        let policy = HeaderValue::from_static(policy);
        told.insert(header::CONTENT_SECURITY_POLICY, policy);
        told.insert(header::ETAG, HeaderValue::from_static(self.tag));
        let list = |name| {
            asked
                .get(name)
                .and_then(|value: &HeaderValue| value.to_str().ok())
        };
        if list(header::IF_NONE_MATCH).is_some_and(|tags| tags.contains(self.tag)) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
        let media_type = HeaderValue::from_static(self.media_type);
        told.insert(header::CONTENT_TYPE, media_type);
        if list(header::ACCEPT_ENCODING).is_some_and(takes_gzip) {
            told.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            *response.body_mut() = Cow::Borrowed(self.gzip);
        } else if let Ok(plain) = self.plain() {
            *response.body_mut() = Cow::Owned(plain);
        } else {
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        }
        response
    }

    /// The content.
    ///
    /// # Errors
    /// What was packed is not whole.
    pub fn plain(&self) -> io::Result<Vec<u8>> {
        let mut plain = Vec::new();
        GzDecoder::new(self.gzip).read_to_end(&mut plain)?;
        Ok(plain)
    }
}

/// Whether gzip is named in an `Accept-Encoding` and not ruled out by its weight (RFC 9110, section 12.5.3).
fn takes_gzip(accepted: &str) -> bool {
    accepted.split(',').any(|one| {
        let (name, parameters) = one.split_once(';').unwrap_or((one, ""));
        let weight = parameters.trim().strip_prefix("q=");
        name.trim().eq_ignore_ascii_case("gzip")
            && weight.is_none_or(|weight| weight.parse::<f32>().is_ok_and(|weight| weight > 0.0))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_taken_by_who_names_it_with_a_weight_that_is_not_nothing() {
        for accepted in ["gzip", "br, gzip;q=0.5", "GZIP", "deflate,gzip ; q=1"] {
            assert!(takes_gzip(accepted), "{accepted}");
        }
        for accepted in ["", "br", "gzip;q=0", "gzip;q=none", "x-gzip-like"] {
            assert!(!takes_gzip(accepted), "{accepted}");
        }
    }

    #[test]
    fn what_is_not_whole_is_an_error_and_not_half_a_file() {
        let asset = Asset {
            name: "page.html",
            media_type: "text/html",
            tag: "\"1\"",
            gzip: &[0x1f, 0x8b, 8, 0],
        };
        let answer = asset.answer(&HeaderMap::new(), "default-src 'none'");
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(answer.body().is_empty());
    }
}
