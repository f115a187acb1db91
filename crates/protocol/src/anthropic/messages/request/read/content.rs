//! Blocks of content.

mod document;

use super::node::{Node, Object};
use crate::{
    RequestError,
    canonical::{
        CacheControl, Extra, Family, Media, Part, Signature, Source, Thinking, ToolCall, ToolResult,
    },
    feature::Feature,
};

/// What a block is.
pub(super) enum Block {
    /// Text, a picture, a document; none where the text is empty.
    Parts(Vec<Part>),
    /// A call of a tool.
    Call(ToolCall),
    /// The answer to one, whose name is not known yet, and the place of its id.
    Result { id: String, result: Box<ToolResult> },
    /// Reasoning.
    Thinking(Thinking),
    /// Something without a place in the canonical form.
    Other(Feature),
}

/// Calls `found` with each block of `content`, which is a string or an array.
pub(super) fn each_block(
    content: Node<'_, '_>,
    extras: &mut Vec<Extra>,
    mut found: impl FnMut(Node<'_, '_>, Block, &mut Vec<Extra>) -> Result<(), RequestError>,
) -> Result<(), RequestError> {
    if content.is_string() {
        return found(content, Block::Parts(text(content.string()?, None)), extras);
    }
    for node in content.list()?.nodes() {
        let block = block(node, extras)?;
        found(node, block, extras)?;
    }
    Ok(())
}

/// Reads a string or an array of text blocks.
pub(super) fn texts(
    node: Node<'_, '_>,
    extras: &mut Vec<Extra>,
) -> Result<Vec<Part>, RequestError> {
    let mut texts = Vec::new();
    each_block(node, extras, |node, block, _| {
        let Block::Parts(parts) = block else {
            return Err(node.invalid("only blocks of type 'text' may stand here"));
        };
        if parts.iter().any(|part| !matches!(part, Part::Text { .. })) {
            return Err(node.invalid("only blocks of type 'text' may stand here"));
        }
        texts.extend(parts);
        Ok(())
    })?;
    Ok(texts)
}

fn text(text: String, cache: Option<CacheControl>) -> Vec<Part> {
    if text.is_empty() {
        Vec::new()
    } else {
        vec![Part::Text { text, cache }]
    }
}

/// Reads `cache_control`.
pub(super) fn cache(node: Node<'_, '_>) -> Result<CacheControl, RequestError> {
    let mark = node.object()?;
    let kind = mark.need("type")?;
    if kind.text()? != "ephemeral" {
        return Err(kind.invalid("it must be 'ephemeral'"));
    }
    let Some(ttl) = mark.get("ttl")? else {
        return Ok(CacheControl::Default);
    };
    match &*ttl.text()? {
        "5m" => Ok(CacheControl::Default),
        "1h" => Ok(CacheControl::Hour),
        _ => Err(ttl.invalid("it must be '5m' or '1h'")),
    }
}

pub(super) fn cache_of(block: &Object<'_, '_>) -> Result<Option<CacheControl>, RequestError> {
    block.get("cache_control")?.map(cache).transpose()
}

fn block(node: Node<'_, '_>, extras: &mut Vec<Extra>) -> Result<Block, RequestError> {
    let block = node.object()?;
    let read = match &*block.need("type")?.text()? {
        "text" => {
            let cache = cache_of(&block)?;
            if let Some(citations) = block.get("citations")?
                && citations.list()?.nodes().next().is_some()
            {
                citations.note(Feature::Citations, extras);
            }
            Block::Parts(text(block.need("text")?.string()?, cache))
        }
        "image" => Block::Parts(vec![image(&block, extras)?]),
        "document" => Block::Parts(document::document(&block, extras)?),
        "search_result" => Block::Parts(vec![document::search_result(&block, extras)?]),
        "tool_use" => Block::Call(call(&block, extras)?),
        "tool_result" => {
            let id = block.need("tool_use_id")?;
            Block::Result {
                id: id.place.to_string(),
                result: Box::new(result(&block, id.string()?, extras)?),
            }
        }
        "thinking" => Block::Thinking(thinking(&block)?),
        "redacted_thinking" => Block::Thinking(redacted(&block)?),
        kind => return Ok(Block::Other(foreign(kind))),
    };
    block.end(extras);
    Ok(read)
}

/// What a block is that no other format has.
fn foreign(kind: &str) -> Feature {
    let is_hosted = kind == "server_tool_use"
        || kind.ends_with("_tool_result")
        || matches!(
            kind,
            "container_upload" | "tool_reference" | "browser_state" | "mcp_tool_use"
        );
    if is_hosted {
        Feature::HostedTool
    } else {
        Feature::OtherContent
    }
}

fn image(block: &Object<'_, '_>, extras: &mut Vec<Extra>) -> Result<Part, RequestError> {
    // `oversized_image: error` asks to refuse what others would scale down.
    block.note("transformations", Feature::OtherContent, extras)?;
    let node = block.need("source")?;
    let source = node.object()?;
    let kind = source.need("type")?;
    let media = match &*kind.text()? {
        "base64" => Media {
            media_type: Some(source.need("media_type")?.string()?),
            source: Source::Inline(source.need("data")?.string()?),
        },
        "url" => Media {
            media_type: None,
            source: Source::Url(source.need("url")?.string()?),
        },
        "file" => Media {
            media_type: None,
            source: Source::FileId(source.need("file_id")?.string()?),
        },
        _ => return Err(kind.invalid("it must be 'base64', 'url' or 'file'")),
    };
    source.end(extras);
    Ok(Part::Image {
        media,
        detail: None,
        cache: cache_of(block)?,
    })
}

fn call(block: &Object<'_, '_>, extras: &mut Vec<Extra>) -> Result<ToolCall, RequestError> {
    if let Some(caller) = block.get("caller")?
        && caller.object()?.need("type")?.text()? != "direct"
    {
        caller.note(Feature::HostedTool, extras);
    }
    block.note("toolset_name", Feature::HostedTool, extras)?;
    Ok(ToolCall {
        id: block.need("id")?.string()?,
        name: block.need("name")?.string()?,
        arguments: block.need("input")?.json_object()?,
        cache: cache_of(block)?,
    })
}

fn result(
    block: &Object<'_, '_>,
    call_id: String,
    extras: &mut Vec<Extra>,
) -> Result<ToolResult, RequestError> {
    let mut content = Vec::new();
    if let Some(node) = block.get("content")? {
        if node.is_string() {
            content = text(node.string()?, None);
        } else {
            for node in node.list()?.nodes() {
                content.extend(result_part(node, extras)?);
            }
        }
    }
    block.note("toolset_name", Feature::HostedTool, extras)?;
    let is_error = block
        .get("is_error")?
        .map(|node| node.boolean())
        .transpose()?
        .unwrap_or(false);
    Ok(ToolResult {
        call_id,
        name: String::new(),
        content,
        object: None,
        is_error,
        cache: cache_of(block)?,
    })
}

/// A block in a tool's result. Results do not hold results, so this is as deep as it gets.
fn result_part(node: Node<'_, '_>, extras: &mut Vec<Extra>) -> Result<Vec<Part>, RequestError> {
    let kind = node.object()?;
    let kind = kind.need("type")?;
    match &*kind.text()? {
        "text" | "image" | "document" | "search_result" => {}
        "tool_use" | "tool_result" | "thinking" | "redacted_thinking" => {
            return Err(kind.invalid("a tool's result cannot hold such a block"));
        }
        kind => {
            node.note(foreign(kind), extras);
            return Ok(Vec::new());
        }
    }
    match block(node, extras)? {
        Block::Parts(parts) => Ok(parts),
        _ => Ok(Vec::new()),
    }
}

fn thinking(block: &Object<'_, '_>) -> Result<Thinking, RequestError> {
    let signature = block
        .get("signature")?
        .map(|node| node.text())
        .transpose()?;
    Ok(Thinking {
        text: block.need("thinking")?.string()?,
        signature: signature
            .filter(|text| !text.is_empty())
            .map(|text| Signature::read(text, Family::Anthropic))
            .filter(|signature| *signature != Signature::NONE),
        redacted: false,
    })
}

fn redacted(block: &Object<'_, '_>) -> Result<Thinking, RequestError> {
    let signature = Signature::read(block.need("data")?.text()?, Family::Anthropic);
    Ok(Thinking {
        text: String::new(),
        redacted: signature.family == Family::Anthropic,
        signature: Some(signature),
    })
}
