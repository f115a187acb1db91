//! How a stream tells of an error.
//!
//! No SDK raises an exception at a `response.failed`, nor at an `error` event that has only the documented fields `code`,
//! `message` and `param`: it hands both out as events. What it raises at is any event whose data has an `error` object
//! (openai-python `_streaming.py`, openai-node `streaming.ts`); OpenAI's own servers send it. So it stands there beside the
//! documented fields.

use serde_json::json;

use crate::{ClientError, ErrorKind, openai::error::terms};

/// The event that tells of `error`; every SDK raises it.
pub(crate) fn error_event(sequence_number: u64, error: &ClientError) -> Vec<u8> {
    let (_, kind, code) = terms(error.kind);
    let ClientError { message, param, .. } = error;
    let data = json!({
        "type": "error",
        "code": code,
        "message": message,
        "param": param,
        "sequence_number": sequence_number,
        "error": {"message": message, "type": kind, "param": param, "code": code},
    });
    format!("event: error\ndata: {data}\n\n").into_bytes()
}

/// The code of `error` in an answer's `error` object, for which the format has a closed list.
pub(super) fn response_code(error: &ClientError) -> &'static str {
    match error.kind {
        ErrorKind::RateLimited | ErrorKind::QuotaExceeded => "rate_limit_exceeded",
        ErrorKind::InvalidRequest | ErrorKind::TooLarge => "invalid_prompt",
        _ => "server_error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_event_has_the_documented_fields_and_the_object_that_sdks_raise_at() {
        let mut error = ClientError::new(ErrorKind::BadGateway, "a \"quoted\"\nline");
        error.param = Some("input".to_owned());
        let event = String::from_utf8(error_event(7, &error)).unwrap();
        insta::assert_snapshot!(event.trim_end(), @r#"
        event: error
        data: {"code":"upstream_error","error":{"code":"upstream_error","message":"a \"quoted\"\nline","param":"input","type":"server_error"},"message":"a \"quoted\"\nline","param":"input","sequence_number":7,"type":"error"}
        "#);
        assert!(event.ends_with("\n\n"));
    }

    #[test]
    fn codes_are_of_the_formats_own_list() {
        let code = |kind| response_code(&ClientError::new(kind, ""));
        assert_eq!(code(ErrorKind::RateLimited), "rate_limit_exceeded");
        assert_eq!(code(ErrorKind::InvalidRequest), "invalid_prompt");
        assert_eq!(code(ErrorKind::GatewayTimeout), "server_error");
    }
}
