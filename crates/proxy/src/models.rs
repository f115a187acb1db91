//! The models a key may ask for, in the form of each protocol.

use std::borrow::Cow;

use access::ClientKey;
use bytes::Bytes;
use catalog::{Model, Snapshot};
use protocol::{ClientError, ErrorKind, Protocol, anthropic, gemini, openai};
use router::Route;
use serde_json::Value;

use crate::error::{Error, model_not_found};

/// The list, ordered by name; `query` may ask for a page of it as the protocol has pages.
pub(crate) fn list(
    snapshot: &Snapshot,
    caller: &ClientKey,
    protocol: Protocol,
    query: Option<&str>,
) -> Result<Bytes, Error> {
    let mut models: Vec<&Model> = snapshot
        .models()
        .filter(|model| is_listed(snapshot, caller, &model.name))
        .collect();
    models.sort_by(|one, other| one.name.cmp(&other.name));
    let query = query.unwrap_or_default();
    let list = match protocol {
        Protocol::OpenAi => openai::model_list(entries(&models, openai::model)),
        Protocol::Anthropic => anthropic_page(&models, query)?,
        Protocol::Gemini => gemini_page(&models, query)?,
    };
    Ok(list.to_string().into())
}

fn entries(models: &[&Model], entry: fn(&str, i64) -> Value) -> Vec<Value> {
    let models = models.iter();
    models
        .map(|model| entry(&model.name, model.created))
        .collect()
}

/// `limit` (20 by default, at most 1000) models after `after_id` or before `before_id`.
fn anthropic_page(models: &[&Model], query: &str) -> Result<Value, Error> {
    let limit = size(query, "limit", 20, 1..=1000)?;
    let place = |name: &str| models.partition_point(|model| &*model.name < name);
    let page = if let Some(before) = parameter(query, "before_id") {
        let end = place(&before);
        (end.saturating_sub(limit)..end, end > limit)
    } else {
        let start = parameter(query, "after_id").map_or(0, |after| {
            let at = place(&after);
            at + usize::from(models.get(at).is_some_and(|model| *model.name == *after))
        });
        let end = models.len().min(start.saturating_add(limit));
        (start..end, end < models.len())
    };
    let (range, has_more) = page;
    let shown = models.get(range).unwrap_or_default();
    Ok(anthropic::model_list(
        entries(shown, anthropic::model),
        has_more,
    ))
}

/// `pageSize` (50 by default, at most 1000) models from `pageToken` on, which is the name of the first.
fn gemini_page(models: &[&Model], query: &str) -> Result<Value, Error> {
    let size = size(query, "pageSize", 50, 0..=usize::MAX)?.min(1000);
    let size = if size == 0 { 50 } else { size };
    let start = parameter(query, "pageToken").map_or(0, |token| {
        models.partition_point(|model| *model.name < *token)
    });
    let end = models.len().min(start.saturating_add(size));
    let shown = models.get(start..end).unwrap_or_default();
    let mut list = gemini::model_list(entries(shown, gemini::model));
    if let Some(next) = models.get(end) {
        list["nextPageToken"] = Value::from(&*next.name);
    }
    Ok(list)
}

fn parameter<'q>(query: &'q str, name: &str) -> Option<Cow<'q, str>> {
    form_urlencoded::parse(query.as_bytes())
        .find_map(|(key, value)| (key == name && !value.is_empty()).then_some(value))
}

fn size(
    query: &str,
    name: &'static str,
    default: usize,
    allowed: std::ops::RangeInclusive<usize>,
) -> Result<usize, Error> {
    let Some(text) = parameter(query, name) else {
        return Ok(default);
    };
    let number = text.parse().ok().filter(|number| allowed.contains(number));
    number.ok_or_else(|| {
        let message = format!("invalid value for '{name}'");
        let mut error = ClientError::new(ErrorKind::InvalidRequest, message);
        error.param = Some(name.to_owned());
        error.into()
    })
}

/// One of them.
pub(crate) fn one(
    snapshot: &Snapshot,
    caller: &ClientKey,
    protocol: Protocol,
    name: &str,
) -> Result<Bytes, Error> {
    let entry = match protocol {
        Protocol::OpenAi => openai::model,
        Protocol::Anthropic => anthropic::model,
        Protocol::Gemini => gemini::model,
    };
    match snapshot.model(name) {
        Some((model, _)) if is_listed(snapshot, caller, name) => {
            Ok(entry(&model.name, model.created).to_string().into())
        }
        _ => Err(model_not_found(name)),
    }
}

/// Enabled, allowed to the key, and served by somebody.
fn is_listed(snapshot: &Snapshot, caller: &ClientKey, name: &str) -> bool {
    let serves = |route: &Route| {
        route
            .candidates()
            .iter()
            .any(|it| it.is_enabled() && it.is_provider_enabled())
    };
    caller.may_use_model(name)
        && snapshot
            .model(name)
            .is_some_and(|(model, route)| model.enabled && serves(route))
}
