//! The events of a stream, as they are read.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{Malformed, anthropic::messages::response::StopDetails, lent::Lent};

/// The fields of every kind of event that is read.
#[derive(Deserialize)]
pub(super) struct Wire<'d> {
    #[serde(borrow)]
    pub(super) r#type: Option<Lent<'d>>,
    pub(super) index: Option<u64>,
    #[serde(borrow)]
    pub(super) message: Option<&'d RawValue>,
    #[serde(borrow)]
    pub(super) content_block: Option<&'d RawValue>,
    #[serde(borrow)]
    pub(super) delta: Option<&'d RawValue>,
    #[serde(borrow)]
    pub(super) usage: Option<&'d RawValue>,
    #[serde(borrow)]
    pub(super) error: Option<&'d RawValue>,
}

/// What is told of the answer at its start.
#[derive(Deserialize)]
pub(super) struct Start<'d> {
    #[serde(borrow)]
    pub(super) id: Option<Lent<'d>>,
    #[serde(borrow)]
    pub(super) model: Option<Lent<'d>>,
    #[serde(borrow)]
    pub(super) usage: Option<&'d RawValue>,
}

/// The fields of every kind of block that is read.
#[derive(Deserialize)]
pub(super) struct ContentBlock<'d> {
    #[serde(borrow)]
    pub(super) r#type: Lent<'d>,
    #[serde(borrow)]
    pub(super) text: Option<Lent<'d>>,
    #[serde(borrow)]
    pub(super) thinking: Option<Lent<'d>>,
    #[serde(borrow)]
    pub(super) signature: Option<Lent<'d>>,
    #[serde(borrow)]
    pub(super) data: Option<Lent<'d>>,
    #[serde(borrow)]
    pub(super) id: Option<Lent<'d>>,
    #[serde(borrow)]
    pub(super) name: Option<Lent<'d>>,
    #[serde(borrow)]
    pub(super) input: Option<&'d RawValue>,
}

/// The fields of every kind of delta that is read.
#[derive(Deserialize)]
pub(super) struct Delta<'d> {
    #[serde(borrow)]
    pub(super) r#type: Lent<'d>,
    #[serde(borrow)]
    pub(super) text: Option<Lent<'d>>,
    #[serde(borrow)]
    pub(super) thinking: Option<Lent<'d>>,
    #[serde(borrow)]
    pub(super) signature: Option<Lent<'d>>,
    #[serde(borrow)]
    pub(super) partial_json: Option<Lent<'d>>,
}

#[derive(Deserialize)]
struct Kind<'d> {
    #[serde(borrow)]
    r#type: Option<Lent<'d>>,
}

/// What is told of it at its end.
#[derive(Deserialize)]
pub(super) struct Ending<'d> {
    #[serde(borrow)]
    pub(super) stop_reason: Option<Lent<'d>>,
    pub(super) stop_sequence: Option<String>,
    pub(super) stop_details: Option<StopDetails>,
}

/// Reads a piece of an event.
pub(super) fn parse<'d, T: Deserialize<'d>>(text: &'d str) -> Result<T, Malformed> {
    serde_json::from_str(text).map_err(|error| Malformed(error.to_string()))
}

/// The kind that `raw` says it is.
pub(super) fn kind(raw: &RawValue) -> Result<Cow<'_, str>, Malformed> {
    let kind: Kind<'_> = parse(raw.get())?;
    Ok(kind.r#type.map(|kind| kind.0).unwrap_or_default())
}
