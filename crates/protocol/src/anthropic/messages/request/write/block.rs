//! Blocks of content.

use std::borrow::Cow;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Serialize;

use super::ids;
use crate::{
    canonical::{CacheControl, Family, Json, Media, Part, Source, ToolResult},
    feature::Feature,
    translate::Unsayable,
};

/// A block of content.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Block<'a> {
    Text {
        text: Cow<'a, str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<Mark>,
    },
    Image {
        source: MediaSource<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<Mark>,
    },
    Document {
        source: MediaSource<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        title: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<Mark>,
    },
    Thinking {
        thinking: &'a str,
        signature: &'a str,
    },
    RedactedThinking {
        data: &'a str,
    },
    ToolUse {
        id: Cow<'a, str>,
        name: &'a str,
        input: &'a Json,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<Mark>,
    },
    ToolResult {
        tool_use_id: Cow<'a, str>,
        content: ResultContent<'a>,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        is_error: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<Mark>,
    },
}

/// What a tool answered: nothing is an empty string, for a text block must not be empty.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum ResultContent<'a> {
    Text(&'a str),
    Blocks(Vec<Block<'a>>),
}

/// Where a picture or a document is.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum MediaSource<'a> {
    Base64 {
        media_type: &'a str,
        data: &'a str,
    },
    Url {
        url: &'a str,
    },
    File {
        file_id: &'a str,
    },
    Text {
        media_type: &'static str,
        data: Cow<'a, str>,
    },
}

/// `cache_control`.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Mark {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<&'static str>,
}

impl Mark {
    pub(super) fn of(cache: CacheControl) -> Self {
        Self {
            r#type: "ephemeral",
            ttl: match cache {
                CacheControl::Default => None,
                CacheControl::Hour => Some("1h"),
            },
        }
    }
}

impl<'a> Block<'a> {
    pub(super) fn text(text: &'a str) -> Self {
        Self::Text {
            text: Cow::Borrowed(text),
            cache_control: None,
        }
    }

    pub(super) fn is_result(&self) -> bool {
        matches!(self, Self::ToolResult { .. })
    }

    pub(super) fn is_call(&self) -> bool {
        matches!(self, Self::ToolUse { .. })
    }

    pub(super) fn is_thinking(&self) -> bool {
        matches!(self, Self::Thinking { .. } | Self::RedactedThinking { .. })
    }

    /// The block of a part; none for blank text, which is refused, and for reasoning that its maker alone reads.
    pub(super) fn of(part: &'a Part) -> Result<Option<Self>, Unsayable> {
        Ok(Some(match part {
            Part::Text { text, .. } | Part::Refusal(text) if text.trim().is_empty() => {
                return Ok(None);
            }
            Part::Text { text, cache } => Self::Text {
                text: Cow::Borrowed(text),
                cache_control: cache.map(Mark::of),
            },
            Part::Refusal(text) => Self::text(text),
            Part::Image { media, cache, .. } => Self::Image {
                source: image(media)?,
                cache_control: cache.map(Mark::of),
            },
            Part::File { media, name, cache } => Self::Document {
                source: document(media)?,
                title: name.as_deref(),
                cache_control: cache.map(Mark::of),
            },
            Part::Audio(_) => {
                return Err(unsayable(
                    Feature::Audio,
                    "the provider's API takes no sound",
                ));
            }
            Part::ToolCall(call) => Self::ToolUse {
                id: ids::fitting(&call.id),
                name: &call.name,
                input: &call.arguments,
                cache_control: call.cache.map(Mark::of),
            },
            Part::ToolResult(answer) => result(answer)?,
            Part::Thinking(thinking) => {
                let own = thinking
                    .signature
                    .as_ref()
                    .filter(|signature| signature.family == Family::Anthropic);
                match own {
                    None => return Ok(None),
                    Some(data) if thinking.redacted => Self::RedactedThinking { data: &data.value },
                    Some(signature) => Self::Thinking {
                        thinking: &thinking.text,
                        signature: &signature.value,
                    },
                }
            }
        }))
    }
}

fn unsayable(feature: Feature, why: impl Into<Cow<'static, str>>) -> Unsayable {
    Unsayable {
        feature,
        why: why.into(),
    }
}

fn result(answer: &ToolResult) -> Result<Block<'_>, Unsayable> {
    let content = match &answer.content[..] {
        [Part::Text { text, cache: None }] => ResultContent::Text(text),
        parts => {
            let mut blocks = Vec::with_capacity(parts.len());
            for part in parts {
                match part {
                    Part::Text { .. } | Part::Image { .. } | Part::File { .. } => {
                        blocks.extend(Block::of(part)?);
                    }
                    _ => {
                        let why = "tool results hold text, images and documents only";
                        return Err(unsayable(Feature::OtherContent, why));
                    }
                }
            }
            if blocks.is_empty() {
                ResultContent::Text("")
            } else {
                ResultContent::Blocks(blocks)
            }
        }
    };
    Ok(Block::ToolResult {
        tool_use_id: ids::fitting(&answer.call_id),
        content,
        is_error: answer.is_error,
        cache_control: answer.cache.map(Mark::of),
    })
}

fn image(media: &Media) -> Result<MediaSource<'_>, Unsayable> {
    match &media.source {
        Source::Inline(data) => {
            let named = media.media_type.as_deref().unwrap_or_default();
            let media_type = match named {
                "image/jpeg" | "image/png" | "image/gif" | "image/webp" => named,
                "image/jpg" => "image/jpeg",
                _ => {
                    let why = "images are JPEG, PNG, GIF or WebP there";
                    return Err(unsayable(Feature::ImageInline, why));
                }
            };
            Ok(MediaSource::Base64 { media_type, data })
        }
        Source::Url(url) => Ok(MediaSource::Url { url }),
        Source::FileId(file_id) => Ok(MediaSource::File { file_id }),
        Source::Text(_) => Err(unsayable(Feature::ImageInline, "text is no image")),
    }
}

fn document(media: &Media) -> Result<MediaSource<'_>, Unsayable> {
    let media_type = media.media_type.as_deref();
    match &media.source {
        Source::Inline(data) => match media_type.map(essence) {
            Some("application/pdf") => Ok(MediaSource::Base64 {
                media_type: "application/pdf",
                data,
            }),
            Some(named) if named.starts_with("text/") || named == "application/json" => {
                plain_text(data)
            }
            _ => Err(unsayable(
                Feature::FileInline,
                "files are PDF or plain text there",
            )),
        },
        Source::Url(url) => match media_type.map(essence) {
            None | Some("application/pdf") => Ok(MediaSource::Url { url }),
            Some(_) => Err(unsayable(Feature::FileUrl, "files by URL are PDF there")),
        },
        Source::FileId(file_id) => Ok(MediaSource::File { file_id }),
        Source::Text(text) => Ok(MediaSource::Text {
            media_type: "text/plain",
            data: Cow::Borrowed(text),
        }),
    }
}

/// A media type without its parameters.
fn essence(media_type: &str) -> &str {
    media_type.split(';').next().unwrap_or_default().trim()
}

/// Text comes as such, not as base64.
fn plain_text(data: &str) -> Result<MediaSource<'_>, Unsayable> {
    STANDARD
        .decode(data)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .map(|text| MediaSource::Text {
            media_type: "text/plain",
            data: Cow::Owned(text),
        })
        .ok_or_else(|| {
            unsayable(
                Feature::FileInline,
                "the file of text is not UTF-8 in base64",
            )
        })
}
