//! The subset of JSON schemas that OpenAI takes as strict.

use serde_json::{Map, Value};

use crate::canonical::Json;

/// Whether `schema` is of that subset: the root is an object, every object lists all its properties as required and is
/// closed, and none of the keywords stands in it that OpenAI's documents exclude. Another schema, sent as strict, is refused.
pub(super) fn obeys(schema: &Json) -> bool {
    let Ok(Value::Object(root)) = serde_json::from_str(schema.get()) else {
        return false;
    };
    root.get("type").and_then(Value::as_str) == Some("object")
        && !root.contains_key("anyOf")
        && is_strict(&root)
}

/// Keywords that are not of the subset.
const EXCLUDED: [&str; 11] = [
    "allOf",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
    "dependentRequired",
    "dependentSchemas",
    "patternProperties",
    "unevaluatedProperties",
    "propertyNames",
];

/// serde_json bounds how deep this goes.
fn is_strict(schema: &Map<String, Value>) -> bool {
    if EXCLUDED.iter().any(|keyword| schema.contains_key(*keyword)) {
        return false;
    }
    let is_object = match schema.get("type") {
        Some(Value::String(kind)) => kind == "object",
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "object"),
        _ => schema.contains_key("properties"),
    };
    if is_object && !is_closed(schema) {
        return false;
    }
    let all = |schemas: Option<&Value>| match schemas {
        Some(Value::Object(schemas)) => schemas.values().all(is_strict_value),
        Some(Value::Array(schemas)) => schemas.iter().all(is_strict_value),
        _ => true,
    };
    all(schema.get("properties"))
        && all(schema.get("$defs"))
        && all(schema.get("definitions"))
        && all(schema.get("anyOf"))
        && schema.get("items").is_none_or(is_strict_value)
}

fn is_strict_value(schema: &Value) -> bool {
    schema.as_object().is_some_and(is_strict)
}

fn is_closed(schema: &Map<String, Value>) -> bool {
    let required: std::collections::HashSet<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let properties = schema.get("properties").and_then(Value::as_object);
    schema.get("additionalProperties") == Some(&Value::Bool(false))
        && properties.is_none_or(|properties| {
            properties
                .keys()
                .all(|name| required.contains(name.as_str()))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(schema: &str, expected: bool) {
        assert_eq!(obeys(&Json::parse(schema).unwrap()), expected, "{schema}");
    }

    #[test]
    fn every_object_is_closed_and_wants_all_it_has() {
        check(
            r#"{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}"#,
            true,
        );
        check(r#"{"type":"object","additionalProperties":false}"#, true);
        check(
            r#"{"type":"object","properties":{"a":{}},"required":[],"additionalProperties":false}"#,
            false,
        );
        check(
            r#"{"type":"object","properties":{"a":{}},"required":["a"]}"#,
            false,
        );
        check(
            r#"{"type":"object","properties":{"a":{"type":"object"}},"required":["a"],"additionalProperties":false}"#,
            false,
        );
        check(
            r#"{"type":"object","properties":{"a":{"type":"array","items":{"properties":{}}}},"required":["a"],"additionalProperties":false}"#,
            false,
        );
        check(
            r##"{"type":"object","properties":{"a":{"$ref":"#/$defs/b"}},"required":["a"],"additionalProperties":false,"$defs":{"b":{"type":["object","null"]}}}"##,
            false,
        );
    }

    #[test]
    fn excluded_keywords_and_other_roots_do_not_obey() {
        check(r#"{"type":"array","items":{"type":"string"}}"#, false);
        check(
            r#"{"type":"object","anyOf":[],"additionalProperties":false}"#,
            false,
        );
        check(
            r#"{"type":"object","properties":{"a":{"oneOf":[]}},"required":["a"],"additionalProperties":false}"#,
            false,
        );
        check(
            r#"{"type":"object","properties":{"a":{"anyOf":[{"type":"string"}]}},"required":["a"],"additionalProperties":false}"#,
            true,
        );
        check("true", false);
    }
}
