//! Errors: a provider's, read; ours, written.

use serde_json::{Value, json};

use crate::{ClientError, ErrorKind};

/// An error as a provider told it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProviderError {
    /// Its sentence.
    pub message: String,
    /// Its `type`.
    pub kind: Option<String>,
    /// Its `code`.
    pub code: Option<String>,
}

impl ProviderError {
    /// Reads an error body: `{"error":{...}}` as OpenAI has it, or one of the shapes that compatible servers use
    /// (`{"error":"..."}`, `{"message":...}`, `{"detail":...}`). `None` where it is none of these.
    #[must_use]
    pub fn of_body(body: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(body).ok()?;
        let object = value.as_object()?;
        match object.get("error") {
            Some(Value::Null) | None => {}
            Some(error) => return Some(Self::of(error)),
        }
        (object.contains_key("message") || object.contains_key("detail")).then(|| Self::of(&value))
    }

    pub(super) fn of_value(raw: &str) -> Self {
        serde_json::from_str(raw).map_or_else(|_| Self::default(), |value| Self::of(&value))
    }

    fn of(value: &Value) -> Self {
        let text = |field: &str| match value.get(field) {
            Some(Value::String(text)) => Some(text.clone()),
            Some(Value::Number(number)) => Some(number.to_string()),
            _ => None,
        };
        let message = match value {
            Value::String(message) => Some(message.clone()),
            _ => text("message").or_else(|| text("detail")),
        };
        Self {
            message: message.unwrap_or_else(|| value.to_string()),
            kind: text("type"),
            code: text("code"),
        }
    }

    /// Whether the prompt is too long for this model, while another might hold it. OpenAI says so by its code; servers
    /// without codes (vLLM, llama.cpp, Ollama) by their sentence.
    #[must_use]
    pub fn is_context_length_exceeded(&self) -> bool {
        const SENTENCES: [&str; 5] = [
            "maximum context length",
            "context_length_exceeded",
            "exceeds the available context size",
            "context window",
            "prompt is too long",
        ];
        let message = self.message.to_ascii_lowercase();
        self.code.as_deref() == Some("context_length_exceeded")
            || SENTENCES.iter().any(|sentence| message.contains(sentence))
    }
}

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

fn terms(kind: ErrorKind) -> (u16, &'static str, Option<&'static str>) {
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

    #[track_caller]
    fn reads(body: &str, message: &str) {
        assert_eq!(
            ProviderError::of_body(body.as_bytes()).unwrap().message,
            message
        );
    }

    #[test]
    fn every_shape_of_error_is_read() {
        reads(r#"{"error":{"message":"no","type":"t","code":429}}"#, "no");
        reads(r#"{"error":"no such model"}"#, "no such model");
        reads(r#"{"object":"error","message":"bad","code":400}"#, "bad");
        reads(r#"{"detail":"Not Found"}"#, "Not Found");
        reads(r#"{"error":{"unexpected":1}}"#, r#"{"unexpected":1}"#);
        for body in [
            "<html></html>",
            "",
            "[]",
            "{}",
            r#"{"choices":[]}"#,
            r#"{"error":null}"#,
        ] {
            assert_eq!(ProviderError::of_body(body.as_bytes()), None, "{body}");
        }
    }

    #[test]
    fn a_prompt_too_long_is_recognised_by_code_or_sentence() {
        let is = |body: &str| {
            ProviderError::of_body(body.as_bytes())
                .unwrap()
                .is_context_length_exceeded()
        };
        assert!(is(
            r#"{"error":{"message":"x","code":"context_length_exceeded"}}"#
        ));
        assert!(is(
            r#"{"message":"This model's maximum context length is 4096 tokens."}"#
        ));
        assert!(!is(r#"{"error":{"message":"Invalid value: 'foo'"}}"#));
    }

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
