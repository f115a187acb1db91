//! The rules of functions, of the choice among them, and of the older schema.

use serde_json::Value;

use super::error::ApiError;
use crate::ask::{Choice, Tool};

const OF: &str = "GenerateContentRequest";

/// The functions the model may call.
pub(crate) fn read(request: &Value) -> Result<Vec<Tool>, ApiError> {
    let mut offered: Vec<Tool> = Vec::new();
    let tools = request.get("tools").and_then(Value::as_array);
    for (nth, tool) in tools.into_iter().flatten().enumerate() {
        let declarations = tool.get("functionDeclarations").and_then(Value::as_array);
        for (index, declaration) in declarations.into_iter().flatten().enumerate() {
            let at = format!("tools[{nth}].function_declarations[{index}]");
            let tool = read_declaration(&at, declaration)?;
            if offered.iter().any(|other| other.name == tool.name) {
                return Err(ApiError::invalid(format!(
                    "Duplicate function declaration found: {}",
                    tool.name
                )));
            }
            offered.push(tool);
        }
    }
    Ok(offered)
}

fn read_declaration(at: &str, declaration: &Value) -> Result<Tool, ApiError> {
    let name = declaration
        .get("name")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let begins = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte);
    if !begins || name.len() > 64 || !name.bytes().all(allowed) {
        return Err(ApiError::field(
            OF,
            &format!("{at}.name"),
            "Invalid function name. Must start with a letter or an underscore. Must be alphanumeric (a-z, A-Z, 0-9), \
             underscores (_), dots (.), colons (:), or dashes (-), with a maximum length of 64.",
        ));
    }
    let (older, full) = (
        declaration.get("parameters"),
        declaration.get("parametersJsonSchema"),
    );
    if older.is_some() && full.is_some() {
        return Err(ApiError::field(
            OF,
            at,
            "only one of parameters and parameters_json_schema may be set",
        ));
    }
    if let Some(schema) = older {
        check_schema(&format!("{at}.parameters"), schema)?;
    }
    Ok(Tool {
        name: name.to_owned(),
        schema: older
            .map(plain)
            .or_else(|| full.cloned())
            .unwrap_or_default(),
    })
}

/// Refuses what the older schema may not hold although its names are known.
pub(crate) fn check_schema(at: &str, schema: &Value) -> Result<(), ApiError> {
    let refused =
        |field: &str, message: &str| Err(ApiError::field(OF, &format!("{at}{field}"), message));
    let kind = schema.get("type").and_then(Value::as_str);
    let properties = schema.get("properties").and_then(Value::as_object);
    let format = schema.get("format").and_then(Value::as_str);
    match kind {
        None if schema.get("anyOf").is_none() => {
            return refused(".type", "must be specified");
        }
        Some("OBJECT") if properties.is_none_or(serde_json::Map::is_empty) => {
            return refused(".properties", "should be non-empty for OBJECT type");
        }
        Some("ARRAY") if schema.get("items").is_none() => {
            return refused(".items", "missing field.");
        }
        Some("STRING") if format.is_some_and(|format| !["enum", "date-time"].contains(&format)) => {
            return refused(
                ".format",
                "only 'enum' and 'date-time' are supported for STRING type",
            );
        }
        _ => {}
    }
    let required = schema.get("required").and_then(Value::as_array);
    for (index, name) in required.into_iter().flatten().enumerate() {
        let name = name.as_str().unwrap_or_default();
        if !properties.is_some_and(|properties| properties.contains_key(name)) {
            return refused(&format!(".required[{index}]"), "property is not defined");
        }
    }
    for (name, property) in properties.into_iter().flatten() {
        check_schema(&format!("{at}.properties[{name}]"), property)?;
    }
    let any = schema.get("anyOf").and_then(Value::as_array);
    for (index, child) in any.into_iter().flatten().enumerate() {
        check_schema(&format!("{at}.any_of[{index}]"), child)?;
    }
    match schema.get("items") {
        Some(items) => check_schema(&format!("{at}.items"), items),
        None => Ok(()),
    }
}

/// The older schema as JSON schema: types in lower case.
pub(crate) fn plain(schema: &Value) -> Value {
    let mut plain = schema.clone();
    if let Some(kind) = schema.get("type").and_then(Value::as_str) {
        plain["type"] = kind.to_ascii_lowercase().into();
    }
    if let Some(properties) = plain.get_mut("properties").and_then(Value::as_object_mut) {
        properties
            .values_mut()
            .for_each(|property| *property = self::plain(property));
    }
    if let Some(items) = plain.get_mut("items") {
        *items = self::plain(items);
    }
    if let Some(any) = plain.get_mut("anyOf").and_then(Value::as_array_mut) {
        any.iter_mut().for_each(|child| *child = self::plain(child));
    }
    plain
}

/// Which function is to be called.
pub(crate) fn choice(request: &Value, offered: &mut Vec<Tool>) -> Result<Choice, ApiError> {
    let Some(config) = request.pointer("/toolConfig/functionCallingConfig") else {
        return Ok(Choice::Auto);
    };
    let mode = config.get("mode").and_then(Value::as_str).unwrap_or("AUTO");
    let names = config.get("allowedFunctionNames").and_then(Value::as_array);
    let names: Vec<&str> = names
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    if !names.is_empty() && !["ANY", "VALIDATED"].contains(&mode) {
        return Err(ApiError::invalid(
            "Allowed function names should only be set when function_calling_config mode is ANY or VALIDATED.",
        ));
    }
    if let Some(unknown) = names
        .iter()
        .find(|name| !offered.iter().any(|tool| tool.name == **name))
    {
        return Err(ApiError::invalid(format!(
            "Allowed function name '{unknown}' is not among the function declarations."
        )));
    }
    if mode == "ANY" && offered.is_empty() {
        return Err(ApiError::invalid(
            "Function calling config is set without function_declarations.",
        ));
    }
    if !names.is_empty() {
        offered.retain(|tool| names.contains(&tool.name.as_str()));
    }
    Ok(match (mode, &names[..]) {
        ("NONE", _) => Choice::None,
        ("ANY", [name]) => Choice::Named((*name).to_owned()),
        ("ANY", _) => Choice::Required,
        _ => Choice::Auto,
    })
}
