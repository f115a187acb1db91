//! Values in files that take their types less seriously: numbers as texts, flags as numbers, JSON in texts.

use chrono::{DateTime, NaiveDateTime, Utc};
use serde_json::{Map, Value};

/// A text that is not empty, of a member; a number is one too.
pub(super) fn text(of: &Value, name: &str) -> Option<String> {
    match of.get(name)? {
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

pub(super) fn number(of: &Value, name: &str) -> Option<f64> {
    match of.get(name)? {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
    .filter(|number: &f64| number.is_finite())
}

pub(super) fn integer(of: &Value, name: &str) -> Option<i64> {
    match of.get(name)? {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// A flag; 0 and 1 are such too.
pub(super) fn flag(of: &Value, name: &str) -> Option<bool> {
    match of.get(name)? {
        Value::Bool(flag) => Some(*flag),
        Value::Number(number) => Some(number.as_f64() != Some(0.0)),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// An object, or one as JSON in a text; `None` where there is none, or one without members.
pub(super) fn object(of: &Value, name: &str) -> Option<Map<String, Value>> {
    let object = match of.get(name)? {
        Value::Object(object) => Some(object.clone()),
        Value::String(text) => serde_json::from_str(text).ok(),
        _ => None,
    };
    object.filter(|object| !object.is_empty())
}

/// A list of texts: a list, one as JSON in a text, or names separated by commas.
pub(super) fn names(of: &Value, name: &str) -> Vec<String> {
    let texts: Vec<String> = match of.get(name) {
        Some(Value::Array(list)) => list
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        Some(Value::String(text)) => serde_json::from_str(text)
            .unwrap_or_else(|_| text.split([',', '\n']).map(str::to_owned).collect()),
        _ => Vec::new(),
    };
    let mut names = Vec::new();
    for text in texts {
        let name = text.trim().to_owned();
        if !name.is_empty() && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// A moment as Go's drivers write it, or as JSON does.
pub(super) fn moment(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        return Some(moment.to_utc());
    }
    DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f%:z")
        .map(|moment| moment.to_utc())
        .ok()
        .or_else(|| {
            let local = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").ok()?;
            Some(local.and_utc())
        })
}

/// A number of dollars as the decimal that prices are written as, to the nano-dollar.
pub(super) fn usd(amount: f64) -> String {
    let text = format!("{amount:.9}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text.is_empty() { "0" } else { text }.to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn loose_values_are_read() {
        let of = json!({"a": " x ", "b": 7, "c": "", "d": "1.5", "e": 1, "f": "{\"g\": 1}", "h": "{}",
            "i": "x, y,,x", "j": "[\"p\", \"q\"]", "k": ["r"]});
        assert_eq!(text(&of, "a").as_deref(), Some("x"));
        assert_eq!(text(&of, "b").as_deref(), Some("7"));
        assert_eq!(text(&of, "c"), None);
        assert_eq!(number(&of, "d"), Some(1.5));
        assert_eq!(flag(&of, "e"), Some(true));
        assert_eq!(object(&of, "f").unwrap()["g"], 1);
        assert_eq!(object(&of, "h"), None);
        assert_eq!(names(&of, "i"), ["x", "y"]);
        assert_eq!(names(&of, "j"), ["p", "q"]);
        assert_eq!(names(&of, "k"), ["r"]);
    }

    #[test]
    fn moments_of_go_are_read() {
        let expected = moment("2027-01-02T03:04:05Z");
        assert!(expected.is_some());
        for text in [
            "2027-01-02 03:04:05+00:00",
            "2027-01-02 11:04:05.000+08:00",
            "2027-01-02 03:04:05",
        ] {
            assert_eq!(moment(text), expected, "{text}");
        }
        assert_eq!(moment("soon"), None);
    }

    #[test]
    fn dollars_are_decimals() {
        for (amount, expected) in [
            (2.5, "2.5"),
            (0.0, "0"),
            (10.0, "10"),
            (0.000_000_001, "0.000000001"),
        ] {
            assert_eq!(usd(amount), expected);
        }
    }
}
