//! Checks AWS signatures (Version 4), written from AWS's description of them and apart from any signer.
//!
//! Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>.

use std::fmt::Write as _;
use std::time::SystemTime;

use aws_lc_rs::{digest, hmac};
use http::header::{AUTHORIZATION, HOST};
use http::request::Parts;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::exchange::header;

/// Id of the only access key that signatures are accepted of.
pub const AWS_ACCESS_KEY_ID: &str = "AKIDSIMULATOR";
/// Its secret.
pub const AWS_SECRET_ACCESS_KEY: &str = "simulators/secret+access/key";

/// Seconds by which the time of a signature may differ.
const SKEW: u64 = 15 * 60;

const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/');

/// Checks that the request was signed for `service` with the known key, a while ago at most.
pub(super) fn verify(parts: &Parts, body: &[u8], service: &str) -> Result<(), &'static str> {
    let given = header(&parts.headers, AUTHORIZATION.as_str())
        .and_then(|value| value.strip_prefix("AWS4-HMAC-SHA256 "))
        .ok_or("Missing Authentication Token")?;
    let part = |name: &str| {
        let mut parts = given.split(',').map(str::trim);
        parts.find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
    };
    let (Some(credential), Some(signed), Some(signature)) =
        (part("Credential"), part("SignedHeaders"), part("Signature"))
    else {
        return Err("The Authorization header is incomplete");
    };
    let scope: Vec<&str> = credential.split('/').collect();
    let [id, date, region, of, "aws4_request"] = scope[..] else {
        return Err("The credential scope is malformed");
    };
    if id != AWS_ACCESS_KEY_ID {
        return Err("The security token included in the request is invalid.");
    }
    if of != service {
        return Err("Credential should be scoped to correct service.");
    }
    let time = header(&parts.headers, "x-amz-date").ok_or("x-amz-date is missing")?;
    if !time.starts_with(date) || !is_recent(time) {
        return Err("Signature expired");
    }
    if !["host", "x-amz-date"]
        .iter()
        .all(|name| signed.split(';').any(|it| it == *name))
    {
        return Err("host and x-amz-date must be signed");
    }
    let canonical = canonical(parts, signed, body).ok_or("A signed header is missing")?;
    let hashed = hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref());
    let text = format!("AWS4-HMAC-SHA256\n{time}\n{date}/{region}/{of}/aws4_request\n{hashed}");
    let mut key = format!("AWS4{AWS_SECRET_ACCESS_KEY}").into_bytes();
    for step in [date, region, of, "aws4_request", &text] {
        let signing = hmac::Key::new(hmac::HMAC_SHA256, &key);
        key = hmac::sign(&signing, step.as_bytes()).as_ref().to_vec();
    }
    if hex(&key) == signature {
        Ok(())
    } else {
        Err("The request signature we calculated does not match the signature you provided.")
    }
}

fn canonical(parts: &Parts, signed: &str, body: &[u8]) -> Option<String> {
    // The path as it came, encoded once more.
    let mut text = format!(
        "{}\n{}\n",
        parts.method,
        utf8_percent_encode(parts.uri.path(), ENCODED)
    );
    let mut query: Vec<&str> = parts.uri.query().unwrap_or_default().split('&').collect();
    query.sort_unstable();
    text.push_str(&query.join("&"));
    text.push('\n');
    for name in signed.split(';') {
        let authority = parts.uri.authority().map(http::uri::Authority::as_str);
        let value = match header(&parts.headers, name) {
            None if name == HOST.as_str() => authority?,
            value => value?,
        };
        writeln!(text, "{name}:{value}").ok()?;
    }
    let hash = hex(digest::digest(&digest::SHA256, body).as_ref());
    write!(text, "\n{signed}\n{hash}").ok()?;
    Some(text)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Whether `20150830T123600Z` is about now.
fn is_recent(time: &str) -> bool {
    let digits: String = time.chars().filter(char::is_ascii_digit).collect();
    let (Some(date), Some(clock)) = (digits.get(..8), digits.get(8..14)) else {
        return false;
    };
    let date = format!("{}-{}-{}", &date[..4], &date[4..6], &date[6..]);
    let clock = format!("{}:{}:{}", &clock[..2], &clock[2..4], &clock[4..]);
    let format = aws_smithy_types::date_time::Format::DateTime;
    let Ok(then) = aws_smithy_types::DateTime::from_str(&format!("{date}T{clock}Z"), format) else {
        return false;
    };
    let now = aws_smithy_types::DateTime::from(SystemTime::now());
    then.secs().abs_diff(now.secs()) < SKEW
}
