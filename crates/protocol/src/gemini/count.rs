//! `countTokens`: a request to count, and its answer.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{fields::Fields, generate};
use crate::{ProviderError, RequestError, Unusable, canonical::Request, json};

/// Reads a client's request in either form: bare `contents`, or a whole `generateContentRequest`.
///
/// # Errors
/// It is not what the documents say.
pub(crate) fn read_request(body: &[u8]) -> Result<Request, RequestError> {
    let mut fields = Fields::of_body(body)?;
    let Some(inner) = fields.take("generateContentRequest") else {
        return generate::request::read(body);
    };
    if fields.take("contents").is_some() {
        return Err(RequestError::Invalid {
            field: "contents".to_owned(),
            reason: "it stands beside 'generateContentRequest', which holds the contents".into(),
        });
    }
    let mut request =
        generate::request::read_fields(Fields::read(inner, "generateContentRequest")?)?;
    request.extras.extend(fields.unknown());
    Ok(request)
}

/// Reads a provider's answer: the tokens.
///
/// # Errors
/// It is no answer.
pub(crate) fn read_answer(body: &[u8]) -> Result<u64, Unusable> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Answer<'a> {
        // A zero is left out by proto3's JSON, but nothing counts as no token: every request has contents.
        total_tokens: Option<u64>,
        #[serde(borrow)]
        error: Option<&'a RawValue>,
    }
    json::validate(body)?;
    let answer: Answer<'_> =
        serde_json::from_slice(body).map_err(|error| Unusable::Wire(error.to_string()))?;
    if let Some(error) = answer.error {
        return Err(Unusable::Error(ProviderError::of_value(error.get())));
    }
    answer.total_tokens.ok_or(Unusable::Shape("totalTokens"))
}

/// Writes an answer for a client.
#[must_use]
pub(crate) fn write_answer(tokens: u64) -> Vec<u8> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Answer {
        total_tokens: u64,
    }
    generate::json_text(&Answer {
        total_tokens: tokens,
    })
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_a_request_are_read() {
        let bare = read_request(br#"{"contents":[{"parts":[{"text":"hi"}]}]}"#).unwrap();
        let whole = read_request(
            br#"{"generateContentRequest":{"model":"models/x","contents":[{"parts":[{"text":"hi"}]}]}}"#,
        )
        .unwrap();
        assert_eq!(bare, whole);
        let snake = read_request(
            br#"{"generate_content_request":{"contents":[{"parts":[{"text":"hi"}]}]},"new":1}"#,
        )
        .unwrap();
        assert_eq!(snake.messages, whole.messages);
        assert_eq!(snake.extras[0].param, "new");
        for (body, field) in [
            (r#"{"generateContentRequest":7}"#, "generateContentRequest"),
            (r#"{"generateContentRequest":{}}"#, "contents"),
            (r#"{"generateContentRequest":{},"contents":[]}"#, "contents"),
            ("{}", "contents"),
        ] {
            let error = read_request(body.as_bytes()).unwrap_err();
            assert_eq!(error.param(), Some(field), "{body}");
        }
    }

    #[test]
    fn an_answer_is_read_and_written() {
        assert_eq!(write_answer(31), br#"{"totalTokens":31}"#);
        assert_eq!(read_answer(&write_answer(31)), Ok(31));
        assert!(matches!(read_answer(b"{}"), Err(Unusable::Shape(_))));
        assert!(matches!(read_answer(b"[]"), Err(Unusable::Wire(_))));
        assert!(matches!(read_answer(b""), Err(Unusable::Syntax(_))));
        assert!(matches!(
            read_answer(br#"{"error":{"code":400,"message":"m","status":"INVALID_ARGUMENT"}}"#),
            Err(Unusable::Error(error)) if error.message == "m"
        ));
    }
}
