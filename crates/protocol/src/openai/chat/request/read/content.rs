//! The content of a message: a text, or a list of parts.

use super::{Extras, note};
use crate::{
    RequestError,
    canonical::{CacheControl, Detail, Media, Part, Source},
    feature::Feature,
    json::{Kind, Value},
    openai::{
        media::{self, NO_DATA_URL},
        object::{Object, elements},
    },
};

/// Which kinds of parts may stand in a message, by its role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// Text (system, developer and tool messages).
    Text,
    /// Text and refusals (assistant messages).
    Said,
    /// All but refusals (user messages).
    Everything,
}

/// Reads the content that stands at `path`. Parts of other kinds are noted.
pub(super) fn read(
    value: Value<'_>,
    path: &str,
    takes: Takes,
    extras: &mut Extras,
) -> Result<Vec<Part>, RequestError> {
    if let Some(text) = value.as_str() {
        return Ok(text_part(text.into_owned(), None).into_iter().collect());
    }
    if value.kind != Kind::Array {
        return Err(RequestError::Type {
            field: path.to_owned(),
            expected: "a string or an array",
        });
    }
    let mut parts = Vec::new();
    for (value, path) in elements(value, path)? {
        parts.extend(part(Object::of(value, path)?, takes, extras)?);
    }
    Ok(parts)
}

/// Text, unless it is empty.
fn text_part(text: String, cache: Option<CacheControl>) -> Option<Part> {
    (!text.is_empty()).then_some(Part::Text { text, cache })
}

fn part(
    mut told: Object<'_>,
    takes: Takes,
    extras: &mut Extras,
) -> Result<Option<Part>, RequestError> {
    let kind = told.required_text("type")?;
    let cache = breakpoint(&mut told)?;
    let part = match (kind.as_str(), takes) {
        ("text", _) => text_part(told.required_text("text")?, cache),
        ("refusal", Takes::Said) => {
            let refusal = told.required_text("refusal")?;
            (!refusal.is_empty()).then_some(Part::Refusal(refusal))
        }
        ("image_url", Takes::Everything) => Some(image(&mut told, cache, extras)?),
        ("input_audio", Takes::Everything) => Some(audio(&mut told, extras)?),
        ("file", Takes::Everything) => Some(file(&mut told, cache, extras)?),
        _ => {
            note(extras, Feature::OtherContent, [told.place().to_owned()]);
            return Ok(None);
        }
    };
    note(extras, Feature::Other, told.rest());
    Ok(part)
}

/// `prompt_cache_breakpoint`: the longest it may ask for is kept for longer than by default.
fn breakpoint(told: &mut Object<'_>) -> Result<Option<CacheControl>, RequestError> {
    let Some(mut told) = told.object("prompt_cache_breakpoint")? else {
        return Ok(None);
    };
    told.required_text("mode")?;
    Ok(Some(match told.text("ttl")?.as_deref() {
        Some("12h") => CacheControl::Hour,
        _ => CacheControl::Default,
    }))
}

/// A picture, of the user or in what another gateway's model said.
pub(super) fn image(
    told: &mut Object<'_>,
    cache: Option<CacheControl>,
    extras: &mut Extras,
) -> Result<Part, RequestError> {
    let mut image = told.required_object("image_url")?;
    let url = image.required_text("url")?;
    let media = media::of_url(url).ok_or_else(|| image.invalid("url", NO_DATA_URL))?;
    let detail = match image.text("detail")?.as_deref() {
        None => None,
        Some("auto") => Some(Detail::Auto),
        Some("low") => Some(Detail::Low),
        Some("high") => Some(Detail::High),
        Some("original") => Some(Detail::Original),
        Some(_) => {
            return Err(image.invalid("detail", "it must be auto, low, high or original"));
        }
    };
    note(extras, Feature::Other, image.rest());
    Ok(Part::Image {
        media,
        detail,
        cache,
    })
}

fn audio(told: &mut Object<'_>, extras: &mut Extras) -> Result<Part, RequestError> {
    let mut audio = told.required_object("input_audio")?;
    let media_type = match audio.required_text("format")?.as_str() {
        "wav" => "audio/wav",
        "mp3" => "audio/mpeg",
        _ => return Err(audio.invalid("format", "it must be wav or mp3")),
    };
    let data = audio.required_text("data")?;
    let media = media::inline(media_type.to_owned(), &data)
        .ok_or_else(|| audio.invalid("data", "it is not base64"))?;
    note(extras, Feature::Other, audio.rest());
    Ok(Part::Audio(media))
}

fn file(
    told: &mut Object<'_>,
    cache: Option<CacheControl>,
    extras: &mut Extras,
) -> Result<Part, RequestError> {
    let mut file = told.required_object("file")?;
    let name = file.text("filename")?;
    let media = match (file.text("file_data")?, file.text("file_id")?) {
        (Some(data), None) => {
            let media = if data
                .get(..5)
                .is_some_and(|it| it.eq_ignore_ascii_case("data:"))
            {
                media::of_url(data)
            } else {
                // Bare base64 was accepted before data URLs were; PDF was then the only type.
                media::inline("application/pdf".to_owned(), &data)
            };
            media.ok_or_else(|| file.invalid("file_data", NO_DATA_URL))?
        }
        (None, Some(id)) => Media {
            media_type: None,
            source: Source::FileId(id),
        },
        (Some(_), Some(_)) => {
            return Err(file.invalid("file_id", "it cannot stand beside 'file_data'"));
        }
        (None, None) => return Err(file.wrong_type("file_data", "a string")),
    };
    note(extras, Feature::Other, file.rest());
    Ok(Part::File { media, name, cache })
}
