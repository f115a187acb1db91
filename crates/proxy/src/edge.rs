//! Responses: the only place where an error becomes bytes.

use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use protocol::{Protocol, openai};

use crate::{
    body::Body,
    error::{Error, Told},
    ledger::{Arrival, Ledger},
};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const PROVIDER: HeaderName = HeaderName::from_static("x-gateway-provider");
const ATTEMPTS: HeaderName = HeaderName::from_static("x-gateway-attempts");
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Headers of a provider's answer that reach the client.
const PASSED: [&str; 12] = [
    "content-type",
    "retry-after",
    "retry-after-ms",
    "openai-model",
    "openai-processing-ms",
    "openai-version",
    "x-ratelimit-limit-requests",
    "x-ratelimit-limit-tokens",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-remaining-tokens",
    "x-ratelimit-reset-requests",
    "x-ratelimit-reset-tokens",
];

/// Writes an error in the client's protocol.
pub(crate) fn render(protocol: Protocol, error: &Error) -> Response<Body> {
    let (status, body) = match &error.told {
        Told::Ours(ours) => match protocol {
            Protocol::OpenAi => openai::render(ours),
        },
        Told::Providers { status, body, .. } => {
            return json(
                StatusCode::from_u16(*status).unwrap_or(StatusCode::BAD_REQUEST),
                body.clone(),
            );
        }
    };
    let mut response = json(
        StatusCode::from_u16(error.status.unwrap_or(status))
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        body,
    );
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

/// The headers of an answer that is passed on.
pub(crate) fn passed_headers(upstream: &HeaderMap) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(8);
    for name in PASSED {
        if let Some(value) = upstream.get(name) {
            headers.insert(HeaderName::from_static(name), value.clone());
        }
    }
    headers
}

/// Makes sure that an answer which proved to be JSON is not called something else.
pub(crate) fn claim_json(headers: &mut HeaderMap) {
    let is_called_json = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.to_ascii_lowercase().contains("json"));
    if !is_called_json {
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
    let total = Instant::now().saturating_duration_since(arrival.instant);
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    let timing = match upstream {
        Some(upstream) => format!(
            "total;dur={:.3}, upstream;dur={:.3}",
            millis(total),
            millis(upstream)
        ),
        None => format!("total;dur={:.3}", millis(total)),
    };
    if let Ok(value) = HeaderValue::from_maybe_shared(bytes::Bytes::from(timing)) {
        headers.insert(SERVER_TIMING, value);
    }
}

/// Adds the request's id.
pub(crate) fn add_id(headers: &mut HeaderMap, arrival: &Arrival) {
    let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
    let text = arrival.id.hyphenated().encode_lower(&mut text);
    if let Ok(value) = HeaderValue::from_str(text) {
        headers.insert(REQUEST_ID, value);
    }
}
