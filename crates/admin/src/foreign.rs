//! Configurations of other gateways, read as documents: what people bring along.
//!
//! Each reader makes a [`Document`] of what it understands, and a warning of whatever cannot be carried over, with its
//! place in the file. What cannot work here at all is left out, so that the rest can be imported; what is merely wrong
//! is refused by [`document::apply`](crate::document::apply()), as in any document.

mod draft;
mod litellm;
mod llmio;
mod one_api;
mod sqlite;
mod value;

use std::path::Path;

use bytes::Bytes;
use serde_json::Value;

use self::one_api::Flavour;
use crate::{
    document::{Document, Fault},
    error::Error,
};

/// Where a file comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// LiteLLM's proxy: its `config.yaml`.
    Litellm,
    /// llmio: its `SQLite` file.
    Llmio,
    /// one-api: its `SQLite` file, or channels as its API lists them.
    OneApi,
    /// new-api: the same, with other numbers for the types of channels.
    NewApi,
}

/// Reads a file of `origin`, or of whichever it looks like. A database is kept in the folder `scratch` meanwhile.
///
/// # Errors
/// [`Error::Document`] where it is none.
pub(crate) async fn read(
    origin: Option<Origin>,
    bytes: Bytes,
    scratch: &Path,
) -> Result<(Document, Vec<Fault>), Error> {
    if sqlite::is_one(&bytes) {
        let file = sqlite::File::open(bytes, scratch).await?;
        return database(origin, &file).await;
    }
    match origin {
        Some(Origin::Llmio) => Err(whole("is no SQLite file")),
        Some(Origin::Litellm) => litellm::document(&yaml(&bytes)?),
        Some(Origin::OneApi | Origin::NewApi) | None => channels(
            origin,
            serde_json::from_slice(&bytes).map_err(Error::BadJson)?,
        ),
    }
}

/// Reads what the API of one-api or new-api lists, as JSON.
pub(crate) fn channels(
    origin: Option<Origin>,
    value: Value,
) -> Result<(Document, Vec<Fault>), Error> {
    let channels = one_api::listed(value)
        .ok_or_else(|| whole("must be a list of channels, or an answer that has one"))?;
    one_api::document(wanted(origin), &channels, &[])
}

/// Whether JSON is a list of channels rather than a document.
pub(crate) fn is_list_of_channels(value: &Value) -> bool {
    value.is_array() || value.get("data").is_some()
}

fn wanted(origin: Option<Origin>) -> Option<Flavour> {
    match origin {
        Some(Origin::OneApi) => Some(Flavour::OneApi),
        Some(Origin::NewApi) => Some(Flavour::NewApi),
        _ => None,
    }
}

async fn database(
    origin: Option<Origin>,
    file: &sqlite::File,
) -> Result<(Document, Vec<Fault>), Error> {
    let has_channels = file.has("channels").await?;
    match origin {
        Some(Origin::Litellm) => Err(whole("must be a config.yaml, not an SQLite file")),
        Some(Origin::OneApi | Origin::NewApi) | None if has_channels => {
            let channels = file.rows("channels", one_api::CHANNEL).await?;
            let tokens = file.rows("tokens", one_api::TOKEN).await?;
            one_api::document(wanted(origin), &channels, &tokens)
        }
        Some(Origin::OneApi | Origin::NewApi) => Err(whole("has no table 'channels'")),
        Some(Origin::Llmio) | None if file.has("model_with_providers").await? => {
            Ok(llmio::document(&llmio::Tables {
                providers: file.rows("providers", llmio::PROVIDER).await?,
                models: file.rows("models", llmio::MODEL).await?,
                associations: file
                    .rows("model_with_providers", llmio::ASSOCIATION)
                    .await?,
                keys: file.rows("auth_keys", llmio::KEY).await?,
            }))
        }
        Some(Origin::Llmio) => Err(whole("has no table 'model_with_providers'")),
        None => Err(whole(
            "has neither the tables of llmio nor those of one-api or new-api",
        )),
    }
}

fn yaml(bytes: &[u8]) -> Result<Value, Error> {
    serde_saphyr::from_slice(bytes).map_err(|error| {
        let message = error.to_string();
        let first = message.lines().next().unwrap_or_default();
        whole(&format!("is not valid YAML: {first}"))
    })
}

/// What is wrong with a file as a whole.
fn whole(message: &str) -> Error {
    Error::Document(vec![Fault::at_path("", message)])
}
