//! The rules of input items.

use serde_json::{Map, Value};

use crate::openai::error::ApiError;
use crate::openai::fields::{empty_array, flawed, missing};
use crate::seal;
use crate::shape::{Kind, check};

/// What sealed reasoning is made for.
pub(crate) const SEALED: &str = "openai-reasoning";

/// Checks the items, each on its own and calls against their outputs.
pub(crate) fn read(items: &[Value]) -> Result<(), ApiError> {
    if items.is_empty() {
        return Err(empty_array("input"));
    }
    for (index, item) in items.iter().enumerate() {
        check_item(&format!("input[{index}]"), item)?;
    }
    check_outputs(items)
}

fn members<'a>(
    at: &str,
    value: &'a Value,
    known: &[(&'static str, Kind)],
    required: &[&'static str],
) -> Result<&'a Map<String, Value>, ApiError> {
    check(value, known, required).map_err(|flaw| flawed(at, flaw, value))
}

fn check_item(at: &str, item: &Value) -> Result<(), ApiError> {
    let typed = ("type", Kind::Text);
    let id = ("id", Kind::Text);
    let status = ("status", Kind::Text);
    match item.get("type").and_then(Value::as_str) {
        None | Some("message") => check_message(at, item),
        Some("function_call") => {
            let known = [
                typed,
                id,
                status,
                ("call_id", Kind::Text),
                ("name", Kind::Text),
                ("arguments", Kind::Text),
                ("namespace", Kind::Text),
            ];
            members(at, item, &known, &["call_id", "name", "arguments"])?;
            check_call_id(at, item)?;
            check_id(at, item, "fc")
        }
        Some("function_call_output") => {
            let known = [
                typed,
                id,
                status,
                ("call_id", Kind::Text),
                ("output", Kind::TextOrArray),
            ];
            let output = members(at, item, &known, &["call_id", "output"])?;
            check_call_id(at, item)?;
            let parts = output.get("output").and_then(Value::as_array);
            let allowed = &["input_text", "input_image", "input_file"];
            check_parts(
                &format!("{at}.output"),
                parts.map(Vec::as_slice).unwrap_or_default(),
                allowed,
            )
        }
        Some("reasoning") => {
            let known = [
                typed,
                id,
                status,
                ("summary", Kind::Array),
                ("content", Kind::Array),
                ("encrypted_content", Kind::Text),
            ];
            let reasoning = members(at, item, &known, &["id", "summary"])?;
            check_id(at, item, "rs")?;
            match reasoning.get("encrypted_content").and_then(Value::as_str) {
                Some(sealed) if seal::is_own(SEALED, sealed) => Ok(()),
                Some(_) => Err(ApiError::invalid(
                    format!("{at}.encrypted_content"),
                    "invalid_encrypted_content",
                    "The encrypted content could not be verified. Reason: Encrypted content could not be decrypted or \
                     parsed.",
                )),
                // Nothing is stored here, so an item without its content cannot be found.
                None => Err(ApiError::not_found(format!(
                    "Item with id {} not found. Items are not persisted when `store` is set to false.",
                    item["id"]
                ))),
            }
        }
        Some(other) => Err(ApiError::invalid(
            format!("{at}.type"),
            "invalid_value",
            format!(
                "Invalid value: '{other}'. Supported values are: 'message', 'function_call', 'function_call_output', and \
                 'reasoning'."
            ),
        )),
    }
}

fn check_call_id(at: &str, item: &Value) -> Result<(), ApiError> {
    let id = item
        .get("call_id")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if (1..=64).contains(&id.len()) {
        return Ok(());
    }
    let param = format!("{at}.call_id");
    let message = format!(
        "Invalid '{param}': string too long. Expected a string with length between 1 and 64, but got a string with \
         length {} instead.",
        id.len()
    );
    Err(ApiError::invalid(param, "string_above_max_length", message))
}

fn check_id(at: &str, item: &Value, begin: &str) -> Result<(), ApiError> {
    match item.get("id").and_then(Value::as_str) {
        Some(id) if !id.starts_with(begin) => {
            let param = format!("{at}.id");
            let message =
                format!("Invalid '{param}': '{id}'. Expected an ID that begins with '{begin}'.");
            Err(ApiError::invalid(param, "invalid_value", message))
        }
        _ => Ok(()),
    }
}

fn check_message(at: &str, item: &Value) -> Result<(), ApiError> {
    let known = [
        ("type", Kind::Text),
        ("id", Kind::Text),
        ("status", Kind::Text),
        ("role", Kind::Text),
        ("content", Kind::TextOrArray),
        ("phase", Kind::Text),
    ];
    let message = members(at, item, &known, &["role", "content"])?;
    let allowed: &[&str] = match message
        .get("role")
        .and_then(Value::as_str)
        .unwrap_or_default()
    {
        "user" | "system" | "developer" => &["input_text", "input_image", "input_file"],
        "assistant" => &["output_text", "refusal"],
        other => {
            let message = format!(
                "Invalid value: '{other}'. Supported values are: 'assistant', 'system', 'developer', and 'user'."
            );
            return Err(ApiError::invalid(
                format!("{at}.role"),
                "invalid_value",
                message,
            ));
        }
    };
    check_id(at, item, "msg")?;
    let parts = message.get("content").and_then(Value::as_array);
    check_parts(
        &format!("{at}.content"),
        parts.map(Vec::as_slice).unwrap_or_default(),
        allowed,
    )
}

fn check_parts(at: &str, parts: &[Value], allowed: &[&str]) -> Result<(), ApiError> {
    for (index, part) in parts.iter().enumerate() {
        let at = format!("{at}[{index}]");
        let kind = part.get("type").and_then(Value::as_str);
        let kind = kind.ok_or_else(|| missing(&format!("{at}.type")))?;
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
        let typed = ("type", Kind::Text);
        let (known, required): (&[(&'static str, Kind)], &[&'static str]) = match kind {
            "output_text" => (
                &[
                    typed,
                    ("text", Kind::Text),
                    ("annotations", Kind::Array),
                    ("logprobs", Kind::Array),
                ],
                &["text"],
            ),
            "refusal" => (&[typed, ("refusal", Kind::Text)], &["refusal"]),
            "input_image" => (
                &[
                    typed,
                    ("image_url", Kind::Text),
                    ("file_id", Kind::Text),
                    ("detail", Kind::Text),
                ],
                &[],
            ),
            "input_file" => (
                &[
                    typed,
                    ("file_id", Kind::Text),
                    ("file_data", Kind::Text),
                    ("file_url", Kind::Text),
                    ("filename", Kind::Text),
                    ("detail", Kind::Text),
                ],
                &[],
            ),
            _ => (&[typed, ("text", Kind::Text)], &["text"]),
        };
        let part = members(&at, part, known, required)?;
        let url = part.get("image_url").and_then(Value::as_str);
        let is_url = |url: &str| {
            ["https://", "http://", "data:image/"]
                .iter()
                .any(|start| url.starts_with(start))
        };
        if url.is_some_and(|url| !is_url(url)) {
            let param = format!("{at}.image_url");
            let message = format!(
                "Invalid '{param}'. Expected a valid URL, but got a value with an invalid format."
            );
            return Err(ApiError::invalid(param, "invalid_value", message));
        }
    }
    Ok(())
}

/// Every call has its output after it, and every output its call before it.
fn check_outputs(items: &[Value]) -> Result<(), ApiError> {
    let mut open: Vec<&str> = Vec::new();
    for item in items {
        let id = item
            .get("call_id")
            .and_then(Value::as_str)
            .unwrap_or_default();
        match item.get("type").and_then(Value::as_str) {
            Some("function_call") => open.push(id),
            Some("function_call_output") => match open.iter().position(|open| *open == id) {
                Some(at) => drop(open.remove(at)),
                None => {
                    return Err(ApiError::about(
                        "input",
                        format!("No tool call found for function call output with call_id {id}."),
                    ));
                }
            },
            _ => {}
        }
    }
    match open.first() {
        Some(id) => Err(ApiError::about(
            "input",
            format!("No tool output found for function call {id}."),
        )),
        None => Ok(()),
    }
}
