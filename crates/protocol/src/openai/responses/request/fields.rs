//! The fields of one object of a request, each taken once; what is left is not known.

use std::{borrow::Cow, collections::BTreeMap};

use crate::{
    RequestError,
    canonical::{Extra, Json},
    feature::Feature,
    json::{Kind, Scanner, Value},
};

type Read<T> = Result<T, RequestError>;

/// The fields of one object; one that is null counts as absent.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    path: String,
    values: BTreeMap<Cow<'a, str>, Value<'a>>,
}

/// What stands in a field that may be of several types.
#[derive(Debug)]
pub(super) enum Any<'a> {
    Text(Cow<'a, str>),
    List(Vec<Value<'a>>),
    Fields(Fields<'a>),
}

impl<'a> Fields<'a> {
    /// Those of `raw`, which stands at `path`.
    pub(super) fn of(raw: Value<'a>, path: String) -> Read<Self> {
        if raw.kind != Kind::Object {
            return Err(wrong_type(path, "an object"));
        }
        let mut scanner = Scanner::new(raw.raw().as_bytes())?;
        let mut members = scanner.enter_object()?;
        let mut values = BTreeMap::new();
        while let Some(key) = scanner.next_member(&mut members)? {
            let value = scanner.value()?;
            let name = key
                .as_str()
                .ok_or_else(|| wrong_type(path.clone(), "an object whose keys are text"))?;
            match values.entry(name) {
                std::collections::btree_map::Entry::Vacant(vacant) => vacant.insert(value),
                std::collections::btree_map::Entry::Occupied(occupied) => {
                    return Err(RequestError::Duplicate(join(&path, occupied.key())));
                }
            };
        }
        Ok(Self { path, values })
    }

    /// The path of a field.
    pub(super) fn at(&self, name: &str) -> String {
        join(&self.path, name)
    }

    /// Where the object stands.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Whether a field is there.
    pub(super) fn has(&self, name: &str) -> bool {
        self.values.get(name).is_some_and(|value| !value.is_null())
    }

    /// Takes a field of any type.
    pub(super) fn value(&mut self, name: &str) -> Option<Value<'a>> {
        self.values.remove(name).filter(|value| !value.is_null())
    }

    /// Takes a text.
    pub(super) fn text(&mut self, name: &str) -> Read<Option<Cow<'a, str>>> {
        self.value(name)
            .map(|value| {
                value
                    .as_str()
                    .ok_or_else(|| wrong_type(self.at(name), "a string"))
            })
            .transpose()
    }

    /// Takes a text that has to be there.
    pub(super) fn needed_text(&mut self, name: &str) -> Read<Cow<'a, str>> {
        self.text(name)?
            .ok_or_else(|| invalid(self.at(name), "it is required"))
    }

    /// Takes a truth value.
    pub(super) fn flag(&mut self, name: &str) -> Read<Option<bool>> {
        self.value(name)
            .map(|value| {
                value
                    .as_bool()
                    .ok_or_else(|| wrong_type(self.at(name), "a boolean"))
            })
            .transpose()
    }

    /// Takes a whole number from 0 up.
    pub(super) fn count(&mut self, name: &str) -> Read<Option<u64>> {
        self.value(name)
            .map(|value| {
                value
                    .as_i64()
                    .and_then(|number| u64::try_from(number).ok())
                    .ok_or_else(|| wrong_type(self.at(name), "a whole number"))
            })
            .transpose()
    }

    /// Takes a number.
    pub(super) fn number(&mut self, name: &str) -> Read<Option<f64>> {
        self.value(name)
            .map(|value| {
                value
                    .as_f64()
                    .filter(|number| number.is_finite())
                    .ok_or_else(|| wrong_type(self.at(name), "a number"))
            })
            .transpose()
    }

    /// Takes an object.
    pub(super) fn fields(&mut self, name: &str) -> Read<Option<Fields<'a>>> {
        self.value(name)
            .map(|value| Fields::of(value, self.at(name)))
            .transpose()
    }

    /// Takes an object that is carried, not read.
    pub(super) fn json(&mut self, name: &str) -> Read<Option<Json>> {
        self.value(name)
            .map(|value| {
                let json = (value.kind == Kind::Object)
                    .then(|| Json::parse(value.raw()).ok())
                    .flatten();
                json.ok_or_else(|| wrong_type(self.at(name), "an object"))
            })
            .transpose()
    }

    /// Takes a list.
    pub(super) fn list(&mut self, name: &str) -> Read<Option<Vec<Value<'a>>>> {
        match self.value(name) {
            None => Ok(None),
            Some(value) if value.kind == Kind::Array => elements(value).map(Some),
            Some(_) => Err(wrong_type(self.at(name), "an array")),
        }
    }

    /// Takes a text, a list or an object.
    pub(super) fn any(&mut self, name: &str, expected: &'static str) -> Read<Option<Any<'a>>> {
        let Some(value) = self.value(name) else {
            return Ok(None);
        };
        Ok(Some(match value.kind {
            Kind::String => Any::Text(
                value
                    .as_str()
                    .ok_or_else(|| wrong_type(self.at(name), "a string"))?,
            ),
            Kind::Array => Any::List(elements(value)?),
            Kind::Object => Any::Fields(Fields::of(value, self.at(name))?),
            Kind::Null | Kind::Bool | Kind::Number => {
                return Err(wrong_type(self.at(name), expected));
            }
        }))
    }

    /// Reads every field as a text.
    pub(super) fn labels(self) -> Read<Vec<(String, String)>> {
        let path = self.path;
        self.values
            .into_iter()
            .map(|(name, value)| match value.as_str() {
                Some(text) => Ok((name.into_owned(), text.into_owned())),
                None => Err(wrong_type(join(&path, &name), "a string")),
            })
            .collect()
    }

    /// Takes fields that mean nothing to another provider.
    pub(super) fn ignore(&mut self, names: &[&str]) {
        for name in names {
            self.values.remove(*name);
        }
    }

    /// The fields that stay untaken, which nobody knows; nulls ask for nothing.
    pub(super) fn leave(self, extras: &mut Vec<Extra>) {
        for (name, value) in self.values {
            if !value.is_null() {
                extras.push(Extra {
                    feature: Feature::Other,
                    param: join(&self.path, &name),
                });
            }
        }
    }
}

fn elements(value: Value<'_>) -> Read<Vec<Value<'_>>> {
    let mut scanner = Scanner::new(value.raw().as_bytes())?;
    let mut cursor = scanner.enter_array()?;
    let mut elements = Vec::new();
    while scanner.next_element(&mut cursor)? {
        elements.push(scanner.value()?);
    }
    Ok(elements)
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// A field of the wrong type.
pub(super) fn wrong_type(field: String, expected: &'static str) -> RequestError {
    RequestError::Type { field, expected }
}

/// A field whose value is not allowed.
pub(super) fn invalid(field: String, reason: impl Into<Cow<'static, str>>) -> RequestError {
    RequestError::Invalid {
        field,
        reason: reason.into(),
    }
}
