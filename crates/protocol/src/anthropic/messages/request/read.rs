//! Reading requests.

mod content;
mod conversation;
mod settings;
mod tools;

use node::{Node, Place};
use serde_json::value::RawValue;

use super::node;
use crate::{
    RequestError,
    canonical::{CacheControl, Message, Part, Request},
    feature::Feature,
    json,
};

/// Reads a request.
pub(crate) fn read(body: &[u8]) -> Result<Request, RequestError> {
    read_any(body, true)
}

/// Reads a request to count tokens: the same, but for the limit of output tokens, which it lacks.
///
/// # Errors
/// It is not what the format's documents say; the error names the field.
pub(crate) fn read_count(body: &[u8]) -> Result<Request, RequestError> {
    read_any(body, false)
}

fn read_any(body: &[u8], generates: bool) -> Result<Request, RequestError> {
    if json::validate(body)? != json::Kind::Object {
        return Err(RequestError::NotAnObject);
    }
    let raw: &RawValue = serde_json::from_slice(body).map_err(|_| RequestError::NotAnObject)?;
    let body = Node {
        raw,
        place: Place::Root,
    }
    .object()?;
    let mut request = Request::default();
    let extras = &mut Vec::new();
    body.get("model")?;
    if let Some(system) = body.get("system")? {
        let parts = content::texts(system, extras)?;
        if !parts.is_empty() {
            request
                .messages
                .push(Message::new(crate::canonical::Role::System, parts));
        }
    }
    let messages = body.need("messages")?;
    conversation::read(messages, &mut request.messages, extras)?;
    if let Some(cache) = body.get("cache_control")? {
        mark_the_end(&mut request.messages, content::cache(cache)?);
    }
    tools::read(&body, &mut request, extras)?;
    settings::read(&body, &mut request, extras)?;
    request.max_tokens = body
        .get("max_tokens")?
        .map(|node| node.count())
        .transpose()?;
    if generates && request.max_tokens.is_none() {
        return Err(RequestError::Missing("max_tokens"));
    }
    for (name, feature) in [
        ("container", Feature::Container),
        ("context_management", Feature::Truncation),
        ("diagnostics", Feature::Include),
        ("inference_geo", Feature::Region),
        ("user_profile_id", Feature::Metadata),
    ] {
        body.note(name, feature, extras)?;
    }
    // The header of this name selects a workspace; a body that repeats it asks for nothing else.
    body.get("workspace_id")?;
    body.end(extras);
    request.extras = std::mem::take(extras);
    Ok(request)
}

/// The top-level mark stands for one on the last block that can be cached.
fn mark_the_end(messages: &mut [Message], mark: CacheControl) {
    let parts = messages
        .iter_mut()
        .rev()
        .flat_map(|it| it.parts.iter_mut().rev());
    for part in parts {
        let cache = match part {
            Part::Text { cache, .. } | Part::Image { cache, .. } | Part::File { cache, .. } => {
                cache
            }
            Part::ToolCall(call) => &mut call.cache,
            Part::ToolResult(result) => &mut result.cache,
            Part::Audio(_) | Part::Thinking(_) | Part::Refusal(_) => continue,
        };
        cache.get_or_insert(mark);
        return;
    }
}

#[cfg(test)]
mod tests;
