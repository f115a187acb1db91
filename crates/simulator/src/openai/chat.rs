//! `POST /v1/chat/completions`

use http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};

use super::error::ApiError;
use super::fields::{checked, empty_array, missing};
use super::{DONE, messages, reply, tools};
use crate::answer::{Answer, Event};
use crate::ask::Ask;
use crate::exchange::Exchange;
use crate::reply::{Call, Reply};
use crate::shape::Kind;
use crate::text;
use std::time::Duration;

const FIELDS: &[(&str, Kind)] = &[
    ("messages", Kind::Array),
    ("model", Kind::Text),
    ("audio", Kind::Object),
    ("frequency_penalty", Kind::Number(-2.0, 2.0)),
    ("function_call", Kind::TextOrObject),
    ("functions", Kind::Array),
    ("logit_bias", Kind::Object),
    ("logprobs", Kind::Bool),
    ("max_completion_tokens", Kind::Integer(1, i64::MAX)),
    ("max_tokens", Kind::Integer(1, i64::MAX)),
    ("metadata", Kind::Object),
    ("modalities", Kind::Array),
    ("n", Kind::Integer(1, 128)),
    ("parallel_tool_calls", Kind::Bool),
    ("prediction", Kind::Object),
    ("presence_penalty", Kind::Number(-2.0, 2.0)),
    ("prompt_cache_key", Kind::Text),
    ("prompt_cache_retention", Kind::Text),
    ("reasoning_effort", Kind::Text),
    ("response_format", Kind::Object),
    ("safety_identifier", Kind::Text),
    ("seed", Kind::Integer(i64::MIN, i64::MAX)),
    ("service_tier", Kind::Text),
    ("stop", Kind::TextOrArray),
    ("store", Kind::Bool),
    ("stream", Kind::Bool),
    ("stream_options", Kind::Object),
    ("temperature", Kind::Number(0.0, 2.0)),
    ("tool_choice", Kind::TextOrObject),
    ("tools", Kind::Array),
    ("top_logprobs", Kind::Integer(0, 20)),
    ("top_p", Kind::Number(0.0, 1.0)),
    ("user", Kind::Text),
    ("verbosity", Kind::Text),
    ("web_search_options", Kind::Object),
];

/// Checks a chat completion and answers it, whole or as a stream.
pub(crate) fn serve(exchange: &Exchange<'_>) -> Result<Answer, ApiError> {
    checked(exchange, FIELDS, &["model", "messages"])?;
    let messages = exchange
        .field("messages")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    messages::check(messages)?;
    tools::check(exchange)?;
    check_combinations(exchange, messages)?;

    let prompt: String = messages
        .iter()
        .rev()
        .find(|message| message.get("role").is_some_and(|role| role == "user"))
        .map(|message| messages::message_texts(message).collect())
        .unwrap_or_default();
    let ask = Ask {
        results: messages::results(messages),
        tools: tools::offered(exchange),
        choice: tools::choice(exchange),
        parallel: exchange.flag("parallel_tool_calls"),
        // Four tokens of framing for each message, and the tools are read too.
        prompt_tokens: messages::texts(messages).map(text::count).sum::<u64>()
            + 4 * messages.len() as u64
            + exchange
                .field("tools")
                .map_or(0, |tools| text::count(&tools.to_string())),
        ..reply::ask(exchange, prompt, None)
    };
    let reply = crate::reply::write(exchange, &ask);
    if exchange.streams() {
        return Ok(Answer::events(events(exchange, &reply)));
    }
    let wait = exchange.pace().whole(reply.length());
    Ok(Answer::json_after(
        wait,
        StatusCode::OK,
        whole(exchange, &reply),
    ))
}

/// The rules that tie fields to each other.
fn check_combinations(exchange: &Exchange<'_>, messages: &[Value]) -> Result<(), ApiError> {
    let has = |name: &str| exchange.field(name).is_some();
    if has("max_tokens") && has("max_completion_tokens") {
        let message =
            "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.";
        return Err(ApiError::invalid(
            "max_tokens",
            "invalid_parameter_combination",
            message,
        ));
    }
    check_stream_options(exchange)?;
    if has("top_logprobs") && exchange.flag("logprobs") != Some(true) {
        let message = "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.";
        return Err(ApiError::invalid("top_logprobs", "invalid_value", message));
    }
    if exchange
        .field("functions")
        .is_some_and(|functions| functions == &json!([]))
    {
        return Err(empty_array("functions"));
    }
    if exchange
        .field("stop")
        .and_then(Value::as_array)
        .is_some_and(|stops| stops.len() > 4)
    {
        let message = "Invalid 'stop': array too long. Expected an array with maximum length 4.";
        return Err(ApiError::invalid("stop", "array_above_max_length", message));
    }
    let Some(format) = exchange.field("response_format") else {
        return Ok(());
    };
    match format.get("type").and_then(Value::as_str) {
        None => Err(missing("response_format.type")),
        Some("text") => Ok(()),
        Some("json_object") => {
            if messages::texts(messages).any(|text| text.to_ascii_lowercase().contains("json")) {
                return Ok(());
            }
            let message = "'messages' must contain the word 'json' in some form, to use 'response_format' of type \
                           'json_object'.";
            Err(ApiError::invalid("messages", "invalid_value", message))
        }
        Some("json_schema") => match ["name", "schema"]
            .iter()
            .find(|name| format["json_schema"].get(name).is_none())
        {
            Some(name) => Err(missing(&format!("response_format.json_schema.{name}"))),
            None => Ok(()),
        },
        Some(other) => {
            let message = format!(
                "Invalid value: '{other}'. Supported values are: 'json_object', 'json_schema', and 'text'."
            );
            Err(ApiError::invalid(
                "response_format.type",
                "invalid_value",
                message,
            ))
        }
    }
}

/// `stream_options` belongs to a stream, and holds what is known.
pub(crate) fn check_stream_options(exchange: &Exchange<'_>) -> Result<(), ApiError> {
    let Some(options) = exchange.field("stream_options").and_then(Value::as_object) else {
        return Ok(());
    };
    if exchange.flag("stream") != Some(true) {
        let message = "The 'stream_options' parameter is only allowed when 'stream' is enabled.";
        return Err(ApiError::invalid(
            "stream_options",
            "invalid_value",
            message,
        ));
    }
    match options
        .keys()
        .find(|name| !["include_usage", "include_obfuscation"].contains(&name.as_str()))
    {
        None => Ok(()),
        Some(unknown) => {
            let param = format!("stream_options.{unknown}");
            Err(ApiError::invalid(
                param.clone(),
                "unknown_parameter",
                format!("Unknown parameter: '{param}'."),
            ))
        }
    }
}

/// Whether the caller wants the usage at the end of its stream.
pub(crate) fn wants_usage(exchange: &Exchange<'_>) -> bool {
    let options = exchange.field("stream_options");
    options.and_then(|options| options.get("include_usage")?.as_bool()) == Some(true)
}

#[derive(Serialize)]
struct Completion<'a> {
    id: String,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Value>,
    service_tier: &'static str,
    system_fingerprint: &'static str,
}

impl<'a> Completion<'a> {
    fn new(exchange: &Exchange<'a>, object: &'static str) -> Self {
        Self {
            id: exchange.id("chatcmpl"),
            object,
            created: exchange.created,
            model: exchange.model.unwrap_or_default(),
            choices: Vec::new(),
            usage: None,
            service_tier: "default",
            system_fingerprint: "fp_simulator",
        }
    }

    fn json(&self) -> String {
        serde_json::to_string(self).expect("strings and numbers make JSON")
    }
}

fn whole(exchange: &Exchange<'_>, reply: &Reply) -> String {
    let text = Some(reply.text());
    let text =
        text.filter(|text| reply.refusal.is_none() && (reply.calls.is_empty() || !text.is_empty()));
    let mut message =
        json!({"role": "assistant", "content": text, "refusal": reply.refusal, "annotations": []});
    if !reply.reasoning.is_empty() {
        message["reasoning_content"] = json!(reply.thought());
    }
    let mut completion = Completion::new(exchange, "chat.completion");
    completion.choices = (0..reply.choices)
        .map(|index| {
            let mut message = message.clone();
            if !reply.calls.is_empty() {
                let calls = reply.calls.iter().enumerate();
                message["tool_calls"] = calls
                    .map(|(nth, call)| {
                        let function = json!({"name": call.name, "arguments": arguments(call)});
                        json!({"id": call_id(exchange, reply, index, nth), "type": "function", "function": function})
                    })
                    .collect();
            }
            json!({"index": index, "message": message, "logprobs": null, "finish_reason": reply::finish(reply)})
        })
        .collect();
    completion.usage = reply.usage.map(|usage| reply::usage(&usage));
    completion.json()
}

fn arguments(call: &Call) -> String {
    Value::Object(call.arguments.clone()).to_string()
}

/// Unique within the answer, its other choices included.
fn call_id(exchange: &Exchange<'_>, reply: &Reply, choice: u64, call: usize) -> String {
    exchange.plain_id("call", choice as usize * reply.calls.len() + call)
}

/// The events of a stream: role, reasoning, text or refusal or calls, finish reason, usage, end.
fn events(exchange: &Exchange<'_>, reply: &Reply) -> Vec<Event> {
    let told = reply.usage.filter(|_| wants_usage(exchange));
    let mut chunk = Completion::new(exchange, "chat.completion.chunk");
    chunk.usage = told.map(|_| Value::Null);
    let mut pace = exchange.pace();
    let mut events = Vec::with_capacity(reply.pieces.len() + 4);
    let mut push = |wait, deltas: Vec<Value>, finish: Option<&str>| {
        for (index, delta) in deltas.into_iter().enumerate() {
            chunk.choices = vec![
                json!({"index": index, "delta": delta, "logprobs": null, "finish_reason": finish}),
            ];
            let wait = if index == 0 { wait } else { Duration::ZERO };
            events.push(Event::after(wait, chunk.json()));
        }
    };
    let all = |delta: Value| vec![delta; reply.choices as usize];
    push(
        pace.next(),
        all(json!({"role": "assistant", "content": "", "refusal": null})),
        None,
    );
    let mut is_first = true;
    // The role comes with the first token, so that one does not wait again.
    let mut wait = || {
        if std::mem::replace(&mut is_first, false) {
            Duration::ZERO
        } else {
            pace.next()
        }
    };
    for delta in deltas(reply) {
        push(wait(), all(delta), None);
    }
    for (index, call) in reply.calls.iter().enumerate() {
        let named = |choice| {
            let function = json!({"name": call.name, "arguments": ""});
            let id = call_id(exchange, reply, choice, index);
            json!({"tool_calls": [{"index": index, "id": id, "type": "function", "function": function}]})
        };
        push(wait(), (0..reply.choices).map(named).collect(), None);
        for piece in text::pieces(&arguments(call)) {
            let fragment =
                json!({"tool_calls": [{"index": index, "function": {"arguments": piece}}]});
            push(wait(), all(fragment), None);
        }
    }
    push(Duration::ZERO, all(json!({})), Some(reply::finish(reply)));
    if let Some(usage) = told {
        chunk.choices = Vec::new();
        chunk.usage = Some(reply::usage(&usage));
        events.push(Event::now(chunk.json()));
    }
    events.push(Event::now(DONE.to_owned()).last());
    events
}

fn deltas(reply: &Reply) -> Vec<Value> {
    let reasoning = reply.reasoning.iter();
    let reasoning = reasoning.map(|token| json!({"reasoning_content": token}));
    let content = reply.pieces.iter().map(|token| json!({"content": token}));
    let refusal = reply.refusal.iter().flat_map(|text| text::pieces(text));
    let refusal = refusal.map(|token| json!({"refusal": token}));
    reasoning.chain(content).chain(refusal).collect()
}
