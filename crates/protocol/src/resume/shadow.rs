//! The writer that would have written what was passed on: it follows the provider's own bytes, so that it can go on from
//! them with their ids, indices and numbers. What it does not know how to go on from seals the transcript.

use bytes::BytesMut;
use serde_json::{Map, Value};

use super::{Resumption, Transcript};
use crate::{
    Format, Reply,
    anthropic::messages::stream::Adopted,
    canonical::Event,
    translate::{Reader, Writer},
};

/// Follows a stream that is passed on.
#[derive(Debug)]
pub(crate) struct Shadow {
    format: Format,
    reader: Reader,
    writer: Writer,
    transcript: Transcript,
    /// What the writer says, which nobody gets.
    unsaid: BytesMut,
}

impl Shadow {
    /// Of a stream in `format`, which answers what `reply` tells of.
    pub(crate) fn new(format: Format, reply: Reply) -> Self {
        Self {
            format,
            reader: Reader::new(format),
            writer: Writer::new(format, reply),
            transcript: Transcript::default(),
            unsaid: BytesMut::new(),
        }
    }

    /// Takes the data of an event that goes to the client.
    pub(crate) fn follow(&mut self, data: &[u8]) {
        if !self.transcript.is_comparable() {
            return;
        }
        if self.follow_known(data).is_none() {
            self.transcript.seal();
        }
    }

    /// `None` where there is something that no writer could go on from.
    fn follow_known(&mut self, data: &[u8]) -> Option<()> {
        let wire: Value = serde_json::from_slice(data).ok()?;
        let is_known = match self.format {
            Format::Chat => is_chat(&wire),
            Format::Messages => is_messages(&wire),
            Format::Gemini => is_gemini(&wire),
            Format::Responses => is_responses(&wire),
        };
        if !is_known {
            return None;
        }
        match &mut self.writer {
            Writer::Chat(writer) => {
                writer.adopt(wire["id"].as_str(), wire["created"].as_i64());
            }
            Writer::Responses(writer) => writer.adopt(&wire)?,
            _ => {}
        }
        let Self {
            reader,
            writer,
            transcript,
            unsaid,
            ..
        } = self;
        let mut is_told = true;
        let read = reader.read(data, &mut |event| {
            is_told &= !matches!(event, Event::Error(_) | Event::End);
            transcript.note(&event);
            writer.write(&event, unsaid);
        });
        unsaid.clear();
        (read.is_ok() && is_told).then_some(())?;
        self.keep_up(&wire)
    }

    /// Brings the writer where the provider is.
    fn keep_up(&mut self, wire: &Value) -> Option<()> {
        match &mut self.writer {
            Writer::Chat(_) => {
                let calls = wire.pointer("/choices/0/delta/tool_calls");
                let mut calls = calls.and_then(Value::as_array).into_iter().flatten();
                let begun = self.transcript.calls();
                let is_last = |call: &Value| {
                    call["index"].as_u64() == begun.checked_sub(1).map(|last| last as u64)
                };
                calls.all(is_last).then_some(())
            }
            Writer::Messages(writer) => {
                let index = wire["index"]
                    .as_u64()
                    .and_then(|index| u32::try_from(index).ok());
                match (wire["type"].as_str()?, index) {
                    ("content_block_start", index) => {
                        let open = match wire.pointer("/content_block/type")?.as_str()? {
                            "text" => Adopted::Text,
                            "thinking" => Adopted::Thinking,
                            _ => Adopted::Call,
                        };
                        writer.adopt(index?, open);
                    }
                    ("content_block_stop", index) => {
                        writer.adopt(index?.checked_add(1)?, Adopted::Nothing);
                        self.transcript.close_call();
                    }
                    _ => {}
                }
                Some(())
            }
            Writer::Gemini(writer) => {
                writer.adopt();
                self.transcript.close_call();
                Some(())
            }
            Writer::Responses(writer) => writer.keep_up(wire),
            Writer::Completions(_) => None,
        }
    }

    /// The answer so far, if another provider can go on with it.
    pub(crate) fn resumption(&self) -> Option<Resumption> {
        Resumption::of(&self.writer, &self.transcript, &self.unsaid)
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Whether `members` says nothing but by these names.
fn says_only(members: &Map<String, Value>, names: &[&str]) -> bool {
    members
        .iter()
        .all(|(name, value)| names.contains(&name.as_str()) || is_nothing(value))
}

fn is_chat(wire: &Value) -> bool {
    let Some(choices) = wire["choices"].as_array() else {
        return true;
    };
    choices.iter().all(|choice| {
        let delta = choice["delta"].as_object();
        choice["index"].as_u64().unwrap_or(0) == 0
            && is_nothing(&choice["logprobs"])
            && (delta.is_none_or(|delta| {
                let names = [
                    "role",
                    "content",
                    "refusal",
                    "reasoning_content",
                    "tool_calls",
                ];
                says_only(delta, &names) && !delta.get("content").is_some_and(Value::is_array)
            }))
    })
}

fn is_messages(wire: &Value) -> bool {
    match wire["type"].as_str() {
        Some("content_block_start") => {
            let Some(block) = wire["content_block"].as_object() else {
                return false;
            };
            match block.get("type").and_then(Value::as_str) {
                // What has begun with text is rare, and its index could not be told from the deltas.
                Some("text") => says_only(block, &["type"]),
                Some("thinking") => says_only(block, &["type"]),
                Some("tool_use") => says_only(block, &["type", "id", "name", "caller"]),
                _ => false,
            }
        }
        Some("content_block_delta") => {
            let kind = wire.pointer("/delta/type").and_then(Value::as_str);
            matches!(
                kind,
                Some("text_delta" | "thinking_delta" | "input_json_delta")
            )
        }
        Some(
            "message_start" | "ping" | "content_block_stop" | "message_delta" | "message_stop",
        ) => true,
        _ => false,
    }
}

fn is_gemini(wire: &Value) -> bool {
    let Some(candidates) = wire["candidates"].as_array() else {
        return true;
    };
    let is_part = |part: &Value| {
        let members = part.as_object();
        members.is_some_and(|members| says_only(members, &["text", "thought", "functionCall"]))
            && part
                .get("functionCall")
                .is_none_or(|call| call["args"].is_object())
    };
    candidates.len() <= 1
        && candidates.iter().all(|candidate| {
            let names = [
                "content",
                "finishReason",
                "index",
                "safetyRatings",
                "avgLogprobs",
                "tokenCount",
            ];
            let members = candidate.as_object();
            let parts = candidate
                .pointer("/content/parts")
                .and_then(Value::as_array);
            members.is_some_and(|members| says_only(members, &names))
                && candidate["index"].as_u64().unwrap_or(0) == 0
                && parts.into_iter().flatten().all(is_part)
        })
}

fn is_responses(wire: &Value) -> bool {
    let is_item = || match wire.pointer("/item/type").and_then(Value::as_str) {
        Some("message" | "function_call") => true,
        Some("reasoning") => is_nothing(&wire["item"]["encrypted_content"]),
        _ => false,
    };
    match wire["type"].as_str().unwrap_or_default() {
        "response.output_item.added" | "response.output_item.done" => is_item(),
        "response.output_text.delta" | "response.output_text.done" => is_nothing(&wire["logprobs"]),
        "response.content_part.added" | "response.content_part.done" => {
            is_nothing(&wire["part"]["annotations"])
        }
        "response.created"
        | "response.queued"
        | "response.in_progress"
        | "response.refusal.delta"
        | "response.refusal.done"
        | "response.reasoning_summary_part.added"
        | "response.reasoning_summary_part.done"
        | "response.reasoning_summary_text.delta"
        | "response.reasoning_summary_text.done"
        | "response.function_call_arguments.delta"
        | "response.function_call_arguments.done" => true,
        _ => false,
    }
}
