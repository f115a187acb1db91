//! Reading the conversation.

use serde_json::value::RawValue;

use super::{calls::Calls, media, results};
use crate::{
    RequestError,
    canonical::{Extra, Json, Message, Part, Request, Role, Signature, ToolCall},
    feature::Feature,
    gemini::{
        fields::{Fields, invalid, missing, type_error},
        generate::part::{Parts, read_signature},
    },
};

/// Members of a part that say what it holds, of kinds that only Gemini has.
const OWN_KINDS: [&str; 5] = [
    "executableCode",
    "codeExecutionResult",
    "toolCall",
    "toolResponse",
    "audioTranscription",
];

/// Members of a part that only Gemini has, about what it holds.
const OWN_ASPECTS: [&str; 5] = [
    "mediaProcessing",
    "speechMetadata",
    "documentMetadata",
    "spreadsheetMetadata",
    "audioMetadata",
];

/// Reads `contents`, each with its path.
pub(super) fn read(
    contents: Vec<(&RawValue, String)>,
    request: &mut Request,
) -> Result<(), RequestError> {
    let mut calls = Calls::default();
    for (index, (raw, path)) in contents.into_iter().enumerate() {
        let mut content = Fields::read(raw, path)?;
        let role = content.string("role")?.unwrap_or_default();
        let parts = content.list("parts")?.unwrap_or_default();
        match role.as_ref() {
            "model" => model(parts, index, &mut calls, request)?,
            "" | "user" | "function" => user(parts, &mut calls, request)?,
            _ => {
                return Err(invalid(
                    content.path_of("role"),
                    "it must be 'user' or 'model'",
                ));
            }
        }
        request.extras.extend(content.unknown());
    }
    Ok(())
}

fn model(
    list: Vec<(&RawValue, String)>,
    index: usize,
    calls: &mut Calls,
    request: &mut Request,
) -> Result<(), RequestError> {
    // Neighbouring contents of the model's are one turn: the SDK's chats keep one for each chunk of a stream.
    let before = request
        .messages
        .pop_if(|message| message.role == Role::Assistant);
    if before.is_none() {
        calls.begin_turn();
    }
    let mut parts = Parts::going_on(before.map(|message| message.parts).unwrap_or_default());
    for (place, (raw, path)) in list.into_iter().enumerate() {
        let mut part = Fields::read(raw, path)?;
        let signature = signature(&mut part)?;
        let is_thought = part.bool("thought")? == Some(true);
        if let Some(text) = part.string("text")? {
            if is_thought {
                parts.thought(&text, signature);
            } else {
                parts.text(&text, signature);
            }
        } else if let Some(call) = part.object("functionCall")? {
            let call = function_call(call, (index, place), calls, request)?;
            parts.push(Part::ToolCall(call), signature);
        } else if let Some(media) = media::take(&mut part, request)? {
            parts.push(media, signature);
        } else if part.take("functionResponse").is_some() {
            let field = part.path_of("functionResponse");
            return Err(invalid(
                field,
                "it must stand in a content of the role 'user'",
            ));
        } else {
            // A signature that came at the end of a stream, without anything else.
            parts.text("", signature);
        }
        aspects(part, request)?;
    }
    let parts = parts.into_vec();
    if !parts.is_empty() {
        request.messages.push(Message::new(Role::Assistant, parts));
        calls.end_turn(request.messages.len());
    }
    Ok(())
}

fn user(
    list: Vec<(&RawValue, String)>,
    calls: &mut Calls,
    request: &mut Request,
) -> Result<(), RequestError> {
    let (mut parts, mut answers) = (Vec::new(), Vec::new());
    for (raw, path) in list {
        let mut part = Fields::read(raw, path)?;
        // Signatures are the model's; a client that copies one onto its own part says nothing by it.
        signature(&mut part)?;
        part.bool("thought")?;
        if let Some(text) = part.string("text")? {
            parts.extend((!text.is_empty()).then(|| Part::text(text)));
        } else if let Some(response) = part.object("functionResponse")? {
            answers.push(Part::ToolResult(results::read(response, calls, request)?));
        } else if part.take("functionCall").is_some() {
            let field = part.path_of("functionCall");
            return Err(invalid(
                field,
                "it must stand in a content of the role 'model'",
            ));
        } else if let Some(mut media) = media::take(&mut part, request)? {
            look(&mut part, &mut media)?;
            parts.push(media);
        }
        aspects(part, request)?;
    }
    add_results(answers, calls.results_at(), request);
    if !parts.is_empty() {
        request.messages.push(Message::new(Role::User, parts));
    }
    Ok(())
}

/// All results of a turn of the model's are one message, right after it.
fn add_results(answers: Vec<Part>, at: usize, request: &mut Request) {
    if answers.is_empty() {
        return;
    }
    match request.messages.get_mut(at) {
        Some(message) if message.role == Role::Tool => message.parts.extend(answers),
        _ => request
            .messages
            .insert(at, Message::new(Role::Tool, answers)),
    }
}

fn signature(part: &mut Fields<'_>) -> Result<Option<Signature>, RequestError> {
    let Some(text) = part.string("thoughtSignature")? else {
        return Ok(None);
    };
    read_signature(&text).map_err(|_| invalid(part.path_of("thoughtSignature"), "it is not base64"))
}

fn function_call(
    mut call: Fields<'_>,
    place: (usize, usize),
    calls: &mut Calls,
    request: &mut Request,
) -> Result<ToolCall, RequestError> {
    let name = call
        .string("name")?
        .ok_or_else(|| missing(call.path_of("name")))?
        .into_owned();
    let own = call.string("id")?.filter(|id| !id.is_empty());
    let arguments = match call.take("args") {
        Some(raw) => Json::of(raw),
        None => Json::empty_object(),
    };
    if !arguments.is_object() {
        return Err(type_error(call.path_of("args"), "an object"));
    }
    call.bool("willContinue")?;
    request.extras.extend(call.unknown());
    Ok(ToolCall {
        id: calls.call(own.as_deref(), &name, place),
        name,
        arguments,
        cache: None,
    })
}

/// The resolution of one picture.
fn look(part: &mut Fields<'_>, media: &mut Part) -> Result<(), RequestError> {
    let Part::Image { detail, .. } = media else {
        return Ok(());
    };
    if let Some(mut resolution) = part.object("mediaResolution")? {
        let level = resolution.string("level")?.unwrap_or_default();
        *detail = media::detail(resolution.path_of("level"), &level)?;
    }
    Ok(())
}

/// What else a part says.
fn aspects(mut part: Fields<'_>, request: &mut Request) -> Result<(), RequestError> {
    let mut found = |feature, param| request.extras.push(Extra { feature, param });
    for kind in OWN_KINDS {
        if part.take(kind).is_some() {
            found(Feature::OtherContent, part.path_of(kind));
        }
    }
    if part.object("mediaResolution")?.is_some() {
        found(Feature::FileDetail, part.path_of("mediaResolution"));
    }
    if part.take("partMetadata").is_some() {
        found(Feature::Metadata, part.path_of("partMetadata"));
    }
    for aspect in OWN_ASPECTS {
        if part.take(aspect).is_some() {
            found(Feature::OtherContent, part.path_of(aspect));
        }
    }
    request.extras.extend(part.unknown());
    Ok(())
}
