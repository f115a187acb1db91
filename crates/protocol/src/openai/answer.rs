//! Judging a whole answer before it is passed on.

use super::{ProviderError, chunk::Choices, usage};
use crate::{
    Endpoint, Usage,
    json::{Kind, Scanner, SyntaxError},
};

/// What is read from an answer; the bytes themselves go to the client as they came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Answer {
    /// What the provider says it used.
    pub usage: Option<Usage>,
    /// Bytes of text that came out, for an estimate where the provider says nothing.
    pub output_bytes: usize,
}

/// Why a 200 is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unusable {
    /// It is not JSON.
    #[error("the answer is not valid JSON: {0}")]
    Syntax(#[from] SyntaxError),
    /// It is JSON of another shape.
    #[error("the answer has no '{0}'")]
    Shape(&'static str),
    /// It is an error in disguise.
    #[error("the answer is an error: {}", .0.message)]
    Error(ProviderError),
}

impl Answer {
    /// Looks at the body of a 200 to a request for `endpoint` that was not streamed.
    ///
    /// # Errors
    /// The body is no answer, and another provider should be asked.
    pub fn inspect(endpoint: Endpoint, body: &[u8]) -> Result<Self, Unusable> {
        let expected = match endpoint {
            Endpoint::ChatCompletions | Endpoint::Completions => "choices",
            Endpoint::Embeddings => "data",
        };
        let mut scanner = Scanner::new(body)?;
        if scanner.peek()? != Kind::Object {
            scanner.value()?;
            scanner.end()?;
            return Err(Unusable::Shape(expected));
        }
        let mut answer = Self::default();
        let mut found = false;
        let mut error = None;
        let mut members = scanner.enter_object()?;
        while let Some(key) = scanner.next_member(&mut members)? {
            let name = key.as_str().unwrap_or_default();
            if name == expected && scanner.peek()? == Kind::Array {
                if endpoint.streams() {
                    let choices = Choices::read(&mut scanner)?;
                    answer.output_bytes = choices.text_bytes;
                    // No answer at all is not an empty one, which has its finish reason.
                    found = choices.count > 0;
                } else {
                    scanner.value()?;
                    found = true;
                }
                continue;
            }
            let value = scanner.value()?;
            match name.as_ref() {
                "usage" => answer.usage = usage::parse(value.raw),
                "error" if !value.is_null() => error = Some(ProviderError::of_value(value.raw)),
                _ => {}
            }
        }
        scanner.end()?;
        match error {
            Some(error) => Err(Unusable::Error(error)),
            None if found => Ok(answer),
            None => Err(Unusable::Shape(expected)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_gives_its_usage_and_length() {
        let body = br#"{"id":"x","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}],
            "usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5},"error":null}"#;
        let answer = Answer::inspect(Endpoint::ChatCompletions, body).unwrap();
        assert_eq!(answer.usage.unwrap().total, 5);
        assert_eq!(answer.output_bytes, 5);
        let body =
            br#"{"data":[{"embedding":[0.1,0.2]}],"usage":{"prompt_tokens":3,"total_tokens":3}}"#;
        assert_eq!(
            Answer::inspect(Endpoint::Embeddings, body)
                .unwrap()
                .usage
                .unwrap()
                .prompt,
            3
        );
    }

    #[test]
    fn an_empty_but_complete_answer_is_an_answer() {
        let body = br#"{"choices":[{"message":{"content":""},"finish_reason":"stop"}]}"#;
        assert_eq!(
            Answer::inspect(Endpoint::ChatCompletions, body),
            Ok(Answer::default())
        );
    }

    #[test]
    fn what_is_no_answer_is_told_apart() {
        let inspect =
            |body: &str| Answer::inspect(Endpoint::ChatCompletions, body.as_bytes()).unwrap_err();
        assert!(matches!(inspect("<html>"), Unusable::Syntax(_)));
        assert!(matches!(inspect(r#"{"choices":["#), Unusable::Syntax(_)));
        assert_eq!(inspect("[]"), Unusable::Shape("choices"));
        assert_eq!(inspect(r#"{"data":[]}"#), Unusable::Shape("choices"));
        assert_eq!(inspect(r#"{"choices":null}"#), Unusable::Shape("choices"));
        assert_eq!(inspect(r#"{"choices":[]}"#), Unusable::Shape("choices"));
        let Unusable::Error(error) = inspect(r#"{"error":{"message":"boom","code":"x"}}"#) else {
            panic!()
        };
        assert_eq!(
            (error.message.as_str(), error.code.as_deref()),
            ("boom", Some("x"))
        );
    }
}
