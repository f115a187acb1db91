//! Documents as JSON and TOML.

use serde_json::{Map, Value, json};

use super::{Document, Entry, Fault, Kind, Place};
use crate::error::Error;

/// The version of the format that is written, and the only one that is read.
const VERSION: u64 = 1;

/// Reads a TOML document.
pub(crate) fn parse_toml(bytes: &[u8]) -> Result<Document, Error> {
    let whole = |message: String| Error::Document(vec![Fault::at_path("", message)]);
    let text = str::from_utf8(bytes).map_err(|_| whole("is not UTF-8".to_owned()))?;
    let table: toml::Table = text
        .parse()
        .map_err(|error: toml::de::Error| whole(format!("is not valid TOML: {error}")))?;
    from_toml(table)
}

/// Reads a TOML document that is parsed already.
pub(crate) fn from_toml(table: toml::Table) -> Result<Document, Error> {
    let value = serde_json::to_value(dated(toml::Value::Table(table)))
        .map_err(|error| Error::Document(vec![Fault::at_path("", error.to_string())]))?;
    from_value(value)
}

/// TOML's times as texts, which the fields that hold times read.
fn dated(value: toml::Value) -> toml::Value {
    match value {
        toml::Value::Datetime(time) => toml::Value::String(time.to_string()),
        toml::Value::Array(values) => values.into_iter().map(dated).collect::<Vec<_>>().into(),
        toml::Value::Table(table) => {
            let table = table.into_iter().map(|(key, value)| (key, dated(value)));
            toml::Value::Table(table.collect())
        }
        other => other,
    }
}

/// Reads a document that is parsed already.
pub(crate) fn from_value(value: Value) -> Result<Document, Error> {
    let whole = |path: &str, message: &str| Error::Document(vec![Fault::at_path(path, message)]);
    let Value::Object(mut fields) = value else {
        return Err(whole("", "must be an object with sections"));
    };
    if let Some(version) = fields.remove("version")
        && version.as_u64() != Some(VERSION)
    {
        return Err(whole("version", "is unknown; this gateway reads version 1"));
    }
    let mut document = Document::default();
    let mut faults = Vec::new();
    for kind in Kind::ALL {
        let section = kind.section();
        let entries = match fields.remove(section) {
            None | Some(Value::Null) => continue,
            Some(Value::Array(entries)) => entries,
            Some(_) => {
                faults.push(Fault::at_path(section, "must be a list"));
                continue;
            }
        };
        let mut read = Vec::with_capacity(entries.len());
        for (index, entry) in entries.into_iter().enumerate() {
            let place = Place::Item { section, index };
            match entry {
                Value::Object(fields) => read.push(Entry { place, fields }),
                _ => faults.push(place.fault("", "must be an object")),
            }
        }
        document.insert(kind, read);
    }
    let unknown = fields
        .keys()
        .map(|key| Fault::at_path(key, "is no section of a document"));
    faults.extend(unknown);
    if faults.is_empty() {
        Ok(document)
    } else {
        Err(Error::Document(faults))
    }
}

/// The document as one JSON value.
fn value(document: &Document) -> Value {
    let mut whole = Map::new();
    whole.insert("version".to_owned(), json!(VERSION));
    for (kind, entries) in &document.sections {
        let entries: Vec<_> = entries.iter().map(|entry| entry.fields.clone()).collect();
        whole.insert(kind.section().to_owned(), json!(entries));
    }
    Value::Object(whole)
}

/// Writes JSON, for people too.
pub(crate) fn json(document: &Document) -> Result<Vec<u8>, Error> {
    serde_json::to_vec_pretty(&value(document))
        .map_err(|_| Error::Internal("a document is no JSON"))
}

/// Writes TOML. What TOML has no form for, such as nulls within metadata, is written as JSON in a text.
pub(crate) fn toml(document: &Document) -> Result<Vec<u8>, Error> {
    let mut value = value(document);
    for key in list(&mut value, "keys") {
        as_text(key, "metadata");
    }
    for provider in list(&mut value, "providers") {
        let models = provider.pointer_mut("/config/models");
        let models = models.and_then(Value::as_object_mut);
        for model in models.into_iter().flat_map(Map::values_mut) {
            as_text(model, "extra_body");
        }
    }
    ::toml::to_string_pretty(&value)
        .map(String::into_bytes)
        .map_err(|_| Error::Internal("a document is no TOML"))
}

fn list<'a>(whole: &'a mut Value, section: &str) -> impl Iterator<Item = &'a mut Value> {
    let list = whole.get_mut(section).and_then(Value::as_array_mut);
    list.into_iter().flatten()
}

fn as_text(object: &mut Value, field: &str) {
    if let Some(value) = object.get_mut(field)
        && !is_toml(value)
    {
        *value = Value::String(value.to_string());
    }
}

/// Whether TOML can hold a value: it knows no null, and no integer of more than 63 bits.
fn is_toml(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Number(number) => !number.is_u64() || number.is_i64(),
        Value::Array(values) => values.iter().all(is_toml),
        Value::Object(fields) => fields.values().all(is_toml),
        Value::Bool(_) | Value::String(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_json(bytes: &[u8]) -> Result<Document, Error> {
        from_value(serde_json::from_slice(bytes).map_err(Error::BadJson)?)
    }

    fn faults(text: &str) -> Vec<Fault> {
        match parse_json(text.as_bytes()) {
            Err(Error::Document(faults)) => faults,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_no_document_is_refused_by_its_place() {
        assert_eq!(
            faults(r#"{"models": [1], "providers": {}, "model": []}"#),
            [
                Fault::at_path("providers", "must be a list"),
                Fault::at_path("models[0]", "must be an object"),
                Fault::at_path("model", "is no section of a document"),
            ]
        );
        assert_eq!(faults("[]").len(), 1);
        assert_eq!(faults(r#"{"version": 2}"#).len(), 1);
        assert!(matches!(parse_json(b"{"), Err(Error::BadJson(_))));
        assert!(matches!(parse_toml(b"a ="), Err(Error::Document(_))));
        assert!(matches!(parse_toml(b"\xff"), Err(Error::Document(_))));
    }

    #[test]
    fn an_absent_section_is_not_spoken_of() {
        let document = parse_toml(b"version = 1\nkeys = []\n").unwrap();
        assert!(document.section(Kind::Key).is_some_and(<[Entry]>::is_empty));
        assert!(document.section(Kind::Model).is_none());
    }

    #[test]
    fn toml_keeps_what_it_has_no_form_for() {
        let fields = json!({"keys": [{"name": "k", "metadata": {"a": [null, 1], "b": u64::MAX}}],
            "providers": [{"name": "p", "config": {"models": {"m": {"extra_body": {"x": null}}}}}]});
        let written = toml(&from_value(fields).unwrap()).unwrap();
        let read = parse_toml(&written).unwrap();
        let key = &read.section(Kind::Key).unwrap()[0].fields;
        assert_eq!(
            key["metadata"],
            json!(r#"{"a":[null,1],"b":18446744073709551615}"#)
        );
    }

    #[test]
    fn a_time_in_toml_is_read_as_text() {
        let document = parse_toml(b"[[keys]]\nname = 'k'\nexpires_at = 2030-01-02T03:04:05Z\n");
        let document = document.unwrap();
        let key = &document.section(Kind::Key).unwrap()[0].fields;
        assert_eq!(key["expires_at"], "2030-01-02T03:04:05Z");
    }
}
