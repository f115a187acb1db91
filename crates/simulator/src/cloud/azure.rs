//! Azure OpenAI: OpenAI's operations under other paths, and what its content filter has to say about each answer.

use bytes::Bytes;
use http::{Request, StatusCode, request};
use serde_json::{Value, json};

use super::{Refused, decoded, inner, members, refusal, token};
use crate::answer::{Answer, Event, Payload};
use crate::exchange::{header, parameter};

pub(super) fn enter(parts: &request::Parts, body: &Bytes) -> Result<Request<Bytes>, Refused> {
    let key = header(&parts.headers, "api-key").or_else(|| token(&parts.headers));
    let key = key.ok_or_else(|| {
        let message = "Access denied due to invalid subscription key or wrong API endpoint.";
        refusal(StatusCode::UNAUTHORIZED, message)
    })?;
    let not_found = || refusal(StatusCode::NOT_FOUND, "Resource not found");
    let query = parts.uri.query().unwrap_or_default();
    let path = parts
        .uri
        .path()
        .strip_prefix("/openai/")
        .ok_or_else(not_found)?;
    let mut body = members(body).ok_or_else(not_found)?;
    let operation = if let Some(operation) = path.strip_prefix("v1/") {
        operation
    } else if parameter(query, "api-version").is_none() {
        return Err(not_found());
    } else if let Some(rest) = path.strip_prefix("deployments/") {
        let (deployment, operation) = rest.split_once('/').ok_or_else(not_found)?;
        body.insert("model".to_owned(), decoded(deployment).into());
        operation
    } else {
        path
    };
    let key = format!("Bearer {key}");
    let body = Value::Object(body);
    inner(
        parts,
        &format!("/v1/{operation}"),
        ("authorization", &key),
        &body,
    )
}

/// Answers of chat completions come with what the filter found, streams begin with it.
pub(super) fn dress(answer: &mut Answer) {
    let found = json!({"hate": {"filtered": false, "severity": "safe"}});
    let of_prompt = json!([{"prompt_index": 0, "content_filter_results": found}]);
    match &mut answer.payload {
        Payload::Events(events, _) if is_chat(events) => {
            let first = json!({"id": "", "object": "", "created": 0, "model": "", "choices": [], "prompt_filter_results": of_prompt});
            events.insert(0, Event::now(first.to_string()));
        }
        Payload::Events(..) => {}
        Payload::Whole { .. } => super::rewrite(answer, |mut json| {
            if json["object"] == "chat.completion" {
                json["prompt_filter_results"] = of_prompt;
                json["choices"][0]["content_filter_results"] = found;
            }
            json
        }),
    }
}

fn is_chat(events: &[Event]) -> bool {
    events
        .first()
        .is_some_and(|event| event.data.contains("chat.completion.chunk"))
}
