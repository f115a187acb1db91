//! A request for content: its rules, and what it asks of the model.

use serde_json::Value;

use super::error::ApiError;
use super::{tools, turns};
use crate::ask::{Ask, Format};
use crate::text;

const OF: &str = "GenerateContentRequest";

/// Tokens of thinking when the behaviour names no number.
const THINKING_TOKENS: u32 = 8;

/// What a request asks, and whether its thoughts are told.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) ask: Ask,
    pub(crate) tells_thoughts: bool,
}

/// Checks a request that was read as a message.
pub(crate) fn read(request: &Value, model: &str) -> Result<Read, ApiError> {
    let contents = turns::read(OF, request, model)?;
    if let Some(system) = request.get("systemInstruction") {
        turns::check_content("system_instruction", system)?;
    }
    let mut offered = tools::read(request)?;
    let choice = tools::choice(request, &mut offered)?;
    let config = request.get("generationConfig").unwrap_or(&Value::Null);
    check_config(config)?;
    let format = format(config, model, !offered.is_empty())?;
    let thinks = thinks(config, model)?;
    let tells_thoughts =
        config.pointer("/thinkingConfig/includeThoughts") == Some(&Value::Bool(true));
    let strings = |name: &str| -> Vec<String> {
        let list = config.get(name).and_then(Value::as_array);
        list.into_iter()
            .flatten()
            .filter_map(|text| text.as_str().map(str::to_owned))
            .collect()
    };
    let ask = Ask {
        prompt: prompt(contents),
        results: results(contents),
        tools: offered,
        choice,
        parallel: None,
        format,
        stops: strings("stopSequences"),
        cap: config.get("maxOutputTokens").and_then(Value::as_u64),
        thinks: if thinks { THINKING_TOKENS } else { 0 },
        hidden_thinking: 0,
        prompt_tokens: count(request),
        choices: config
            .get("candidateCount")
            .and_then(Value::as_u64)
            .unwrap_or(1),
    };
    Ok(Read {
        ask,
        tells_thoughts,
    })
}

fn check_config(config: &Value) -> Result<(), ApiError> {
    let bounds = [
        ("temperature", "temperature", 0.0, 2.0),
        ("topP", "top_p", 0.0, 1.0),
        ("candidateCount", "candidate_count", 1.0, 8.0),
        ("maxOutputTokens", "max_output_tokens", 1.0, f64::MAX),
        ("presencePenalty", "presence_penalty", -2.0, 2.0),
        ("frequencyPenalty", "frequency_penalty", -2.0, 2.0),
        ("logprobs", "logprobs", 0.0, 20.0),
    ];
    for (name, told, low, high) in bounds {
        let Some(number) = config.get(name).and_then(Value::as_f64) else {
            continue;
        };
        if number < low || number > high {
            let message = if high == f64::MAX {
                "must be positive.".to_owned()
            } else {
                format!("must be in the range [{low}, {high}].")
            };
            return Err(ApiError::field(
                OF,
                &format!("generation_config.{told}"),
                &message,
            ));
        }
    }
    let stops = config.get("stopSequences").and_then(Value::as_array);
    if stops.is_some_and(|stops| stops.len() > 5) {
        return Err(ApiError::field(
            OF,
            "generation_config.stop_sequences",
            "the number of stop_sequences must be less than or equal to 5",
        ));
    }
    let wants = config.get("responseLogprobs") == Some(&Value::Bool(true));
    if config.get("logprobs").is_some() && !wants {
        return Err(ApiError::invalid(
            "logprobs may only be set when response_logprobs is true.",
        ));
    }
    Ok(())
}

fn format(config: &Value, model: &str, has_tools: bool) -> Result<Format, ApiError> {
    let (older, full) = (
        config.get("responseSchema"),
        config.get("responseJsonSchema"),
    );
    if older.is_some() && full.is_some() {
        return Err(ApiError::field(
            OF,
            "generation_config",
            "only one of response_schema and response_json_schema may be set",
        ));
    }
    if let Some(schema) = older {
        tools::check_schema("generation_config.response_schema", schema)?;
    }
    let schema = older.map(tools::plain).or_else(|| full.cloned());
    let mime = config.get("responseMimeType").and_then(Value::as_str);
    let allowed = ["text/plain", "application/json", "text/x.enum"];
    if let Some(unknown) = mime.filter(|mime| !allowed.contains(mime)) {
        return Err(ApiError::field(
            OF,
            "generation_config.response_mime_type",
            &format!(
                "allowed mimetypes are `text/plain`, `application/json` and `text/x.enum`; got `{unknown}`"
            ),
        ));
    }
    let is_json = mime == Some("application/json");
    if schema.is_some() && !is_json && mime != Some("text/x.enum") {
        return Err(ApiError::field(
            OF,
            "generation_config.response_mime_type",
            "response_mime_type must be `application/json` when a response schema is set",
        ));
    }
    if is_json && has_tools && model.starts_with("gemini-2") {
        return Err(ApiError::invalid(
            "Function calling with a response mime type: 'application/json' is unsupported",
        ));
    }
    Ok(match schema {
        Some(schema) => Format::Schema(schema),
        None if is_json => Format::Json,
        None => Format::Text,
    })
}

/// Whether the model thinks.
fn thinks(config: &Value, model: &str) -> Result<bool, ApiError> {
    let by_nature = model.starts_with("gemini-2.5") || model.starts_with("gemini-3");
    let Some(thinking) = config.get("thinkingConfig") else {
        return Ok(by_nature);
    };
    let (budget, level) = (
        thinking.get("thinkingBudget"),
        thinking.get("thinkingLevel"),
    );
    if budget.is_some() && level.is_some() {
        return Err(ApiError::invalid(
            "You can only set only one of thinking budget and thinking level.",
        ));
    }
    if level.is_some() && model.starts_with("gemini-2") {
        return Err(ApiError::invalid(
            "Thinking level is not supported for this model.",
        ));
    }
    let budget = budget.and_then(Value::as_i64);
    if budget.is_some_and(|budget| !(-1..=32_768).contains(&budget)) {
        return Err(ApiError::invalid(format!(
            "The thinking budget {} is invalid. Please choose a value between -1 and 32768.",
            budget.unwrap_or_default()
        )));
    }
    Ok(budget != Some(0))
}

fn texts(content: &Value) -> impl Iterator<Item = &str> {
    let told = turns::parts(content)
        .iter()
        .filter(|part| part.get("thought").is_none());
    told.filter_map(|part| part.get("text")?.as_str())
}

fn prompt(contents: &[Value]) -> String {
    let is_model = |content: &&Value| content.get("role").is_some_and(|role| role == "model");
    let users = contents.iter().rev().filter(|content| !is_model(content));
    let mut said = users.map(|content| texts(content).collect::<String>());
    said.find(|text| !text.is_empty()).unwrap_or_default()
}

/// The last results as text. One that only wraps a text, as this dialect must, is that text.
fn results(contents: &[Value]) -> Vec<String> {
    let last = contents.last().map(turns::parts).unwrap_or_default();
    let responses = last.iter().filter_map(|part| part.get("functionResponse"));
    let told = responses.map(|response| {
        let response = response.get("response").unwrap_or(&Value::Null);
        let only = response.as_object().filter(|members| members.len() == 1);
        let wrapped = only.and_then(|members| members.get("result").or(members.get("output")));
        match wrapped.and_then(Value::as_str) {
            Some(text) => text.to_owned(),
            None => response.to_string(),
        }
    });
    told.collect()
}

/// The tokens of a request, about.
pub(crate) fn count(request: &Value) -> u64 {
    let contents = request
        .get("contents")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let said = |content: &Value| {
        let parts = turns::parts(content).iter();
        let tokens = parts.map(|part| match part.get("text").and_then(Value::as_str) {
            Some(text) => text::count(text),
            None => text::count(&part.to_string()),
        });
        4 + tokens.sum::<u64>()
    };
    contents
        .chain(request.get("systemInstruction"))
        .map(said)
        .sum::<u64>()
        + request
            .get("tools")
            .map_or(0, |tools| text::count(&tools.to_string()))
}
