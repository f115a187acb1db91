//! Tools: their rules, and which of them the simulator calls.

use serde_json::Value;

use super::Exchange;
use super::error::ApiError;
use super::fields::{empty_array, missing, wrong_type};
use crate::schema;

/// A call in an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) id: String,
    pub(crate) name: String,
    /// JSON, as text.
    pub(crate) arguments: String,
}

/// Refuses what the service would.
pub(crate) fn check(exchange: &Exchange<'_>) -> Result<(), ApiError> {
    let Some(tools) = exchange.field("tools") else {
        return match ["tool_choice", "parallel_tool_calls"]
            .iter()
            .find(|name| exchange.field(name).is_some())
        {
            None => Ok(()),
            Some(name) => {
                let message = format!(
                    "Invalid value for '{name}': '{name}' is only allowed when 'tools' are specified."
                );
                Err(ApiError::invalid(*name, "invalid_value", message))
            }
        };
    };
    let tools = tools
        .as_array()
        .ok_or_else(|| wrong_type("tools", "an array of objects", tools))?;
    if tools.is_empty() {
        return Err(empty_array("tools"));
    }
    for (index, tool) in tools.iter().enumerate() {
        check_tool(&format!("tools[{index}]"), tool)?;
    }
    match exchange.field("tool_choice") {
        Some(Value::String(mode)) if !["none", "auto", "required"].contains(&mode.as_str()) => {
            let message = format!(
                "Invalid value: '{mode}'. Supported values are: 'none', 'auto', and 'required'."
            );
            Err(ApiError::invalid("tool_choice", "invalid_value", message))
        }
        Some(Value::Object(_))
            if !tools
                .iter()
                .any(|tool| name(tool) == named_choice(exchange)) =>
        {
            let message = "Tool choice 'function' not found in 'tools' parameter.";
            Err(ApiError::invalid("tool_choice", "invalid_value", message))
        }
        _ => Ok(()),
    }
}

fn check_tool(at: &str, tool: &Value) -> Result<(), ApiError> {
    match tool.get("type").and_then(Value::as_str) {
        None => return Err(missing(&format!("{at}.type"))),
        Some("custom") => return Ok(()),
        Some("function") => {}
        Some(other) => {
            let message =
                format!("Invalid value: '{other}'. Supported values are: 'function' and 'custom'.");
            return Err(ApiError::invalid(
                format!("{at}.type"),
                "invalid_value",
                message,
            ));
        }
    }
    let Some(function) = tool.get("function") else {
        return Err(missing(&format!("{at}.function")));
    };
    let Some(name) = name(tool) else {
        return Err(missing(&format!("{at}.function.name")));
    };
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if name.is_empty() || name.len() > 64 || !name.bytes().all(allowed) {
        let param = format!("{at}.function.name");
        let message = format!(
            "Invalid '{param}': string does not match pattern. Expected a string that matches the pattern \
             '^[a-zA-Z0-9_-]+$'."
        );
        return Err(ApiError::invalid(param, "invalid_value", message));
    }
    match function.get("parameters") {
        None | Some(Value::Null | Value::Object(_)) => Ok(()),
        Some(other) => Err(wrong_type(
            &format!("{at}.function.parameters"),
            "an object",
            other,
        )),
    }
}

fn name(tool: &Value) -> Option<&str> {
    tool.pointer("/function/name")
        .or_else(|| tool.pointer("/custom/name"))?
        .as_str()
}

fn named_choice<'a>(exchange: &Exchange<'a>) -> Option<&'a str> {
    name(exchange.field("tool_choice")?)
}

/// The calls of an answer: the tool that was demanded; else all of them where parallel calls are asked for outright;
/// else the first. None right after a tool's result, and none when the request forbids them.
pub(crate) fn calls(exchange: &Exchange<'_>) -> Vec<Call> {
    let last_role = exchange
        .field("messages")
        .and_then(|messages| messages.as_array()?.last()?.get("role")?.as_str());
    let forbidden = exchange.field("tool_choice").and_then(Value::as_str) == Some("none");
    let tools = exchange
        .field("tools")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    if forbidden || last_role == Some("tool") {
        return Vec::new();
    }
    let chosen: Vec<&Value> = match named_choice(exchange) {
        Some(wanted) => tools
            .iter()
            .filter(|tool| name(tool) == Some(wanted))
            .take(1)
            .collect(),
        None if exchange.flag("parallel_tool_calls") == Some(true) => tools.iter().collect(),
        None => tools.iter().take(1).collect(),
    };
    let call = |(index, tool): (usize, &Value)| Call {
        id: format!(
            "call_{}_{}_{index}",
            exchange.settings.name, exchange.number
        ),
        name: name(tool).unwrap_or_default().to_owned(),
        arguments: tool
            .pointer("/function/parameters")
            .map_or_else(|| "{}".to_owned(), arguments),
    };
    chosen.into_iter().enumerate().map(call).collect()
}

fn arguments(parameters: &Value) -> String {
    match schema::example(parameters) {
        object @ Value::Object(_) => object.to_string(),
        _ => "{}".to_owned(),
    }
}
