//! Parts, read.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::PLACEHOLDER;
use crate::{
    canonical::{CARRIED, Family, Media, Part, Signature, Source, Thinking},
    gemini::base64,
    lent::Lent,
};

/// A part of an answer.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::gemini::generate) struct PartIn<'a> {
    #[serde(borrow)]
    pub(in crate::gemini::generate) text: Option<Lent<'a>>,
    #[serde(default)]
    pub(in crate::gemini::generate) thought: Option<bool>,
    #[serde(borrow)]
    thought_signature: Option<Lent<'a>>,
    #[serde(borrow)]
    pub(in crate::gemini::generate) function_call: Option<CallIn<'a>>,
    #[serde(borrow)]
    inline_data: Option<BlobIn<'a>>,
}

/// A call.
#[derive(Deserialize)]
pub(in crate::gemini::generate) struct CallIn<'a> {
    #[serde(borrow)]
    pub(in crate::gemini::generate) id: Option<Lent<'a>>,
    #[serde(borrow)]
    pub(in crate::gemini::generate) name: Option<Lent<'a>>,
    #[serde(borrow)]
    pub(in crate::gemini::generate) args: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BlobIn<'a> {
    #[serde(borrow)]
    mime_type: Option<Lent<'a>>,
    #[serde(borrow)]
    data: Option<Lent<'a>>,
}

impl PartIn<'_> {
    /// Its signature, if it can be read.
    pub(in crate::gemini::generate) fn signature(&self) -> Option<Signature> {
        let Lent(text) = self.thought_signature.as_ref()?;
        read_signature(text).ok()?
    }

    /// The bytes it holds, if they can be read.
    pub(in crate::gemini::generate) fn media(&self) -> Option<Media> {
        let blob = self.inline_data.as_ref()?;
        let Lent(data) = blob.data.as_ref()?;
        Some(Media {
            media_type: blob.mime_type.as_ref().map(|Lent(kind)| kind.to_string()),
            source: Source::Inline(base64::canonical(data)?),
        })
    }
}

/// A `thoughtSignature` that is no base64.
#[derive(Debug)]
pub(in crate::gemini::generate) struct NotBase64;

/// Reads a `thoughtSignature`. The placeholder is none, also where a client forgot to encode it.
pub(in crate::gemini::generate) fn read_signature(
    text: &str,
) -> Result<Option<Signature>, NotBase64> {
    if text.is_empty() || text == PLACEHOLDER {
        return Ok(None);
    }
    let bytes = base64::decode(text).ok_or(NotBase64)?;
    if bytes == PLACEHOLDER.as_bytes() {
        return Ok(None);
    }
    let carried = std::str::from_utf8(&bytes)
        .ok()
        .filter(|text| text.starts_with(CARRIED))
        .map(|text| Signature::read(Cow::Borrowed(text), Family::Gemini))
        .filter(|signature| signature.family != Family::Gemini);
    Ok(Some(carried.unwrap_or_else(|| Signature {
        family: Family::Gemini,
        value: base64::encode(&bytes),
    })))
}

/// Bytes of a kind, as the part that holds such.
pub(in crate::gemini::generate) fn media_part(media: Media, name: Option<String>) -> Part {
    let kind = media.media_type.as_deref().unwrap_or_default();
    if kind.starts_with("image/") {
        Part::Image {
            media,
            detail: None,
            cache: None,
        }
    } else if kind.starts_with("audio/") {
        Part::Audio(media)
    } else {
        Part::File {
            media,
            name,
            cache: None,
        }
    }
}

/// Puts the parts of one turn of the model's together. What was cut up on the way through a stream is one again.
#[derive(Debug, Default)]
pub(in crate::gemini::generate) struct Parts(Vec<Part>);

impl Parts {
    /// Goes on after `parts`.
    pub(in crate::gemini::generate) fn going_on(parts: Vec<Part>) -> Self {
        Self(parts)
    }

    /// Adds text.
    pub(in crate::gemini::generate) fn text(&mut self, more: &str, signature: Option<Signature>) {
        self.sign(signature);
        match self.0.last_mut() {
            _ if more.is_empty() => {}
            Some(Part::Text { text, .. }) => text.push_str(more),
            _ => self.0.push(Part::text(more)),
        }
    }

    /// Adds reasoning.
    pub(in crate::gemini::generate) fn thought(
        &mut self,
        more: &str,
        signature: Option<Signature>,
    ) {
        if more.is_empty() {
            match signature {
                Some(signature) if signature.family == Family::Anthropic => {
                    self.0.push(Part::Thinking(Thinking {
                        text: String::new(),
                        signature: Some(signature),
                        redacted: true,
                    }));
                }
                signature => self.sign(signature),
            }
            return;
        }
        match self.0.last_mut() {
            Some(Part::Thinking(Thinking {
                text,
                signature: None,
                ..
            })) => text.push_str(more),
            _ => self.0.push(Part::Thinking(Thinking {
                text: more.to_owned(),
                ..Thinking::default()
            })),
        }
        self.sign(signature);
    }

    /// Adds a part of another kind.
    pub(in crate::gemini::generate) fn push(&mut self, part: Part, signature: Option<Signature>) {
        self.sign(signature);
        self.0.push(part);
    }

    /// The parts.
    pub(in crate::gemini::generate) fn into_vec(self) -> Vec<Part> {
        self.0
    }

    fn sign(&mut self, signature: Option<Signature>) {
        if signature.is_none() {
            return;
        }
        match self.0.last_mut() {
            Some(Part::Thinking(thinking)) if thinking.signature.is_none() => {
                thinking.signature = signature;
            }
            _ => self.0.push(Part::Thinking(Thinking {
                signature,
                ..Thinking::default()
            })),
        }
    }
}
