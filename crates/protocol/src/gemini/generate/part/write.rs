//! Parts, written.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::{
    canonical::{Family, Media, Part, Signature, Source, Thinking},
    gemini::{base64, generate::part::PLACEHOLDER},
};

/// A part of a request or an answer.
#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
pub(in crate::gemini::generate) struct PartOut<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    thought: bool,
    #[serde(flatten)]
    media: Option<MediaOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::gemini::generate) function_call: Option<FunctionCall<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_response: Option<FunctionResponse<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::gemini::generate) thought_signature: Option<Cow<'a, str>>,
}

/// Bytes, here or elsewhere.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::gemini::generate) enum MediaOut<'a> {
    /// Here.
    InlineData(Blob<'a>),
    /// Elsewhere.
    FileData(FileData<'a>),
}

/// `inlineData`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::gemini::generate) struct Blob<'a> {
    mime_type: Cow<'a, str>,
    data: Cow<'a, str>,
}

/// `fileData`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::gemini::generate) struct FileData<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    mime_type: Option<&'a str>,
    file_uri: &'a str,
}

/// `functionCall`.
#[derive(Serialize)]
pub(in crate::gemini::generate) struct FunctionCall<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::gemini::generate) id: Option<&'a str>,
    pub(in crate::gemini::generate) name: &'a str,
    pub(in crate::gemini::generate) args: &'a RawValue,
}

/// `functionResponse`.
#[derive(Serialize)]
pub(in crate::gemini::generate) struct FunctionResponse<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::gemini::generate) id: Option<&'a str>,
    pub(in crate::gemini::generate) name: &'a str,
    pub(in crate::gemini::generate) response: Cow<'a, RawValue>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(in crate::gemini::generate) parts: Vec<MediaOut<'a>>,
}

impl<'a> PartOut<'a> {
    /// Text.
    pub(in crate::gemini::generate) fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Self {
            text: Some(text.into()),
            ..Self::default()
        }
    }

    /// Reasoning.
    pub(in crate::gemini::generate) fn thought(text: impl Into<Cow<'a, str>>) -> Self {
        Self {
            thought: true,
            ..Self::text(text)
        }
    }

    /// Bytes.
    pub(in crate::gemini::generate) fn media(media: &'a Media) -> Self {
        Self {
            media: write_media(media),
            ..match &media.source {
                Source::Text(text) => Self::text(text),
                _ => Self::default(),
            }
        }
    }

    /// A call.
    pub(in crate::gemini::generate) fn call(call: FunctionCall<'a>) -> Self {
        Self {
            function_call: Some(call),
            ..Self::default()
        }
    }

    /// A result.
    pub(in crate::gemini::generate) fn result(result: FunctionResponse<'a>) -> Self {
        Self {
            function_response: Some(result),
            ..Self::default()
        }
    }

    /// Reasoning that is all signature.
    pub(in crate::gemini::generate) fn redacted(signature: &'a Signature) -> Self {
        Self::thought("").signed(Some(signature))
    }

    /// With a signature.
    pub(in crate::gemini::generate) fn signed(mut self, signature: Option<&'a Signature>) -> Self {
        self.thought_signature = signature.map(write_signature);
        self
    }
}

fn write_signature(signature: &Signature) -> Cow<'_, str> {
    if signature.family == Family::Gemini {
        Cow::Borrowed(&signature.value)
    } else {
        Cow::Owned(base64::encode(signature.carried().as_bytes()))
    }
}

/// Bytes as Gemini takes them; nothing for plain text. The kind of what stands elsewhere is told where it is known, or can
/// be seen from the path.
pub(in crate::gemini::generate) fn write_media(media: &Media) -> Option<MediaOut<'_>> {
    const UNKNOWN: &str = "application/octet-stream";
    match &media.source {
        Source::Inline(data) => Some(MediaOut::InlineData(Blob {
            mime_type: Cow::Borrowed(media.media_type.as_deref().unwrap_or(UNKNOWN)),
            data: Cow::Borrowed(data),
        })),
        Source::Url(uri) | Source::FileId(uri) => Some(MediaOut::FileData(FileData {
            mime_type: media.media_type.as_deref().or_else(|| media_type_of(uri)),
            file_uri: uri,
        })),
        Source::Text(_) => None,
    }
}

/// The kind that the extension of a URL's path promises, of those that Gemini reads.
pub(in crate::gemini::generate) fn media_type_of(url: &str) -> Option<&'static str> {
    let path = url.split(['?', '#']).next()?;
    let (_, name) = path.rsplit_once('/')?;
    let (_, extension) = name.rsplit_once('.')?;
    Some(match extension.to_ascii_lowercase().as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "heic" => "image/heic",
        "heif" => "image/heif",
        "gif" => "image/gif",
        "bmp" => "image/bmp",
        "avif" => "image/avif",
        "pdf" => "application/pdf",
        "json" => "application/json",
        "txt" | "md" => "text/plain",
        "html" | "htm" => "text/html",
        "css" => "text/css",
        "csv" => "text/csv",
        "xml" => "text/xml",
        "rtf" => "text/rtf",
        "mp3" => "audio/mp3",
        "wav" => "audio/wav",
        "ogg" => "audio/ogg",
        "flac" => "audio/flac",
        "aac" => "audio/aac",
        "aiff" => "audio/aiff",
        "mp4" => "video/mp4",
        "mov" => "video/mov",
        "mpeg" | "mpg" => "video/mpeg",
        "webm" => "video/webm",
        _ => return None,
    })
}

/// Writes the parts of one turn. `keeps` says which reasoning is; results, which are turns of
/// their own, are not.
pub(in crate::gemini::generate) fn write_parts<'a>(
    parts: &'a [Part],
    with_ids: bool,
    keeps: impl Fn(&Thinking) -> bool,
) -> Vec<PartOut<'a>> {
    let mut out = Vec::with_capacity(parts.len());
    let mut pending: Option<&Signature> = None;
    for part in parts {
        let written = match part {
            Part::Thinking(thinking) => {
                if !keeps(thinking) {
                    continue;
                }
                out.extend(
                    pending
                        .take()
                        .map(|signature| PartOut::text("").signed(Some(signature))),
                );
                match &thinking.signature {
                    Some(signature) if thinking.redacted => out.push(PartOut::redacted(signature)),
                    signature => {
                        if !thinking.text.is_empty() {
                            out.push(PartOut::thought(&thinking.text));
                        }
                        pending = signature.as_ref();
                    }
                }
                continue;
            }
            Part::Text { text, .. } | Part::Refusal(text) => PartOut::text(text),
            Part::Image { media, .. } | Part::File { media, .. } | Part::Audio(media) => {
                PartOut::media(media)
            }
            Part::ToolCall(call) => PartOut::call(FunctionCall {
                id: with_ids.then_some(&call.id),
                name: &call.name,
                args: call.arguments.raw(),
            }),
            Part::ToolResult(_) => continue,
        };
        out.push(written.signed(pending.take()));
    }
    out.extend(pending.map(|signature| PartOut::text("").signed(Some(signature))));
    out
}

/// Gemini 3 refuses a step whose first call has no signature; where none of its own is there, it takes a documented one.
pub(in crate::gemini::generate) fn vouch(parts: &mut [PartOut<'_>]) {
    let first = parts.iter_mut().find(|part| part.function_call.is_some());
    if let Some(part) = first {
        part.thought_signature
            .get_or_insert_with(|| Cow::Owned(base64::encode(PLACEHOLDER.as_bytes())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_is_seen_from_the_path_alone() {
        for (url, kind) in [
            ("https://x.example/a.PNG?v=1.gif#f.pdf", Some("image/png")),
            ("https://x.example/a/b.jpeg", Some("image/jpeg")),
            ("https://x.example/doc.pdf", Some("application/pdf")),
            ("https://x.example/v1.2/photo", None),
            ("https://x.example", None),
            ("a.png", None),
            ("", None),
        ] {
            assert_eq!(media_type_of(url), kind, "{url}");
        }
    }
}
