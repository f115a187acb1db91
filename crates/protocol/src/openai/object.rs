//! Objects of a request, read strictly: a value of the wrong type is told by its path, a member that nobody asked for is
//! not forgotten.

use std::borrow::Cow;

use crate::{
    RequestError,
    json::{Kind, Scanner, Value},
};

/// An object whose members are taken one after the other.
#[derive(Debug)]
pub(super) struct Object<'a> {
    /// Where it stands; empty for the body.
    path: String,
    members: Vec<(Cow<'a, str>, Value<'a>)>,
}

type Read<T> = Result<T, RequestError>;

impl<'a> Object<'a> {
    /// The body.
    pub(super) fn body(body: &'a [u8]) -> Read<Self> {
        let mut scanner = Scanner::new(body)?;
        let value = scanner.value()?;
        scanner.end()?;
        if value.kind != Kind::Object {
            return Err(RequestError::NotAnObject);
        }
        Self::of(value, String::new())
    }

    /// The object that stands at `path`.
    pub(super) fn of(value: Value<'a>, path: String) -> Read<Self> {
        if value.kind != Kind::Object {
            return Err(wrong_type(path, "an object"));
        }
        let mut scanner = Scanner::new(value.raw().as_bytes())?;
        let mut cursor = scanner.enter_object()?;
        let mut members = Vec::new();
        while let Some(key) = scanner.next_member(&mut cursor)? {
            members.push((key.as_str().unwrap_or_default(), scanner.value()?));
        }
        Ok(Self { path, members })
    }

    /// Where it stands.
    pub(super) fn place(&self) -> &str {
        &self.path
    }

    /// The path of a member.
    pub(super) fn path(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }

    /// The error that a member is not of the type that it has to be.
    pub(super) fn wrong_type(&self, name: &str, expected: &'static str) -> RequestError {
        wrong_type(self.path(name), expected)
    }

    /// The error that a member's value is not allowed.
    pub(super) fn invalid(&self, name: &str, reason: impl Into<Cow<'static, str>>) -> RequestError {
        RequestError::Invalid {
            field: self.path(name),
            reason: reason.into(),
        }
    }

    /// Takes a member out. Null is as good as absent; one that stands twice is refused.
    pub(super) fn take(&mut self, name: &str) -> Read<Option<Value<'a>>> {
        let Some(at) = self.members.iter().position(|(key, _)| key == name) else {
            return Ok(None);
        };
        let (_, value) = self.members.remove(at);
        if self.members.iter().any(|(key, _)| key == name) {
            return Err(RequestError::Duplicate(self.path(name)));
        }
        Ok((!value.is_null()).then_some(value))
    }

    /// Takes a member out where its value is of the form wanted, else leaves it.
    pub(super) fn take_if(&mut self, name: &str, wanted: impl Fn(&Value<'a>) -> bool) -> Read<()> {
        let mut named = self.members.iter().filter(|(key, _)| key == name);
        if named.next().is_some_and(|(_, value)| wanted(value)) {
            self.take(name)?;
        }
        Ok(())
    }

    /// All members, which are texts.
    pub(super) fn into_texts(self) -> Read<Vec<(String, String)>> {
        let asked = self.members.iter().filter(|(_, value)| !value.is_null());
        asked
            .map(|(name, value)| {
                let text = value.as_str();
                let text = text.ok_or_else(|| self.wrong_type(name, "a string"))?;
                Ok((name.to_string(), text.into_owned()))
            })
            .collect()
    }

    /// Whether no member is left.
    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Takes a text out.
    pub(super) fn text(&mut self, name: &str) -> Read<Option<String>> {
        let Some(value) = self.take(name)? else {
            return Ok(None);
        };
        let text = value.as_str();
        let text = text.ok_or_else(|| self.wrong_type(name, "a string"))?;
        Ok(Some(text.into_owned()))
    }

    /// Takes out a text that has to be there.
    pub(super) fn required_text(&mut self, name: &str) -> Read<String> {
        self.text(name)?
            .ok_or_else(|| self.wrong_type(name, "a string"))
    }

    /// Takes a boolean out.
    pub(super) fn boolean(&mut self, name: &str) -> Read<Option<bool>> {
        self.scalar(name, "a boolean", Value::as_bool)
    }

    /// Takes a number out.
    pub(super) fn number(&mut self, name: &str) -> Read<Option<f64>> {
        self.scalar(name, "a number", Value::as_f64)
    }

    /// Takes an integer out.
    pub(super) fn integer(&mut self, name: &str) -> Read<Option<i64>> {
        self.scalar(name, "an integer", Value::as_i64)
    }

    /// Takes out an integer that is not negative.
    pub(super) fn natural<T: TryFrom<i64>>(&mut self, name: &str) -> Read<Option<T>> {
        self.scalar(name, "an integer that is not negative", |value| {
            value.as_i64()?.try_into().ok()
        })
    }

    fn scalar<T>(
        &mut self,
        name: &str,
        expected: &'static str,
        read: impl Fn(&Value<'a>) -> Option<T>,
    ) -> Read<Option<T>> {
        let Some(value) = self.take(name)? else {
            return Ok(None);
        };
        let read = read(&value).ok_or_else(|| self.wrong_type(name, expected))?;
        Ok(Some(read))
    }

    /// Takes an object out.
    pub(super) fn object(&mut self, name: &str) -> Read<Option<Self>> {
        let path = self.path(name);
        self.take(name)?
            .map(|value| Self::of(value, path))
            .transpose()
    }

    /// Takes out an object that has to be there.
    pub(super) fn required_object(&mut self, name: &str) -> Read<Self> {
        self.object(name)?
            .ok_or_else(|| self.wrong_type(name, "an object"))
    }

    /// Takes an array out: its elements, each with its path.
    pub(super) fn array(&mut self, name: &str) -> Read<Option<Vec<(Value<'a>, String)>>> {
        let Some(value) = self.take(name)? else {
            return Ok(None);
        };
        elements(value, &self.path(name)).map(Some)
    }

    /// Takes an array of objects out; absent means empty.
    pub(super) fn objects(&mut self, name: &str) -> Read<Vec<Self>> {
        let elements = self.array(name)?.unwrap_or_default();
        let objects = elements.into_iter();
        objects.map(|(value, path)| Self::of(value, path)).collect()
    }

    /// The paths of what nobody took; nulls ask for nothing.
    pub(super) fn rest(&self) -> impl Iterator<Item = String> {
        let asked = self.members.iter().filter(|(_, value)| !value.is_null());
        asked.map(|(name, _)| self.path(name))
    }
}

/// The elements of an array, each with its path.
pub(super) fn elements<'a>(value: Value<'a>, path: &str) -> Read<Vec<(Value<'a>, String)>> {
    if value.kind != Kind::Array {
        return Err(wrong_type(path.to_owned(), "an array"));
    }
    let mut scanner = Scanner::new(value.raw().as_bytes())?;
    let mut cursor = scanner.enter_array()?;
    let mut elements = Vec::new();
    while scanner.next_element(&mut cursor)? {
        elements.push((scanner.value()?, format!("{path}[{}]", elements.len())));
    }
    Ok(elements)
}

/// The texts of an array.
pub(super) fn texts(value: Value<'_>, path: &str) -> Read<Vec<String>> {
    let text = |(value, path): (Value<'_>, String)| {
        let text = value.as_str().map(Cow::into_owned);
        text.ok_or_else(|| wrong_type(path, "a string"))
    };
    elements(value, path)?.into_iter().map(text).collect()
}

fn wrong_type(field: String, expected: &'static str) -> RequestError {
    RequestError::Type { field, expected }
}
