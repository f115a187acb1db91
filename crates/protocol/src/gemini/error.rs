//! Our errors, as Gemini writes its own.

use std::time::Duration;

use serde::Serialize;

use crate::{ClientError, ErrorKind};

/// `{"error":{"code":..,"message":..,"status":..}}`. The order is kept: google-genai sees an error in a stream only where
/// its JSON starts with `{"error":`, and compares `code` as a number.
#[derive(Serialize)]
struct Body<'a> {
    error: Status<'a>,
}

#[derive(Serialize)]
struct Status<'a> {
    code: u16,
    message: &'a str,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<[RetryInfo; 1]>,
}

/// `google.rpc.RetryInfo` (<https://cloud.google.com/apis/design/errors#error_payloads>), which stands for the `Retry-After`
/// that Google's own clients do not look for.
#[derive(Serialize)]
struct RetryInfo {
    #[serde(rename = "@type")]
    kind: &'static str,
    #[serde(rename = "retryDelay")]
    delay: String,
}

/// Writes an error: HTTP status and body. The words are those of `google.rpc.Code`.
#[must_use]
pub fn render(error: &ClientError) -> (u16, String) {
    render_with_pause(error, None)
}

/// The same, with when it is worth trying again, in whole seconds, where that is known.
#[must_use]
pub fn render_with_pause(error: &ClientError, pause: Option<Duration>) -> (u16, String) {
    let (code, status) = terms(error.kind);
    let body = Body {
        error: Status {
            code,
            message: &error.message,
            status,
            details: pause.map(|pause| {
                [RetryInfo {
                    kind: "type.googleapis.com/google.rpc.RetryInfo",
                    delay: format!("{}s", pause.as_secs_f64().ceil()),
                }]
            }),
        },
    };
    (code, super::generate::json_text(&body))
}

/// Writes an error as an event in a stream that has begun.
#[must_use]
pub fn stream_error(error: &ClientError) -> String {
    format!("data: {}\r\n\r\n", render(error).1)
}

fn terms(kind: ErrorKind) -> (u16, &'static str) {
    match kind {
        ErrorKind::InvalidRequest => (400, "INVALID_ARGUMENT"),
        ErrorKind::Authentication => (401, "UNAUTHENTICATED"),
        ErrorKind::Permission => (403, "PERMISSION_DENIED"),
        ErrorKind::NotFound | ErrorKind::ModelNotFound => (404, "NOT_FOUND"),
        ErrorKind::MethodNotAllowed => (405, "UNIMPLEMENTED"),
        ErrorKind::RequestTimeout => (408, "DEADLINE_EXCEEDED"),
        ErrorKind::TooLarge => (413, "INVALID_ARGUMENT"),
        ErrorKind::RateLimited | ErrorKind::QuotaExceeded => (429, "RESOURCE_EXHAUSTED"),
        ErrorKind::Overloaded | ErrorKind::Unavailable => (503, "UNAVAILABLE"),
        ErrorKind::BadGateway => (502, "UNAVAILABLE"),
        ErrorKind::GatewayTimeout => (504, "DEADLINE_EXCEEDED"),
        ErrorKind::Internal => (500, "INTERNAL"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_the_form_that_the_sdk_knows() {
        let error = ClientError::new(ErrorKind::Authentication, "a \"quoted\" key");
        let (status, body) = render(&error);
        assert_eq!(status, 401);
        insta::assert_snapshot!(body, @r#"{"error":{"code":401,"message":"a \"quoted\" key","status":"UNAUTHENTICATED"}}"#);
    }

    #[test]
    fn when_to_come_again_is_told_as_google_does() {
        let error = ClientError::new(ErrorKind::RateLimited, "slower");
        let pause = Duration::from_millis(30_500);
        let (_, body) = render_with_pause(&error, Some(pause));
        insta::assert_snapshot!(body, @r#"{"error":{"code":429,"message":"slower","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"31s"}]}}"#);
        let told = crate::gemini::retry_delay(body.as_bytes());
        assert_eq!(told, Some(Duration::from_secs(31)));
    }

    #[test]
    fn an_error_event_starts_with_the_error_and_stays_on_one_line() {
        let event = stream_error(&ClientError::new(
            ErrorKind::BadGateway,
            "a\u{2028}b\u{85}\n",
        ));
        assert_eq!(
            event,
            "data: {\"error\":{\"code\":502,\"message\":\"a\\u2028b\\u0085\\n\",\"status\":\"UNAVAILABLE\"}}\r\n\r\n"
        );
    }

    #[test]
    fn every_kind_has_its_status() {
        use ErrorKind::*;
        for (kind, status) in [
            (InvalidRequest, 400),
            (Permission, 403),
            (NotFound, 404),
            (ModelNotFound, 404),
            (MethodNotAllowed, 405),
            (RequestTimeout, 408),
            (TooLarge, 413),
            (RateLimited, 429),
            (Overloaded, 503),
            (Unavailable, 503),
            (GatewayTimeout, 504),
            (Internal, 500),
        ] {
            let (code, body) = render(&ClientError::new(kind, "m"));
            assert_eq!(code, status, "{kind:?}");
            assert!(body.starts_with(&format!(r#"{{"error":{{"code":{status},"#)));
        }
    }
}
