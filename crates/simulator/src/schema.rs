//! A value that obeys a JSON schema, as a model that keeps to it would write.

use serde_json::{Map, Value, json};

/// Depth at which a schema that refers to itself gets null.
const MAX_DEPTH: usize = 16;

/// The simplest value `schema` allows, for the keywords that models are asked to obey; the same each time.
pub(crate) fn example(schema: &Value) -> Value {
    at(schema, schema, 0)
}

fn at(schema: &Value, root: &Value, depth: usize) -> Value {
    if depth > MAX_DEPTH {
        return Value::Null;
    }
    for fixed in ["const", "default", "example"] {
        if let Some(value) = schema.get(fixed) {
            return value.clone();
        }
    }
    if let Some(first) = schema.get("enum").and_then(|values| values.get(0)) {
        return first.clone();
    }
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        let target = target
            .strip_prefix('#')
            .and_then(|pointer| root.pointer(pointer));
        return target.map_or(Value::Null, |target| at(target, root, depth + 1));
    }
    if let Some(first) = ["anyOf", "oneOf", "allOf"]
        .iter()
        .find_map(|key| schema.get(key)?.get(0))
    {
        return at(first, root, depth + 1);
    }
    let kind = match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.first().and_then(Value::as_str),
        Some(kind) => kind.as_str(),
        None if schema.get("properties").is_some() => Some("object"),
        None => None,
    };
    match kind {
        Some("object") => object(schema, root, depth),
        Some("array") => array(schema, root, depth),
        Some("integer") => json!(lowest(schema).ceil() as i64),
        Some("number") => json!(lowest(schema)),
        Some("boolean") => json!(true),
        Some("null") => Value::Null,
        _ => json!(string(schema)),
    }
}

fn object(schema: &Value, root: &Value, depth: usize) -> Value {
    let empty = Map::new();
    let properties = schema
        .get("properties")
        .and_then(Value::as_object)
        .unwrap_or(&empty);
    properties
        .iter()
        .map(|(name, property)| (name.clone(), at(property, root, depth + 1)))
        .collect()
}

fn array(schema: &Value, root: &Value, depth: usize) -> Value {
    let count = schema
        .get("minItems")
        .and_then(Value::as_u64)
        .unwrap_or(1)
        .clamp(1, 16) as usize;
    let item = schema
        .get("items")
        .map_or(Value::Null, |items| at(items, root, depth + 1));
    if schema.get("items").is_none() {
        json!([])
    } else {
        Value::Array(vec![item; count])
    }
}

fn lowest(schema: &Value) -> f64 {
    let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
    bound("minimum")
        .or_else(|| bound("exclusiveMinimum").map(|above| above + 1.0))
        .or(bound("maximum"))
        .unwrap_or(1.0)
}

fn string(schema: &Value) -> String {
    let text = match schema.get("format").and_then(Value::as_str) {
        Some("date") => "2026-01-02",
        Some("date-time") => "2026-01-02T03:04:05Z",
        Some("email") => "someone@example.com",
        Some("uri") => "https://example.com/",
        Some("uuid") => "00000000-0000-4000-8000-000000000000",
        _ => "lorem ipsum",
    };
    let bound = |key: &str| {
        schema
            .get(key)
            .and_then(Value::as_u64)
            .map(|bound| bound as usize)
    };
    let longest = bound("maxLength").unwrap_or(usize::MAX);
    let padded = format!(
        "{text:x<width$}",
        width = bound("minLength").unwrap_or(0).min(10_000)
    );
    padded.chars().take(longest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_example_obeys_its_schema() {
        let table = [
            (json!({"type": "string"}), json!("lorem ipsum")),
            (json!({"type": "string", "maxLength": 5}), json!("lorem")),
            (json!({"type": "string", "enum": ["b", "a"]}), json!("b")),
            (
                json!({"type": ["integer", "null"], "minimum": 18}),
                json!(18),
            ),
            (json!({"type": "number", "exclusiveMinimum": 2}), json!(3.0)),
            (
                json!({"type": "array", "items": {"type": "boolean"}, "minItems": 2}),
                json!([true, true]),
            ),
            (
                json!({"type": "object", "properties": {"a": {"const": 4}, "b": {"$ref": "#/$defs/t"}},
                    "$defs": {"t": {"anyOf": [{"type": "null"}]}}}),
                json!({"a": 4, "b": null}),
            ),
            (json!({}), json!("lorem ipsum")),
        ];
        for (schema, expected) in table {
            assert_eq!(example(&schema), expected, "{schema}");
        }
    }

    #[test]
    fn a_schema_that_refers_to_itself_ends() {
        let schema = json!({"type": "object", "properties": {"next": {"$ref": "#"}}});
        assert!(example(&schema).to_string().len() < 500);
    }
}
