//! Media in requests.

use crate::{
    RequestError,
    canonical::{Detail, Extra, Media, Part, Request, Source},
    feature::Feature,
    gemini::{
        base64,
        fields::{Fields, invalid, missing},
        generate::part::{media_part, media_type_of},
    },
};

/// Takes the `inlineData` or `fileData` of a part, if it has either.
pub(super) fn take(
    part: &mut Fields<'_>,
    request: &mut Request,
) -> Result<Option<Part>, RequestError> {
    let (media, name) = if let Some(blob) = part.object("inlineData")? {
        inline(blob, request)?
    } else if let Some(file) = part.object("fileData")? {
        elsewhere(file, request)?
    } else {
        return Ok(None);
    };
    if part.take("videoMetadata").is_some() || is_video(&media) {
        request.extras.push(Extra {
            feature: Feature::Video,
            param: part.path().to_owned(),
        });
    }
    Ok(Some(media_part(media, name)))
}

fn is_video(media: &Media) -> bool {
    let kind = media.media_type.as_deref().unwrap_or_default();
    kind.starts_with("video/")
}

fn inline(
    mut blob: Fields<'_>,
    request: &mut Request,
) -> Result<(Media, Option<String>), RequestError> {
    let kind = blob
        .string("mimeType")?
        .ok_or_else(|| missing(blob.path_of("mimeType")))?;
    let data = blob
        .string("data")?
        .ok_or_else(|| missing(blob.path_of("data")))?;
    let data = base64::canonical(&data)
        .ok_or_else(|| invalid(blob.path_of("data"), "it is not base64"))?;
    let name = blob.string("displayName")?.map(Into::into);
    request.extras.extend(blob.unknown());
    let media = Media {
        media_type: Some(kind.into_owned()),
        source: Source::Inline(data),
    };
    Ok((media, name))
}

fn elsewhere(
    mut file: Fields<'_>,
    request: &mut Request,
) -> Result<(Media, Option<String>), RequestError> {
    let uri = file
        .string("fileUri")?
        .ok_or_else(|| missing(file.path_of("fileUri")))?
        .into_owned();
    let kind = file.string("mimeType")?.filter(|kind| !kind.is_empty());
    let name = file.string("displayName")?.map(Into::into);
    request.extras.extend(file.unknown());
    let media_type = kind
        .map(std::borrow::Cow::into_owned)
        .or_else(|| media_type_of(&uri).map(str::to_owned));
    let source = if is_uploaded(&uri) {
        Source::FileId(uri)
    } else {
        Source::Url(uri)
    };
    Ok((Media { media_type, source }, name))
}

/// Whether only Google can read it: the Files API, and Cloud Storage.
fn is_uploaded(uri: &str) -> bool {
    uri.starts_with("gs://")
        || uri.starts_with("files/")
        || uri.starts_with("https://generativelanguage.googleapis.com/")
}

/// How closely the model should look, of the words for it. `None` for a word that says nothing.
pub(super) fn detail(field: String, word: &str) -> Result<Option<Detail>, RequestError> {
    match word {
        "" | "MEDIA_RESOLUTION_UNSPECIFIED" => Ok(None),
        "MEDIA_RESOLUTION_LOW" => Ok(Some(Detail::Low)),
        "MEDIA_RESOLUTION_MEDIUM" => Ok(Some(Detail::Auto)),
        "MEDIA_RESOLUTION_HIGH" | "MEDIA_RESOLUTION_ULTRA_HIGH" => Ok(Some(Detail::High)),
        _ => Err(invalid(
            field,
            "it is not one of the documented resolutions",
        )),
    }
}
