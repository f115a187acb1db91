//! What chat completions and completions ask, and how both tell usage and finish.

use serde_json::{Value, json};

use crate::ask::{Ask, Format};
use crate::exchange::Exchange;
use crate::reply::{End, Reply, Usage};

/// The part of a request that both forms share.
pub(crate) fn ask(exchange: &Exchange<'_>, prompt: String, default_cap: Option<u64>) -> Ask {
    let cap = exchange
        .number_field("max_completion_tokens")
        .or_else(|| exchange.number_field("max_tokens"));
    Ask {
        prompt,
        format: format(exchange),
        stops: stops(exchange),
        cap: cap.or(default_cap),
        hidden_thinking: hidden_thinking(
            exchange.field("reasoning_effort").and_then(Value::as_str),
        ),
        choices: exchange.number_field("n").unwrap_or(1),
        ..Ask::default()
    }
}

/// Reasoning that is billed and not shown.
pub(crate) fn hidden_thinking(effort: Option<&str>) -> u64 {
    match effort {
        None | Some("none" | "minimal") => 0,
        Some("low") => 32,
        Some("high" | "xhigh" | "max") => 256,
        Some(_) => 64,
    }
}

fn format(exchange: &Exchange<'_>) -> Format {
    let format = exchange.field("response_format");
    let kind = format.and_then(|format| format.get("type")?.as_str());
    match kind {
        Some("json_object") => Format::Json,
        Some("json_schema") => Format::Schema(
            format
                .and_then(|format| format.pointer("/json_schema/schema"))
                .cloned()
                .unwrap_or_default(),
        ),
        _ => Format::Text,
    }
}

fn stops(exchange: &Exchange<'_>) -> Vec<String> {
    match exchange.field("stop") {
        Some(Value::String(stop)) => vec![stop.clone()],
        Some(Value::Array(stops)) => stops
            .iter()
            .filter_map(|stop| stop.as_str().map(str::to_owned))
            .collect(),
        _ => Vec::new(),
    }
}

/// Why it ended, in this dialect's words.
pub(crate) fn finish(reply: &Reply) -> &str {
    if let Some(finish) = &reply.finish_reason {
        return finish;
    }
    match reply.end {
        End::Natural | End::Stopped(_) => "stop",
        End::Length => "length",
        End::Calls => "tool_calls",
        End::Filtered => "content_filter",
    }
}

/// The usage in this dialect's words.
pub(crate) fn usage(usage: &Usage) -> Value {
    let mut told = json!({
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning, "audio_tokens": 0,
            "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
        },
    });
    if usage.cache_write > 0 {
        told["prompt_tokens_details"]["cache_write_tokens"] = json!(usage.cache_write);
    }
    told
}
