//! Checks of an object's members from a table; each dialect puts what is found into its own words.

use serde_json::{Map, Value};

/// What a member must hold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Any,
    Bool,
    Number(f64, f64),
    Integer(i64, i64),
    Text,
    Object,
    Array,
    TextOrArray,
    TextOrObject,
}

/// Any whole number.
pub(crate) const INTEGER: Kind = Kind::Integer(i64::MIN, i64::MAX);

/// What is wrong with an object.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Flaw {
    /// It is none.
    NotObject,
    /// It has a member that is not known.
    Unknown(String),
    /// It lacks this member.
    Missing(&'static str),
    /// This member is not of its kind.
    WrongType(&'static str, Kind),
    /// This number is below (`true`) or above its range.
    OutOfRange(&'static str, Kind, bool),
}

impl Kind {
    /// Whether the value is of the kind; its range is not looked at.
    pub(crate) fn fits(self, value: &Value) -> bool {
        match self {
            Self::Any => true,
            Self::Bool => value.is_boolean(),
            Self::Number(..) => value.is_number(),
            Self::Integer(..) => value.is_i64() || value.is_u64(),
            Self::Text => value.is_string(),
            Self::Object => value.is_object(),
            Self::Array => value.is_array(),
            Self::TextOrArray => value.is_string() || value.is_array(),
            Self::TextOrObject => value.is_string() || value.is_object(),
        }
    }

    /// The bounds of a number.
    pub(crate) fn range(self) -> Option<(f64, f64)> {
        match self {
            Self::Number(low, high) => Some((low, high)),
            Self::Integer(low, high) => Some((low as f64, high as f64)),
            _ => None,
        }
    }
}

/// The members of `value`, once each is known and of its kind. Null is taken for every member that may be missing.
pub(crate) fn check<'a>(
    value: &'a Value,
    known: &[(&'static str, Kind)],
    required: &[&'static str],
) -> Result<&'a Map<String, Value>, Flaw> {
    let members = value.as_object().ok_or(Flaw::NotObject)?;
    if let Some(missing) = required.iter().find(|name| !members.contains_key(**name)) {
        return Err(Flaw::Missing(missing));
    }
    for (name, kind) in known {
        let Some(value) = members.get(*name) else {
            continue;
        };
        if value.is_null() && !required.contains(name) {
            continue;
        }
        if !kind.fits(value) {
            return Err(Flaw::WrongType(name, *kind));
        }
        if let Some((low, high)) = kind.range() {
            let number = value.as_f64().unwrap_or(f64::NAN);
            if number < low || number > high {
                return Err(Flaw::OutOfRange(name, *kind, number < low));
            }
        }
    }
    match members
        .keys()
        .find(|name| !known.iter().any(|(known, _)| known == name))
    {
        Some(unknown) => Err(Flaw::Unknown(unknown.clone())),
        None => Ok(members),
    }
}
