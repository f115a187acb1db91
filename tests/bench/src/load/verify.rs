//! Whether an answer is the right one, whole.

use std::borrow::Cow;

use serde_json::Value;

use super::Protocol;

/// Compares answers with the reference's.
#[derive(Debug)]
pub(crate) struct Verifier {
    protocol: Protocol,
    right: Told,
    /// The bytes that were last found right: the rest are mostly equal to them, and need no second reading.
    known: Vec<u8>,
}

/// What an answer tells.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    /// All of its text, however it was cut.
    text: String,
    /// Why it ended, in the protocol's word.
    finish: String,
    /// Whether the end marker came; true of whole answers.
    ended: bool,
    /// Whether `response.failed` came after an error.
    failed: bool,
}

type Found<T> = Result<T, Cow<'static, str>>;

impl Verifier {
    /// Takes `body` as the right answer.
    ///
    /// # Errors
    /// It is none that is complete.
    pub(crate) fn new(protocol: Protocol, body: Vec<u8>) -> anyhow::Result<Self> {
        let right = told(protocol, &body).map_err(anyhow::Error::msg)?;
        anyhow::ensure!(
            right.ended && !right.text.is_empty() && !right.finish.is_empty(),
            "it is incomplete"
        );
        Ok(Self {
            protocol,
            right,
            known: body,
        })
    }

    /// Whether `body` tells what the reference told. Fields that a gateway may add or leave out do not matter; text,
    /// finish reason and, in a stream, the end marker do.
    pub(crate) fn check(&mut self, body: &[u8]) -> Found<()> {
        if body == self.known {
            return Ok(());
        }
        let told = told(self.protocol, body)?;
        if told != self.right {
            return Err("another answer".into());
        }
        self.known.clear();
        self.known.extend_from_slice(body);
        Ok(())
    }
}

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// With its reason and, in a stream, its end marker.
    Complete,
    /// A stream with an error as its last event.
    Error,
}

/// How an answer of status 200 ended; an error where it is broken: neither complete nor ended in an error, or going on
/// after either.
pub(crate) fn end(protocol: Protocol, body: &[u8]) -> Found<End> {
    let (told, failed) = read(protocol, body)?;
    match failed {
        true if told.ended => Err("an end marker and an error".into()),
        true => Ok(End::Error),
        false if told.ended && !told.finish.is_empty() => Ok(End::Complete),
        false => Err("neither an end nor an error".into()),
    }
}

/// The text and the end of an answer that has no error in it.
fn told(protocol: Protocol, body: &[u8]) -> Found<Told> {
    match read(protocol, body)? {
        (_, true) => Err("an event that is an error".into()),
        (told, false) => Ok(told),
    }
}

/// What an answer tells, and whether an error is its last event.
fn read(protocol: Protocol, body: &[u8]) -> Found<(Told, bool)> {
    let body = std::str::from_utf8(body).map_err(|_| "no UTF-8")?;
    let mut told = Told::default();
    if !body.starts_with("data:") && !body.starts_with("event:") {
        let json: Value = serde_json::from_str(body).map_err(|_| "no JSON")?;
        told.whole(protocol, &json);
        told.ended = true;
        return Ok((told, false));
    }
    let mut failed = false;
    for data in body.lines().filter_map(|line| line.strip_prefix("data: ")) {
        if told.ended {
            return Err("an event after the end".into());
        }
        if failed {
            // Responses tells in what state the error leaves the answer; nothing comes after that.
            if protocol == Protocol::Responses && !told.failed && is_failed(data) {
                told.failed = true;
                continue;
            }
            return Err("an event after the error".into());
        }
        if protocol == Protocol::Chat && data == "[DONE]" {
            told.ended = true;
            continue;
        }
        let json: Value = serde_json::from_str(data).map_err(|_| "an event that is no JSON")?;
        if json.get("error").is_some_and(|error| !error.is_null()) || json["type"] == "error" {
            failed = true;
            continue;
        }
        told.event(protocol, &json)?;
    }
    Ok((told, failed))
}

fn is_failed(data: &str) -> bool {
    serde_json::from_str::<Value>(data).is_ok_and(|json| json["type"] == "response.failed")
}

impl Told {
    /// Reads a whole answer.
    fn whole(&mut self, protocol: Protocol, json: &Value) {
        match protocol {
            // Embeddings: the vectors are what it tells.
            Protocol::Chat if json["object"] == "list" => {
                self.text = json["data"].to_string();
                self.finish(&json["object"]);
            }
            Protocol::Chat => {
                let choice = &json["choices"][0];
                self.more(&choice["message"]["content"]);
                self.finish(&choice["finish_reason"]);
            }
            Protocol::Responses => {
                for item in array(&json["output"]) {
                    array(&item["content"]).for_each(|part| self.more(&part["text"]));
                }
                self.finish(&json["status"]);
            }
            Protocol::Messages => {
                array(&json["content"]).for_each(|block| self.more(&block["text"]));
                self.finish(&json["stop_reason"]);
            }
            Protocol::Gemini => {
                let candidate = &json["candidates"][0];
                array(&candidate["content"]["parts"]).for_each(|part| self.more(&part["text"]));
                self.finish(&candidate["finishReason"]);
            }
        }
    }

    /// Reads an event of a stream.
    fn event(&mut self, protocol: Protocol, json: &Value) -> Found<()> {
        match protocol {
            Protocol::Chat => {
                let choice = &json["choices"][0];
                self.more(&choice["delta"]["content"]);
                self.finish(&choice["finish_reason"]);
            }
            Protocol::Responses => match json["type"].as_str() {
                Some("response.output_text.delta") => self.more(&json["delta"]),
                Some("response.completed" | "response.incomplete") => {
                    let mut last = Self::default();
                    last.whole(protocol, &json["response"]);
                    if last.text != self.text {
                        return Err("a last event that tells another text".into());
                    }
                    self.finish = last.finish;
                    self.ended = true;
                }
                _ => {}
            },
            Protocol::Messages => match json["type"].as_str() {
                Some("content_block_delta") => self.more(&json["delta"]["text"]),
                Some("message_delta") => self.finish(&json["delta"]["stop_reason"]),
                Some("message_stop") => self.ended = true,
                _ => {}
            },
            Protocol::Gemini => {
                self.whole(protocol, json);
                // There is no other end marker.
                self.ended = !self.finish.is_empty();
            }
        }
        Ok(())
    }

    fn more(&mut self, text: &Value) {
        self.text.push_str(text.as_str().unwrap_or_default());
    }

    fn finish(&mut self, reason: &Value) {
        self.finish.push_str(reason.as_str().unwrap_or_default());
    }
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(events: &[&str]) -> String {
        let events = events.iter().map(|event| format!("data: {event}\n\n"));
        events.collect()
    }

    #[test]
    fn a_stream_ends_whole_or_in_an_error_and_goes_on_after_neither() {
        const TEXT: &str = r#"{"choices":[{"delta":{"content":"a"}}]}"#;
        const STOP: &str = r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#;
        const ERROR: &str = r#"{"type":"error","error":{"message":"m"}}"#;
        const DELTA: &str = r#"{"type":"response.output_text.delta","delta":"a"}"#;
        const FAILED: &str = r#"{"type":"response.failed","response":{"status":"failed"}}"#;
        let table: [(Protocol, &[&str], Option<End>); 10] = [
            (Protocol::Chat, &[TEXT, STOP, "[DONE]"], Some(End::Complete)),
            (Protocol::Chat, &[TEXT, ERROR], Some(End::Error)),
            (Protocol::Chat, &[TEXT, STOP], None),
            (Protocol::Chat, &[TEXT, "[DONE]"], None),
            (Protocol::Chat, &[TEXT, ERROR, TEXT], None),
            (Protocol::Chat, &[TEXT, ERROR, "[DONE]"], None),
            (Protocol::Chat, &[TEXT, STOP, "[DONE]", ERROR], None),
            (
                Protocol::Responses,
                &[DELTA, ERROR, FAILED],
                Some(End::Error),
            ),
            (Protocol::Responses, &[DELTA, ERROR, FAILED, FAILED], None),
            (Protocol::Responses, &[DELTA, ERROR, DELTA], None),
        ];
        for (protocol, events, expected) in table {
            let ended = end(protocol, stream(events).as_bytes());
            assert_eq!(ended.ok(), expected, "{protocol:?} {events:?}");
        }
    }
}
