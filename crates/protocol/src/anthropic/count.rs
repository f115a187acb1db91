//! The answer to a request to count tokens.

use serde::Deserialize;

use crate::{ProviderError, Unusable, json};

/// Reads a provider's count.
///
/// # Errors
/// It is none.
pub(crate) fn read_answer(body: &[u8]) -> Result<u64, Unusable> {
    #[derive(Deserialize)]
    struct Wire {
        input_tokens: Option<u64>,
    }
    if json::validate(body)? != json::Kind::Object {
        return Err(Unusable::Shape("input_tokens"));
    }
    let wire: Wire =
        serde_json::from_slice(body).map_err(|error| Unusable::Wire(error.to_string()))?;
    wire.input_tokens.ok_or_else(|| {
        ProviderError::of_body(body).map_or(Unusable::Shape("input_tokens"), Unusable::Error)
    })
}

/// Writes a count for a client.
#[must_use]
pub(crate) fn write_answer(tokens: u64) -> Vec<u8> {
    serde_json::json!({"input_tokens": tokens})
        .to_string()
        .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_read_as_it_is_written() {
        assert_eq!(write_answer(7), br#"{"input_tokens":7}"#);
        assert_eq!(read_answer(&write_answer(u64::MAX)), Ok(u64::MAX));
    }

    #[test]
    fn what_is_no_count_is_refused() {
        let error = br#"{"type":"error","error":{"type":"api_error","message":"no"}}"#;
        assert!(matches!(read_answer(error), Err(Unusable::Error(error)) if error.message == "no"));
        assert_eq!(read_answer(b"{}"), Err(Unusable::Shape("input_tokens")));
        assert_eq!(read_answer(b"7"), Err(Unusable::Shape("input_tokens")));
        assert!(matches!(read_answer(b"<html>"), Err(Unusable::Syntax(_))));
        let negative = br#"{"input_tokens":-1}"#;
        assert!(matches!(read_answer(negative), Err(Unusable::Wire(_))));
    }
}
