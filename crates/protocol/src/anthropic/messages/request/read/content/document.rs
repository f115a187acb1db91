//! Documents and search results.

use super::{super::node::Object, cache_of, texts};
use crate::{
    RequestError,
    canonical::{Extra, Media, Part, Source},
    feature::Feature,
};

/// Reads a document. What is said about it (`context`) stands before it as text.
pub(super) fn document(
    block: &Object<'_, '_>,
    extras: &mut Vec<Extra>,
) -> Result<Vec<Part>, RequestError> {
    citations(block, extras)?;
    let cache = cache_of(block)?;
    let name = block.get("title")?.map(|node| node.string()).transpose()?;
    let mut parts = Vec::new();
    if let Some(context) = block.get("context")? {
        parts.extend(super::text(context.string()?, None));
    }
    let node = block.need("source")?;
    let source = node.object()?;
    let kind = source.need("type")?;
    let pdf = || Some("application/pdf".to_owned());
    let media = match &*kind.text()? {
        "base64" => Media {
            media_type: Some(source.need("media_type")?.string()?),
            source: Source::Inline(source.need("data")?.string()?),
        },
        "text" => {
            source.get("media_type")?;
            plain(source.need("data")?.string()?)
        }
        "url" => Media {
            media_type: pdf(),
            source: Source::Url(source.need("url")?.string()?),
        },
        "file" => Media {
            media_type: None,
            source: Source::FileId(source.need("file_id")?.string()?),
        },
        "content" => {
            let content = source.need("content")?;
            if !content.is_string() {
                let mut blocks = blocks_of(content, extras)?;
                parts.extend(name.into_iter().flat_map(|title| super::text(title, None)));
                if let Some(Part::Text { cache: mark, .. } | Part::Image { cache: mark, .. }) =
                    blocks.last_mut()
                {
                    *mark = cache;
                }
                parts.append(&mut blocks);
                return Ok(parts);
            }
            plain(content.string()?)
        }
        _ => {
            return Err(kind.invalid("it must be 'base64', 'text', 'url', 'file' or 'content'"));
        }
    };
    source.end(extras);
    parts.push(Part::File { media, name, cache });
    Ok(parts)
}

/// Reads a search result: a document of plain text, named by its title and its source.
pub(super) fn search_result(
    block: &Object<'_, '_>,
    extras: &mut Vec<Extra>,
) -> Result<Part, RequestError> {
    citations(block, extras)?;
    let title = block.need("title")?.text()?;
    let source = block.need("source")?.text()?;
    let mut said = String::new();
    for part in texts(block.need("content")?, extras)? {
        if let Part::Text { text, .. } = part {
            if !said.is_empty() {
                said.push_str("\n\n");
            }
            said.push_str(&text);
        }
    }
    Ok(Part::File {
        media: plain(said),
        name: Some(format!("{title} ({source})")),
        cache: cache_of(block)?,
    })
}

fn plain(text: String) -> Media {
    Media {
        media_type: Some("text/plain".to_owned()),
        source: Source::Text(text),
    }
}

/// The text and the pictures of which a document is made up.
fn blocks_of(
    content: super::Node<'_, '_>,
    extras: &mut Vec<Extra>,
) -> Result<Vec<Part>, RequestError> {
    let mut parts = Vec::new();
    for node in content.list()?.nodes() {
        let kind = node.object()?;
        let kind = kind.need("type")?;
        if !matches!(&*kind.text()?, "text" | "image") {
            return Err(kind.invalid("it must be 'text' or 'image'"));
        }
        if let super::Block::Parts(block) = super::block(node, extras)? {
            parts.extend(block);
        }
    }
    Ok(parts)
}

fn citations(block: &Object<'_, '_>, extras: &mut Vec<Extra>) -> Result<(), RequestError> {
    let Some(node) = block.get("citations")? else {
        return Ok(());
    };
    let enabled = node.object()?;
    if let Some(enabled) = enabled.get("enabled")?
        && enabled.boolean()?
    {
        node.note(Feature::Citations, extras);
    }
    Ok(())
}
