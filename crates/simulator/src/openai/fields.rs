//! Checks of top-level fields from a table.

use serde_json::{Map, Value};

use super::error::ApiError;
use crate::exchange::Exchange;
use crate::shape::{Flaw, Kind};

/// The request's fields, once each is known and of its kind.
pub(crate) fn checked<'a>(
    exchange: &Exchange<'a>,
    known: &[(&str, Kind)],
    required: &[&str],
) -> Result<&'a Map<String, Value>, ApiError> {
    let Some(Value::Object(fields)) = exchange.json else {
        return Err(ApiError::bad_request(
            "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP \
             library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON. If you \
             have trouble figuring out how to fix this, please contact us through our help center at help.openai.com.)",
        ));
    };
    if required.contains(&"model") && fields.get("model").is_none_or(Value::is_null) {
        return Err(ApiError::bad_request("you must provide a model parameter"));
    }
    let unknown: Vec<&str> = fields
        .keys()
        .map(String::as_str)
        .filter(|name| !known.iter().any(|(known, _)| known == name))
        .collect();
    if !unknown.is_empty() {
        let plural = if unknown.len() == 1 { "" } else { "s" };
        let names = unknown.join(", ");
        return Err(ApiError::bad_request(format!(
            "Unrecognized request argument{plural} supplied: {names}"
        )));
    }
    for name in required {
        if !fields.contains_key(*name) {
            return Err(missing(name));
        }
    }
    for (name, kind) in known {
        match fields.get(*name) {
            None => {}
            Some(Value::Null) if !required.contains(name) => {}
            Some(value) => check_kind(*kind, name, value)?,
        }
    }
    check_model(exchange)?;
    Ok(fields)
}

fn check_model(exchange: &Exchange<'_>) -> Result<(), ApiError> {
    match exchange.model {
        Some(model) if !exchange.serves(model) => Err(ApiError::no_model(model)),
        _ => Ok(()),
    }
}

/// 400 for what is not there.
pub(crate) fn missing(param: &str) -> ApiError {
    ApiError::invalid(
        param,
        "missing_required_parameter",
        format!("Missing required parameter: '{param}'."),
    )
}

/// 400 for what is of another type.
pub(crate) fn wrong_type(param: &str, expected: &str, value: &Value) -> ApiError {
    let message = format!(
        "Invalid type for '{param}': expected {expected}, but got {} instead.",
        name(value)
    );
    ApiError::invalid(param, "invalid_type", message)
}

/// 400 for a list that must not be empty.
pub(crate) fn empty_array(param: &str) -> ApiError {
    let message = format!(
        "Invalid '{param}': empty array. Expected an array with minimum length 1, but got an empty array instead."
    );
    ApiError::invalid(param, "empty_array", message)
}

/// 400 for what a table of members found in the object `at` a path; the body itself has none.
pub(crate) fn flawed(at: &str, flaw: Flaw, object: &Value) -> ApiError {
    let of = |name: &str| {
        if at.is_empty() {
            name.to_owned()
        } else {
            format!("{at}.{name}")
        }
    };
    match flaw {
        Flaw::NotObject => wrong_type(at, "an object", object),
        Flaw::Unknown(name) => {
            let param = of(&name);
            let message = format!("Unknown parameter: '{param}'.");
            ApiError::invalid(param, "unknown_parameter", message)
        }
        Flaw::Missing(name) => missing(&of(name)),
        Flaw::WrongType(name, kind) => wrong_type(&of(name), words(kind), &object[name]),
        Flaw::OutOfRange(name, kind, _) => match check_kind(kind, &of(name), &object[name]) {
            Err(error) => error,
            Ok(()) => wrong_type(&of(name), words(kind), &object[name]),
        },
    }
}

fn name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_f64() => "a decimal",
        Value::Number(_) => "an integer",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

fn check_kind(kind: Kind, param: &str, value: &Value) -> Result<(), ApiError> {
    if !kind.fits(value) {
        return Err(wrong_type(param, words(kind), value));
    }
    match kind {
        Kind::Number(low, high) => in_range(param, value, low, high, "decimal"),
        Kind::Integer(low, high) => in_range(param, value, low as f64, high as f64, "integer"),
        _ => Ok(()),
    }
}

fn words(kind: Kind) -> &'static str {
    match kind {
        Kind::Any => "anything",
        Kind::Bool => "a boolean",
        Kind::Number(..) => "a decimal",
        Kind::Integer(..) => "an integer",
        Kind::Text => "a string",
        Kind::Object => "an object",
        Kind::Array => "an array",
        Kind::TextOrArray => "one of a string or array",
        Kind::TextOrObject => "one of a string or object",
    }
}

fn in_range(param: &str, value: &Value, low: f64, high: f64, kind: &str) -> Result<(), ApiError> {
    let number = value.as_f64().unwrap_or(f64::NAN);
    let (side, sign, bound, code) = if number < low {
        ("below minimum", ">=", low, "below_min_value")
    } else if number > high {
        ("above maximum", "<=", high, "above_max_value")
    } else {
        return Ok(());
    };
    let code = match (kind, code) {
        ("integer", "below_min_value") => "integer_below_min_value",
        ("integer", _) => "integer_above_max_value",
        (_, "below_min_value") => "decimal_below_min_value",
        _ => "decimal_above_max_value",
    };
    let message = format!(
        "Invalid '{param}': {kind} {side} value. Expected a value {sign} {bound}, but got {value} instead."
    );
    Err(ApiError::invalid(param, code, message))
}
