//! The rules of content blocks.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value};

use super::error::ApiError;
use crate::seal;
use crate::shape::{Kind, check};

/// What a signature of a thinking block is made for.
pub(crate) const SIGNATURE: &str = "anthropic-thinking";

/// Whose content it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    System,
    User,
    Assistant,
    ToolResult,
}

/// Checks one block on its own and gives its type.
pub(crate) fn check_block<'a>(
    at: &str,
    block: &'a Value,
    place: Place,
    is_newest: bool,
) -> Result<&'a str, ApiError> {
    let kind = block.get("type").and_then(Value::as_str);
    let kind = kind.ok_or_else(|| ApiError::invalid(format!("{at}.type: Field required")))?;
    let allowed: &[&str] = match place {
        Place::System => &["text"],
        Place::User => &["text", "image", "document", "search_result", "tool_result"],
        Place::Assistant => &[
            "text",
            "document",
            "tool_use",
            "thinking",
            "redacted_thinking",
            "server_tool_use",
            "web_search_tool_result",
        ],
        Place::ToolResult => &["text", "image", "document", "search_result"],
    };
    if !allowed.contains(&kind) {
        let message = if ["image", "tool_result", "tool_use", "thinking"].contains(&kind) {
            format!("{at}: `{kind}` blocks are not permitted here")
        } else {
            format!(
                "{at}: Input tag '{kind}' found using 'type' does not match any of the expected tags: '{}'",
                allowed.join("', '")
            )
        };
        return Err(ApiError::invalid(message));
    }
    match kind {
        "text" => check_text(at, block, place, is_newest)?,
        "image" => check_image(at, block)?,
        "document" if place == Place::Assistant && is_newest => {
            return Err(ApiError::invalid(format!(
                "{at}: `document` blocks are not permitted within assistant messages"
            )));
        }
        "document" => check_document(at, block)?,
        "tool_use" => check_tool_use(at, block)?,
        "tool_result" => check_tool_result(at, block, is_newest)?,
        "thinking" => check_thinking(at, block)?,
        "redacted_thinking" => {
            let known = [("type", Kind::Text), ("data", Kind::Text)];
            let block = members(at, block, &known, &["type", "data"])?;
            if !seal::is_own(SIGNATURE, text(block, "data")) {
                return Err(ApiError::invalid(format!(
                    "{at}: Invalid `data` in `redacted_thinking` block"
                )));
            }
        }
        _ => {}
    }
    Ok(kind)
}

fn members<'a>(
    at: &str,
    value: &'a Value,
    known: &[(&'static str, Kind)],
    required: &[&'static str],
) -> Result<&'a Map<String, Value>, ApiError> {
    check(value, known, required).map_err(|flaw| ApiError::flaw(at, flaw))
}

fn text<'a>(members: &'a Map<String, Value>, name: &str) -> &'a str {
    members
        .get(name)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// Refuses a cache breakpoint of another form than the known one.
pub(crate) fn check_cache(at: &str, owner: &Map<String, Value>) -> Result<(), ApiError> {
    let Some(cache) = owner.get("cache_control").filter(|cache| !cache.is_null()) else {
        return Ok(());
    };
    let at = format!("{at}.cache_control");
    let cache = members(
        &at,
        cache,
        &[("type", Kind::Text), ("ttl", Kind::Text)],
        &["type"],
    )?;
    if text(cache, "type") != "ephemeral" {
        return Err(ApiError::invalid(format!(
            "{at}.type: Input should be 'ephemeral'"
        )));
    }
    match cache.get("ttl").and_then(Value::as_str) {
        None | Some("5m" | "1h") => Ok(()),
        Some(_) => Err(ApiError::invalid(format!(
            "{at}.ttl: Input should be '5m' or '1h'"
        ))),
    }
}

fn check_text(at: &str, block: &Value, place: Place, is_newest: bool) -> Result<(), ApiError> {
    let known = [
        ("type", Kind::Text),
        ("text", Kind::Text),
        ("cache_control", Kind::Object),
        ("citations", Kind::Array),
    ];
    let block = members(at, block, &known, &["type", "text"])?;
    let root = at.split('.').next().unwrap_or_default();
    let text = text(block, "text");
    if text.is_empty() {
        return Err(ApiError::invalid(format!(
            "{root}: text content blocks must be non-empty"
        )));
    }
    if text.trim().is_empty() {
        return Err(ApiError::invalid(format!(
            "{root}: text content blocks must contain non-whitespace text"
        )));
    }
    let cites = block
        .get("citations")
        .and_then(Value::as_array)
        .is_some_and(|citations| !citations.is_empty());
    if cites && place != Place::Assistant && is_newest {
        return Err(ApiError::invalid(format!(
            "{at}.citations: citations are only permitted on text blocks of assistant messages"
        )));
    }
    check_cache(at, block)
}

fn check_image(at: &str, block: &Value) -> Result<(), ApiError> {
    let known = [
        ("type", Kind::Text),
        ("source", Kind::Object),
        ("cache_control", Kind::Object),
        ("transformations", Kind::Object),
    ];
    let block = members(at, block, &known, &["type", "source"])?;
    let source = block.get("source").unwrap_or(&Value::Null);
    let media = ["image/jpeg", "image/png", "image/gif", "image/webp"];
    check_source(
        &format!("{at}.source"),
        source,
        &media,
        &["base64", "url", "file"],
    )?;
    check_cache(at, block)
}

fn check_document(at: &str, block: &Value) -> Result<(), ApiError> {
    let known = [
        ("type", Kind::Text),
        ("source", Kind::Object),
        ("cache_control", Kind::Object),
        ("citations", Kind::Object),
        ("context", Kind::Text),
        ("title", Kind::Text),
    ];
    let block = members(at, block, &known, &["type", "source"])?;
    let source = block.get("source").unwrap_or(&Value::Null);
    let kinds = ["base64", "text", "content", "url", "file"];
    check_source(
        &format!("{at}.source"),
        source,
        &["application/pdf"],
        &kinds,
    )?;
    check_cache(at, block)
}

fn check_source(at: &str, source: &Value, media: &[&str], kinds: &[&str]) -> Result<(), ApiError> {
    let kind = source.get("type").and_then(Value::as_str);
    let kind = kind.ok_or_else(|| ApiError::invalid(format!("{at}.type: Field required")))?;
    let typed = ("type", Kind::Text);
    match kind {
        _ if !kinds.contains(&kind) => Err(ApiError::invalid(format!(
            "{at}: Input tag '{kind}' found using 'type' does not match any of the expected tags: '{}'",
            kinds.join("', '")
        ))),
        "base64" => {
            let known = [typed, ("media_type", Kind::Text), ("data", Kind::Text)];
            let source = members(at, source, &known, &["type", "media_type", "data"])?;
            if !media.contains(&text(source, "media_type")) {
                return Err(ApiError::invalid(format!(
                    "{at}.media_type: Input should be '{}'",
                    media.join("', '")
                )));
            }
            let data = text(source, "data");
            if data.is_empty() || BASE64_STANDARD.decode(data).is_err() {
                return Err(ApiError::invalid(format!("{at}.data: Invalid base64 data")));
            }
            Ok(())
        }
        "url" => {
            let source = members(at, source, &[typed, ("url", Kind::Text)], &["type", "url"])?;
            if text(source, "url").starts_with("https://") {
                return Ok(());
            }
            Err(ApiError::invalid("Only HTTPS URLs are supported."))
        }
        "text" => {
            let known = [typed, ("media_type", Kind::Text), ("data", Kind::Text)];
            let source = members(at, source, &known, &["type", "media_type", "data"])?;
            if text(source, "media_type") == "text/plain" {
                return Ok(());
            }
            Err(ApiError::invalid(format!(
                "{at}.media_type: Input should be 'text/plain'"
            )))
        }
        "content" => {
            let known = [typed, ("content", Kind::TextOrArray)];
            members(at, source, &known, &["type", "content"]).map(drop)
        }
        _ => members(
            at,
            source,
            &[typed, ("file_id", Kind::Text)],
            &["type", "file_id"],
        )
        .map(drop),
    }
}

fn is_id(id: &str) -> bool {
    !id.is_empty()
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

fn check_id(at: &str, id: &str) -> Result<(), ApiError> {
    if is_id(id) {
        return Ok(());
    }
    Err(ApiError::invalid(format!(
        "{at}: String should match pattern '^[a-zA-Z0-9_-]+$'"
    )))
}

fn check_tool_use(at: &str, block: &Value) -> Result<(), ApiError> {
    let known = [
        ("type", Kind::Text),
        ("id", Kind::Text),
        ("name", Kind::Text),
        ("input", Kind::Object),
        ("cache_control", Kind::Object),
        ("caller", Kind::Object),
        ("toolset_name", Kind::Text),
    ];
    let block = members(at, block, &known, &["type", "id", "name", "input"])?;
    check_id(&format!("{at}.id"), text(block, "id"))?;
    let name = text(block, "name");
    if name.is_empty() || name.len() > 200 {
        return Err(ApiError::invalid(format!(
            "{at}.name: String should have at least 1 character and at most 200 characters"
        )));
    }
    check_cache(at, block)
}

fn check_tool_result(at: &str, block: &Value, is_newest: bool) -> Result<(), ApiError> {
    let known = [
        ("type", Kind::Text),
        ("tool_use_id", Kind::Text),
        ("content", Kind::TextOrArray),
        ("is_error", Kind::Bool),
        ("cache_control", Kind::Object),
        ("toolset_name", Kind::Text),
    ];
    let block = members(at, block, &known, &["type", "tool_use_id"])?;
    check_id(&format!("{at}.tool_use_id"), text(block, "tool_use_id"))?;
    let parts = block.get("content").and_then(Value::as_array);
    for (index, part) in parts.into_iter().flatten().enumerate() {
        let at = format!("{at}.content.{index}");
        check_block(&at, part, Place::ToolResult, is_newest)?;
    }
    check_cache(at, block)
}

fn check_thinking(at: &str, block: &Value) -> Result<(), ApiError> {
    let known = [
        ("type", Kind::Text),
        ("thinking", Kind::Text),
        ("signature", Kind::Text),
    ];
    let block = members(at, block, &known, &["type", "thinking", "signature"])?;
    let thinking = text(block, "thinking");
    let signature = text(block, "signature");
    // Thinking that was left out of an answer comes back empty, its text sealed in the signature.
    let is_own = signature == seal::sign(SIGNATURE, thinking)
        || (thinking.is_empty() && seal::is_own(SIGNATURE, signature));
    if is_own {
        return Ok(());
    }
    Err(ApiError::invalid(format!(
        "{at}: Invalid `signature` in `thinking` block"
    )))
}
