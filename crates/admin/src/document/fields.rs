//! Fields of entries: names that they must have, and what differs between two states of an object.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::report::FieldChange;
use crate::{error::Error, input};

/// The name in `field`, as the API takes it.
pub(crate) fn name(fields: &Map<String, Value>, field: &'static str) -> Result<String, Error> {
    match optional(fields, field)? {
        None => Err(Error::invalid(field, "is missing")),
        given => input::name(field, given),
    }
}

/// The text in `field`, where there is one.
pub(crate) fn optional(
    fields: &Map<String, Value>,
    field: &'static str,
) -> Result<Option<String>, Error> {
    match fields.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.trim().to_owned())),
        Some(_) => Err(Error::invalid(field, "must be a string")),
    }
}

/// Reads `field` as JSON where it is a text: TOML and sheets have no other place for nulls and objects.
pub(crate) fn parse_object(
    fields: &mut Map<String, Value>,
    field: &'static str,
) -> Result<(), Error> {
    if let Some(Value::String(text)) = fields.get(field) {
        let object: Map<String, Value> = serde_json::from_str(text).map_err(|error| {
            Error::invalid(
                field,
                format!("must be an object, or one as JSON text: {error}"),
            )
        })?;
        fields.insert(field.to_owned(), Value::Object(object));
    }
    Ok(())
}

/// Every field that differs, with dotted names for those in objects.
pub(crate) fn changes(before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<FieldChange> {
    let (before, after) = (flat(before), flat(after));
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let value = |side: &BTreeMap<String, Value>, name: &String| {
        side.get(name).cloned().unwrap_or(Value::Null)
    };
    names
        .into_iter()
        .map(|name| FieldChange {
            field: name.clone(),
            before: value(&before, name),
            after: value(&after, name),
        })
        .filter(|change| change.before != change.after)
        .collect()
}

fn flat(fields: &Map<String, Value>) -> BTreeMap<String, Value> {
    let mut into = BTreeMap::new();
    flatten("", fields, &mut into);
    into
}

fn flatten(prefix: &str, fields: &Map<String, Value>, into: &mut BTreeMap<String, Value>) {
    for (name, value) in fields {
        let name = format!("{prefix}{name}");
        match value {
            Value::Object(inner) if !inner.is_empty() => {
                flatten(&format!("{name}."), inner, into);
            }
            Value::Null => {}
            other => {
                into.insert(name, other.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_differs_is_a_change() {
        let before = input::fields(json!({"a": 1, "b": {"c": 2, "d": null}, "e": [1], "f": {}}));
        let after = input::fields(json!({"a": 1, "b": {"c": 3, "g": true}, "e": [1], "f": {}}));
        let told: Vec<_> = changes(&before, &after)
            .into_iter()
            .map(|change| (change.field, change.before, change.after))
            .collect();
        let expected = [
            ("b.c".to_owned(), json!(2), json!(3)),
            ("b.g".to_owned(), json!(null), json!(true)),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn an_object_may_be_given_as_text() {
        let mut fields = input::fields(json!({"a": "{\"b\": null}", "c": "no", "d": {"e": 1}}));
        parse_object(&mut fields, "a").unwrap();
        parse_object(&mut fields, "d").unwrap();
        assert_eq!(fields["a"], json!({"b": null}));
        assert!(parse_object(&mut fields, "c").is_err());
    }
}
