//! What `invoke-with-response-stream` carries: events of the model's own API, and exceptions.
//!
//! Source: <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ResponseStream.html>.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::{BufMut, BytesMut};
use serde::Deserialize;

use super::event_stream::Message;
use crate::{Malformed, ProviderError, sse};

/// Why a message holds no event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChunkError {
    /// It is an exception.
    #[error("{}", .error.message)]
    Exception {
        /// Status that the same exception has as an answer.
        status: u16,
        /// What it says.
        error: ProviderError,
    },
    /// It is neither an event nor an exception that can be read.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

/// The event that a message carries, framed as the model's own API would have sent it. `None` for events of other kinds,
/// which are to be skipped.
///
/// # Errors
/// It is an exception, or cannot be read.
pub fn unwrap_message(message: &Message) -> Result<Option<sse::Event>, ChunkError> {
    match message.text(":message-type") {
        Some("event") => match message.text(":event-type") {
            Some("chunk") => chunk(&message.payload).map(Some),
            _ => Ok(None),
        },
        Some("exception") => {
            let name = message.text(":exception-type").unwrap_or_default();
            Err(exception(name, &message.payload))
        }
        Some("error") => {
            let code = message.text(":error-code").unwrap_or_default();
            let told = message.text(":error-message").unwrap_or_default();
            Err(told_error(code, told))
        }
        _ => Err(Malformed("a message without a type".to_owned()).into()),
    }
}

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow)]
    bytes: &'a str,
}

/// `{"bytes": "<base64>"}`; base64 needs no escapes in JSON.
fn chunk(payload: &[u8]) -> Result<sse::Event, ChunkError> {
    let malformed = |reason: &str| Malformed(format!("a chunk {reason}"));
    let chunk: Chunk<'_> =
        serde_json::from_slice(payload).map_err(|_| malformed("without 'bytes'"))?;
    let json = STANDARD
        .decode(chunk.bytes)
        .map_err(|_| malformed("whose 'bytes' is no base64"))?;
    // A line break would end the event early; JSON has none that mean anything.
    if memchr::memchr2(b'\n', b'\r', &json).is_some() {
        return Err(malformed("of several lines").into());
    }
    let mut raw = BytesMut::with_capacity(json.len() + 48);
    // Clients of Anthropic's read the kind of an event off its `event` line.
    if let Some(name) = serde_json::from_slice::<Kind<'_>>(&json)
        .ok()
        .and_then(|it| it.name)
        .filter(|name| {
            name.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        })
    {
        raw.put_slice(b"event: ");
        raw.put_slice(name.as_bytes());
        raw.put_slice(b"\n");
    }
    raw.put_slice(b"data: ");
    raw.put_slice(&json);
    raw.put_slice(b"\n\n");
    Ok(sse::Event { raw: raw.freeze() })
}

#[derive(Deserialize)]
struct Kind<'a> {
    #[serde(rename = "type")]
    name: Option<&'a str>,
}

#[derive(Deserialize, Default)]
struct Exception {
    #[serde(alias = "Message")]
    message: Option<String>,
    #[serde(rename = "originalMessage")]
    original_message: Option<String>,
}

fn exception(name: &str, payload: &[u8]) -> ChunkError {
    let told: Exception = serde_json::from_slice(payload).unwrap_or_default();
    let message = told.original_message.or(told.message).unwrap_or_default();
    told_error(name, &message)
}

fn told_error(name: &str, message: &str) -> ChunkError {
    let message = if message.is_empty() { name } else { message };
    ChunkError::Exception {
        status: status_of(name),
        error: ProviderError {
            message: message.to_owned(),
            kind: (!name.is_empty()).then(|| name.to_owned()),
            code: None,
        },
    }
}

/// The status that an exception has where it is the whole answer. `modelStreamErrorException` has 424 there, which means
/// that the model behind the service failed, not that the request was wrong: a 502.
fn status_of(name: &str) -> u16 {
    let mut name = name.to_ascii_lowercase();
    let bare = name.trim_end_matches("exception").len();
    name.truncate(bare);
    match name.as_str() {
        "throttling" | "servicequotaexceeded" => 429,
        "modeltimeout" => 408,
        "validation" => 400,
        "accessdenied" => 403,
        "resourcenotfound" => 404,
        "serviceunavailable" | "modelnotready" => 503,
        "modelstreamerror" | "modelerror" => 502,
        _ => 500,
    }
}

#[cfg(test)]
mod tests;
