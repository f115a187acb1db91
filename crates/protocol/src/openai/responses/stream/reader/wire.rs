//! Events as they are told.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{Malformed, ProviderError, lent::Lent, openai::responses::response::OutputItem};

/// Any event; texts and objects are read once its type is known.
#[derive(Deserialize)]
pub(super) struct Wire<'d> {
    #[serde(borrow)]
    pub(super) r#type: Option<Lent<'d>>,
    pub(super) output_index: Option<u64>,
    pub(super) content_index: Option<u64>,
    pub(super) summary_index: Option<u64>,
    #[serde(borrow)]
    pub(super) delta: Option<&'d RawValue>,
    #[serde(borrow)]
    pub(super) text: Option<&'d RawValue>,
    #[serde(borrow)]
    pub(super) refusal: Option<&'d RawValue>,
    #[serde(borrow)]
    pub(super) arguments: Option<&'d RawValue>,
    #[serde(borrow)]
    pub(super) logprobs: Option<&'d RawValue>,
    #[serde(borrow)]
    pub(super) item: Option<&'d RawValue>,
    #[serde(borrow)]
    pub(super) response: Option<&'d RawValue>,
    #[serde(borrow)]
    pub(super) error: Option<&'d RawValue>,
    #[serde(borrow)]
    pub(super) message: Option<&'d RawValue>,
    #[serde(borrow)]
    pub(super) code: Option<&'d RawValue>,
}

impl Wire<'_> {
    pub(super) fn place(&self) -> u64 {
        self.output_index.unwrap_or(0)
    }

    pub(super) fn part(&self) -> (u64, u64) {
        (self.place(), self.content_index.unwrap_or(0))
    }
}

#[derive(Deserialize)]
pub(super) struct Head<'d> {
    #[serde(borrow)]
    pub(super) id: Option<Lent<'d>>,
    #[serde(borrow)]
    pub(super) model: Option<Lent<'d>>,
}

#[derive(Deserialize)]
pub(super) struct Last<'d> {
    pub(super) incomplete_details: Option<IncompleteDetails>,
    #[serde(borrow)]
    pub(super) error: Option<&'d RawValue>,
    #[serde(borrow)]
    pub(super) usage: Option<&'d RawValue>,
}

#[derive(Deserialize)]
pub(super) struct IncompleteDetails {
    pub(super) reason: Option<String>,
}

/// An `error` event: with the documented fields, or with the object that OpenAI's servers send.
pub(super) fn error(wire: &Wire<'_>) -> ProviderError {
    if let Some(error) = wire.error {
        return ProviderError::of_value(error.get());
    }
    let told = |raw: Option<&RawValue>| raw.map(|raw| ProviderError::of_value(raw.get()).message);
    ProviderError {
        message: told(wire.message).unwrap_or_default(),
        kind: None,
        code: told(wire.code),
    }
}

pub(super) fn item(wire: &Wire<'_>) -> Result<Option<OutputItem>, Malformed> {
    match wire.item {
        Some(item) => OutputItem::read(item).map_err(malformed),
        None => Ok(None),
    }
}

pub(super) fn lent<'d>(raw: Option<&'d RawValue>) -> Result<Cow<'d, str>, Malformed> {
    let text: Option<Lent<'d>> = parse(raw)?;
    Ok(text.map_or(Cow::Borrowed(""), |text| text.0))
}

pub(super) fn parse<'d, T: Deserialize<'d>>(
    raw: Option<&'d RawValue>,
) -> Result<Option<T>, Malformed> {
    raw.map(|raw| serde_json::from_str(raw.get()).map_err(malformed))
        .transpose()
}

pub(super) fn malformed(error: serde_json::Error) -> Malformed {
    Malformed(error.to_string())
}
