//! Content as Gemini writes it, whole and in chunks.

use http::StatusCode;
use serde_json::{Value, json};

use super::request::Read;
use super::turns::signature;
use crate::answer::{Answer, Event};
use crate::exchange::Exchange;
use crate::reply::{self, End, Reply};

/// Answers a request that was read.
pub(crate) fn serve(exchange: &Exchange<'_>, read: &Read, streams: bool) -> Answer {
    let reply = reply::write(exchange, &read.ask);
    if streams && !exchange.never_stream {
        return Answer::events(events(exchange, read, &reply));
    }
    let mut parts = Vec::new();
    if read.tells_thoughts && !reply.reasoning.is_empty() {
        parts.push(json!({"text": reply.thought(), "thought": true}));
    }
    if !reply.pieces.is_empty() {
        parts.push(json!({"text": reply.text()}));
    }
    if signs(exchange)
        && reply.calls.is_empty()
        && let Some(last) = parts.last_mut()
    {
        last["thoughtSignature"] = json!(signature(""));
    }
    parts.extend(calls(exchange, &reply));
    let mut body = base(exchange);
    tell_end(&mut body, &reply, &parts);
    Answer::json_after(
        exchange.pace().whole(reply.length()),
        StatusCode::OK,
        body.to_string(),
    )
}

/// Whether the model signs what it says.
fn signs(exchange: &Exchange<'_>) -> bool {
    exchange
        .model
        .is_some_and(|model| model.starts_with("gemini-3"))
}

/// The calls, whole; only the first of a step is signed.
fn calls(exchange: &Exchange<'_>, reply: &Reply) -> Vec<Value> {
    let call = |(index, call): (usize, &reply::Call)| {
        let mut part = json!({"functionCall": {"name": call.name, "args": call.arguments}});
        if index == 0 && signs(exchange) {
            part["thoughtSignature"] = json!(signature(&call.name));
        }
        part
    };
    reply.calls.iter().enumerate().map(call).collect()
}

fn base(exchange: &Exchange<'_>) -> Value {
    json!({"modelVersion": exchange.model, "responseId": exchange.plain_id("resp", 0)})
}

/// What every answer ends with: the parts that are left, why it ended, and the usage.
fn tell_end(body: &mut Value, reply: &Reply, parts: &[Value]) {
    if reply.blocked {
        body["promptFeedback"] = json!({"blockReason": "PROHIBITED_CONTENT", "safetyRatings": []});
    } else {
        let filtered = reply.end == End::Filtered || reply.refusal.is_some();
        let reason = match reply.end {
            _ if filtered => "SAFETY",
            End::Length => "MAX_TOKENS",
            _ => "STOP",
        };
        let reason = reply.finish_reason.as_deref().unwrap_or(reason);
        let mut candidate = json!({"finishReason": reason});
        if !parts.is_empty() {
            candidate["content"] = json!({"role": "model", "parts": parts});
        } else if !filtered {
            candidate["content"] = json!({"role": "model"});
        }
        if filtered {
            let rating = json!({"category": "HARM_CATEGORY_DANGEROUS_CONTENT", "probability": "HIGH", "blocked": true});
            candidate["safetyRatings"] = json!([rating]);
        }
        if let Some(refusal) = &reply.refusal {
            candidate["finishMessage"] = json!(refusal);
        }
        body["candidates"] = candidates(reply, &candidate);
    }
    tell_usage(body, reply);
}

fn candidates(reply: &Reply, candidate: &Value) -> Value {
    let one = |index: u64| {
        let mut candidate = candidate.clone();
        candidate["index"] = json!(index);
        candidate
    };
    (0..reply.choices).map(one).collect()
}

fn tell_usage(body: &mut Value, reply: &Reply) {
    let Some(usage) = reply.usage else {
        return;
    };
    let mut told = json!({
        "promptTokenCount": usage.input,
        "totalTokenCount": usage.input + usage.output,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": usage.input}],
    });
    let spoken = usage.output - usage.reasoning;
    for (name, count) in [
        (
            "candidatesTokenCount",
            if reply.blocked { 0 } else { spoken },
        ),
        ("thoughtsTokenCount", usage.reasoning),
        ("cachedContentTokenCount", usage.cached),
    ] {
        // A zero is not written in proto3 JSON.
        if count > 0 {
            told[name] = json!(count);
        }
    }
    body["usageMetadata"] = told;
}

fn events(exchange: &Exchange<'_>, read: &Read, reply: &Reply) -> Vec<Event> {
    let mut pace = exchange.pace();
    let mut events = Vec::new();
    let thoughts = reply.reasoning.iter().filter(|_| read.tells_thoughts);
    let thoughts = thoughts.map(|token| json!({"text": token, "thought": true}));
    let texts = reply.pieces.iter().map(|token| json!({"text": token}));
    for part in thoughts.chain(texts) {
        let mut chunk = base(exchange);
        let content = json!({"role": "model", "parts": [part]});
        chunk["candidates"] = candidates(reply, &json!({"content": content}));
        tell_usage(&mut chunk, reply);
        events.push(Event::after(pace.next(), chunk.to_string()));
    }
    let mut last = calls(exchange, reply);
    if last.is_empty() && signs(exchange) && !events.is_empty() {
        last.push(json!({"text": "", "thoughtSignature": signature("")}));
    }
    let mut chunk = base(exchange);
    tell_end(&mut chunk, reply, &last);
    let wait = if events.is_empty() {
        pace.next()
    } else {
        std::time::Duration::ZERO
    };
    events.push(Event::after(wait, chunk.to_string()).last());
    events
}
