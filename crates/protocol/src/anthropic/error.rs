//! Our errors, as Anthropic writes its own.

use serde_json::json;

use crate::{ClientError, ErrorKind};

/// Writes an error as Anthropic does: HTTP status and body, without the `request_id` that stands beside `error` and in the
/// header `request-id`: only the caller knows it. Statuses and types are those that the SDKs turn into their exception
/// classes.
#[must_use]
pub fn render(error: &ClientError) -> (u16, String) {
    let (status, kind) = terms(error.kind);
    let body = json!({"type": "error", "error": {"type": kind, "message": error.message}});
    (status, body.to_string())
}

/// Writes an error as an event in a stream that has begun. The SDKs raise it; nothing may follow.
#[must_use]
pub fn stream_error(error: &ClientError) -> String {
    format!("event: error\ndata: {}\n\n", render(error).1)
}

fn terms(kind: ErrorKind) -> (u16, &'static str) {
    const INVALID: &str = "invalid_request_error";
    const SERVER: &str = "api_error";
    match kind {
        ErrorKind::InvalidRequest => (400, INVALID),
        ErrorKind::Authentication => (401, "authentication_error"),
        ErrorKind::Permission => (403, "permission_error"),
        ErrorKind::NotFound | ErrorKind::ModelNotFound => (404, "not_found_error"),
        ErrorKind::MethodNotAllowed => (405, INVALID),
        ErrorKind::RequestTimeout => (408, INVALID),
        ErrorKind::TooLarge => (413, "request_too_large"),
        ErrorKind::RateLimited | ErrorKind::QuotaExceeded => (429, "rate_limit_error"),
        ErrorKind::Overloaded => (529, "overloaded_error"),
        ErrorKind::Unavailable => (503, SERVER),
        ErrorKind::BadGateway => (502, SERVER),
        ErrorKind::GatewayTimeout => (504, "timeout_error"),
        ErrorKind::Internal => (500, SERVER),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_the_form_that_the_sdks_know() {
        let error = ClientError::new(ErrorKind::Overloaded, "a \"busy\" day");
        let (status, body) = render(&error);
        assert_eq!(status, 529);
        insta::assert_snapshot!(body, @r#"{"error":{"message":"a \"busy\" day","type":"overloaded_error"},"type":"error"}"#);
        let event = stream_error(&ClientError::new(ErrorKind::GatewayTimeout, "late"));
        assert_eq!(
            event,
            "event: error\ndata: {\"error\":{\"message\":\"late\",\"type\":\"timeout_error\"},\"type\":\"error\"}\n\n"
        );
    }

    #[test]
    fn every_kind_has_its_status_and_type() {
        for (kind, status, name) in [
            (ErrorKind::InvalidRequest, 400, "invalid_request_error"),
            (ErrorKind::Authentication, 401, "authentication_error"),
            (ErrorKind::Permission, 403, "permission_error"),
            (ErrorKind::ModelNotFound, 404, "not_found_error"),
            (ErrorKind::TooLarge, 413, "request_too_large"),
            (ErrorKind::RateLimited, 429, "rate_limit_error"),
            (ErrorKind::Unavailable, 503, "api_error"),
            (ErrorKind::BadGateway, 502, "api_error"),
            (ErrorKind::Internal, 500, "api_error"),
        ] {
            let (found, body) = render(&ClientError::new(kind, "x"));
            assert_eq!(found, status);
            assert!(body.contains(&format!(r#""type":"{name}""#)), "{body}");
        }
    }
}
