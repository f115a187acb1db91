//! Results of tools: objects in Gemini, texts elsewhere.

use serde_json::value::RawValue;
use std::borrow::Cow;

use super::{calls::Calls, media};
use crate::{
    RequestError,
    canonical::{Json, Part, Request, ToolResult},
    feature::Feature,
    gemini::{
        fields::{Fields, invalid, members, missing, type_error},
        generate::part::{FunctionResponse, PartOut, write_media},
    },
    lent::Lent,
};

/// Reads a `functionResponse`.
pub(super) fn read(
    mut response: Fields<'_>,
    calls: &mut Calls,
    request: &mut Request,
) -> Result<ToolResult, RequestError> {
    let name = response
        .string("name")?
        .ok_or_else(|| missing(response.path_of("name")))?;
    let own = response.string("id")?.filter(|id| !id.is_empty());
    let Some(call) = calls.answer(own.as_deref(), &name) else {
        return Err(invalid(
            response.path().to_owned(),
            "it answers no call of the model's last turn",
        ));
    };
    let mut result = ToolResult {
        call_id: call.id.clone(),
        name: call.name.clone(),
        content: Vec::new(),
        object: None,
        is_error: false,
        cache: None,
    };
    if let Some(raw) = response.take("response") {
        let Some((text, is_error)) = said(raw) else {
            return Err(type_error(response.path_of("response"), "an object"));
        };
        result.is_error = is_error;
        result
            .content
            .extend((!text.is_empty()).then(|| Part::text(text)));
        result.object = Some(Json::of(raw));
    }
    for (raw, path) in response.list("parts")?.unwrap_or_default() {
        let mut part = Fields::read(raw, path)?;
        result.content.extend(media::take(&mut part, request)?);
        if part.take("mediaResolution").is_some() {
            request.extras.push(crate::canonical::Extra {
                feature: Feature::FileDetail,
                param: part.path_of("mediaResolution"),
            });
        }
        request.extras.extend(part.rest(Feature::OtherContent));
    }
    // How a call that does not block goes on; Live only.
    if response.bool("willContinue")? == Some(true) {
        request.extras.push(crate::canonical::Extra {
            feature: Feature::OtherContent,
            param: response.path_of("willContinue"),
        });
    }
    response.take("scheduling");
    request.extras.extend(response.unknown());
    Ok(result)
}

/// What the object says, as text, and whether it is an error: `output` and `error` are Gemini's own names for it, `result`
/// is what most clients write.
fn said(object: &RawValue) -> Option<(Cow<'_, str>, bool)> {
    let members = members(object.get())?;
    let is_error = members
        .iter()
        .any(|(name, value)| name == "error" && value.get() != "null");
    let text = match members.as_slice() {
        [(name, value)] if matches!(name.as_ref(), "error" | "output" | "result") => {
            let text = serde_json::from_str::<Lent<'_>>(value.get());
            text.map_or(Cow::Borrowed(object.get()), |Lent(text)| text)
        }
        _ => Cow::Borrowed(object.get()),
    };
    Some((text, is_error))
}

/// Writes a `functionResponse`: the object that came as such, a text that is an object, or the text in an object.
pub(super) fn write(result: &ToolResult, with_ids: bool) -> PartOut<'_> {
    let mut texts = result.content.iter().filter_map(|part| match part {
        Part::Text { text, .. } => Some(text.as_str()),
        Part::File { media, .. } => match &media.source {
            crate::canonical::Source::Text(text) => Some(text),
            _ => None,
        },
        _ => None,
    });
    let first = texts.next().unwrap_or_default();
    let text = texts.fold(Cow::Borrowed(first), |text, more| {
        Cow::Owned(format!("{text}\n{more}"))
    });
    let parts = result.content.iter().filter_map(|part| match part {
        Part::Image { media, .. } | Part::File { media, .. } | Part::Audio(media) => {
            write_media(media)
        }
        _ => None,
    });
    PartOut::result(FunctionResponse {
        id: with_ids.then_some(result.call_id.as_str()),
        name: &result.name,
        response: object(result, &text),
        parts: parts.collect(),
    })
}

fn object<'a>(result: &'a ToolResult, text: &str) -> Cow<'a, RawValue> {
    if let Some(object) = result.object.as_ref().filter(|object| object.is_object()) {
        return Cow::Borrowed(object.raw());
    }
    let wrapped = |name: &str| {
        let object = std::collections::BTreeMap::from([(name, text)]);
        Cow::Owned(serde_json::value::to_raw_value(&object).expect("its key is a string"))
    };
    if result.is_error {
        return wrapped("error");
    }
    match RawValue::from_string(text.trim().to_owned()) {
        Ok(raw) if raw.get().starts_with('{') => Cow::Owned(raw),
        _ => wrapped("result"),
    }
}
