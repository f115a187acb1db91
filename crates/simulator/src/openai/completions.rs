//! `POST /v1/completions`, the older form.

use http::StatusCode;
use serde_json::{Value, json};

use super::DONE;
use super::chat::{check_stream_options, wants_usage};
use super::error::ApiError;
use super::fields::{checked, empty_array};
use super::reply;
use crate::answer::{Answer, Event};
use crate::ask::Ask;
use crate::exchange::Exchange;
use crate::reply::{Reply, Usage};
use crate::shape::Kind;
use crate::text;

const FIELDS: &[(&str, Kind)] = &[
    ("model", Kind::Text),
    ("prompt", Kind::TextOrArray),
    ("best_of", Kind::Integer(0, 20)),
    ("echo", Kind::Bool),
    ("frequency_penalty", Kind::Number(-2.0, 2.0)),
    ("logit_bias", Kind::Object),
    ("logprobs", Kind::Integer(0, 5)),
    ("max_tokens", Kind::Integer(0, i64::MAX)),
    ("n", Kind::Integer(1, 128)),
    ("presence_penalty", Kind::Number(-2.0, 2.0)),
    ("seed", Kind::Integer(i64::MIN, i64::MAX)),
    ("stop", Kind::TextOrArray),
    ("stream", Kind::Bool),
    ("stream_options", Kind::Object),
    ("suffix", Kind::Text),
    ("temperature", Kind::Number(0.0, 2.0)),
    ("top_p", Kind::Number(0.0, 1.0)),
    ("user", Kind::Text),
];

/// Tokens of an answer when the request does not say.
const DEFAULT_MAX_TOKENS: u64 = 16;

/// Checks a completion and answers it, whole or as a stream.
pub(crate) fn serve(exchange: &Exchange<'_>) -> Result<Answer, ApiError> {
    checked(exchange, FIELDS, &["model", "prompt"])?;
    check_stream_options(exchange)?;
    let prompts = prompts(exchange)?;
    let choices = exchange.number_field("n").unwrap_or(1) as usize;
    let echoes = exchange.flag("echo") == Some(true);
    let replies: Vec<Reply> = prompts
        .iter()
        .map(|prompt| {
            let ask = Ask {
                prompt_tokens: prompt.tokens,
                ..reply::ask(exchange, prompt.text.clone(), Some(DEFAULT_MAX_TOKENS))
            };
            let mut reply = crate::reply::write(exchange, &ask);
            if echoes {
                reply.pieces.insert(0, prompt.text.clone());
            }
            reply
        })
        .collect();
    let usage = replies.iter().filter_map(|reply| reply.usage);
    let usage = usage.reduce(|one, other| Usage {
        input: one.input + other.input,
        cached: one.cached + other.cached,
        cache_write: one.cache_write + other.cache_write,
        output: one.output + other.output,
        reasoning: one.reasoning + other.reasoning,
    });
    let replies: Vec<Reply> = replies
        .into_iter()
        .flat_map(|reply| std::iter::repeat_n(reply, choices))
        .collect();
    let base = json!({
        "id": exchange.id("cmpl"), "object": "text_completion", "created": exchange.created,
        "model": exchange.model, "system_fingerprint": "fp_simulator",
    });
    if exchange.streams() {
        return Ok(Answer::events(events(exchange, &base, &replies, usage)));
    }
    let mut whole = base;
    whole["choices"] = replies
        .iter()
        .enumerate()
        .map(|(index, reply)| choice(index, &reply.pieces.concat(), Some(reply::finish(reply))))
        .collect();
    if let Some(usage) = usage {
        whole["usage"] = reply::usage(&usage);
    }
    let wait = exchange.pace().whole(
        replies
            .iter()
            .map(|reply| reply.pieces.len())
            .max()
            .unwrap_or(0),
    );
    Ok(Answer::json_after(wait, StatusCode::OK, whole.to_string()))
}

struct Prompt {
    text: String,
    tokens: u64,
}

/// The prompt in its four forms: a text, several, the tokens of one, the tokens of several.
fn prompts(exchange: &Exchange<'_>) -> Result<Vec<Prompt>, ApiError> {
    let of_text = |text: &str| Prompt {
        text: text.to_owned(),
        tokens: text::count(text),
    };
    let of_tokens = |count: usize| Prompt {
        text: String::new(),
        tokens: count as u64,
    };
    match exchange.field("prompt") {
        Some(Value::String(text)) => Ok(vec![of_text(text)]),
        Some(Value::Array(items)) if items.is_empty() => Err(empty_array("prompt")),
        Some(Value::Array(items)) if items.iter().all(Value::is_u64) => {
            Ok(vec![of_tokens(items.len())])
        }
        Some(Value::Array(items)) => items
            .iter()
            .map(|item| match item {
                Value::String(text) => Ok(of_text(text)),
                Value::Array(tokens) if tokens.iter().all(Value::is_u64) => {
                    Ok(of_tokens(tokens.len()))
                }
                _ => Err(ApiError::invalid(
                    "prompt",
                    "invalid_type",
                    "Invalid type for 'prompt'.",
                )),
            })
            .collect(),
        _ => Err(ApiError::invalid(
            "prompt",
            "invalid_type",
            "Invalid type for 'prompt'.",
        )),
    }
}

fn choice(index: usize, text: &str, finish: Option<&str>) -> Value {
    json!({"text": text, "index": index, "logprobs": null, "finish_reason": finish})
}

fn events(
    exchange: &Exchange<'_>,
    base: &Value,
    replies: &[Reply],
    usage: Option<Usage>,
) -> Vec<Event> {
    let told = usage.filter(|_| wants_usage(exchange));
    let chunk = |choices: Value, usage: Option<Usage>| {
        let mut chunk = base.clone();
        chunk["choices"] = choices;
        if told.is_some() {
            chunk["usage"] = usage.as_ref().map_or(Value::Null, reply::usage);
        }
        chunk.to_string()
    };
    let mut pace = exchange.pace();
    let mut events = Vec::new();
    for (index, reply) in replies.iter().enumerate() {
        for piece in &reply.pieces {
            events.push(Event::after(
                pace.next(),
                chunk(json!([choice(index, piece, None)]), None),
            ));
        }
        events.push(Event::now(chunk(
            json!([choice(index, "", Some(reply::finish(reply)))]),
            None,
        )));
    }
    if told.is_some() {
        events.push(Event::now(chunk(json!([]), told)));
    }
    events.push(Event::now(DONE.to_owned()).last());
    events
}
