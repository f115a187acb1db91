//! one-api and new-api: channels become providers, and tokens client keys. Sources: `model/channel.go` and
//! `model/token.go` of their repositories.

mod channel;
mod token;
mod types;

use serde_json::Value;

pub(super) use self::types::Flavour;
use super::{draft::Draft, whole};
use crate::{
    document::{Document, Fault},
    error::Error,
};

pub(super) const CHANNEL: &[&str] = &[
    "id",
    "type",
    "key",
    "status",
    "name",
    "weight",
    "created_time",
    "base_url",
    "other",
    "models",
    "group",
    "model_mapping",
    "priority",
    "config",
    "system_prompt",
    "openai_organization",
    "auto_ban",
    "tag",
    "setting",
    "settings",
    "status_code_mapping",
    "param_override",
    "header_override",
    "channel_info",
    "other_info",
    "test_model",
];
pub(super) const TOKEN: &[&str] = &[
    "id",
    "key",
    "status",
    "name",
    "expired_time",
    "remain_quota",
    "unlimited_quota",
    "models",
    "subnet",
    "model_limits_enabled",
    "model_limits",
    "allow_ips",
    "group",
    "deleted_at",
];

/// Fields that new-api's channels have and one-api's have not.
const OF_NEW_API: [&str; 5] = [
    "auto_ban",
    "channel_info",
    "setting",
    "status_code_mapping",
    "other_info",
];

/// The channels in what their API answers, or in a bare list of them.
pub(super) fn listed(value: Value) -> Option<Vec<Value>> {
    let list = match value {
        Value::Object(mut answer) => match answer.remove("data")? {
            Value::Object(mut page) => page.remove("items")?,
            other => other,
        },
        other => other,
    };
    match list {
        Value::Array(channels) if channels.iter().all(Value::is_object) => Some(channels),
        _ => None,
    }
}

/// Reads channels and tokens. Numbers of types mean other things in one-api than in new-api, so that what the file looks
/// like has to agree with what it was said to be.
pub(super) fn document(
    said: Option<Flavour>,
    channels: &[Value],
    tokens: &[Value],
) -> Result<(Document, Vec<Fault>), Error> {
    let is_new = channels
        .iter()
        .any(|channel| OF_NEW_API.iter().any(|name| channel.get(name).is_some()));
    let seen = if is_new {
        Flavour::NewApi
    } else {
        Flavour::OneApi
    };
    if said.is_some_and(|said| said != seen) {
        let name = seen.name();
        return Err(whole(&format!(
            "looks like one of {name}, whose types have other numbers: import it as format={name}"
        )));
    }
    let mut draft = Draft::default();
    channel::read(&mut draft, seen, channels);
    token::read(&mut draft, tokens);
    Ok(draft.finish())
}
