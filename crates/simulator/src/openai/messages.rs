//! The rules of a chat's messages.

use serde_json::{Map, Value};

use super::error::ApiError;
use super::fields::{empty_array, missing, wrong_type};

/// Bytes that the id of a call may have.
const MAX_CALL_ID: usize = 40;

/// Refuses what the service would.
pub(crate) fn check(messages: &[Value]) -> Result<(), ApiError> {
    if messages.is_empty() {
        return Err(empty_array("messages"));
    }
    let mut open_calls: Vec<&str> = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let at = format!("messages[{index}]");
        let message = message
            .as_object()
            .ok_or_else(|| wrong_type(&at, "an object", message))?;
        let role = check_shape(&at, message)?;
        if role == "tool" {
            let id = message.get("tool_call_id").and_then(Value::as_str);
            let id = id.ok_or_else(|| missing(&format!("{at}.tool_call_id")))?;
            let Some(call) = open_calls.iter().position(|open| *open == id) else {
                return Err(orphan(index));
            };
            open_calls.remove(call);
            continue;
        }
        check_answered(&open_calls, index)?;
        if let Some(calls) = message.get("tool_calls").filter(|calls| !calls.is_null()) {
            open_calls = check_calls(&at, calls)?;
        }
    }
    check_answered(&open_calls, messages.len())
}

/// The text of the messages' content, in order; what is no text is left out.
pub(crate) fn texts(messages: &[Value]) -> impl Iterator<Item = &str> {
    messages.iter().flat_map(message_texts)
}

/// The text of one message.
pub(crate) fn message_texts(message: &Value) -> impl Iterator<Item = &str> {
    let content = message.get("content");
    let parts = content.and_then(Value::as_array).into_iter().flatten();
    content
        .and_then(Value::as_str)
        .into_iter()
        .chain(parts.filter_map(|part| part.get("text")?.as_str()))
}

/// The results of tools that the messages end with.
pub(crate) fn results(messages: &[Value]) -> Vec<String> {
    let is_result = |message: &&Value| message.get("role").is_some_and(|role| role == "tool");
    let results = messages.iter().rev().take_while(is_result);
    let mut results: Vec<String> = results
        .map(|message| message_texts(message).collect())
        .collect();
    results.reverse();
    results
}

fn orphan(index: usize) -> ApiError {
    // The service's own spelling.
    let message = "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.";
    ApiError::invalid(format!("messages.[{index}].role"), "invalid_value", message)
}

fn check_answered(open_calls: &[&str], index: usize) -> Result<(), ApiError> {
    if open_calls.is_empty() {
        return Ok(());
    }
    let message = format!(
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. \
         The following tool_call_ids did not have response messages: {}",
        open_calls.join(", ")
    );
    Err(ApiError::invalid(
        format!("messages.[{index}].role"),
        "invalid_value",
        message,
    ))
}

/// Checks one message on its own and gives its role.
fn check_shape<'a>(at: &str, message: &'a Map<String, Value>) -> Result<&'a str, ApiError> {
    let role = message
        .get("role")
        .ok_or_else(|| missing(&format!("{at}.role")))?;
    let role = role
        .as_str()
        .ok_or_else(|| wrong_type(&format!("{at}.role"), "a string", role))?;
    let (fields, parts): (&[&str], &[&str]) = match role {
        "system" | "developer" => (&["role", "content", "name"], &["text"]),
        "user" => (
            &["role", "content", "name"],
            &["text", "image_url", "input_audio", "file"],
        ),
        "assistant" => (
            &[
                "role",
                "content",
                "name",
                "tool_calls",
                "function_call",
                "refusal",
                "audio",
                "annotations",
                // As in the answers: servers that tell reasoning so take it back.
                "reasoning_content",
            ],
            &["text", "refusal"],
        ),
        "tool" => (&["role", "content", "tool_call_id"], &["text"]),
        "function" => (&["role", "content", "name"], &["text"]),
        other => {
            let message = format!(
                "Invalid value: '{other}'. Supported values are: 'system', 'assistant', 'user', 'function', 'tool', \
                 and 'developer'."
            );
            return Err(ApiError::invalid(
                format!("{at}.role"),
                "invalid_value",
                message,
            ));
        }
    };
    if let Some(unknown) = message.keys().find(|name| !fields.contains(&name.as_str())) {
        let param = format!("{at}.{unknown}");
        return Err(ApiError::invalid(
            param.clone(),
            "unknown_parameter",
            format!("Unknown parameter: '{param}'."),
        ));
    }
    let spoken = |name: &str| message.get(name).is_some_and(|value| !value.is_null());
    let may_be_null = role == "assistant"
        && ["tool_calls", "function_call", "refusal", "audio"]
            .iter()
            .any(|name| spoken(name));
    check_content(
        &format!("{at}.content"),
        message.get("content"),
        parts,
        may_be_null,
    )?;
    Ok(role)
}

fn check_content(
    at: &str,
    content: Option<&Value>,
    allowed: &[&str],
    may_be_null: bool,
) -> Result<(), ApiError> {
    match content {
        Some(Value::String(_)) => Ok(()),
        None | Some(Value::Null) if may_be_null => Ok(()),
        None => Err(missing(at)),
        Some(Value::Array(parts)) if parts.is_empty() => Err(empty_array(at)),
        Some(Value::Array(parts)) => parts
            .iter()
            .enumerate()
            .try_for_each(|(index, part)| check_part(&format!("{at}[{index}]"), part, allowed)),
        Some(other) => Err(wrong_type(at, "one of a string or array of objects", other)),
    }
}

fn check_part(at: &str, part: &Value, allowed: &[&str]) -> Result<(), ApiError> {
    let kind = part
        .get("type")
        .and_then(Value::as_str)
        .ok_or_else(|| missing(&format!("{at}.type")))?;
    if !allowed.contains(&kind) {
        let message = format!(
            "Invalid value: '{kind}'. Supported values are: '{}'.",
            allowed.join("', '")
        );
        return Err(ApiError::invalid(
            format!("{at}.type"),
            "invalid_value",
            message,
        ));
    }
    let text_field = if kind == "refusal" { "refusal" } else { "text" };
    match kind {
        "text" | "refusal" if !part.get(text_field).is_some_and(Value::is_string) => {
            Err(missing(&format!("{at}.{text_field}")))
        }
        "image_url" => {
            let url = part.pointer("/image_url/url").and_then(Value::as_str);
            let url = url.ok_or_else(|| missing(&format!("{at}.image_url.url")))?;
            if ["https://", "http://", "data:image/"]
                .iter()
                .any(|start| url.starts_with(start))
            {
                return Ok(());
            }
            let message = format!(
                "Invalid image URL: '{at}.image_url.url'. Expected a valid URL, but got a value with an invalid format."
            );
            Err(ApiError::invalid(
                format!("{at}.image_url.url"),
                "invalid_value",
                message,
            ))
        }
        _ => Ok(()),
    }
}

fn check_calls<'a>(at: &str, calls: &'a Value) -> Result<Vec<&'a str>, ApiError> {
    let at = format!("{at}.tool_calls");
    let calls = calls
        .as_array()
        .ok_or_else(|| wrong_type(&at, "an array of objects", calls))?;
    if calls.is_empty() {
        return Err(empty_array(&at));
    }
    let mut ids = Vec::with_capacity(calls.len());
    for (index, call) in calls.iter().enumerate() {
        let at = format!("{at}[{index}]");
        for field in ["/id", "/type", "/function/name", "/function/arguments"] {
            let param = || format!("{at}{}", field.replace('/', "."));
            match call.pointer(field) {
                Some(Value::String(_)) => {}
                None => return Err(missing(&param())),
                Some(other) => return Err(wrong_type(&param(), "a string", other)),
            }
        }
        let id = call.get("id").and_then(Value::as_str).unwrap_or_default();
        if id.len() > MAX_CALL_ID {
            let param = format!("{at}.id");
            let message = format!(
                "Invalid '{param}': string too long. Expected a string with maximum length {MAX_CALL_ID}, but got a \
                 string with length {} instead.",
                id.len()
            );
            return Err(ApiError::invalid(param, "string_above_max_length", message));
        }
        ids.push(id);
    }
    Ok(ids)
}
