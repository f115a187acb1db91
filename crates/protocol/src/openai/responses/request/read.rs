//! Reading a request.
//!
//! What the format has and the canonical form has no place for is noted among the extras, by its field. Fields that change
//! nothing at another provider are passed over: `store: false`, `truncation: disabled`, `background: false`,
//! `stream_options.include_obfuscation`, and `max_tool_calls`, which limits only tools that the provider runs.

use super::{
    fields::{Any, Fields, wrong_type},
    input::Input,
    options,
};
use crate::{
    RequestError,
    canonical::{Extra, Logprobs, Message, Part, Request, Role},
    feature::Feature,
    json::{Kind, Scanner},
};

/// Fields of the gateway's own, and the model's name, which the gateway reads itself.
const NOT_OURS: [&str; 5] = [
    "model",
    "provider",
    "fallback_providers",
    "timeout",
    "retry_count",
];

/// Reads a request.
pub(crate) fn read(body: &[u8]) -> Result<Request, RequestError> {
    let mut scanner = Scanner::new(body)?;
    let whole = scanner.value()?;
    scanner.end()?;
    if whole.kind != Kind::Object {
        return Err(RequestError::NotAnObject);
    }
    let mut fields = Fields::of(whole, String::new())?;
    fields.ignore(&NOT_OURS);
    let mut request = Request::default();
    conversation(&mut fields, &mut request)?;
    settings(&mut fields, &mut request)?;
    logprobs(&mut fields, &mut request)?;
    extras(&mut fields, &mut request.extras)?;
    fields.leave(&mut request.extras);
    Ok(request)
}

fn conversation(fields: &mut Fields<'_>, request: &mut Request) -> Result<(), RequestError> {
    let mut input = Input::default();
    if let Some(instructions) = fields.text("instructions")?
        && !instructions.is_empty()
    {
        let parts = vec![Part::text(instructions)];
        input.messages.push(Message::new(Role::System, parts));
    }
    match fields.any("input", "a string or an array")? {
        Some(Any::Text(text)) => {
            let parts = (!text.is_empty()).then(|| Part::text(text));
            let message = Message::new(Role::User, parts.into_iter().collect());
            input.messages.push(message);
        }
        Some(Any::List(items)) => {
            for (index, raw) in items.into_iter().enumerate() {
                input.item(raw, format!("input[{index}]"))?;
            }
        }
        Some(Any::Fields(_)) => {
            return Err(wrong_type("input".to_owned(), "a string or an array"));
        }
        // The input may be stored at the provider.
        None if ["previous_response_id", "conversation", "prompt"]
            .iter()
            .any(|name| fields.has(name)) => {}
        None => return Err(RequestError::Missing("input")),
    }
    request.messages = input.messages;
    request.extras = input.extras;
    Ok(())
}

fn settings(fields: &mut Fields<'_>, request: &mut Request) -> Result<(), RequestError> {
    for (index, raw) in fields
        .list("tools")?
        .unwrap_or_default()
        .into_iter()
        .enumerate()
    {
        options::tool(raw, format!("tools[{index}]"), request)?;
    }
    if let Some(choice) = fields.any("tool_choice", "a string or an object")? {
        options::tool_choice(choice, request)?;
    }
    request.parallel_tool_calls = fields.flag("parallel_tool_calls")?;
    if let Some(text) = fields.fields("text")? {
        options::text(text, request)?;
    }
    if let Some(reasoning) = fields.fields("reasoning")? {
        options::reasoning(reasoning, request)?;
    }
    request.max_tokens = fields.count("max_output_tokens")?;
    request.temperature = fields.number("temperature")?;
    request.top_p = fields.number("top_p")?;
    request.user = fields.text("user")?.map(Into::into);
    request.service_tier = fields.text("service_tier")?.map(Into::into);
    request.cache_key = fields.text("prompt_cache_key")?.map(Into::into);
    request.stream = fields.flag("stream")?.unwrap_or(false);
    if let Some(metadata) = fields.fields("metadata")? {
        request.metadata = metadata.labels()?;
    }
    Ok(())
}

/// `include` is a list of what else the answer is to hold; log probabilities are among it.
fn logprobs(fields: &mut Fields<'_>, request: &mut Request) -> Result<(), RequestError> {
    let mut is_included = false;
    for (index, raw) in fields
        .list("include")?
        .unwrap_or_default()
        .into_iter()
        .enumerate()
    {
        let param = format!("include[{index}]");
        match raw.as_str().as_deref() {
            Some("message.output_text.logprobs") => is_included = true,
            // Every answer of ours has it.
            Some("reasoning.encrypted_content") => {}
            Some(_) => request.extras.push(Extra {
                feature: Feature::Include,
                param,
            }),
            None => return Err(wrong_type(param, "a string")),
        }
    }
    let top =
        match fields.count("top_logprobs")? {
            Some(top) => Some(u32::try_from(top).map_err(|_| {
                wrong_type("top_logprobs".to_owned(), "a whole number from 0 to 20")
            })?),
            None => None,
        };
    if is_included || top.is_some_and(|top| top > 0) {
        request.logprobs = Some(Logprobs { top });
    }
    Ok(())
}

fn extras(fields: &mut Fields<'_>, extras: &mut Vec<Extra>) -> Result<(), RequestError> {
    fields.ignore(&["max_tool_calls"]);
    let mut note = |feature, name: &str| {
        extras.push(Extra {
            feature,
            param: name.to_owned(),
        });
    };
    for (name, feature) in [
        ("moderation", Feature::Moderation),
        ("previous_response_id", Feature::PreviousResponse),
        ("conversation", Feature::PreviousResponse),
        ("prompt", Feature::StoredPrompt),
        ("background_options", Feature::Background),
        ("prompt_cache_retention", Feature::CacheRetention),
        ("safety_identifier", Feature::SafetyIdentifier),
    ] {
        if fields.value(name).is_some() {
            note(feature, name);
        }
    }
    for (name, feature) in [
        ("store", Feature::Store),
        ("background", Feature::Background),
    ] {
        if fields.flag(name)? == Some(true) {
            note(feature, name);
        }
    }
    if fields
        .text("truncation")?
        .is_some_and(|word| word != "disabled")
    {
        note(Feature::Truncation, "truncation");
    }
    if fields
        .list("context_management")?
        .is_some_and(|list| !list.is_empty())
    {
        note(Feature::Truncation, "context_management");
    }
    if let Some(mut options) = fields.fields("prompt_cache_options")? {
        // A request that only warms the cache has no answer.
        if options.flag("prewarm")? == Some(true) {
            note(Feature::Other, "prompt_cache_options.prewarm");
        }
        note(Feature::CacheRetention, "prompt_cache_options");
    }
    if let Some(mut options) = fields.fields("stream_options")? {
        options.ignore(&["include_obfuscation"]);
        options.leave(extras);
    }
    Ok(())
}
