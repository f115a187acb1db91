//! Parts of messages and of results.

use std::borrow::Cow;

use super::fields::{Any, Fields, invalid, wrong_type};
use crate::{
    RequestError,
    canonical::{CacheControl, Detail, Extra, Media, Part, Source},
    feature::Feature,
    json::Value,
    openai::media,
};

/// Reads `content` or `output`: a text, or a list of parts. Empty texts say nothing and are left out.
pub(super) fn read(
    content: Any<'_>,
    path: &str,
    extras: &mut Vec<Extra>,
) -> Result<Vec<Part>, RequestError> {
    match content {
        Any::Text(text) => Ok(text_part(text, None).into_iter().collect()),
        Any::List(parts) => {
            let mut read = Vec::with_capacity(parts.len());
            for (index, raw) in parts.into_iter().enumerate() {
                read.extend(part(raw, format!("{path}[{index}]"), extras)?);
            }
            Ok(read)
        }
        Any::Fields(_) => Err(wrong_type(path.to_owned(), "a string or an array")),
    }
}

fn part(
    raw: Value<'_>,
    path: String,
    extras: &mut Vec<Extra>,
) -> Result<Option<Part>, RequestError> {
    let mut fields = Fields::of(raw, path)?;
    let kind = fields.needed_text("type")?;
    let part = match kind.as_ref() {
        "input_text" | "output_text" | "text" => {
            fields.ignore(&["annotations", "logprobs"]);
            let cache = cache(&mut fields, extras)?;
            text_part(fields.needed_text("text")?, cache)
        }
        "refusal" => {
            let refusal = fields.needed_text("refusal")?;
            (!refusal.is_empty()).then(|| Part::Refusal(refusal.into_owned()))
        }
        "input_image" => Some(image(&mut fields, extras)?),
        "input_file" => Some(file(&mut fields, extras)?),
        "input_audio" => Some(Part::Audio(audio(&mut fields)?)),
        _ => {
            extras.push(Extra {
                feature: Feature::OtherContent,
                param: fields.path().to_owned(),
            });
            return Ok(None);
        }
    };
    fields.leave(extras);
    Ok(part)
}

fn text_part(text: Cow<'_, str>, cache: Option<CacheControl>) -> Option<Part> {
    (!text.is_empty()).then(|| Part::Text {
        text: text.into_owned(),
        cache,
    })
}

/// `prompt_cache_breakpoint`: 12 hours are the longest that the canonical form can say, which is an hour.
fn cache(
    fields: &mut Fields<'_>,
    extras: &mut Vec<Extra>,
) -> Result<Option<CacheControl>, RequestError> {
    let Some(mut mark) = fields.fields("prompt_cache_breakpoint")? else {
        return Ok(None);
    };
    mark.ignore(&["mode"]);
    let ttl = mark.text("ttl")?;
    mark.leave(extras);
    Ok(Some(if ttl.as_deref() == Some("12h") {
        CacheControl::Hour
    } else {
        CacheControl::Default
    }))
}

fn image(fields: &mut Fields<'_>, extras: &mut Vec<Extra>) -> Result<Part, RequestError> {
    let detail = match fields.text("detail")?.as_deref() {
        // The SDKs' types require it, and it is the default: who writes it asks for nothing.
        None | Some("auto") => None,
        Some("low") => Some(Detail::Low),
        Some("high") => Some(Detail::High),
        Some("original") => Some(Detail::Original),
        Some(_) => {
            let reason = "it must be auto, low, high or original";
            return Err(invalid(fields.at("detail"), reason));
        }
    };
    let cache = cache(fields, extras)?;
    let media = match (fields.text("image_url")?, fields.text("file_id")?) {
        (Some(url), None) => media::of_url(url.into_owned())
            .ok_or_else(|| invalid(fields.at("image_url"), media::NO_DATA_URL))?,
        (None, Some(id)) => Media {
            media_type: None,
            source: Source::FileId(id.into_owned()),
        },
        _ => {
            let reason = "one of image_url and file_id is required";
            return Err(invalid(fields.path().to_owned(), reason));
        }
    };
    Ok(Part::Image {
        media,
        detail,
        cache,
    })
}

fn file(fields: &mut Fields<'_>, extras: &mut Vec<Extra>) -> Result<Part, RequestError> {
    let name = fields.text("filename")?;
    let cache = cache(fields, extras)?;
    // How closely pages are looked at: its default asks for nothing.
    if let Some(detail) = fields.text("detail")?
        && detail != "auto"
    {
        extras.push(Extra {
            feature: Feature::FileDetail,
            param: fields.at("detail"),
        });
    }
    let sources = (
        fields.text("file_data")?,
        fields.text("file_url")?,
        fields.text("file_id")?,
    );
    let media = match sources {
        (Some(data), None, None) if data.starts_with("data:") => {
            media::of_url(data.into_owned())
                .ok_or_else(|| invalid(fields.at("file_data"), media::NO_DATA_URL))?
        }
        (Some(data), None, None) => media::inline(type_of(name.as_deref()).to_owned(), &data)
            .ok_or_else(|| invalid(fields.at("file_data"), "it is not base64"))?,
        (None, Some(url), None) => Media {
            media_type: None,
            source: Source::Url(url.into_owned()),
        },
        (None, None, Some(id)) => Media {
            media_type: None,
            source: Source::FileId(id.into_owned()),
        },
        _ => {
            let reason = "one of file_data, file_url and file_id is required";
            return Err(invalid(fields.path().to_owned(), reason));
        }
    };
    Ok(Part::File {
        media,
        name: name.map(Cow::into_owned),
        cache,
    })
}

fn audio(fields: &mut Fields<'_>) -> Result<Media, RequestError> {
    let mut audio = fields
        .fields("input_audio")?
        .ok_or_else(|| invalid(fields.at("input_audio"), "it is required"))?;
    let data = audio.needed_text("data")?;
    let format = audio.needed_text("format")?;
    let media_type = match format.as_ref() {
        "mp3" => "audio/mpeg",
        "wav" => "audio/wav",
        _ => return Err(invalid(audio.at("format"), "it must be mp3 or wav")),
    };
    media::inline(media_type.to_owned(), &data)
        .ok_or_else(|| invalid(audio.at("data"), "it is not base64"))
}

/// The type of a file that comes without one, by its name.
fn type_of(name: Option<&str>) -> &'static str {
    let extension = name
        .and_then(|name| name.rsplit_once('.'))
        .map(|(_, extension)| extension.to_ascii_lowercase());
    match extension.as_deref() {
        Some("pdf") => "application/pdf",
        Some("txt") => "text/plain",
        Some("md") => "text/markdown",
        Some("csv") => "text/csv",
        Some("html") => "text/html",
        Some("json") => "application/json",
        _ => "application/octet-stream",
    }
}
