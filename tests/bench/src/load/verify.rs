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

/// The text and the end of an answer.
fn told(protocol: Protocol, body: &[u8]) -> Found<Told> {
    let body = std::str::from_utf8(body).map_err(|_| "no UTF-8")?;
    let mut told = Told::default();
    if !body.starts_with("data:") && !body.starts_with("event:") {
        let json: Value = serde_json::from_str(body).map_err(|_| "no JSON")?;
        told.whole(protocol, &json);
        told.ended = true;
        return Ok(told);
    }
    for data in body.lines().filter_map(|line| line.strip_prefix("data: ")) {
        if told.ended {
            return Err("an event after the end".into());
        }
        if protocol == Protocol::Chat && data == "[DONE]" {
            told.ended = true;
            continue;
        }
        let json: Value = serde_json::from_str(data).map_err(|_| "an event that is no JSON")?;
        if json.get("error").is_some_and(|error| !error.is_null()) || json["type"] == "error" {
            return Err("an event that is an error".into());
        }
        told.event(protocol, &json)?;
    }
    Ok(told)
}

impl Told {
    /// Reads a whole answer.
    fn whole(&mut self, protocol: Protocol, json: &Value) {
        match protocol {
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
