//! A request for a response: its rules, and what it asks of the model.

use serde_json::{Map, Value};

use super::items;
use crate::ask::{Ask, Choice, Format, Tool};
use crate::exchange::Exchange;
use crate::openai::error::ApiError;
use crate::openai::fields::{flawed, missing};
use crate::openai::reply::hidden_thinking;
use crate::shape::{Kind, check};
use crate::text;

const FIELDS: &[(&str, Kind)] = &[
    ("model", Kind::Text),
    ("input", Kind::TextOrArray),
    ("background", Kind::Bool),
    ("context_management", Kind::Array),
    ("conversation", Kind::TextOrObject),
    ("include", Kind::Array),
    ("instructions", Kind::Text),
    ("max_output_tokens", Kind::Integer(16, i64::MAX)),
    ("max_tool_calls", Kind::Integer(1, i64::MAX)),
    ("metadata", Kind::Object),
    ("moderation", Kind::Object),
    ("parallel_tool_calls", Kind::Bool),
    ("previous_response_id", Kind::Text),
    ("prompt", Kind::Object),
    ("prompt_cache_key", Kind::Text),
    ("prompt_cache_options", Kind::Object),
    ("prompt_cache_retention", Kind::Text),
    ("reasoning", Kind::Object),
    ("safety_identifier", Kind::Text),
    ("service_tier", Kind::Text),
    ("store", Kind::Bool),
    ("stream", Kind::Bool),
    ("stream_options", Kind::Object),
    ("temperature", Kind::Number(0.0, 2.0)),
    ("text", Kind::Object),
    ("tool_choice", Kind::TextOrObject),
    ("tools", Kind::Array),
    ("top_logprobs", Kind::Integer(0, 20)),
    ("top_p", Kind::Number(0.0, 1.0)),
    ("truncation", Kind::Text),
    ("user", Kind::Text),
];

/// Fields that counting tokens takes.
const COUNTED: &[&str] = &[
    "model",
    "input",
    "conversation",
    "instructions",
    "parallel_tool_calls",
    "previous_response_id",
    "reasoning",
    "text",
    "tool_choice",
    "tools",
    "truncation",
];

const INCLUDES: &[&str] = &[
    "code_interpreter_call.outputs",
    "computer_call_output.output.image_url",
    "file_search_call.results",
    "message.input_image.image_url",
    "message.output_text.logprobs",
    "reasoning.encrypted_content",
    "web_search_call.action.sources",
    "web_search_call.results",
];

const EFFORTS: &[&str] = &["none", "minimal", "low", "medium", "high", "xhigh", "max"];

/// Tokens of a summary when the behaviour names no number.
const SUMMARY_TOKENS: u32 = 8;

/// What a request asks, and how its reasoning is told.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) ask: Ask,
    /// Whether a summary is told.
    pub(crate) summarizes: bool,
    /// Whether sealed reasoning is told.
    pub(crate) seals: bool,
}

/// Reads and checks a request; `generates` is false where tokens are only counted.
pub(crate) fn read(exchange: &Exchange<'_>, generates: bool) -> Result<Read, ApiError> {
    let json = exchange.json.ok_or_else(|| {
        ApiError::bad_request("We could not parse the JSON body of your request.")
    })?;
    let known: Vec<(&'static str, Kind)> = FIELDS
        .iter()
        .copied()
        .filter(|(name, _)| generates || COUNTED.contains(name))
        .collect();
    let fields = check(json, &known, &["model"]).map_err(|flaw| flawed("", flaw, json))?;
    if let Some(model) = exchange.model.filter(|model| !exchange.serves(model)) {
        return Err(ApiError::no_model(model));
    }
    if let Some(id) = exchange
        .field("previous_response_id")
        .and_then(Value::as_str)
    {
        let message = format!("Previous response with id '{id}' not found.");
        return Err(ApiError::invalid(
            "previous_response_id",
            "previous_response_not_found",
            message,
        ));
    }
    let input = match fields.get("input") {
        Some(Value::Array(items)) => {
            items::read(items)?;
            items.as_slice()
        }
        Some(Value::String(_)) => &[],
        _ => return Err(missing("input")),
    };
    let (summarizes, effort) = reasoning(exchange)?;
    let seals = includes(exchange)?;
    let (tools, choice) = tools(exchange)?;
    let prompt = match fields.get("input").and_then(Value::as_str) {
        Some(text) => text.to_owned(),
        None => prompt(input),
    };
    let hidden = hidden_thinking(effort);
    let thinks = if summarizes { SUMMARY_TOKENS } else { 0 };
    let ask = Ask {
        prompt_tokens: count(fields),
        prompt,
        results: results(input),
        tools,
        choice,
        parallel: exchange.flag("parallel_tool_calls"),
        format: format(exchange)?,
        stops: Vec::new(),
        cap: exchange.number_field("max_output_tokens"),
        thinks,
        hidden_thinking: hidden,
        choices: 1,
    };
    Ok(Read {
        ask,
        summarizes,
        seals,
    })
}

fn one_of(param: &str, value: Option<&str>, allowed: &[&str]) -> Result<(), ApiError> {
    match value {
        Some(value) if !allowed.contains(&value) => {
            let message = format!(
                "Invalid value: '{value}'. Supported values are: '{}'.",
                allowed.join("', '")
            );
            Err(ApiError::invalid(param, "invalid_value", message))
        }
        _ => Ok(()),
    }
}

fn reasoning<'a>(exchange: &Exchange<'a>) -> Result<(bool, Option<&'a str>), ApiError> {
    let Some(reasoning) = exchange.field("reasoning") else {
        return Ok((false, None));
    };
    let known = [
        ("effort", Kind::Text),
        ("summary", Kind::Text),
        ("generate_summary", Kind::Text),
        ("context", Kind::Text),
        ("mode", Kind::Text),
    ];
    check(reasoning, &known, &[]).map_err(|flaw| flawed("reasoning", flaw, reasoning))?;
    let effort = reasoning.get("effort").and_then(Value::as_str);
    one_of("reasoning.effort", effort, EFFORTS)?;
    let summary = reasoning.get("summary").and_then(Value::as_str);
    one_of(
        "reasoning.summary",
        summary,
        &["auto", "concise", "detailed"],
    )?;
    Ok((summary.is_some(), effort))
}

/// Whether sealed reasoning is among what is to be included.
fn includes(exchange: &Exchange<'_>) -> Result<bool, ApiError> {
    let include = exchange.field("include").and_then(Value::as_array);
    let mut seals = false;
    for (index, value) in include.into_iter().flatten().enumerate() {
        let value = value.as_str();
        one_of(&format!("include[{index}]"), value.or(Some("")), INCLUDES)?;
        seals |= value == Some("reasoning.encrypted_content");
    }
    Ok(seals)
}

fn format(exchange: &Exchange<'_>) -> Result<Format, ApiError> {
    let Some(text) = exchange.field("text") else {
        return Ok(Format::Text);
    };
    let known = [("format", Kind::Object), ("verbosity", Kind::Text)];
    check(text, &known, &[]).map_err(|flaw| flawed("text", flaw, text))?;
    one_of(
        "text.verbosity",
        text.get("verbosity").and_then(Value::as_str),
        &["low", "medium", "high"],
    )?;
    let Some(format) = text.get("format").filter(|format| !format.is_null()) else {
        return Ok(Format::Text);
    };
    let kind = format
        .get("type")
        .and_then(Value::as_str)
        .ok_or_else(|| missing("text.format.type"))?;
    one_of(
        "text.format.type",
        Some(kind),
        &["json_object", "json_schema", "text"],
    )?;
    let (known, required): (&[(&'static str, Kind)], &[&'static str]) = match kind {
        "json_schema" => (
            &[
                ("type", Kind::Text),
                ("name", Kind::Text),
                ("schema", Kind::Object),
                ("strict", Kind::Bool),
                ("description", Kind::Text),
            ],
            &["name", "schema"],
        ),
        _ => (&[("type", Kind::Text)], &[]),
    };
    check(format, known, required).map_err(|flaw| flawed("text.format", flaw, format))?;
    Ok(match kind {
        "json_schema" => Format::Schema(format["schema"].clone()),
        "json_object" => Format::Json,
        _ => Format::Text,
    })
}

fn tools(exchange: &Exchange<'_>) -> Result<(Vec<Tool>, Choice), ApiError> {
    let known = [
        ("type", Kind::Text),
        ("name", Kind::Text),
        ("description", Kind::Text),
        ("parameters", Kind::Object),
        ("strict", Kind::Bool),
        ("defer_loading", Kind::Bool),
    ];
    let mut offered = Vec::new();
    let tools = exchange.field("tools").and_then(Value::as_array);
    for (index, tool) in tools.into_iter().flatten().enumerate() {
        let at = format!("tools[{index}]");
        let kind = tool
            .get("type")
            .and_then(Value::as_str)
            .ok_or_else(|| missing(&format!("{at}.type")))?;
        if kind != "function" {
            let own = [
                "code_interpreter",
                "custom",
                "file_search",
                "image_generation",
                "mcp",
                "web_search",
            ];
            one_of(&format!("{at}.type"), Some(kind), &own)?;
            continue;
        }
        let members = check(tool, &known, &["name"]).map_err(|flaw| flawed(&at, flaw, tool))?;
        offered.push(Tool {
            name: members["name"].as_str().unwrap_or_default().to_owned(),
            schema: members.get("parameters").cloned().unwrap_or_default(),
        });
    }
    let choice = match exchange.field("tool_choice") {
        Some(Value::String(mode)) => {
            one_of("tool_choice", Some(mode), &["none", "auto", "required"])?;
            match mode.as_str() {
                "none" => Choice::None,
                "required" => Choice::Required,
                _ => Choice::Auto,
            }
        }
        Some(choice) if choice["type"] == "function" => {
            let name = choice
                .get("name")
                .and_then(Value::as_str)
                .ok_or_else(|| missing("tool_choice.name"))?;
            if !offered.iter().any(|tool| tool.name == name) {
                let message =
                    format!("Tool choice 'function' not found in 'tools' parameter: '{name}'.");
                return Err(ApiError::about("tool_choice", message));
            }
            Choice::Named(name.to_owned())
        }
        _ => Choice::Auto,
    };
    Ok((offered, choice))
}

/// The text of a content: its string, or its parts together.
fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        other => {
            let parts = other.as_array().into_iter().flatten();
            parts
                .filter_map(|part| part.get("text")?.as_str())
                .collect()
        }
    }
}

fn prompt(items: &[Value]) -> String {
    let user = items
        .iter()
        .rev()
        .find(|item| item.get("role").is_some_and(|role| role == "user"));
    user.map(|item| text_of(&item["content"]))
        .unwrap_or_default()
}

fn results(items: &[Value]) -> Vec<String> {
    let is_output = |item: &&Value| item["type"] == "function_call_output";
    let mut results: Vec<String> = items
        .iter()
        .rev()
        .take_while(is_output)
        .map(|item| text_of(&item["output"]))
        .collect();
    results.reverse();
    results
}

fn count(fields: &Map<String, Value>) -> u64 {
    let said = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| text::count(&value.to_string()), text::count)
    };
    let item = |item: &Value| {
        4 + item
            .get("content")
            .map_or_else(|| said(item), |content| text::count(&text_of(content)))
    };
    let input = match fields.get("input") {
        Some(Value::Array(items)) => items.iter().map(item).sum(),
        Some(text) => 4 + said(text),
        None => 0,
    };
    input + fields.get("instructions").map_or(0, said) + fields.get("tools").map_or(0, said)
}
