//! Reading a request.

use super::{config, contents, tools};
use crate::{
    RequestError,
    canonical::{Detail, Extra, Message, Part, Request, Role},
    feature::Feature,
    gemini::fields::{Fields, type_error},
    lent::Lent,
};

/// Reads a request.
pub(crate) fn read(body: &[u8]) -> Result<Request, RequestError> {
    read_fields(Fields::of_body(body)?)
}

/// Reads a request that stands in another object.
pub(crate) fn read_fields(mut fields: Fields<'_>) -> Result<Request, RequestError> {
    let mut request = Request::default();
    system(&mut fields, &mut request)?;
    let list = fields
        .list("contents")?
        .ok_or(RequestError::Missing("contents"))?;
    contents::read(list, &mut request)?;
    tools::read(&mut fields, &mut request)?;
    let detail = match fields.object("generationConfig")? {
        Some(config) => config::read(config, &mut request)?,
        None => None,
    };
    if let Some(detail) = detail {
        look_as_closely(&mut request, detail);
    }
    records(&mut fields, &mut request)?;
    // In the path already; told here only where the request stands in another.
    fields.take("model");
    request.extras.extend(fields.unknown());
    Ok(request)
}

/// The system prompt: a content, or just its text.
fn system(fields: &mut Fields<'_>, request: &mut Request) -> Result<(), RequestError> {
    let Some(raw) = fields.take("systemInstruction") else {
        return Ok(());
    };
    let path = fields.path_of("systemInstruction");
    let mut parts = Vec::new();
    if raw.get().starts_with('"') {
        let Lent(text) = serde_json::from_str(raw.get())
            .map_err(|_| type_error(path, "a content or a string"))?;
        parts.push(Part::text(text));
    } else {
        let mut content = Fields::read(raw, path)?;
        content.take("role");
        for (raw, path) in content.list("parts")?.unwrap_or_default() {
            let mut part = Fields::read(raw, path)?;
            if let Some(text) = part.string("text")? {
                parts.push(Part::text(text));
            }
            request.extras.extend(part.rest(Feature::OtherContent));
        }
        request.extras.extend(content.unknown());
    }
    parts.retain(|part| !matches!(part, Part::Text { text, .. } if text.is_empty()));
    if !parts.is_empty() {
        request.messages.push(Message::new(Role::System, parts));
    }
    Ok(())
}

fn records(fields: &mut Fields<'_>, request: &mut Request) -> Result<(), RequestError> {
    if let Some(settings) = fields.list("safetySettings")? {
        request.extras.extend((!settings.is_empty()).then(|| Extra {
            feature: Feature::SafetySettings,
            param: fields.path_of("safetySettings"),
        }));
    }
    for name in ["cachedContent", "continuationToken"] {
        if fields.string(name)?.is_some_and(|name| !name.is_empty()) {
            request.extras.push(Extra {
                feature: Feature::PreviousResponse,
                param: fields.path_of(name),
            });
        }
    }
    if fields.bool("store")? == Some(true) {
        request.extras.push(Extra {
            feature: Feature::Store,
            param: fields.path_of("store"),
        });
    }
    if let Some(raw) = fields.take("labels") {
        let labels: std::collections::BTreeMap<String, String> = serde_json::from_str(raw.get())
            .map_err(|_| type_error(fields.path_of("labels"), "an object of strings"))?;
        request.metadata = labels.into_iter().collect();
    }
    request.service_tier = fields
        .string("serviceTier")?
        .filter(|tier| !tier.is_empty() && !tier.to_ascii_lowercase().ends_with("unspecified"))
        .map(std::borrow::Cow::into_owned);
    Ok(())
}

/// Gemini sets the resolution for all media at once; the canonical form says it of each picture.
fn look_as_closely(request: &mut Request, as_asked: Detail) {
    let parts = request
        .messages
        .iter_mut()
        .flat_map(|message| &mut message.parts);
    let mut has_others = false;
    for part in parts {
        match part {
            Part::Image { detail, .. } => {
                detail.get_or_insert(as_asked);
            }
            Part::File { .. } => has_others = true,
            _ => {}
        }
    }
    if has_others {
        request.extras.push(Extra {
            feature: Feature::FileDetail,
            param: "generationConfig.mediaResolution".to_owned(),
        });
    }
}
