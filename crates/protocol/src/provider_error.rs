//! Errors as providers tell them.

use serde_json::Value;

/// An error as a provider told it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProviderError {
    /// Its sentence.
    pub message: String,
    /// Its `type`, or Gemini's `status`.
    pub kind: Option<String>,
    /// Its `code`.
    pub code: Option<String>,
}

impl ProviderError {
    /// Reads an error body: `{"error":{...}}` as OpenAI has it, or one of the shapes that compatible servers use
    /// (`{"error":"..."}`, `{"message":...}`, `{"detail":...}`); also as the only element of an array, as Gemini's streams
    /// have it. `None` where it is none of these.
    #[must_use]
    pub fn of_body(body: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(body).ok()?;
        let value = match value {
            Value::Array(mut list) if list.len() == 1 => list.pop()?,
            value => value,
        };
        let object = value.as_object()?;
        match object.get("error") {
            Some(Value::Null) | None => {}
            Some(error) => return Some(Self::of(error)),
        }
        (object.contains_key("message") || object.contains_key("detail")).then(|| Self::of(&value))
    }

    pub(crate) fn of_value(raw: &str) -> Self {
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
            kind: text("type").or_else(|| text("status")),
            code: text("code"),
        }
    }

    /// Whether the prompt is too long for this model, while another might hold it. OpenAI says so by its code; servers
    /// without codes (vLLM, llama.cpp, Ollama) and Gemini by their sentence.
    #[must_use]
    pub fn is_context_length_exceeded(&self) -> bool {
        const SENTENCES: [&str; 6] = [
            "maximum context length",
            "context_length_exceeded",
            "exceeds the available context size",
            "context window",
            "prompt is too long",
            "exceeds the maximum number of tokens allowed",
        ];
        let message = self.message.to_ascii_lowercase();
        self.code.as_deref() == Some("context_length_exceeded")
            || SENTENCES.iter().any(|sentence| message.contains(sentence))
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
    fn the_shape_of_gemini_is_read_also_in_an_array() {
        let error =
            r#"{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED","details":[]}}"#;
        for body in [error.to_owned(), format!("[{error}\n]")] {
            let read = ProviderError::of_body(body.as_bytes()).unwrap();
            assert_eq!(read.kind.as_deref(), Some("RESOURCE_EXHAUSTED"));
            assert_eq!(
                (read.message.as_str(), read.code.as_deref()),
                ("m", Some("429"))
            );
        }
        let two = format!("[{error},{error}]");
        assert_eq!(ProviderError::of_body(two.as_bytes()), None);
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
        assert!(is(
            r#"{"error":{"code":400,"message":"The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).","status":"INVALID_ARGUMENT"}}"#
        ));
        assert!(!is(r#"{"error":{"message":"Invalid value: 'foo'"}}"#));
    }
}
