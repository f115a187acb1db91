//! What the simulated model says, whatever endpoint it is said on.

use serde::Serialize;
use serde_json::{Value, json};

use super::Exchange;
use super::tools::{self, Call};
use crate::{schema, text};

/// Prompts from this many tokens on are told to be partly cached, in steps of [`CACHE_STEP`].
const CACHED_FROM: u64 = 1024;
const CACHE_STEP: u64 = 128;

/// One answer; several choices repeat it.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) reasoning: Vec<String>,
    /// The text, token by token; its sum is the whole text.
    pub(crate) pieces: Vec<String>,
    pub(crate) refusal: Option<String>,
    pub(crate) calls: Vec<Call>,
    pub(crate) finish: String,
    /// Tokens of one choice, reasoning included.
    pub(crate) completion_tokens: u64,
    pub(crate) reasoning_tokens: u64,
}

/// Token counts as they are billed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) prompt: u64,
    pub(crate) completion: u64,
    pub(crate) reasoning: u64,
}

impl Serialize for Usage {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let cached = if self.prompt < CACHED_FROM {
            0
        } else {
            self.prompt / 2 / CACHE_STEP * CACHE_STEP
        };
        json!({
            "prompt_tokens": self.prompt,
            "completion_tokens": self.completion,
            "total_tokens": self.prompt + self.completion,
            "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": self.reasoning, "audio_tokens": 0,
                "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
            },
        })
        .serialize(serializer)
    }
}

/// What the model says to `prompt`, the text that [`crate::Content::Echo`] repeats.
pub(crate) fn write(exchange: &Exchange<'_>, prompt: &str, default_cap: Option<u64>) -> Reply {
    let behaviour = exchange.behaviour;
    let wanted = behaviour.tokens.unwrap_or(exchange.settings.tokens) as usize;
    let content = behaviour.content.unwrap_or(exchange.settings.content);
    let reasoning = text::tokens(
        content,
        prompt,
        behaviour.reasoning_tokens.unwrap_or(0) as usize,
    );
    let mut reply = Reply {
        reasoning_tokens: reasoning.len() as u64 + hidden_reasoning(exchange),
        reasoning,
        pieces: Vec::new(),
        refusal: behaviour.refusal.clone(),
        calls: Vec::new(),
        finish: "stop".to_owned(),
        completion_tokens: 0,
    };
    if reply.refusal.is_none() {
        reply.calls = tools::calls(exchange);
    }
    if !reply.calls.is_empty() {
        reply.finish = "tool_calls".to_owned();
    } else if reply.refusal.is_none() {
        reply.pieces = match (&behaviour.text, formatted(exchange)) {
            (Some(text), _) => text::pieces(text),
            (None, Some(json)) => text::pieces(&json),
            (None, None) => text::tokens(content, prompt, wanted),
        };
        stop(exchange, &mut reply);
        cap(exchange, &mut reply, default_cap);
    }
    let spoken = reply
        .calls
        .iter()
        .map(|call| text::count(&call.name) + text::count(&call.arguments))
        .sum::<u64>()
        + reply.refusal.as_deref().map_or(0, text::count)
        + reply.pieces.len() as u64;
    reply.completion_tokens = reply.reasoning_tokens + spoken;
    if let Some(finish) = &behaviour.finish_reason {
        reply.finish.clone_from(finish);
    }
    reply
}

/// Reasoning that is billed and not shown.
fn hidden_reasoning(exchange: &Exchange<'_>) -> u64 {
    match exchange.field("reasoning_effort").and_then(Value::as_str) {
        None | Some("none" | "minimal") => 0,
        Some("low") => 32,
        Some("high" | "xhigh") => 256,
        Some(_) => 64,
    }
}

fn formatted(exchange: &Exchange<'_>) -> Option<String> {
    let format = exchange.field("response_format")?;
    match format.get("type")?.as_str()? {
        "json_object" => Some(json!({"answer": "lorem ipsum"}).to_string()),
        "json_schema" => Some(
            schema::example(
                format
                    .pointer("/json_schema/schema")
                    .unwrap_or(&Value::Null),
            )
            .to_string(),
        ),
        _ => None,
    }
}

fn stop(exchange: &Exchange<'_>, reply: &mut Reply) {
    let Some(stop) = exchange.field("stop") else {
        return;
    };
    let stops = stop.as_str().into_iter().chain(
        stop.as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str),
    );
    let whole = reply.pieces.concat();
    if let Some(at) = stops
        .filter(|stop| !stop.is_empty())
        .filter_map(|stop| whole.find(stop))
        .min()
    {
        reply.pieces = text::pieces(&whole[..at]);
    }
}

fn cap(exchange: &Exchange<'_>, reply: &mut Reply, default_cap: Option<u64>) {
    let asked = exchange
        .number_field("max_completion_tokens")
        .or_else(|| exchange.number_field("max_tokens"));
    let Some(cap) = asked.or(default_cap) else {
        return;
    };
    if (reply.pieces.len() as u64) > cap {
        reply.pieces.truncate(cap as usize);
        reply.finish = "length".to_owned();
    }
}
