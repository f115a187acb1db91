//! Judging one event of a stream.

use super::{DONE, ProviderError, usage};
use crate::{
    Usage,
    json::{Kind, Scanner, SyntaxError, Value},
};

/// What is read from one event; its bytes go to the client as they came.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Chunk {
    /// It ends the stream: `[DONE]`.
    pub done: bool,
    /// It holds something a client would keep: text, a tool call, reasoning, a refusal, or a finish reason.
    pub content: bool,
    /// Indices of the answers that come to their finish reason in it: they are complete but for usage and the end marker.
    pub finished: Vec<u64>,
    /// It holds nothing but usage, as asked for with `stream_options.include_usage`.
    pub usage_only: bool,
    /// What the provider says it used so far.
    pub usage: Option<Usage>,
    /// Bytes of generated text in it.
    pub text_bytes: usize,
    /// It is an error.
    pub error: Option<ProviderError>,
}

/// An event that no client could read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("malformed event: {0}")]
pub struct Malformed(#[from] SyntaxError);

impl Chunk {
    /// Looks at the data of one event.
    ///
    /// # Errors
    /// The data is not a JSON object.
    pub fn inspect(data: &[u8]) -> Result<Self, Malformed> {
        if data.trim_ascii() == DONE {
            return Ok(Self {
                done: true,
                ..Self::default()
            });
        }
        let mut scanner = Scanner::new(data)?;
        let mut chunk = Self::default();
        let mut has_choices = false;
        let mut members = scanner.enter_object()?;
        while let Some(key) = scanner.next_member(&mut members)? {
            let name = key.as_str().unwrap_or_default();
            if name == "choices" && scanner.peek()? == Kind::Array {
                let choices = Choices::read(&mut scanner)?;
                has_choices = choices.count > 0;
                chunk.content |= choices.content || !choices.finished.is_empty();
                chunk.finished = choices.finished;
                chunk.text_bytes = choices.text_bytes;
                continue;
            }
            let value = scanner.value()?;
            match name.as_ref() {
                "usage" => chunk.usage = usage::parse(value.raw),
                "error" if !value.is_null() => {
                    chunk.error = Some(ProviderError::of_value(value.raw))
                }
                _ => {}
            }
        }
        scanner.end()?;
        chunk.usage_only = chunk.usage.is_some() && !has_choices;
        Ok(chunk)
    }
}

/// A summary of `choices`, of an answer or of a chunk of one.
#[derive(Debug, Default)]
pub(super) struct Choices {
    pub(super) count: usize,
    pub(super) content: bool,
    pub(super) finished: Vec<u64>,
    pub(super) text_bytes: usize,
}

impl Choices {
    /// Reads the array that comes next.
    pub(super) fn read(scanner: &mut Scanner<'_>) -> Result<Self, SyntaxError> {
        let mut choices = Self::default();
        let mut elements = scanner.enter_array()?;
        while scanner.next_element(&mut elements)? {
            choices.count += 1;
            if scanner.peek()? == Kind::Object {
                choices.choice(scanner)?;
            } else {
                scanner.value()?;
            }
        }
        Ok(choices)
    }

    fn choice(&mut self, scanner: &mut Scanner<'_>) -> Result<(), SyntaxError> {
        let mut members = scanner.enter_object()?;
        let mut index = 0;
        let mut is_finished = false;
        while let Some(key) = scanner.next_member(&mut members)? {
            let name = key.as_str().unwrap_or_default();
            if matches!(name.as_ref(), "delta" | "message") && scanner.peek()? == Kind::Object {
                self.delta(scanner)?;
                continue;
            }
            let value = scanner.value()?;
            match name.as_ref() {
                "index" => index = value.raw.parse().unwrap_or(0),
                // Some servers send an empty reason for as long as there is none.
                "finish_reason" => is_finished = !value.is_null() && value.raw != r#""""#,
                "text" => self.text(&value),
                _ => {}
            }
        }
        if is_finished {
            self.finished.push(index);
        }
        Ok(())
    }

    fn delta(&mut self, scanner: &mut Scanner<'_>) -> Result<(), SyntaxError> {
        let mut members = scanner.enter_object()?;
        while let Some(key) = scanner.next_member(&mut members)? {
            let value = scanner.value()?;
            match key.as_str().unwrap_or_default().as_ref() {
                "content" | "refusal" | "reasoning_content" | "reasoning" => self.text(&value),
                "tool_calls" | "function_call" | "audio" | "images" | "reasoning_details"
                    if !value.is_null() && !matches!(value.raw, "[]" | "{}") =>
                {
                    self.content = true;
                    self.text_bytes += value.raw.len();
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Text, or the list of parts that some servers make of it.
    fn text(&mut self, value: &Value<'_>) {
        let bytes = match value.kind {
            Kind::String | Kind::Array => value.raw.len() - 2,
            _ => 0,
        };
        self.text_bytes += bytes;
        self.content |= bytes > 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(data: &str) -> Chunk {
        Chunk::inspect(data.as_bytes()).unwrap()
    }

    #[test]
    fn content_is_what_a_client_would_keep() {
        let with_delta = |delta: &str| {
            chunk(&format!(
                r#"{{"choices":[{{"index":0,"delta":{delta},"finish_reason":null}}],"usage":null}}"#
            ))
        };
        for delta in [
            r#"{"content":"a"}"#,
            r#"{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":""}}]}"#,
            r#"{"refusal":"no"}"#,
            r#"{"reasoning_content":"hm"}"#,
            r#"{"reasoning":"hm"}"#,
            r#"{"content":[{"type":"text","text":"a"}]}"#,
        ] {
            assert!(with_delta(delta).content, "{delta}");
        }
        for delta in [
            r#"{"role":"assistant","content":""}"#,
            "{}",
            r#"{"content":null,"refusal":null}"#,
            r#"{"tool_calls":[]}"#,
            r#"{"content":[]}"#,
        ] {
            assert!(!with_delta(delta).content, "{delta}");
        }
        let finish = chunk(r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#);
        assert!(finish.content && finish.finished == [0]);
        assert!(chunk(r#"{"choices":[{"text":"a","finish_reason":null}]}"#).content);
    }

    #[test]
    fn a_finish_reason_belongs_to_its_answer() {
        let finished = |choices: &str| chunk(&format!(r#"{{"choices":[{choices}]}}"#)).finished;
        assert_eq!(
            finished(r#"{"finish_reason":"stop","index":3},{"index":1,"finish_reason":"length"}"#),
            [3, 1]
        );
        assert_eq!(finished(r#"{"index":-1,"finish_reason":"stop"}"#), [0]);
        for none in ["null", r#""""#] {
            let choice = format!(r#"{{"index":0,"delta":{{}},"finish_reason":{none}}}"#);
            assert!(finished(&choice).is_empty() && !chunk(&choice).content);
        }
    }

    #[test]
    fn usage_alone_is_told_from_usage_beside_content() {
        let alone = chunk(
            r#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}"#,
        );
        assert!(alone.usage_only && !alone.content && alone.usage.is_some());
        let beside = chunk(
            r#"{"choices":[{"delta":{"content":"x"}}],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#,
        );
        assert!(!beside.usage_only && beside.content && beside.usage.is_some());
    }

    #[test]
    fn errors_and_the_end_are_found() {
        assert!(chunk("[DONE]").done && chunk(" [DONE]\r").done);
        assert_eq!(
            chunk(r#"{"error":{"message":"overloaded","type":"server_error"}}"#)
                .error
                .unwrap()
                .message,
            "overloaded"
        );
        assert!(chunk(r#"{"error":null,"choices":[]}"#).error.is_none());
    }

    #[test]
    fn what_is_no_object_is_malformed() {
        for data in ["", "{", "{\"choices\":[", "[]", "null", "hello", "{} {}"] {
            assert!(Chunk::inspect(data.as_bytes()).is_err(), "{data}");
        }
    }
}
