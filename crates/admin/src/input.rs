//! Rules that values of several resources share.

use serde_json::{Map, Value};

use crate::error::Error;

/// Longest name, in characters: the columns' size.
const NAME_CHARS: usize = 100;

/// Applies an RFC 7396 merge patch. A null is kept as such instead of removing the member: every field of an input may
/// be null and then has its default, and a null for a field that does not exist is still seen and refused.
pub(crate) fn merge(target: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (key, change) in patch {
        match (target.get_mut(&key), change) {
            (Some(Value::Object(old)), Value::Object(change)) => merge(old, change),
            (_, change) => {
                target.insert(key, change);
            }
        }
    }
}

/// The members of what is known to be an object.
pub(crate) fn fields(object: Value) -> Map<String, Value> {
    match object {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// Takes out the nulls that [`merge`] left in an object of free form, where they mean removal.
pub(crate) fn drop_nulls(fields: &mut Map<String, Value>) {
    fields.retain(|_, value| !value.is_null());
    for value in fields.values_mut() {
        if let Value::Object(inner) = value {
            drop_nulls(inner);
        }
    }
}

/// A name: trimmed, 1 to 100 characters, none of them a control character.
pub(crate) fn name(field: &'static str, given: Option<String>) -> Result<String, Error> {
    let given = given.ok_or_else(|| Error::invalid(field, "is missing"))?;
    let trimmed = given.trim();
    let length = trimmed.chars().count();
    if !(1..=NAME_CHARS).contains(&length) {
        return Err(Error::invalid(
            field,
            format!("must have 1 to {NAME_CHARS} characters"),
        ));
    }
    if trimmed.contains(char::is_control) {
        return Err(Error::invalid(field, "must not hold control characters"));
    }
    Ok(trimmed.to_owned())
}

/// A number between `low` and `high`; `default` where none is given.
pub(crate) fn number(
    field: &'static str,
    given: Option<i32>,
    (low, high): (i32, i32),
    default: i32,
) -> Result<i32, Error> {
    let value = given.unwrap_or(default);
    if (low..=high).contains(&value) {
        Ok(value)
    } else {
        Err(Error::invalid(
            field,
            format!("must be between {low} and {high}"),
        ))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(target: Value, patch: Value, expected: Value) {
        let (Value::Object(mut merged), Value::Object(patch)) = (target, patch) else {
            panic!("objects only");
        };
        merge(&mut merged, patch);
        assert_eq!(Value::Object(merged), expected);
    }

    #[test]
    fn a_patch_replaces_what_it_names() {
        check(json!({"a": 1}), json!({}), json!({"a": 1}));
        check(json!({"a": 1}), json!({"a": 2}), json!({"a": 2}));
        check(json!({"a": 1}), json!({"a": null}), json!({"a": null}));
        check(json!({}), json!({"b": null}), json!({"b": null}));
        check(
            json!({"a": {"b": 1, "c": 2}}),
            json!({"a": {"b": 3}}),
            json!({"a": {"b": 3, "c": 2}}),
        );
        check(json!({"a": [1, 2]}), json!({"a": [3]}), json!({"a": [3]}));
        check(
            json!({"a": 1}),
            json!({"a": {"b": 1}}),
            json!({"a": {"b": 1}}),
        );
        check(json!({"a": {"b": 1}}), json!({"a": 1}), json!({"a": 1}));
    }

    #[test]
    fn names_are_trimmed_and_bounded() {
        let given = |text: &str| name("name", Some(text.to_owned())).ok();
        assert_eq!(given(" gpt-5 ").as_deref(), Some("gpt-5"));
        assert_eq!(given(&"é".repeat(100)).map(|name| name.len()), Some(200));
        for bad in ["", "  ", "a\nb", "a\u{7f}", &"x".repeat(101)] {
            assert_eq!(given(bad), None, "{bad:?}");
        }
        assert!(name("name", None).is_err());
    }
}
