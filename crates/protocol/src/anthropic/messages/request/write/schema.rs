//! Schemas of answers, which the API takes with closed objects and without recursion only.

use std::collections::{HashMap, HashSet};

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::value::RawValue;

use crate::{
    anthropic::messages::members::Members, canonical::Json, feature::Feature, lent::Lent,
    translate::Unsayable,
};

/// Schemas nested deeper than this are refused: each level is read once more.
const MAX_DEPTH: usize = 32;

/// Keywords that hold a schema.
const ONE: [&str; 8] = [
    "items",
    "additionalItems",
    "contains",
    "not",
    "if",
    "then",
    "else",
    "propertyNames",
];
/// Keywords that hold an array of schemas.
const LIST: [&str; 4] = ["anyOf", "oneOf", "allOf", "prefixItems"];
/// Keywords that hold schemas by name.
const NAMED: [&str; 4] = ["properties", "$defs", "definitions", "patternProperties"];

/// Keywords that bound a value, which the API refuses: they are told in the description, as the vendor's SDKs do.
const BOUNDS: [&str; 12] = [
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
];

/// `schema` with every object closed. The order of members is kept, for models answer in it.
pub(super) fn closed(schema: &Json) -> Result<Json, Unsayable> {
    let mut walk = Walk::default();
    let schema: &RawValue =
        serde_json::from_str(schema.get()).map_err(|_| refused("it is no JSON"))?;
    let closed = walk.schema(schema, 0, true)?;
    walk.is_finite()?;
    Ok(Json::of(&closed))
}

fn refused(why: &'static str) -> Unsayable {
    Unsayable {
        feature: Feature::JsonSchema,
        why: why.into(),
    }
}

/// A schema as it is written.
enum Node<'a> {
    Raw(&'a RawValue),
    Text(String),
    Closed,
    Object(Vec<(Lent<'a>, Node<'a>)>),
    Array(Vec<Node<'a>>),
}

impl Serialize for Node<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Raw(raw) => raw.serialize(serializer),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Closed => serializer.serialize_bool(false),
            Self::Array(nodes) => serializer.collect_seq(nodes),
            Self::Object(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (name, node) in members {
                    map.serialize_entry(&name.0, node)?;
                }
                map.end()
            }
        }
    }
}

/// Whether it is a length that arrays may be held to: none or one at least.
fn is_least_length(keyword: &str, value: &RawValue) -> bool {
    keyword == "minItems" && matches!(value.get(), "0" | "1")
}

/// Tells `bounds` at the end of the description.
fn describe(schema: &mut Vec<(Lent<'_>, Node<'_>)>, bounds: &[String]) {
    if bounds.is_empty() {
        return;
    }
    let bounds = format!("{{{}}}", bounds.join(", "));
    let described = schema.iter_mut().find(|(name, _)| name.0 == "description");
    match described {
        Some((_, node)) => {
            let before = match node {
                Node::Raw(raw) => serde_json::from_str::<Lent<'_>>(raw.get()).unwrap_or_default(),
                _ => Lent::default(),
            };
            *node = Node::Text(format!("{}\n\n{bounds}", before.0));
        }
        None => schema.push((Lent("description".into()), Node::Text(bounds))),
    }
}

/// Definitions, and which of them each refers to.
#[derive(Default)]
struct Walk {
    references: HashMap<String, HashSet<String>>,
    /// The definition that is being walked.
    within: Option<String>,
}

/// The members of an object, in their order.
fn members(raw: &RawValue) -> Option<Vec<(Lent<'_>, &RawValue)>> {
    Members::of(raw.get()).map(|members| members.0)
}

impl Walk {
    fn schema<'a>(
        &mut self,
        raw: &'a RawValue,
        depth: usize,
        is_root: bool,
    ) -> Result<Node<'a>, Unsayable> {
        if depth > MAX_DEPTH {
            return Err(refused("the schema is nested too deeply"));
        }
        let Some(members) = members(raw) else {
            return Ok(Node::Raw(raw));
        };
        let is_object = members.iter().any(|(name, value)| match &*name.0 {
            "type" => value.get().contains(r#""object""#),
            "properties" => true,
            _ => false,
        });
        let has_any_of = members.iter().any(|(name, _)| name.0 == "anyOf");
        let is_told = members
            .iter()
            .any(|(name, _)| name.0 == "additionalProperties");
        let mut written = Vec::with_capacity(members.len() + 1);
        let mut bounds = Vec::new();
        for (mut name, value) in members {
            let node = match &*name.0 {
                keyword if BOUNDS.contains(&keyword) && !is_least_length(keyword, value) => {
                    bounds.push(format!("{keyword}: {}", value.get()));
                    continue;
                }
                "oneOf" if !has_any_of => {
                    name = Lent("anyOf".into());
                    self.list(value, depth + 1)?
                }
                "additionalProperties" if is_object => {
                    if value.get().starts_with('{') && value.get() != "{}" {
                        return Err(refused(
                            "objects with members of any name cannot be asked for",
                        ));
                    }
                    Node::Closed
                }
                "$ref" => {
                    self.refers(value)?;
                    Node::Raw(value)
                }
                keyword if ONE.contains(&keyword) => self.schema(value, depth + 1, false)?,
                keyword if LIST.contains(&keyword) => self.list(value, depth + 1)?,
                keyword @ ("$defs" | "definitions") if is_root => {
                    self.definitions(keyword, value, depth + 1)?
                }
                keyword if NAMED.contains(&keyword) => self.named(value, depth + 1)?,
                _ => Node::Raw(value),
            };
            written.push((name, node));
        }
        if is_object && !is_told {
            written.push((Lent("additionalProperties".into()), Node::Closed));
        }
        describe(&mut written, &bounds);
        Ok(Node::Object(written))
    }

    fn list<'a>(&mut self, raw: &'a RawValue, depth: usize) -> Result<Node<'a>, Unsayable> {
        let Ok(schemas) = serde_json::from_str::<Vec<&RawValue>>(raw.get()) else {
            return Ok(Node::Raw(raw));
        };
        let schemas = schemas
            .into_iter()
            .map(|schema| self.schema(schema, depth, false));
        Ok(Node::Array(schemas.collect::<Result<_, _>>()?))
    }

    fn named<'a>(&mut self, raw: &'a RawValue, depth: usize) -> Result<Node<'a>, Unsayable> {
        let Some(schemas) = members(raw) else {
            return Ok(Node::Raw(raw));
        };
        let schemas = schemas
            .into_iter()
            .map(|(name, schema)| Ok((name, self.schema(schema, depth, false)?)));
        Ok(Node::Object(schemas.collect::<Result<_, _>>()?))
    }

    fn definitions<'a>(
        &mut self,
        keyword: &str,
        raw: &'a RawValue,
        depth: usize,
    ) -> Result<Node<'a>, Unsayable> {
        let Some(schemas) = members(raw) else {
            return Ok(Node::Raw(raw));
        };
        let mut written = Vec::with_capacity(schemas.len());
        for (name, schema) in schemas {
            self.within = Some(format!("#/{keyword}/{}", name.0));
            let node = self.schema(schema, depth, false)?;
            self.within = None;
            written.push((name, node));
        }
        Ok(Node::Object(written))
    }

    fn refers(&mut self, raw: &RawValue) -> Result<(), Unsayable> {
        let target: Lent<'_> =
            serde_json::from_str(raw.get()).map_err(|_| refused("a '$ref' is no string"))?;
        let names_definition = ["#/$defs/", "#/definitions/"].iter().any(|prefix| {
            target
                .0
                .strip_prefix(prefix)
                .is_some_and(|name| !name.contains('/'))
        });
        if !names_definition {
            return Err(refused(
                "only definitions of the schema itself may be referred to",
            ));
        }
        if let Some(within) = &self.within {
            let references = self.references.entry(within.clone()).or_default();
            references.insert(target.0.into_owned());
        }
        Ok(())
    }

    /// Takes away definitions that refer to none that is left, until none can be taken: what stays refers to itself.
    fn is_finite(&self) -> Result<(), Unsayable> {
        let mut waiting: HashMap<&str, usize> = HashMap::new();
        let mut referrers: HashMap<&str, Vec<&str>> = HashMap::new();
        for (definition, references) in &self.references {
            waiting.insert(definition, references.len());
            for reference in references {
                referrers.entry(reference).or_default().push(definition);
                waiting.entry(reference).or_insert(0);
            }
        }
        // A definition that was inserted as a reference first has its own count set by its own turn in the loop.
        let mut free: Vec<&str> = waiting
            .iter()
            .filter_map(|(definition, count)| (*count == 0).then_some(*definition))
            .collect();
        let mut taken = 0;
        while let Some(definition) = free.pop() {
            taken += 1;
            for referrer in referrers.remove(definition).unwrap_or_default() {
                if let Some(count) = waiting.get_mut(referrer) {
                    *count -= 1;
                    if *count == 0 {
                        free.push(referrer);
                    }
                }
            }
        }
        if taken < waiting.len() {
            return Err(refused("the schema refers to itself"));
        }
        Ok(())
    }
}
