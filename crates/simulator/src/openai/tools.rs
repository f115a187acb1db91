//! Tools: their rules, and which of them the simulator calls.

use serde_json::Value;

use super::error::ApiError;
use super::fields::{empty_array, missing, wrong_type};
use crate::ask::{Choice, Tool};
use crate::exchange::Exchange;

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

/// The tools offered, for the model.
pub(crate) fn offered(exchange: &Exchange<'_>) -> Vec<Tool> {
    let tools = exchange.field("tools").and_then(Value::as_array);
    let offered = |tool: &Value| {
        Some(Tool {
            name: name(tool)?.to_owned(),
            schema: tool
                .pointer("/function/parameters")
                .cloned()
                .unwrap_or_default(),
        })
    };
    tools.into_iter().flatten().filter_map(offered).collect()
}

/// Which of them is to be called.
pub(crate) fn choice(exchange: &Exchange<'_>) -> Choice {
    match exchange.field("tool_choice") {
        Some(Value::String(mode)) if mode == "none" => Choice::None,
        Some(Value::String(mode)) if mode == "required" => Choice::Required,
        Some(Value::Object(_)) => {
            named_choice(exchange).map_or(Choice::Auto, |name| Choice::Named(name.to_owned()))
        }
        _ => Choice::Auto,
    }
}
