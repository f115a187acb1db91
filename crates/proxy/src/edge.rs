//! Responses: the only place where an error becomes bytes.

use std::{borrow::Cow, fmt::Write, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use protocol::{ClientError, ErrorKind, Protocol, anthropic, gemini, openai};

use crate::{
    arrival::Arrival,
    body::Body,
    clock, content_type,
    error::{Error, Told},
    ledger::Ledger,
};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const PROVIDER: HeaderName = HeaderName::from_static("x-gateway-provider");
/// Anthropic's SDKs look for it by this name.
const ANTHROPIC_REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const DROPPED: HeaderName = HeaderName::from_static("x-gateway-dropped");
const ESTIMATED: HeaderName = HeaderName::from_static("x-gateway-estimated");
const ATTEMPTS: HeaderName = HeaderName::from_static("x-gateway-attempts");
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Whether a header of a provider's answer reaches the client; `passed` says whether that speaks as the provider does.
fn reaches_client(name: &str, passed: Option<Protocol>) -> bool {
    match name {
        "retry-after" | "retry-after-ms" => true,
        // What the body is, where it is passed on.
        "content-type" | "content-disposition" => passed.is_some(),
        "openai-model"
        | "openai-processing-ms"
        | "openai-version"
        | "x-ratelimit-limit-requests"
        | "x-ratelimit-limit-tokens"
        | "x-ratelimit-remaining-requests"
        | "x-ratelimit-remaining-tokens"
        | "x-ratelimit-reset-requests"
        | "x-ratelimit-reset-tokens" => passed == Some(Protocol::OpenAi),
        _ => passed == Some(Protocol::Anthropic) && name.starts_with("anthropic-ratelimit-"),
    }
}

/// Writes an error in the client's protocol.
pub(crate) fn render(protocol: Protocol, error: &Error, arrival: &Arrival) -> Response<Body> {
    let (status, body) = match &error.told {
        Told::Ours(ours) if protocol == Protocol::Gemini && error.status.is_none() => {
            gemini::render_with_pause(ours, error.retry_after)
        }
        Told::Ours(ours) => in_words_of(protocol, ours, error.status),
        Told::Providers {
            status,
            body,
            protocol: providers,
            ..
        } if *providers == Some(protocol) => {
            return json(
                StatusCode::from_u16(*status).unwrap_or(StatusCode::BAD_REQUEST),
                body.clone(),
            );
        }
        Told::Providers {
            status, message, ..
        } => {
            let kind = if *status == 413 {
                ErrorKind::TooLarge
            } else {
                ErrorKind::InvalidRequest
            };
            let told = ClientError::new(kind, message.clone());
            in_words_of(protocol, &told, Some(*status))
        }
    };
    let body = match protocol {
        Protocol::Anthropic => with_request_id(body, arrival),
        Protocol::OpenAi | Protocol::Gemini => body,
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = json(status, body);
    let headers = response.headers_mut();
    if let Some(pause) = error.retry_after {
        // Rounded up: a client that waits a whole second too little meets the same answer.
        headers.insert(
            header::RETRY_AFTER,
            HeaderValue::from(pause.as_secs_f64().ceil() as u64),
        );
    }
    if error.is_final {
        headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
    }
    response
}

/// Status and body; `status` is the provider's where that is to be kept.
fn in_words_of(protocol: Protocol, error: &ClientError, status: Option<u16>) -> (u16, String) {
    let (own, body) = match protocol {
        Protocol::OpenAi => openai::render(error),
        Protocol::Anthropic => anthropic::render(error),
        Protocol::Gemini => gemini::render(error),
    };
    match status {
        Some(kept) if kept != own && protocol == Protocol::Gemini => (kept, with_code(&body, kept)),
        Some(kept) => (kept, body),
        None => (own, body),
    }
}

/// Gemini's bodies repeat the status.
fn with_code(body: &str, status: u16) -> String {
    let mut value: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    if let Some(code) = value.pointer_mut("/error/code") {
        *code = status.into();
    }
    value.to_string()
}

/// Anthropic's bodies end with the id by which people can ask about the request.
fn with_request_id(mut body: String, arrival: &Arrival) -> String {
    if body.pop() == Some('}') {
        // Writing to a string cannot fail, and an id needs no escapes.
        let _ = write!(body, r#","request_id":"{}"}}"#, arrival.id.hyphenated());
    }
    body
}

/// A response that is JSON.
pub(crate) fn json(status: StatusCode, body: impl Into<bytes::Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::whole(body));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}

/// As many as an answer mostly has, those of limits included: a map that grows is made anew.
const HEADERS: usize = 16;

/// The headers of an answer, of those that came with it; of one that came twice the first. `passed` says whether the client
/// speaks as the provider does.
pub(crate) fn passed_headers(upstream: &HeaderMap, passed: Option<Protocol>) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(HEADERS);
    for (name, value) in upstream {
        if reaches_client(name.as_str(), passed) {
            headers.entry(name).or_insert_with(|| value.clone());
        }
    }
    headers
}

/// Says what a stream of the gateway's making is.
pub(crate) fn claim_stream(headers: &mut HeaderMap, as_array: bool) {
    let what = if as_array {
        "application/json"
    } else {
        "text/event-stream"
    };
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(what));
}

/// Names the client's fields that the provider did not get.
pub(crate) fn add_dropped(headers: &mut HeaderMap, dropped: &[Cow<'static, str>]) {
    let mut list = String::new();
    for name in dropped {
        let name = header_word(name);
        if !list.is_empty() {
            list.push(',');
        }
        if list.len() + name.len() > LONGEST_LIST {
            list.push_str("...");
            break;
        }
        list.push_str(&name);
    }
    if !list.is_empty()
        && let Ok(value) = HeaderValue::try_from(list)
    {
        headers.insert(DROPPED, value);
    }
}

/// Longest list of fields in a header: clients refuse an answer whose head is too large.
const LONGEST_LIST: usize = 4096;

/// A client's field as one word of a list: what a client wrote may be no header, or look like two.
fn header_word(name: &str) -> Cow<'_, str> {
    let is_word = |byte: u8| byte.is_ascii_graphic() && byte != b',';
    if name.bytes().all(is_word) {
        return Cow::Borrowed(name);
    }
    let escaped = name.chars().map(|char| match char {
        ' ' | ',' => char.escape_unicode().to_string(),
        _ => char.escape_default().to_string(),
    });
    Cow::Owned(escaped.collect())
}

/// Says that the answer was estimated here.
pub(crate) fn add_estimated(headers: &mut HeaderMap) {
    headers.insert(ESTIMATED, HeaderValue::from_static("true"));
}

/// Makes sure that an answer which proved to be JSON is not called something else.
pub(crate) fn claim_json(headers: &mut HeaderMap) {
    if !content_type::has(content_type::of(headers), "json") {
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
    }
}

/// Adds which way the request took.
pub(crate) fn add_trail(
    headers: &mut HeaderMap,
    ledger: &Ledger,
    arrival: &Arrival,
    upstream: Option<Duration>,
) {
    let Some((attempts, provider)) = ledger.trail() else {
        return;
    };
    headers.insert(ATTEMPTS, HeaderValue::from(attempts));
    if let Ok(value) = HeaderValue::from_bytes(provider.as_bytes()) {
        headers.insert(PROVIDER, value);
    }
    let total = clock::now().saturating_duration_since(arrival.instant);
    let mut timing = String::with_capacity(LONGEST_TIMING);
    add_timing(&mut timing, "total;dur=", total);
    if let Some(upstream) = upstream {
        add_timing(&mut timing, ", upstream;dur=", upstream);
    }
    if let Ok(value) = HeaderValue::from_maybe_shared(bytes::Bytes::from(timing)) {
        headers.insert(SERVER_TIMING, value);
    }
}

/// Room for both durations of `server-timing`.
const LONGEST_TIMING: usize = 64;

/// Adds a duration, in milliseconds to the microsecond. The formatter takes several times as long, and longer for a float.
fn add_timing(timing: &mut String, name: &str, time: Duration) {
    let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    timing.push_str(name);
    timing.push_str(itoa::Buffer::new().format(micros / 1000));
    timing.push('.');
    // A digit in front keeps the zeros, and is left out.
    timing.push_str(&itoa::Buffer::new().format(1000 + micros % 1000)[1..]);
}

/// Adds the request's id.
pub(crate) fn add_id(headers: &mut HeaderMap, arrival: &Arrival, protocol: Protocol) {
    let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
    let text = arrival.id.hyphenated().encode_lower(&mut text);
    if let Ok(value) = HeaderValue::from_str(text) {
        if protocol == Protocol::Anthropic {
            headers.insert(ANTHROPIC_REQUEST_ID, value.clone());
        }
        headers.insert(REQUEST_ID, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn names(dropped: &[&'static str], expected: &str) {
        let dropped: Vec<_> = dropped.iter().map(|name| Cow::Borrowed(*name)).collect();
        let mut headers = HeaderMap::new();
        add_dropped(&mut headers, &dropped);
        let told = headers.get(DROPPED).map(|value| value.to_str().unwrap());
        assert_eq!(told.unwrap_or_default(), expected);
    }

    #[test]
    fn what_was_dropped_is_named_whatever_clients_call_it() {
        names(&[], "");
        names(&["seed", "tools[1].strict"], "seed,tools[1].strict");
        names(
            &["a\r\nset-cookie: x", "\u{e9}", "b,c", "\0"],
            r"a\r\nset-cookie:\u{20}x,\u{e9},b\u{2c}c,\u{0}",
        );
    }

    #[test]
    fn a_list_too_long_for_a_header_is_cut_between_names() {
        let mut dropped = vec![Cow::Borrowed("seed")];
        dropped.extend((0..1000).map(|index| Cow::Owned(format!("field-{index}"))));
        let mut headers = HeaderMap::new();
        add_dropped(&mut headers, &dropped);
        let told = headers[DROPPED].to_str().unwrap();
        assert!(told.starts_with("seed,field-0,") && told.ends_with(",..."));
        assert!(told.len() <= LONGEST_LIST + 3, "{}", told.len());
        let huge = vec![Cow::Owned("\u{e9}".repeat(1 << 20))];
        add_dropped(&mut headers, &huge);
        assert_eq!(headers[DROPPED], "...");
    }
}
