//! The texts of a form: what an upload says beside its files.

use bytes::Bytes;

use super::multipart::{NO_BOUNDARY, Parts, boundary};
use crate::{RequestError, Splice, texts::is_media};

/// Fields that are no text, of images and of audio. Every other is looked at, so that one which is new to the gateway is not
/// missed.
const SETTINGS: [&[u8]; 22] = [
    b"background",
    b"chunking_strategy",
    b"include",
    b"include[]",
    b"input_fidelity",
    b"language",
    b"model",
    b"moderation",
    b"n",
    b"output_compression",
    b"output_format",
    b"partial_images",
    b"quality",
    b"response_format",
    b"seed",
    b"size",
    b"stream",
    b"style",
    b"temperature",
    b"timestamp_granularities",
    b"timestamp_granularities[]",
    b"user",
];

/// A text even where it claims to be a file.
const PROMPT: &[u8] = b"prompt";

const UNREAD: RequestError = RequestError::Form("a field is no text in UTF-8");
const CUT: RequestError = RequestError::Form("a field holds the boundary when it is redacted");

/// Shows every text of a `multipart/form-data` body to `see`, which answers with another one where it is to be changed; the
/// changed body, if anything is. Files are not read: parts with a `filename`.
///
/// # Errors
/// Those of `see`; and where the body is no form, or a field of it is text that cannot be read.
pub fn rewrite_form_texts<E: From<RequestError>>(
    content_type: &str,
    body: &Bytes,
    mut see: impl FnMut(&str) -> Result<Option<String>, E>,
) -> Result<Option<Bytes>, E> {
    let boundary = boundary(content_type).ok_or(NO_BOUNDARY)?;
    let mut parts = Parts::new(body, &boundary)?;
    let mut splice = Splice::default();
    let mut is_changed = false;
    while let Some(part) = parts.next() {
        let part = part?;
        let is_plain = part.is_plain(body);
        let is_setting = is_plain && SETTINGS.contains(&part.name.as_slice());
        if is_setting || (part.is_file(body) && part.name != PROMPT) {
            continue;
        }
        let value = body.get(part.value.clone()).unwrap_or_default();
        let text = std::str::from_utf8(value).ok();
        let text = text.filter(|_| part.is_bare(body)).ok_or(UNREAD)?;
        if text.is_empty() || is_media(text) {
            continue;
        }
        if let Some(text) = see(text)? {
            // Else what a replacement completes would be read as another field.
            if parts.cut(text.as_bytes()) {
                return Err(CUT.into());
            }
            splice.replace(part.value, text);
            is_changed = true;
        }
    }
    Ok(is_changed.then(|| splice.pieces(body).concat().into()))
}
