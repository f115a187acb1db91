//! A request to `/v1/messages`: its rules, and what it asks of the model.

use serde_json::{Map, Value, json};

use super::content::{Place, check_block};
use super::error::ApiError;
use super::models::Traits;
use super::turns::Turn;
use super::{schema, tools, turns};
use crate::ask::{Ask, Format};
use crate::exchange::{Exchange, header};
use crate::shape::{INTEGER, Kind, check};
use crate::text;

const FIELDS: &[(&str, Kind)] = &[
    ("model", Kind::Text),
    ("messages", Kind::Array),
    ("max_tokens", Kind::Integer(1, i64::MAX)),
    ("cache_control", Kind::Object),
    ("container", Kind::TextOrObject),
    ("diagnostics", Kind::Object),
    ("inference_geo", Kind::Text),
    ("metadata", Kind::Object),
    ("output_config", Kind::Object),
    ("service_tier", Kind::Text),
    ("speed", Kind::Text),
    ("stop_sequences", Kind::Array),
    ("stream", Kind::Bool),
    ("system", Kind::TextOrArray),
    ("temperature", Kind::Number(0.0, 1.0)),
    ("thinking", Kind::Object),
    ("tool_choice", Kind::Object),
    ("tools", Kind::Array),
    ("top_k", Kind::Integer(0, i64::MAX)),
    ("top_p", Kind::Number(0.0, 1.0)),
];

/// Fields that counting tokens does not take.
const NOT_COUNTED: &[&str] = &[
    "max_tokens",
    "container",
    "diagnostics",
    "inference_geo",
    "metadata",
    "service_tier",
    "stop_sequences",
    "stream",
    "temperature",
    "top_k",
    "top_p",
];

/// The version from which on sampling parameters are refused.
const NEWEST: &str = "2026-10-21";

/// Tokens of thinking that are told when it is on and the behaviour names no number.
const THINKING_TOKENS: u32 = 8;

/// What a request asks, and how its thinking is to be told.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) ask: Ask,
    /// Whether thinking is on.
    pub(crate) thinks: bool,
    /// Whether its text is left out.
    pub(crate) omits: bool,
}

/// Reads and checks a request; `generates` is false where tokens are only counted.
pub(crate) fn read(exchange: &Exchange<'_>, generates: bool) -> Result<Read, ApiError> {
    let is_newest = check_version(exchange)?;
    let json = exchange.json.unwrap_or(&Value::Null);
    let known: Vec<(&'static str, Kind)> = FIELDS
        .iter()
        .copied()
        .filter(|(name, _)| generates || !NOT_COUNTED.contains(name))
        .collect();
    let required: &[&str] = if generates {
        &["model", "max_tokens", "messages"]
    } else {
        &["model", "messages"]
    };
    let fields = check(json, &known, required).map_err(|flaw| ApiError::flaw("", flaw))?;
    let model = exchange.model.unwrap_or_default();
    if !exchange.serves(model) {
        return Err(ApiError::not_found(format!("model: {model}")));
    }
    let traits = Traits::of(model);
    let thinking = thinking(fields, traits)?;
    check_sampling(fields, traits, is_newest, thinking.is_on())?;
    check_rest(fields)?;
    let format = output_format(fields)?;
    let list = |name: &str| {
        let list = fields.get(name).and_then(Value::as_array);
        list.map(Vec::as_slice).unwrap_or_default()
    };
    let turns = turns::read(list("messages"), is_newest, thinking == Thinking::Budget)?;
    let ends_with_own = turns.last().is_some_and(|turn| turn.role == "assistant");
    if ends_with_own && !traits.prefill {
        return Err(ApiError::invalid(
            "This model does not support assistant message prefill. The conversation must end with a user message.",
        ));
    }
    let system = list("system").iter().enumerate();
    for (index, block) in system {
        check_block(&format!("system.{index}"), block, Place::System, is_newest)?;
    }
    check_breakpoints(json)?;
    let offered = tools::read(list("tools"))?;
    let (choice, parallel) = tools::choice(
        exchange.field("tool_choice"),
        list("tools"),
        thinking.is_on(),
    )?;
    let prompt_tokens = count(fields, &turns);
    let ask = Ask {
        prompt: prompt(&turns),
        results: results(&turns),
        tools: offered,
        choice,
        parallel,
        format,
        stops: list("stop_sequences")
            .iter()
            .filter_map(|stop| stop.as_str().map(str::to_owned))
            .collect(),
        cap: exchange.number_field("max_tokens"),
        thinks: if thinking.is_on() { THINKING_TOKENS } else { 0 },
        hidden_thinking: 0,
        prompt_tokens,
        choices: 1,
    };
    let omits = fields
        .get("thinking")
        .is_some_and(|thinking| thinking["display"] == "omitted");
    Ok(Read {
        ask,
        thinks: thinking.is_on(),
        omits,
    })
}

/// Whether the version is the newest; one must be named, and known.
fn check_version(exchange: &Exchange<'_>) -> Result<bool, ApiError> {
    match header(exchange.headers, "anthropic-version") {
        Some("2023-06-01") => Ok(false),
        Some(NEWEST) => Ok(true),
        None => Err(ApiError::invalid("anthropic-version: header is required")),
        Some(other) => Err(ApiError::invalid(format!(
            "anthropic-version: \"{other}\" is not a valid version"
        ))),
    }
}

/// What a request says of thinking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Thinking {
    Off,
    Budget,
    Adaptive,
}

impl Thinking {
    fn is_on(self) -> bool {
        self != Self::Off
    }
}

fn thinking(fields: &Map<String, Value>, traits: Traits) -> Result<Thinking, ApiError> {
    let Some(thinking) = fields
        .get("thinking")
        .filter(|thinking| !thinking.is_null())
    else {
        return Ok(Thinking::Off);
    };
    let kind = thinking.get("type").and_then(Value::as_str);
    let kind = kind.ok_or_else(|| ApiError::invalid("thinking.type: Field required"))?;
    let typed = ("type", Kind::Text);
    let display = ("display", Kind::Text);
    let budget = ("budget_tokens", INTEGER);
    let (known, required): (&[(&str, Kind)], &[&str]) = match kind {
        "enabled" => (&[typed, display, budget], &["type", "budget_tokens"]),
        "adaptive" => (&[typed, display], &["type"]),
        "disabled" | "between_tools" => (&[typed], &["type"]),
        _ => {
            return Err(ApiError::invalid(format!(
                "thinking: Input tag '{kind}' found using 'type' does not match any of the expected tags: 'adaptive', \
                 'between_tools', 'disabled', 'enabled'"
            )));
        }
    };
    let members = check(thinking, known, required)
        .map_err(|flaw| ApiError::flaw(&format!("thinking.{kind}"), flaw))?;
    let display = members.get("display").and_then(Value::as_str);
    if display.is_some_and(|display| !["summarized", "omitted"].contains(&display)) {
        return Err(ApiError::invalid(format!(
            "thinking.{kind}.display: Input should be 'summarized' or 'omitted'"
        )));
    }
    match kind {
        "enabled" if !traits.budgets => Err(ApiError::invalid(
            "\"thinking.type.enabled\" is not supported for this model. Use \"thinking.type.adaptive\" and \
             \"output_config.effort\" to control thinking behavior.",
        )),
        "enabled" => check_budget(members, fields).map(|()| Thinking::Budget),
        "adaptive" if !traits.adaptive => Err(ApiError::invalid(
            "adaptive thinking is not supported on this model",
        )),
        "adaptive" | "between_tools" => Ok(Thinking::Adaptive),
        _ => Ok(Thinking::Off),
    }
}

fn check_budget(
    thinking: &Map<String, Value>,
    fields: &Map<String, Value>,
) -> Result<(), ApiError> {
    let budget = thinking
        .get("budget_tokens")
        .and_then(Value::as_i64)
        .unwrap_or(i64::MAX);
    if budget < 1024 {
        return Err(ApiError::invalid(
            "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024",
        ));
    }
    let most = fields.get("max_tokens").and_then(Value::as_i64);
    if most.is_some_and(|most| budget >= most) {
        return Err(ApiError::invalid(
            "`max_tokens` must be greater than `thinking.budget_tokens`.",
        ));
    }
    Ok(())
}

fn check_sampling(
    fields: &Map<String, Value>,
    traits: Traits,
    is_newest: bool,
    is_thinking: bool,
) -> Result<(), ApiError> {
    for name in ["temperature", "top_p", "top_k"] {
        let Some(value) = fields.get(name).filter(|value| !value.is_null()) else {
            continue;
        };
        if is_newest {
            return Err(ApiError::invalid(format!(
                "{name}: Extra inputs are not permitted"
            )));
        }
        let is_default = name != "top_k" && value.as_f64() == Some(1.0);
        if !traits.sampling && !is_default {
            return Err(ApiError::invalid(format!(
                "`{name}` is deprecated for this model."
            )));
        }
        if is_thinking && name == "temperature" && !is_default {
            return Err(ApiError::invalid(
                "`temperature` may only be set to 1 when thinking is enabled.",
            ));
        }
        if is_thinking && name == "top_k" {
            return Err(ApiError::invalid(
                "`top_k` must be unset when thinking is enabled.",
            ));
        }
        if is_thinking && name == "top_p" && value.as_f64().is_some_and(|top_p| top_p < 0.95) {
            return Err(ApiError::invalid(
                "`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled.",
            ));
        }
    }
    Ok(())
}

fn check_rest(fields: &Map<String, Value>) -> Result<(), ApiError> {
    let stops = fields.get("stop_sequences").and_then(Value::as_array);
    for (index, stop) in stops.into_iter().flatten().enumerate() {
        match stop.as_str() {
            None => {
                return Err(ApiError::invalid(format!(
                    "stop_sequences.{index}: Input should be a valid string"
                )));
            }
            Some(stop) if stop.trim().is_empty() => {
                return Err(ApiError::invalid(
                    "stop_sequences: each stop sequence must contain non-whitespace",
                ));
            }
            Some(_) => {}
        }
    }
    if let Some(metadata) = fields
        .get("metadata")
        .filter(|metadata| !metadata.is_null())
    {
        check(metadata, &[("user_id", Kind::Text)], &[])
            .map_err(|flaw| ApiError::flaw("metadata", flaw))?;
    }
    match fields.get("service_tier").and_then(Value::as_str) {
        None | Some("auto" | "standard_only") => Ok(()),
        Some(_) => Err(ApiError::invalid(
            "service_tier: Input should be 'auto' or 'standard_only'",
        )),
    }
}

fn output_format(fields: &Map<String, Value>) -> Result<Format, ApiError> {
    let Some(config) = fields
        .get("output_config")
        .filter(|config| !config.is_null())
    else {
        return Ok(Format::Text);
    };
    let known = [("effort", Kind::Text), ("format", Kind::Object)];
    let config =
        check(config, &known, &[]).map_err(|flaw| ApiError::flaw("output_config", flaw))?;
    let effort = config.get("effort").and_then(Value::as_str);
    if effort.is_some_and(|effort| !["low", "medium", "high", "xhigh", "max"].contains(&effort)) {
        return Err(ApiError::invalid(
            "output_config.effort: Input should be 'low', 'medium', 'high', 'xhigh' or 'max'",
        ));
    }
    let Some(format) = config.get("format").filter(|format| !format.is_null()) else {
        return Ok(Format::Text);
    };
    let known = [("type", Kind::Text), ("schema", Kind::Object)];
    let format = check(format, &known, &["type", "schema"])
        .map_err(|flaw| ApiError::flaw("output_config.format", flaw))?;
    if format.get("type") != Some(&json!("json_schema")) {
        return Err(ApiError::invalid(
            "output_config.format.type: Input should be 'json_schema'",
        ));
    }
    let schema = format.get("schema").cloned().unwrap_or_default();
    schema::check("output_config.format.schema", &schema)?;
    Ok(Format::Schema(schema))
}

/// At most four breakpoints, wherever they stand.
fn check_breakpoints(json: &Value) -> Result<(), ApiError> {
    let of = |name: &str| json.get(name).map_or(0, breakpoints);
    let own = usize::from(json.get("cache_control").is_some_and(Value::is_object));
    let found = own + of("system") + of("tools") + of("messages");
    if found <= 4 {
        return Ok(());
    }
    Err(ApiError::invalid(format!(
        "A maximum of 4 blocks with cache_control may be provided. Found {found}."
    )))
}

fn breakpoints(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.iter().map(breakpoints).sum(),
        Value::Object(members) => {
            let own = usize::from(members.get("cache_control").is_some_and(Value::is_object));
            own + members.get("content").map_or(0, breakpoints)
        }
        _ => 0,
    }
}

/// The text of a content: its string, or its text blocks together.
fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(blocks) => {
            let texts = blocks
                .iter()
                .filter_map(|block| block.get("text")?.as_str());
            texts.collect()
        }
        _ => String::new(),
    }
}

/// The text of the last user message that has some.
fn prompt(turns: &[Turn<'_>]) -> String {
    let users = turns.iter().rev().filter(|turn| turn.role == "user");
    let mut texts = users.map(|turn| text_of(turn.content));
    texts.find(|text| !text.is_empty()).unwrap_or_default()
}

fn results(turns: &[Turn<'_>]) -> Vec<String> {
    let last = turns.last().map(|turn| turn.blocks).unwrap_or_default();
    let results = last.iter().filter(|block| block["type"] == "tool_result");
    results.map(|block| text_of(&block["content"])).collect()
}

fn count(fields: &Map<String, Value>, turns: &[Turn<'_>]) -> u64 {
    let said = |content: &Value| match content {
        Value::String(text) => text::count(text),
        other => {
            let blocks = other.as_array().into_iter().flatten();
            blocks
                .map(|block| match block.get("text").and_then(Value::as_str) {
                    Some(text) => text::count(text),
                    None => text::count(&block.to_string()),
                })
                .sum()
        }
    };
    // Four tokens of framing for each message, and the tools are read too.
    turns.iter().map(|turn| 4 + said(turn.content)).sum::<u64>()
        + fields.get("system").map_or(0, said)
        + fields
            .get("tools")
            .map_or(0, |tools| text::count(&tools.to_string()))
}
