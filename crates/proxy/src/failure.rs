//! How an attempt failed: its verdict, its name in the log, and what of it may reach the client.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use protocol::{Protocol, ProviderError, gemini, retry_after};
use router::Verdict;
use upstream::{AuthError, SendError, SendErrorKind, TokenError};

use crate::clock;

/// Most characters of a provider's sentence that are kept: a log line is no place for a megabyte.
const LONGEST_MESSAGE: usize = 1000;

/// How an attempt is logged whose answer was not the one that it was to go on with.
pub(crate) const RESUME_DIFFERED: &str = "resume_differed";

/// An attempt that did not answer.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What routing and health make of it.
    pub(crate) verdict: Verdict,
    /// Its name in `error_class`; what begins with `client_` is not the provider's fault.
    pub(crate) class: &'static str,
    /// HTTP status of the provider's answer.
    pub(crate) status: Option<u16>,
    /// For the log; no secrets, no prompts.
    pub(crate) message: String,
    /// The provider's own error body, where the client is to get it as it is.
    pub(crate) body: Option<Bytes>,
    /// Whose error the body is.
    pub(crate) protocol: Option<Protocol>,
}

impl Failure {
    pub(crate) fn new(verdict: Verdict, class: &'static str, message: impl Into<String>) -> Self {
        let mut message = message.into();
        if let Some((end, _)) = message.char_indices().nth(LONGEST_MESSAGE) {
            message.truncate(end);
        }
        Self {
            verdict,
            class,
            status: None,
            message,
            body: None,
            protocol: None,
        }
    }

    /// The same without the body, which only the first attempts of a request may pass on.
    pub(crate) fn again(&self) -> Self {
        Self::new(self.verdict, self.class, self.message.clone())
    }

    /// The same, of a provider that tells errors as `protocol` does.
    pub(crate) fn of_protocol(mut self, protocol: Option<Protocol>) -> Self {
        self.protocol = protocol;
        self
    }

    /// The same, where it was the client that had no time left.
    pub(crate) fn by_the_client(mut self) -> Self {
        self.verdict = Verdict::ClientGone;
        self.class = "client_timeout";
        self
    }

    /// The same, of an answer that came with `status`.
    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = Some(status.as_u16());
        self
    }

    /// A provider that was silent for longer than its clock allows.
    pub(crate) fn timeout(what: &'static str) -> Self {
        Self::new(Verdict::Timeout, "timeout", what)
    }

    /// A provider that was to go on with another's answer, and gave a different one: nobody's fault.
    pub(crate) fn differs() -> Self {
        let told = "the answer is not the one that the client has the beginning of";
        Self::new(Verdict::ClientFault, RESUME_DIFFERED, told)
    }

    /// A 200 that is no answer.
    pub(crate) fn bad_payload(message: impl Into<String>) -> Self {
        Self::new(Verdict::Failed, "bad_payload", message)
    }

    /// An answer that ended too early.
    pub(crate) fn truncated(message: impl Into<String>) -> Self {
        Self::new(Verdict::Failed, "upstream_truncated", message)
    }

    /// A request that got no response head.
    pub(crate) fn of_send(error: &SendError) -> Self {
        let message = chain(error);
        match error.kind {
            SendErrorKind::Connect => Self::new(Verdict::Failed, "connect_error", message),
            SendErrorKind::ConnectTimeout => {
                Self::new(Verdict::ConnectTimeout, "connect_timeout", message)
            }
            SendErrorKind::HeadTimeout => Self::new(Verdict::Timeout, "timeout", message),
            SendErrorKind::AddressRefused => {
                Self::new(Verdict::Misconfigured, "address_refused", message)
            }
            // Nothing was learnt of the provider: this process is out of sockets.
            SendErrorKind::LocalLimit => Self::new(Verdict::Held, "local_limit", message),
            _ => Self::new(Verdict::Failed, "reset", message),
        }
    }

    /// A request that could not be sent with proof of who asks.
    pub(crate) fn of_auth(error: &AuthError) -> Self {
        let verdict = match error {
            AuthError::Token(TokenError::Refused {
                status: 400..=403, ..
            })
            | AuthError::Unsignable(_) => Verdict::Misconfigured,
            _ => Verdict::Failed,
        };
        Self::new(verdict, "auth_error", error.to_string())
    }

    /// An error in the place of a stream's event: as the same answer to the request would be, where it has a `status`.
    pub(crate) fn of_event(
        error: &ProviderError,
        status: Option<StatusCode>,
        redact: impl Fn(&str) -> Option<String>,
    ) -> Self {
        match status {
            Some(status) => {
                let body = serde_json::json!({"message": error.message}).to_string();
                Self::of_status(status, &HeaderMap::new(), &body.into(), redact)
            }
            None => {
                let message = redact(&error.message).unwrap_or_else(|| error.message.clone());
                Self::new(Verdict::Failed, "stream_error", message)
            }
        }
    }

    /// A response whose status is not a success. `redact` takes the provider key out of what it is given.
    pub(crate) fn of_status(
        status: StatusCode,
        headers: &HeaderMap,
        body: &Bytes,
        redact: impl Fn(&str) -> Option<String>,
    ) -> Self {
        let told = ProviderError::of_body(body);
        let pause = || retry_after(headers, clock::wall()).or_else(|| gemini::retry_delay(body));
        let is_overflow = told
            .as_ref()
            .is_some_and(ProviderError::is_context_length_exceeded);
        let (verdict, class) = match status.as_u16() {
            300..=399 => (Verdict::Misconfigured, "redirect"),
            401..=403 => (Verdict::Misconfigured, "misconfigured"),
            400 if is_key_refused(body) => (Verdict::Misconfigured, "misconfigured"),
            404 => (Verdict::NotFound, "not_found"),
            // 424: a model behind the service failed (Bedrock).
            408 | 409 | 424 => (Verdict::Failed, "server_error"),
            429 => (
                Verdict::RateLimited {
                    retry_after: pause(),
                },
                "rate_limited",
            ),
            529 => (
                Verdict::Overloaded {
                    retry_after: pause(),
                },
                "overloaded",
            ),
            503 if pause().is_some() => (
                Verdict::Overloaded {
                    retry_after: pause(),
                },
                "overloaded",
            ),
            500.. => (Verdict::Failed, "server_error"),
            _ if is_overflow => (Verdict::ContextLengthExceeded, "client_context_length"),
            400..=499 => (Verdict::ClientFault, "client_error"),
            _ => (Verdict::Failed, "bad_payload"),
        };
        let message = told.map_or_else(|| format!("HTTP {status}"), |error| error.message);
        let mut failure =
            Self::new(verdict, class, redact(&message).unwrap_or(message)).with_status(status);
        if class.starts_with("client_") {
            failure.body = Some(passable(body, redact));
        }
        failure
    }
}

/// Gemini refuses a key with a 400, which only the details tell from the client's fault.
fn is_key_refused(body: &[u8]) -> bool {
    const REASON: &str = "API_KEY_INVALID";
    let value: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let details = value.pointer("/error/details");
    details
        .and_then(serde_json::Value::as_array)
        .is_some_and(|details| details.iter().any(|it| it["reason"] == REASON))
}

/// A client error's body: as it came, if it is a JSON object; never HTML, never our key.
fn passable(body: &Bytes, redact: impl Fn(&str) -> Option<String>) -> Bytes {
    if protocol::json::validate(body) != Ok(protocol::json::Kind::Object) {
        return Bytes::new();
    }
    let redacted = str::from_utf8(body).ok().and_then(redact);
    redacted.map_or_else(|| body.clone(), Bytes::from)
}

/// An error with its sources in one line; it can name addresses, so it is for logs only.
fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        line.push_str(": ");
        line.push_str(&inner.to_string());
        source = inner.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[track_caller]
    fn judged(
        status: u16,
        headers: &[(&'static str, &str)],
        body: &'static str,
        verdict: Verdict,
        class: &str,
    ) -> Failure {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect();
        let status = StatusCode::from_u16(status).unwrap();
        let redact = |text: &str| text.contains("sk-up").then(|| text.replace("sk-up", "***"));
        let failure = Failure::of_status(
            status,
            &headers,
            &Bytes::from_static(body.as_bytes()),
            redact,
        );
        assert_eq!(
            (failure.verdict, failure.class),
            (verdict, class),
            "{status}"
        );
        failure
    }

    #[test]
    fn every_status_has_its_verdict() {
        let retry = |seconds| Some(Duration::from_secs(seconds));
        judged(
            301,
            &[("location", "http://x")],
            "",
            Verdict::Misconfigured,
            "redirect",
        );
        for status in [401, 402, 403] {
            judged(status, &[], "{}", Verdict::Misconfigured, "misconfigured");
        }
        judged(404, &[], "", Verdict::NotFound, "not_found");
        for status in [408, 409, 500, 502, 503, 504, 599] {
            judged(status, &[], "<html>", Verdict::Failed, "server_error");
        }
        judged(
            429,
            &[],
            "",
            Verdict::RateLimited { retry_after: None },
            "rate_limited",
        );
        judged(
            429,
            &[("retry-after", "7")],
            "",
            Verdict::RateLimited {
                retry_after: retry(7),
            },
            "rate_limited",
        );
        judged(
            529,
            &[],
            "",
            Verdict::Overloaded { retry_after: None },
            "overloaded",
        );
        judged(
            503,
            &[("retry-after", "2")],
            "",
            Verdict::Overloaded {
                retry_after: retry(2),
            },
            "overloaded",
        );
        let key = r#"{"error":{"code":400,"message":"no","status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}"#;
        judged(400, &[], key, Verdict::Misconfigured, "misconfigured");
        let info = r#"{"error":{"code":429,"message":"no","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"7s"}]}}"#;
        judged(
            429,
            &[],
            info,
            Verdict::RateLimited {
                retry_after: retry(7),
            },
            "rate_limited",
        );
        for status in [400, 413, 422, 418] {
            judged(status, &[], "{}", Verdict::ClientFault, "client_error");
        }
        judged(204, &[], "", Verdict::Failed, "bad_payload");
        let long = r#"{"error":{"message":"too long","code":"context_length_exceeded"}}"#;
        judged(
            400,
            &[],
            long,
            Verdict::ContextLengthExceeded,
            "client_context_length",
        );
    }

    #[test]
    fn only_json_without_our_key_reaches_the_client() {
        let echo = r#"{"error":{"message":"key sk-up is bad"}}"#;
        let failure = judged(400, &[], echo, Verdict::ClientFault, "client_error");
        assert_eq!(
            failure.body.unwrap(),
            r#"{"error":{"message":"key *** is bad"}}"#
        );
        assert_eq!(failure.message, "key *** is bad");
        let html = judged(400, &[], "<html>", Verdict::ClientFault, "client_error");
        assert_eq!(html.body, Some(Bytes::new()));
        let server = judged(500, &[], echo, Verdict::Failed, "server_error");
        assert_eq!(server.body, None);
    }
}
