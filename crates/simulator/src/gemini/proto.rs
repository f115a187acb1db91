//! The strictness of proto3 JSON: known names in either spelling, and values of their type.
//!
//! A message is read into the same message in camelCase, nulls left out, so that rules read one spelling only.

use serde_json::{Map, Value};

use super::error::ApiError;
use crate::seal;

/// What a field holds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Proto {
    Text,
    /// Base64 in either alphabet.
    Bytes,
    Bool,
    Int,
    Float,
    /// Any JSON object.
    Struct,
    /// Any JSON value.
    Any,
    /// One of these names, in any case.
    Enum(&'static [&'static str]),
    Message(&'static Message),
    /// A list; a single value stands for a list of one, as the service takes it.
    List(&'static Proto),
    Map(&'static Proto),
}

/// A message: its name and its fields in camelCase.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) name: &'static str,
    pub(crate) fields: &'static [(&'static str, Proto)],
}

/// Deeper messages are refused.
const MAX_DEPTH: usize = 100;

/// Reads the body of a request.
pub(crate) fn read(message: &'static Message, body: Option<&Value>) -> Result<Value, ApiError> {
    match body {
        Some(body @ Value::Object(_)) => value(Proto::Message(message), body, "", 0),
        Some(_) => Err(ApiError::invalid(
            "Invalid JSON payload received. Root element must be a message.",
        )),
        None => Err(ApiError::invalid(
            "Invalid JSON payload received. Unexpected end of string.",
        )),
    }
}

fn value(proto: Proto, json: &Value, at: &str, depth: usize) -> Result<Value, ApiError> {
    if depth > MAX_DEPTH {
        return Err(ApiError::invalid(
            "Invalid JSON payload received. Message too deep. Max recursion depth reached.",
        ));
    }
    let wrong = |kind: &str| {
        let message = format!("Invalid value at '{at}' ({kind}), {json}");
        Err(ApiError::invalid(message))
    };
    match proto {
        Proto::Any => Ok(json.clone()),
        Proto::Struct if json.is_object() => Ok(json.clone()),
        Proto::Struct => wrong("type.googleapis.com/google.protobuf.Struct"),
        Proto::Text if json.is_string() => Ok(json.clone()),
        Proto::Text => wrong("TYPE_STRING"),
        Proto::Bool if json.is_boolean() => Ok(json.clone()),
        Proto::Bool => wrong("TYPE_BOOL"),
        Proto::Bytes => match json.as_str().and_then(seal::either_base64) {
            Some(_) => Ok(json.clone()),
            None if json.is_string() => Err(ApiError::invalid(format!(
                "Invalid value at '{at}' (TYPE_BYTES), Base64 decoding failed for {json}"
            ))),
            None => wrong("TYPE_BYTES"),
        },
        Proto::Int => match whole_number(json) {
            Some(number) => Ok(number.into()),
            None => wrong("TYPE_INT32"),
        },
        Proto::Float => match json.as_f64().or_else(|| json.as_str()?.parse().ok()) {
            Some(number) => Ok(number.into()),
            None => wrong("TYPE_FLOAT"),
        },
        Proto::Enum(names) => {
            let name = json.as_str().map(str::to_ascii_uppercase);
            match name.filter(|name| names.contains(&name.as_str())) {
                Some(name) => Ok(name.into()),
                None => wrong("TYPE_ENUM"),
            }
        }
        Proto::List(item) => {
            let single = std::slice::from_ref(json);
            let items = json.as_array().map_or(single, Vec::as_slice);
            let read = |(index, json): (usize, &Value)| {
                value(*item, json, &format!("{at}[{index}]"), depth + 1)
            };
            items.iter().enumerate().map(read).collect()
        }
        Proto::Map(item) => match json.as_object() {
            Some(members) => {
                let read = |(name, json): (&String, &Value)| {
                    let read = value(*item, json, &format!("{at}[{name}].value"), depth + 1)?;
                    Ok((name.clone(), read))
                };
                members.iter().map(read).collect()
            }
            None => wrong("TYPE_MESSAGE"),
        },
        Proto::Message(message) => match json.as_object() {
            Some(members) => fields(message, members, at, depth),
            None => wrong(&format!(
                "type.googleapis.com/google.ai.generativelanguage.v1beta.{}",
                message.name
            )),
        },
    }
}

/// Whole numbers may come as text or with a fraction of zero.
fn whole_number(json: &Value) -> Option<i64> {
    let fraction = json
        .as_f64()
        .filter(|number| number.fract() == 0.0 && number.abs() < 1e15);
    json.as_i64()
        .or_else(|| json.as_str()?.parse().ok())
        .or_else(|| fraction.map(|number| number as i64))
}

fn fields(
    message: &'static Message,
    members: &Map<String, Value>,
    at: &str,
    depth: usize,
) -> Result<Value, ApiError> {
    let mut read = Map::new();
    for (name, json) in members {
        let known = message
            .fields
            .iter()
            .find(|(camel, _)| camel == name || snake(camel) == *name);
        let Some((camel, proto)) = known else {
            let place = if at.is_empty() {
                String::new()
            } else {
                format!(" at '{at}'")
            };
            return Err(ApiError::invalid(format!(
                "Invalid JSON payload received. Unknown name \"{name}\"{place}: Cannot find field."
            )));
        };
        if json.is_null() {
            continue;
        }
        let place = if at.is_empty() {
            snake(camel)
        } else {
            format!("{at}.{}", snake(camel))
        };
        if read.contains_key(*camel) {
            return Err(ApiError::invalid(format!(
                "Invalid JSON payload received. Duplicate field '{place}'."
            )));
        }
        read.insert((*camel).to_owned(), value(*proto, json, &place, depth + 1)?);
    }
    Ok(Value::Object(read))
}

/// The other spelling of a name.
fn snake(camel: &str) -> String {
    let mut snake = String::with_capacity(camel.len() + 4);
    for char in camel.chars() {
        if char.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(char.to_ascii_lowercase());
    }
    snake
}
