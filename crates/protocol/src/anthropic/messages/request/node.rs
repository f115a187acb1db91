//! A JSON value that knows its place, so that errors can name it.

use std::{borrow::Cow, cell::Cell, fmt};

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::{
    RequestError,
    anthropic::messages::members::Members,
    canonical::{Extra, Json},
    feature::Feature,
    lent::Lent,
};

/// Where a value stands in the body.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place<'p> {
    Root,
    Member(&'p Place<'p>, &'p str),
    Element(&'p Place<'p>, usize),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Member(Self::Root, name) => formatter.write_str(name),
            Self::Member(parent, name) => write!(formatter, "{parent}.{name}"),
            Self::Element(parent, index) => write!(formatter, "{parent}[{index}]"),
        }
    }
}

/// A value and its place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node<'a, 'p> {
    pub(super) raw: &'a RawValue,
    pub(super) place: Place<'p>,
}

impl<'a, 'p> Node<'a, 'p> {
    fn wrong_type<T>(&self, expected: &'static str) -> Result<T, RequestError> {
        Err(RequestError::Type {
            field: self.place.to_string(),
            expected,
        })
    }

    /// The error of a value that breaks a rule.
    pub(super) fn invalid(&self, reason: impl Into<Cow<'static, str>>) -> RequestError {
        RequestError::Invalid {
            field: self.place.to_string(),
            reason: reason.into(),
        }
    }

    /// Notes that it asks for something without a place in the canonical form.
    pub(super) fn note(&self, feature: Feature, extras: &mut Vec<Extra>) {
        extras.push(Extra {
            feature,
            param: self.place.to_string(),
        });
    }

    fn parse<T: DeserializeOwned>(&self, expected: &'static str) -> Result<T, RequestError> {
        serde_json::from_str(self.raw.get()).or_else(|_| self.wrong_type(expected))
    }

    pub(super) fn is_string(&self) -> bool {
        self.raw.get().starts_with('"')
    }

    pub(super) fn text(&self) -> Result<Cow<'a, str>, RequestError> {
        serde_json::from_str::<Lent<'a>>(self.raw.get())
            .map(|lent| lent.0)
            .or_else(|_| self.wrong_type("a string"))
    }

    pub(super) fn string(&self) -> Result<String, RequestError> {
        self.text().map(Cow::into_owned)
    }

    pub(super) fn boolean(&self) -> Result<bool, RequestError> {
        self.parse("a boolean")
    }

    pub(super) fn number(&self) -> Result<f64, RequestError> {
        self.parse("a number")
    }

    pub(super) fn count(&self) -> Result<u64, RequestError> {
        self.parse("an integer that is not negative")
    }

    /// An object that is carried, not read.
    pub(super) fn json_object(&self) -> Result<Json, RequestError> {
        let json = Json::parse(self.raw.get()).or_else(|_| self.wrong_type("an object"))?;
        if json.is_object() {
            Ok(json)
        } else {
            self.wrong_type("an object")
        }
    }

    pub(super) fn object(&self) -> Result<Object<'a, 'p>, RequestError> {
        let Some(Members(members)) = Members::of(self.raw.get()) else {
            return self.wrong_type("an object");
        };
        let members = members.into_iter().map(|(name, raw)| Member {
            name: name.0,
            raw,
            taken: Cell::new(false),
        });
        Ok(Object {
            members: members.collect(),
            place: self.place,
        })
    }

    pub(super) fn list(&self) -> Result<List<'a, 'p>, RequestError> {
        let elements =
            serde_json::from_str(self.raw.get()).or_else(|_| self.wrong_type("an array"))?;
        Ok(List {
            elements,
            place: self.place,
        })
    }
}

/// An array and its place.
#[derive(Debug)]
pub(super) struct List<'a, 'p> {
    elements: Vec<&'a RawValue>,
    place: Place<'p>,
}

impl<'a> List<'a, '_> {
    pub(super) fn nodes(&self) -> impl Iterator<Item = Node<'a, '_>> {
        self.elements.iter().enumerate().map(|(index, raw)| Node {
            raw,
            place: Place::Element(&self.place, index),
        })
    }
}

/// An object and its place. Members that are null count as absent, as the SDKs send them for what is not set.
#[derive(Debug)]
pub(super) struct Object<'a, 'p> {
    members: Vec<Member<'a>>,
    place: Place<'p>,
}

#[derive(Debug)]
struct Member<'a> {
    name: Cow<'a, str>,
    raw: &'a RawValue,
    taken: Cell<bool>,
}

impl<'a> Object<'a, '_> {
    /// Takes a member, if it is there.
    pub(super) fn get<'s>(&'s self, name: &'s str) -> Result<Option<Node<'a, 's>>, RequestError> {
        let mut found = None;
        for member in self.members.iter().filter(|member| member.name == name) {
            if member.taken.replace(true) {
                continue;
            }
            let node = Node {
                raw: member.raw,
                place: Place::Member(&self.place, name),
            };
            if found.replace(node).is_some() {
                return Err(RequestError::Duplicate(node.place.to_string()));
            }
        }
        Ok(found.filter(|node| node.raw.get() != "null"))
    }

    /// Takes a member that must be there.
    pub(super) fn need<'s>(&'s self, name: &'static str) -> Result<Node<'a, 's>, RequestError> {
        match (self.get(name)?, self.place) {
            (Some(node), _) => Ok(node),
            (None, Place::Root) => Err(RequestError::Missing(name)),
            (None, _) => Err(RequestError::Invalid {
                field: Place::Member(&self.place, name).to_string(),
                reason: "it is required".into(),
            }),
        }
    }

    /// Takes a member that asks for `feature`, which has no place in the canonical form.
    pub(super) fn note(
        &self,
        name: &str,
        feature: Feature,
        extras: &mut Vec<Extra>,
    ) -> Result<(), RequestError> {
        if let Some(node) = self.get(name)? {
            node.note(feature, extras);
        }
        Ok(())
    }

    /// Ends the reading: members that nobody took are unknown to the format's documents.
    pub(super) fn end(&self, extras: &mut Vec<Extra>) {
        for member in &self.members {
            if !member.taken.get() && member.raw.get() != "null" {
                extras.push(Extra {
                    feature: Feature::Other,
                    param: Place::Member(&self.place, &member.name).to_string(),
                });
            }
        }
    }
}
