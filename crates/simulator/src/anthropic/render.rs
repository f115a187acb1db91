//! A message as Anthropic writes it, whole and as events.

use http::StatusCode;
use serde_json::{Value, json};

use super::content::SIGNATURE;
use super::request::Read;
use crate::answer::{Answer, Event};
use crate::exchange::Exchange;
use crate::reply::{self, End, Reply, Usage};
use crate::{seal, text};

/// Tokens between two pings of a stream.
const PING_EVERY: usize = 64;

/// Answers a request that was read.
pub(crate) fn serve(exchange: &Exchange<'_>, read: &Read) -> Answer {
    let reply = reply::write(exchange, &read.ask);
    if exchange.streams() {
        return Answer::events(events(exchange, read, &reply));
    }
    let blocks: Vec<Value> = blocks(exchange, read, &reply)
        .iter()
        .map(Block::whole)
        .collect();
    let mut message = message(exchange, blocks);
    let end = end(&reply);
    message["stop_reason"] = end["stop_reason"].clone();
    message["stop_sequence"] = end["stop_sequence"].clone();
    message["stop_details"] = end["stop_details"].clone();
    message["usage"] = usage(reply.usage);
    Answer::json_after(
        exchange.pace().whole(reply.length()),
        StatusCode::OK,
        message.to_string(),
    )
}

/// One block of an answer and the pieces it is streamed in.
enum Block {
    Thinking {
        pieces: Vec<String>,
        signature: String,
    },
    Redacted {
        data: String,
    },
    Text {
        pieces: Vec<String>,
    },
    Call {
        id: String,
        name: String,
        input: Value,
    },
}

impl Block {
    fn whole(&self) -> Value {
        match self {
            Self::Thinking { pieces, signature } => {
                json!({"type": "thinking", "thinking": pieces.concat(), "signature": signature})
            }
            Self::Redacted { data } => json!({"type": "redacted_thinking", "data": data}),
            Self::Text { pieces } => {
                json!({"type": "text", "text": pieces.concat()})
            }
            Self::Call { id, name, input } => {
                json!({"type": "tool_use", "id": id, "name": name, "input": input, "caller": {"type": "direct"}})
            }
        }
    }

    /// What the block is when it starts.
    fn start(&self) -> Value {
        let mut start = self.whole();
        match self {
            Self::Thinking { .. } => {
                start["thinking"] = json!("");
                start["signature"] = json!("");
            }
            Self::Redacted { .. } => {}
            Self::Text { .. } => start["text"] = json!(""),
            Self::Call { .. } => start["input"] = json!({}),
        }
        start
    }

    fn deltas(&self) -> Vec<Value> {
        match self {
            Self::Thinking { pieces, signature } => {
                let thinking = pieces.iter();
                let thinking =
                    thinking.map(|piece| json!({"type": "thinking_delta", "thinking": piece}));
                let signature = json!({"type": "signature_delta", "signature": signature});
                thinking.chain([signature]).collect()
            }
            Self::Redacted { .. } => Vec::new(),
            Self::Text { pieces } => {
                let pieces = pieces.iter();
                pieces
                    .map(|piece| json!({"type": "text_delta", "text": piece}))
                    .collect()
            }
            Self::Call { input, .. } => {
                // The service begins with an empty fragment, and sends no other when there are no arguments.
                let whole = if input.as_object().is_some_and(serde_json::Map::is_empty) {
                    Vec::new()
                } else {
                    text::pieces(&input.to_string())
                };
                let fragments = [String::new()].into_iter().chain(whole);
                fragments
                    .map(|piece| json!({"type": "input_json_delta", "partial_json": piece}))
                    .collect()
            }
        }
    }
}

fn blocks(exchange: &Exchange<'_>, read: &Read, reply: &Reply) -> Vec<Block> {
    let mut blocks = Vec::new();
    if read.thinks && !reply.blocked {
        if reply.redacted {
            blocks.push(Block::Redacted {
                data: seal::seal(SIGNATURE, &reply.thought()),
            });
        } else if !reply.reasoning.is_empty() {
            let thought = reply.thought();
            blocks.push(if read.omits {
                Block::Thinking {
                    pieces: Vec::new(),
                    signature: seal::seal(SIGNATURE, &thought),
                }
            } else {
                Block::Thinking {
                    signature: seal::sign(SIGNATURE, &thought),
                    pieces: reply.reasoning.clone(),
                }
            });
        }
    }
    if !reply.pieces.is_empty() {
        blocks.push(Block::Text {
            pieces: reply.pieces.clone(),
        });
    }
    blocks.extend(
        reply
            .calls
            .iter()
            .enumerate()
            .map(|(index, call)| Block::Call {
                id: exchange.plain_id("toolu", index),
                name: call.name.clone(),
                input: Value::Object(call.arguments.clone()),
            }),
    );
    blocks
}

fn message(exchange: &Exchange<'_>, content: Vec<Value>) -> Value {
    json!({
        "id": exchange.plain_id("msg", 0), "type": "message", "role": "assistant", "model": exchange.model,
        "content": content, "container": null, "stop_reason": null, "stop_sequence": null, "stop_details": null,
    })
}

/// Why it ended.
fn end(reply: &Reply) -> Value {
    let refused = reply.refusal.is_some() || reply.blocked;
    let (reason, sequence) = match &reply.end {
        _ if refused => ("refusal", None),
        End::Natural => ("end_turn", None),
        End::Stopped(stop) => ("stop_sequence", Some(stop)),
        End::Length => ("max_tokens", None),
        End::Calls => ("tool_use", None),
        End::Filtered => ("refusal", None),
    };
    let details = (reason == "refusal")
        .then(|| json!({"type": "refusal", "category": null, "explanation": reply.refusal}));
    let reason = reply.finish_reason.as_deref().unwrap_or(reason);
    json!({"stop_reason": reason, "stop_sequence": sequence, "stop_details": details})
}

/// The usage; servers that tell none tell zeros, for the field is part of the message.
fn usage(usage: Option<Usage>) -> Value {
    let mut told = counts(usage);
    let written = told["cache_creation_input_tokens"].clone();
    told["cache_creation"] =
        json!({"ephemeral_5m_input_tokens": written, "ephemeral_1h_input_tokens": 0});
    told["service_tier"] = json!("standard");
    told["inference_geo"] = Value::Null;
    told["server_tool_use"] = Value::Null;
    told
}

fn counts(usage: Option<Usage>) -> Value {
    let Some(usage) = usage else {
        return json!({"input_tokens": 0, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 0});
    };
    json!({
        "input_tokens": usage.input.saturating_sub(usage.cached).saturating_sub(usage.cache_write),
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cached,
        "output_tokens": usage.output,
        "output_tokens_details": {"thinking_tokens": usage.reasoning},
    })
}

fn events(exchange: &Exchange<'_>, read: &Read, reply: &Reply) -> Vec<Event> {
    let event = |name: &'static str, mut data: Value| {
        data["type"] = json!(name);
        Event::now(data.to_string()).named(name)
    };
    let mut pace = exchange.pace();
    let mut start = message(exchange, Vec::new());
    start["usage"] = usage(reply.usage);
    // The input is known at the start; of the output so far only the first token.
    start["usage"]["output_tokens"] = json!(u64::from(reply.usage.is_some()));
    if let Some(usage) = start["usage"].as_object_mut() {
        usage.remove("output_tokens_details");
    }
    let mut events = vec![event("message_start", json!({"message": start}))];
    let mut tokens = 0;
    for (index, block) in blocks(exchange, read, reply).iter().enumerate() {
        events.push(event(
            "content_block_start",
            json!({"index": index, "content_block": block.start()}),
        ));
        if index == 0 {
            events.push(event("ping", json!({})));
        }
        for delta in block.deltas() {
            let delta = event(
                "content_block_delta",
                json!({"index": index, "delta": delta}),
            );
            events.push(Event {
                wait: pace.next(),
                ..delta
            });
            tokens += 1;
            if tokens % PING_EVERY == 0 {
                events.push(event("ping", json!({})));
            }
        }
        events.push(event("content_block_stop", json!({"index": index})));
    }
    events.push(event(
        "message_delta",
        json!({"delta": end(reply), "usage": counts(reply.usage)}),
    ));
    events.push(event("message_stop", json!({})).last());
    events
}
