//! JSON schemas out of Gemini's subset of OpenAPI's: upper-case types, `nullable`, `int64` as strings.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::{
    RequestError,
    canonical::Json,
    gemini::fields::{camel_case, members, type_error},
};

/// The JSON schema that says what `raw`, at `path`, says. The order of properties is kept, or is that of `propertyOrdering`.
pub(super) fn read(raw: &RawValue, path: String) -> Result<Json, RequestError> {
    let mut out = String::with_capacity(raw.get().len());
    let schema = if schema(raw.get(), &mut out) {
        Json::parse(&out).ok()
    } else {
        None
    };
    schema.ok_or_else(|| type_error(path, "a schema"))
}

type Member<'a> = (Cow<'a, str>, &'a RawValue);

/// Writes one schema; `false` if it is none.
fn schema(raw: &str, out: &mut String) -> bool {
    let Some(list) = members(raw) else {
        // JSON schema allows `true` and `false`.
        out.push_str(raw);
        return matches!(raw, "true" | "false");
    };
    let list: Vec<Member<'_>> = list
        .into_iter()
        .map(|(name, value)| (camel_case(name), value))
        .filter(|(_, value)| value.get() != "null")
        .collect();
    let find = |name: &str| {
        list.iter()
            .find(|(own, _)| own == name)
            .map(|(_, value)| value.get())
    };
    let nullable = find("nullable") == Some("true");
    let order = find("propertyOrdering");
    let mut object = Members::begin(out);
    let is_schema = list
        .iter()
        .all(|(name, value)| keyword(name, value.get(), nullable, order, &mut object));
    object.end();
    is_schema
}

/// Writes one keyword; `false` if its value cannot be.
fn keyword(
    name: &str,
    value: &str,
    nullable: bool,
    order: Option<&str>,
    object: &mut Members<'_>,
) -> bool {
    match name {
        "nullable" | "propertyOrdering" => true,
        "type" => types(value, nullable, object),
        "format" if value == "\"enum\"" => true,
        "properties" => {
            let out = object.key("properties");
            named(value, order, out)
        }
        "defs" => named(value, None, object.key("$defs")),
        "ref" => {
            let Ok(target) = serde_json::from_str::<String>(value) else {
                return false;
            };
            let target = target.replacen("#/defs/", "#/$defs/", 1);
            push_string(&target, object.key("$ref"));
            true
        }
        "items" | "additionalProperties" => schema(value, object.key(name)),
        "anyOf" => each(value, nullable, object.key(name)),
        "enum" if nullable => with_null(value, object.key(name)),
        "example" => {
            let out = object.key("examples");
            out.push('[');
            out.push_str(value);
            out.push(']');
            true
        }
        "maxItems" | "minItems" | "maxLength" | "minLength" | "maxProperties" | "minProperties" => {
            let number = value.trim_matches('"');
            let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
            object.key(name).push_str(number);
            is_number
        }
        _ => {
            object.key(name).push_str(value);
            true
        }
    }
}

fn types(value: &str, nullable: bool, object: &mut Members<'_>) -> bool {
    let mut types: Vec<String> = match serde_json::from_str::<String>(value) {
        Ok(one) => vec![one],
        Err(_) => match serde_json::from_str(value) {
            Ok(several) => several,
            Err(_) => return false,
        },
    };
    for own in &mut types {
        own.make_ascii_lowercase();
    }
    types.retain(|own| own != "type_unspecified");
    if types.is_empty() {
        return true;
    }
    if nullable && !types.iter().any(|own| own == "null") {
        types.push("null".to_owned());
    }
    let out = object.key("type");
    match types.as_slice() {
        [one] => push_string(one, out),
        several => {
            let list = serde_json::to_string(several);
            out.push_str(&list.expect("strings are JSON"));
        }
    }
    true
}

/// Schemas by name, in the order told.
fn named(value: &str, order: Option<&str>, out: &mut String) -> bool {
    let Some(mut list) = members(value) else {
        return false;
    };
    let order: Vec<String> = order
        .and_then(|order| serde_json::from_str(order).ok())
        .unwrap_or_default();
    let places: std::collections::HashMap<&str, usize> = order
        .iter()
        .enumerate()
        .map(|(place, name)| (name.as_str(), place))
        .collect();
    list.sort_by_key(|(name, _)| places.get(name.as_ref()).copied().unwrap_or(usize::MAX));
    let mut object = Members::begin(out);
    let are_schemas = list
        .iter()
        .all(|(name, value)| schema(value.get(), object.key(name)));
    object.end();
    are_schemas
}

fn each(value: &str, nullable: bool, out: &mut String) -> bool {
    let Ok(list) = serde_json::from_str::<Vec<&RawValue>>(value) else {
        return false;
    };
    out.push('[');
    for (index, value) in list.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        if !schema(value.get(), out) {
            return false;
        }
    }
    if nullable {
        out.push_str(if list.is_empty() { "" } else { "," });
        out.push_str(r#"{"type":"null"}"#);
    }
    out.push(']');
    true
}

fn with_null(value: &str, out: &mut String) -> bool {
    let Some(open) = value
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    else {
        return false;
    };
    out.push('[');
    out.push_str(open);
    out.push_str(if open.trim().is_empty() {
        "null]"
    } else {
        ",null]"
    });
    true
}

/// An object that is being written.
struct Members<'o> {
    out: &'o mut String,
    first: bool,
}

impl<'o> Members<'o> {
    fn begin(out: &'o mut String) -> Self {
        out.push('{');
        Self { out, first: true }
    }

    /// Writes a key; its value comes next.
    fn key(&mut self, name: &str) -> &mut String {
        if !self.first {
            self.out.push(',');
        }
        self.first = false;
        push_string(name, self.out);
        self.out.push(':');
        self.out
    }

    fn end(self) {
        self.out.push('}');
    }
}

fn push_string(text: &str, out: &mut String) {
    out.push_str(&serde_json::to_string(text).expect("strings are JSON"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(gemini: &str, expected: Option<&str>) {
        let raw: &RawValue = serde_json::from_str(gemini).unwrap();
        let schema = read(raw, "s".to_owned()).ok();
        assert_eq!(schema.as_ref().map(Json::get), expected, "{gemini}");
    }

    #[test]
    fn types_are_lower_case_and_null_is_one_of_them() {
        check(r#"{"type":"STRING"}"#, Some(r#"{"type":"string"}"#));
        check(
            r#"{"type":"INTEGER","nullable":true,"format":"int32"}"#,
            Some(r#"{"type":["integer","null"],"format":"int32"}"#),
        );
        check(
            r#"{"type":["STRING","NULL"],"nullable":true}"#,
            Some(r#"{"type":["string","null"]}"#),
        );
        check(
            r#"{"type":"TYPE_UNSPECIFIED","nullable":false}"#,
            Some("{}"),
        );
        check(
            r#"{"type":"STRING","format":"enum","enum":["a"],"nullable":true}"#,
            Some(r#"{"type":["string","null"],"enum":["a",null]}"#),
        );
        check(
            r#"{"any_of":[{"type":"STRING"}],"nullable":true}"#,
            Some(r#"{"anyOf":[{"type":"string"},{"type":"null"}]}"#),
        );
    }

    #[test]
    fn nested_schemas_are_read_and_names_of_properties_are_left_alone() {
        check(
            r#"{"type":"OBJECT","properties":{"max_items":{"type":"NUMBER"},"type":{"type":"BOOLEAN"}},"required":["max_items"],
                "property_ordering":["type","max_items"]}"#,
            Some(
                r#"{"type":"object","properties":{"type":{"type":"boolean"},"max_items":{"type":"number"}},"required":["max_items"]}"#,
            ),
        );
        check(
            r##"{"type":"ARRAY","items":{"ref":"#/defs/P"},"min_items":"1","maxItems":3,"defs":{"P":{"type":"STRING","example":"x"}}}"##,
            Some(
                r##"{"type":"array","items":{"$ref":"#/$defs/P"},"minItems":1,"maxItems":3,"$defs":{"P":{"type":"string","examples":["x"]}}}"##,
            ),
        );
        check(
            r#"{"type":"OBJECT","additionalProperties":false,"title":null,"description":"a \"d\""}"#,
            Some(r#"{"type":"object","additionalProperties":false,"description":"a \"d\""}"#),
        );
    }

    #[test]
    fn what_is_no_schema_is_refused() {
        for none in [
            "7",
            "[]",
            r#""STRING""#,
            r#"{"type":7}"#,
            r#"{"properties":[]}"#,
            r#"{"items":7}"#,
            r#"{"anyOf":{}}"#,
            r#"{"ref":1}"#,
            r#"{"minItems":"1,2"}"#,
            r#"{"properties":{"a":1}}"#,
        ] {
            check(none, None);
        }
    }
}
