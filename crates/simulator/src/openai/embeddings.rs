//! `POST /v1/embeddings`

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::StatusCode;
use serde_json::{Value, json};

use super::error::ApiError;
use super::fields::checked;
use crate::answer::Answer;
use crate::exchange::Exchange;
use crate::shape::Kind;
use crate::text;
use crate::vector::vector;

const FIELDS: &[(&str, Kind)] = &[
    ("input", Kind::Any),
    ("model", Kind::Text),
    ("dimensions", Kind::Integer(1, 4096)),
    ("encoding_format", Kind::Text),
    ("user", Kind::Text),
];

/// Length of a vector when the request does not say.
const DEFAULT_DIMENSIONS: u64 = 1536;
/// Inputs one request may hold.
const MAX_INPUTS: usize = 2048;

/// Checks the inputs and gives each its vector: of length one, and the same for the same input.
pub(crate) fn serve(exchange: &Exchange<'_>) -> Result<Answer, ApiError> {
    checked(exchange, FIELDS, &["model", "input"])?;
    let inputs = inputs(exchange)?;
    let as_base64 = match exchange.field("encoding_format").and_then(Value::as_str) {
        None | Some("float") => false,
        Some("base64") => true,
        Some(other) => {
            let message =
                format!("Invalid value: '{other}'. Supported values are: 'float' and 'base64'.");
            return Err(ApiError::invalid(
                "encoding_format",
                "invalid_value",
                message,
            ));
        }
    };
    let dimensions = exchange
        .number_field("dimensions")
        .unwrap_or(DEFAULT_DIMENSIONS) as usize;
    let data: Vec<Value> = inputs
        .iter()
        .enumerate()
        .map(|(index, input)| {
            let vector = vector(&input.text, dimensions);
            let embedding = if as_base64 {
                json!(packed(&vector))
            } else {
                json!(vector)
            };
            json!({"object": "embedding", "index": index, "embedding": embedding})
        })
        .collect();
    let tokens: u64 = inputs.iter().map(|input| input.tokens).sum();
    let mut body = json!({"object": "list", "data": data, "model": exchange.model});
    if exchange.behaviour.usage != Some(false) {
        body["usage"] = json!({"prompt_tokens": tokens, "total_tokens": tokens});
    }
    Ok(Answer::json_after(
        exchange.pace().whole(1),
        StatusCode::OK,
        body.to_string(),
    ))
}

struct Input {
    text: String,
    tokens: u64,
}

/// The input in its four forms: a text, several, the tokens of one, the tokens of several.
fn inputs(exchange: &Exchange<'_>) -> Result<Vec<Input>, ApiError> {
    let invalid = || {
        ApiError::invalid(
            "input",
            "invalid_value",
            "'$.input' is invalid. Please check the API reference: https://platform.openai.com/docs/api-reference.",
        )
    };
    let of = |item: &Value| match item {
        Value::String(text) if !text.is_empty() => Ok(Input {
            text: text.clone(),
            tokens: text::count(text),
        }),
        Value::Array(tokens) if !tokens.is_empty() && tokens.iter().all(Value::is_u64) => {
            Ok(Input {
                text: item.to_string(),
                tokens: tokens.len() as u64,
            })
        }
        _ => Err(invalid()),
    };
    match exchange.field("input") {
        Some(Value::Array(items)) if items.is_empty() || items.len() > MAX_INPUTS => Err(invalid()),
        Some(list @ Value::Array(items)) if items.iter().all(Value::is_u64) => Ok(vec![of(list)?]),
        Some(Value::Array(items)) => items.iter().map(of).collect(),
        Some(item) => Ok(vec![of(item)?]),
        None => Err(invalid()),
    }
}

fn packed(vector: &[f32]) -> String {
    let bytes: Vec<u8> = vector
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    BASE64_STANDARD.encode(bytes)
}
