//! `GET /v1/models`, and what a model of a given name takes.

use http::StatusCode;
use serde_json::{Value, json};

use super::error::ApiError;
use crate::answer::Answer;
use crate::exchange::{Exchange, parameter};

/// Listed when every name is served.
const ANY: [&str; 3] = ["claude-opus-4-7", "claude-sonnet-4-5", "sim-model"];

/// What a model takes, told by its name; an unknown name takes all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Traits {
    /// `thinking: {type: adaptive}`
    pub(crate) adaptive: bool,
    /// `thinking: {type: enabled, budget_tokens}`
    pub(crate) budgets: bool,
    /// `temperature`, `top_p` and `top_k` other than their defaults.
    pub(crate) sampling: bool,
    /// A last message of the assistant's.
    pub(crate) prefill: bool,
}

impl Traits {
    /// The traits of the model called `name`.
    pub(crate) fn of(name: &str) -> Self {
        let any = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
        let newest = [
            "opus-4-7", "opus-4-8", "opus-4-9", "opus-5", "sonnet-5", "haiku-5", "fable",
        ];
        if any(&newest) {
            return Self {
                adaptive: true,
                budgets: false,
                sampling: false,
                prefill: false,
            };
        }
        let both = any(&["-4-6"]);
        Self {
            adaptive: both || !name.starts_with("claude-"),
            budgets: true,
            sampling: true,
            prefill: !both,
        }
    }
}

/// Lists the models page by page, or describes the one at the end of `path`.
pub(crate) fn serve(exchange: &Exchange<'_>, path: &str) -> Result<Answer, ApiError> {
    if let Some(id) = path.strip_prefix("/models/") {
        if !exchange.serves(id) {
            return Err(ApiError::not_found(format!("model: {id}")));
        }
        return Ok(Answer::json(StatusCode::OK, model(id).to_string()));
    }
    let any = ANY.map(str::to_owned);
    let names = if exchange.settings.models.is_empty() {
        &any[..]
    } else {
        &exchange.settings.models[..]
    };
    let limit = match parameter(exchange.query, "limit").map(str::parse::<usize>) {
        None => 20,
        Some(Ok(limit)) if (1..=1000).contains(&limit) => limit,
        Some(Ok(0)) => {
            return Err(ApiError::invalid(
                "limit: Input should be greater than or equal to 1",
            ));
        }
        Some(Ok(_)) => {
            return Err(ApiError::invalid(
                "limit: Input should be less than or equal to 1000",
            ));
        }
        Some(Err(_)) => {
            return Err(ApiError::invalid("limit: Input should be a valid integer"));
        }
    };
    let (page, has_more) = page(exchange.query, names, limit)?;
    let data: Vec<Value> = page.iter().map(|name| model(name)).collect();
    let body = json!({"data": data, "has_more": has_more, "first_id": page.first(), "last_id": page.last()});
    Ok(Answer::json(StatusCode::OK, body.to_string()))
}

fn page<'a>(
    query: &str,
    names: &'a [String],
    limit: usize,
) -> Result<(&'a [String], bool), ApiError> {
    let position = |cursor: &str| {
        let found = names.iter().position(|name| name == cursor);
        found.ok_or_else(|| ApiError::invalid(format!("Invalid cursor: {cursor}")))
    };
    match (parameter(query, "after_id"), parameter(query, "before_id")) {
        (Some(_), Some(_)) => Err(ApiError::invalid(
            "Only one of before_id and after_id may be given",
        )),
        (Some(after), None) => {
            let rest = &names[position(after)? + 1..];
            Ok((&rest[..limit.min(rest.len())], rest.len() > limit))
        }
        (None, Some(before)) => {
            let rest = &names[..position(before)?];
            Ok((
                &rest[rest.len().saturating_sub(limit)..],
                rest.len() > limit,
            ))
        }
        (None, None) => Ok((&names[..limit.min(names.len())], names.len() > limit)),
    }
}

fn model(id: &str) -> Value {
    json!({
        "type": "model", "id": id, "display_name": id, "created_at": "2026-01-01T00:00:00Z", "lifecycle": "active",
        "max_input_tokens": 200_000, "max_tokens": 64_000,
    })
}
