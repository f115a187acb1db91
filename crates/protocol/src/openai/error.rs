//! Our errors, as OpenAI writes its own.

use serde_json::json;

use crate::{ClientError, ErrorKind};

/// Writes an error as OpenAI does: HTTP status and body. Statuses and types are those that its SDKs turn into their
/// exception classes; 529 is not among them, so overload is a 503.
#[must_use]
pub fn render(error: &ClientError) -> (u16, String) {
    let (status, kind, code) = terms(error.kind);
    let body = json!({"error": {"message": error.message, "type": kind, "param": error.param, "code": code}});
    (status, body.to_string())
}

/// Writes an error as an event in a stream that has begun. The SDKs raise it; no `[DONE]` may follow.
#[must_use]
pub fn stream_error(error: &ClientError) -> String {
    format!("data: {}\n\n", render(error).1)
}

pub(super) fn terms(kind: ErrorKind) -> (u16, &'static str, Option<&'static str>) {
    const INVALID: &str = "invalid_request_error";
    const SERVER: &str = "server_error";
    match kind {
        ErrorKind::InvalidRequest => (400, INVALID, None),
        ErrorKind::Authentication => (401, INVALID, Some("invalid_api_key")),
        ErrorKind::Permission => (403, INVALID, Some("permission_denied")),
        ErrorKind::NotFound => (404, INVALID, Some("unknown_url")),
        ErrorKind::MethodNotAllowed => (405, INVALID, Some("method_not_supported")),
        ErrorKind::ModelNotFound => (404, INVALID, Some("model_not_found")),
        ErrorKind::RequestTimeout => (408, INVALID, Some("request_timeout")),
        ErrorKind::TooLarge => (413, INVALID, Some("request_too_large")),
        ErrorKind::RateLimited => (429, "rate_limit_error", Some("rate_limit_exceeded")),
        ErrorKind::QuotaExceeded => (429, "insufficient_quota", Some("insufficient_quota")),
        ErrorKind::Overloaded => (503, SERVER, Some("overloaded")),
        ErrorKind::Unavailable => (503, SERVER, Some("service_unavailable")),
        ErrorKind::BadGateway => (502, SERVER, Some("upstream_error")),
        ErrorKind::GatewayTimeout => (504, SERVER, Some("upstream_timeout")),
        ErrorKind::Internal => (500, SERVER, Some("internal_error")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_the_form_that_the_sdks_know() {
        let mut error = ClientError::new(ErrorKind::InvalidRequest, "a \"quoted\" field");
        error.param = Some("messages".into());
        let (status, body) = render(&error);
        assert_eq!(status, 400);
        insta::assert_snapshot!(body, @r#"{"error":{"code":null,"message":"a \"quoted\" field","param":"messages","type":"invalid_request_error"}}"#);
        let event = stream_error(&ClientError::new(ErrorKind::BadGateway, "gone"));
        insta::assert_snapshot!(event.trim_end(), @r#"data: {"error":{"code":"upstream_error","message":"gone","param":null,"type":"server_error"}}"#);
    }
}
