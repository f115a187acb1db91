//! Objects of requests, member by member, as proto3's JSON has them: names in camelCase or snake_case, `null` for absent,
//! numbers also as strings.

use std::{borrow::Cow, collections::HashSet, fmt};

use serde::{Deserialize, Deserializer, de};
use serde_json::value::RawValue;

use crate::{Feature, RequestError, canonical::Extra, json, lent::Lent};

/// An object, of which members are taken until those are left that nobody knows.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    path: String,
    members: Vec<(Cow<'a, str>, &'a RawValue)>,
}

impl<'a> Fields<'a> {
    /// The object that a body is.
    pub(crate) fn of_body(body: &'a [u8]) -> Result<Self, RequestError> {
        if json::validate(body)? != json::Kind::Object {
            return Err(RequestError::NotAnObject);
        }
        let raw: &RawValue = serde_json::from_slice(body).map_err(|_| RequestError::NotAnObject)?;
        Self::read(raw, "")
    }

    /// The object at `path`.
    pub(crate) fn read(raw: &'a RawValue, path: impl Into<String>) -> Result<Self, RequestError> {
        let path = path.into();
        let Some(members) = members(raw.get()) else {
            return Err(type_error(path, "an object"));
        };
        let members: Vec<_> = members
            .into_iter()
            .map(|(name, raw)| (camel_case(name), raw))
            .collect();
        let mut names = HashSet::with_capacity(members.len());
        for (name, _) in &members {
            if !names.insert(name.as_ref()) {
                return Err(RequestError::Duplicate(join(&path, name)));
            }
        }
        drop(names);
        Ok(Self { path, members })
    }

    /// Where it stands.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Where its member `name` stands.
    pub(crate) fn path_of(&self, name: &str) -> String {
        join(&self.path, name)
    }

    /// Takes a member; `null` is none.
    pub(crate) fn take(&mut self, name: &str) -> Option<&'a RawValue> {
        let at = self.members.iter().position(|(own, _)| own == name)?;
        let (_, raw) = self.members.swap_remove(at);
        (raw.get() != "null").then_some(raw)
    }

    /// Takes a string.
    pub(crate) fn string(&mut self, name: &str) -> Result<Option<Cow<'a, str>>, RequestError> {
        let lent: Option<Lent<'a>> = self.parse(name, "a string")?;
        Ok(lent.map(|Lent(text)| text))
    }

    /// Takes a boolean.
    pub(crate) fn bool(&mut self, name: &str) -> Result<Option<bool>, RequestError> {
        self.parse(name, "a boolean")
    }

    /// Takes a list of strings.
    pub(crate) fn strings(&mut self, name: &str) -> Result<Vec<String>, RequestError> {
        let list: Option<Vec<String>> = self.parse(name, "an array of strings")?;
        Ok(list.unwrap_or_default())
    }

    /// Takes a number.
    pub(crate) fn number(&mut self, name: &str) -> Result<Option<f64>, RequestError> {
        let number: Option<Number> = self.parse(name, "a number")?;
        Ok(number.map(|Number(number)| number))
    }

    /// Takes a whole number.
    pub(crate) fn integer(&mut self, name: &str) -> Result<Option<i64>, RequestError> {
        const EXPECTED: &str = "an integer";
        let number: Option<Number> = self.parse(name, EXPECTED)?;
        // Where the standard says `int32`, this range is exact in a double.
        let whole = |number: f64| number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0;
        match number {
            None => Ok(None),
            #[expect(clippy::cast_possible_truncation, reason = "checked just before")]
            Some(Number(number)) if whole(number) => Ok(Some(number as i64)),
            Some(_) => Err(type_error(self.path_of(name), EXPECTED)),
        }
    }

    /// Takes a whole number that is not negative.
    pub(crate) fn count(&mut self, name: &str) -> Result<Option<u64>, RequestError> {
        let field = self.path_of(name);
        self.integer(name)?
            .map(u64::try_from)
            .transpose()
            .map_err(|_| type_error(field, "an integer that is not negative"))
    }

    /// Takes an object.
    pub(crate) fn object(&mut self, name: &str) -> Result<Option<Self>, RequestError> {
        let path = self.path_of(name);
        self.take(name).map(|raw| Self::read(raw, path)).transpose()
    }

    /// Takes a list of anything: each element with its path.
    pub(crate) fn list(
        &mut self,
        name: &str,
    ) -> Result<Option<Vec<(&'a RawValue, String)>>, RequestError> {
        let path = self.path_of(name);
        let list: Option<Vec<&'a RawValue>> = self.parse(name, "an array")?;
        Ok(list.map(|list| {
            list.into_iter()
                .enumerate()
                .map(|(index, raw)| (raw, format!("{path}[{index}]")))
                .collect()
        }))
    }

    /// What is left, as fields that the documents do not know.
    pub(crate) fn unknown(self) -> impl Iterator<Item = Extra> {
        self.rest(Feature::Other)
    }

    /// What is left, as `feature`. Members that are `null` say nothing.
    pub(crate) fn rest(self, feature: Feature) -> impl Iterator<Item = Extra> {
        let Self { path, members } = self;
        members
            .into_iter()
            .filter(|(_, raw)| raw.get() != "null")
            .map(move |(name, _)| Extra {
                feature,
                param: join(&path, &name),
            })
    }

    fn parse<T: Deserialize<'a>>(
        &mut self,
        name: &str,
        expected: &'static str,
    ) -> Result<Option<T>, RequestError> {
        let Some(raw) = self.take(name) else {
            return Ok(None);
        };
        serde_json::from_str(raw.get())
            .map(Some)
            .map_err(|_| type_error(self.path_of(name), expected))
    }
}

/// A field that is not of the type it should be.
pub(crate) fn type_error(field: String, expected: &'static str) -> RequestError {
    RequestError::Type { field, expected }
}

/// A field that must be there and is not.
pub(crate) fn missing(field: String) -> RequestError {
    invalid(field, "it is required")
}

/// A field that says what it may not.
pub(crate) fn invalid(field: String, reason: &'static str) -> RequestError {
    RequestError::Invalid {
        field,
        reason: reason.into(),
    }
}

/// The members of the object that `json` is, in order and as they are named; `None` where it is none.
pub(crate) fn members(json: &str) -> Option<Vec<(Cow<'_, str>, &RawValue)>> {
    let Members(members) = serde_json::from_str(json).ok()?;
    Some(members)
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some((Lent(name), raw)) = map.next_entry()? {
                    members.push((name, raw));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

/// The name that a member has in camelCase.
pub(crate) fn camel_case(name: Cow<'_, str>) -> Cow<'_, str> {
    if !name.contains('_') {
        return name;
    }
    let mut pieces = name.split('_');
    let mut camel = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let mut characters = piece.chars();
        camel.extend(characters.next().map(|first| first.to_ascii_uppercase()));
        camel.push_str(characters.as_str());
    }
    Cow::Owned(camel)
}

struct Number(f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Number;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number")
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Number, E> {
                Ok(Number(number))
            }

            #[expect(
                clippy::cast_precision_loss,
                reason = "proto3's JSON numbers are doubles"
            )]
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Number, E> {
                Ok(Number(number as f64))
            }

            #[expect(
                clippy::cast_precision_loss,
                reason = "proto3's JSON numbers are doubles"
            )]
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Number, E> {
                Ok(Number(number as f64))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Number, E> {
                let number: f64 = text.parse().map_err(E::custom)?;
                if number.is_finite() {
                    Ok(Number(number))
                } else {
                    Err(E::custom("not finite"))
                }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_read_as_proto3_has_them() {
        let mut fields = Fields::of_body(
            br#"{"top_k":40.0,"topP":"0.5","seed":"7","a_b_c":true,"none":null,"list":["x"],"new_one":1,"n":-1,"h":0.5}"#,
        )
        .unwrap();
        assert_eq!(fields.integer("topK"), Ok(Some(40)));
        assert_eq!(fields.number("topP"), Ok(Some(0.5)));
        assert_eq!(fields.integer("seed"), Ok(Some(7)));
        assert_eq!(fields.bool("aBC"), Ok(Some(true)));
        assert_eq!(fields.string("none"), Ok(None));
        assert_eq!(fields.strings("list"), Ok(vec!["x".to_owned()]));
        assert!(fields.count("n").is_err() && fields.integer("h").is_err());
        let rest: Vec<_> = fields.unknown().map(|extra| extra.param).collect();
        assert_eq!(rest, ["newOne"]);
    }

    #[test]
    fn a_name_said_twice_is_refused_in_either_spelling() {
        let error = Fields::of_body(br#"{"top_k":1,"topK":2}"#).unwrap_err();
        assert_eq!(error, RequestError::Duplicate("topK".to_owned()));
    }
}
