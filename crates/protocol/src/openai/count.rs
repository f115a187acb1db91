//! `POST /v1/responses/input_tokens`: how many tokens a request has.

use serde::Deserialize;
use serde_json::json;

use super::responses;
use crate::{RequestError, Unusable, canonical::Request};

/// Reads a request to count, which is one for an answer without what is about the answer.
///
/// # Errors
/// It is not what the format's documents say; the error names the field.
pub(crate) fn read_request(body: &[u8]) -> Result<Request, RequestError> {
    responses::request::read(body)
}

/// Reads a provider's count.
///
/// # Errors
/// It is none.
pub(crate) fn read_answer(body: &[u8]) -> Result<u64, Unusable> {
    #[derive(Deserialize)]
    struct Wire {
        input_tokens: Option<u64>,
    }
    crate::json::validate(body)?;
    let wire: Wire =
        serde_json::from_slice(body).map_err(|error| Unusable::Wire(error.to_string()))?;
    match (wire.input_tokens, crate::ProviderError::of_body(body)) {
        (Some(tokens), _) => Ok(tokens),
        (None, Some(error)) => Err(Unusable::Error(error)),
        (None, None) => Err(Unusable::Shape("input_tokens")),
    }
}

/// Writes a count for a client.
#[must_use]
pub(crate) fn write_answer(input_tokens: u64) -> Vec<u8> {
    json!({"object": "response.input_tokens", "input_tokens": input_tokens})
        .to_string()
        .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_read_as_it_is_written() {
        let body = write_answer(17);
        insta::assert_snapshot!(String::from_utf8_lossy(&body), @r#"{"input_tokens":17,"object":"response.input_tokens"}"#);
        assert_eq!(read_answer(&body), Ok(17));
    }

    #[test]
    fn what_is_no_count_is_told_apart() {
        let read = |body: &str| read_answer(body.as_bytes()).unwrap_err();
        assert!(matches!(read("<html>"), Unusable::Syntax(_)));
        assert!(matches!(read("[]"), Unusable::Wire(_) | Unusable::Shape(_)));
        assert!(matches!(read(r#"{"input_tokens":-1}"#), Unusable::Wire(_)));
        assert_eq!(read("{}"), Unusable::Shape("input_tokens"));
        let error = read(r#"{"error":{"message":"no"}}"#);
        assert_eq!(error.to_string(), "the answer is an error: no");
    }

    #[test]
    fn a_request_to_count_is_a_request() {
        let request = read_request(br#"{"model":"m","input":"hi"}"#).unwrap();
        assert_eq!(request.messages.len(), 1);
        assert!(read_request(b"{}").is_err());
    }
}
