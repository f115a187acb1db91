//! The rules of a schema that the answer must obey.

use serde_json::Value;

use super::error::ApiError;

/// Deeper schemas are refused.
const MAX_DEPTH: usize = 32;

/// Refuses open objects and recursion.
pub(crate) fn check(at: &str, schema: &Value) -> Result<(), ApiError> {
    walk(at, schema, schema, &mut Vec::new(), 0)
}

fn walk<'a>(
    at: &str,
    schema: &'a Value,
    root: &'a Value,
    open: &mut Vec<&'a str>,
    depth: usize,
) -> Result<(), ApiError> {
    if depth > MAX_DEPTH {
        return Err(ApiError::invalid(format!("{at}: Schema is too complex.")));
    }
    let is_object = match schema.get("type") {
        Some(Value::String(kind)) => kind == "object",
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "object"),
        _ => schema.get("properties").is_some(),
    };
    if is_object && schema.get("additionalProperties") != Some(&Value::Bool(false)) {
        return Err(ApiError::invalid(format!(
            "{at}: For 'object' type, 'additionalProperties' must be explicitly set to false"
        )));
    }
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        if open.contains(&target) {
            return Err(ApiError::invalid(format!(
                "{at}: Circular reference detected in schema definitions: {target}"
            )));
        }
        let pointer = target.strip_prefix('#');
        let Some(found) = pointer.and_then(|pointer| root.pointer(pointer)) else {
            return Err(ApiError::invalid(format!(
                "{at}: Unresolvable reference: {target}"
            )));
        };
        open.push(target);
        walk(at, found, root, open, depth + 1)?;
        open.pop();
    }
    for name in ["properties", "$defs", "definitions"] {
        for (_, child) in schema
            .get(name)
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            walk(at, child, root, open, depth + 1)?;
        }
    }
    for name in ["anyOf", "oneOf", "allOf"] {
        for child in schema
            .get(name)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            walk(at, child, root, open, depth + 1)?;
        }
    }
    match schema.get("items") {
        Some(items) => walk(at, items, root, open, depth + 1),
        None => Ok(()),
    }
}
