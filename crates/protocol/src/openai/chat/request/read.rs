//! Reading a client's request.

mod content;
mod messages;
mod tools;

use crate::{
    RequestError,
    canonical::{Effort, Extra, JsonSchema, Logprobs, Output, Reasoning, Request},
    feature::Feature,
    json::Kind,
    openai::object::{Object, texts},
};

/// What the fields say that have no place in the canonical form.
type Extras = Vec<Extra>;

/// Reads a request.
pub(crate) fn read(body: &[u8]) -> Result<Request, RequestError> {
    let mut body = Object::body(body)?;
    let mut extras = Extras::new();
    body.take("model")?;
    let messages = messages::read(&mut body, &mut extras)?;
    let mut request = Request {
        messages,
        extras,
        ..Request::default()
    };
    tools::read(&mut body, &mut request)?;
    sampling(&mut body, &mut request)?;
    answer(&mut body, &mut request)?;
    records(&mut body, &mut request)?;
    elsewhere(&mut body, &mut request.extras)?;
    orchestration(&mut body)?;
    note(&mut request.extras, Feature::Other, body.rest());
    Ok(request)
}

/// Notes that the fields at `paths` ask for `feature`.
fn note(extras: &mut Extras, feature: Feature, paths: impl IntoIterator<Item = String>) {
    extras.extend(paths.into_iter().map(|param| Extra { feature, param }));
}

/// Reads how tokens are chosen, and how many.
pub(in crate::openai) fn sampling(
    body: &mut Object<'_>,
    request: &mut Request,
) -> Result<(), RequestError> {
    request.temperature = body.number("temperature")?;
    request.top_p = body.number("top_p")?;
    request.presence_penalty = body.number("presence_penalty")?;
    request.frequency_penalty = body.number("frequency_penalty")?;
    request.seed = body.integer("seed")?;
    request.choices = body.natural("n")?;
    if request.choices == Some(0) {
        return Err(body.invalid("n", "it must be at least 1"));
    }
    let top = body.natural("top_logprobs")?;
    request.logprobs = match body.boolean("logprobs")? {
        Some(true) => Some(Logprobs { top }),
        _ if top.is_some() => {
            return Err(body.invalid("top_logprobs", "it needs 'logprobs': true"));
        }
        _ => None,
    };
    request.stop = match body.take("stop")? {
        None => Vec::new(),
        Some(value) => match value.as_str() {
            Some(stop) => vec![stop.into_owned()],
            None if value.kind == Kind::Array => texts(value, "stop")?,
            None => return Err(body.wrong_type("stop", "a string or an array of strings")),
        },
    };
    let limit = body.natural("max_completion_tokens")?;
    let old_limit = body.natural("max_tokens")?;
    if limit.is_some() && old_limit.is_some() {
        let reason = "it cannot stand beside 'max_completion_tokens'";
        return Err(body.invalid("max_tokens", reason));
    }
    request.max_tokens = limit.or(old_limit);
    Ok(())
}

fn answer(body: &mut Object<'_>, request: &mut Request) -> Result<(), RequestError> {
    request.output = output(body, &mut request.extras)?;
    request.verbosity = body.text("verbosity")?;
    request.reasoning = Reasoning {
        effort: effort(body)?,
        ..Reasoning::default()
    };
    request.stream = body.boolean("stream")?.unwrap_or(false);
    if let Some(mut options) = body.object("stream_options")? {
        options.boolean("include_usage")?;
        options.boolean("include_obfuscation")?;
        note(&mut request.extras, Feature::Other, options.rest());
    }
    let modalities = body
        .take("modalities")?
        .map(|value| texts(value, "modalities"));
    let modalities = modalities.transpose()?.unwrap_or_default();
    if modalities.iter().any(|modality| modality != "text") {
        note(
            &mut request.extras,
            Feature::Modalities,
            ["modalities".to_owned()],
        );
    }
    Ok(())
}

fn effort(body: &mut Object<'_>) -> Result<Option<Effort>, RequestError> {
    let Some(word) = body.text("reasoning_effort")? else {
        return Ok(None);
    };
    let effort = match word.as_str() {
        "none" => Effort::None,
        "minimal" => Effort::Minimal,
        "low" => Effort::Low,
        "medium" => Effort::Medium,
        "high" => Effort::High,
        "xhigh" => Effort::XHigh,
        "max" => Effort::Max,
        _ => {
            let reason = "it must be none, minimal, low, medium, high, xhigh or max";
            return Err(body.invalid("reasoning_effort", reason));
        }
    };
    Ok(Some(effort))
}

fn output(body: &mut Object<'_>, extras: &mut Extras) -> Result<Output, RequestError> {
    let Some(mut format) = body.object("response_format")? else {
        return Ok(Output::Text);
    };
    let kind = format.required_text("type")?;
    let output = match kind.as_str() {
        "text" => Output::Text,
        "json_object" => Output::JsonObject,
        "json_schema" => {
            let mut told = format.required_object("json_schema")?;
            let schema = tools::schema(&mut told, "schema")?;
            let schema = JsonSchema {
                name: told.text("name")?,
                description: told.text("description")?,
                schema: schema.unwrap_or_else(crate::canonical::Json::empty_object),
                strict: told.boolean("strict")?,
            };
            note(extras, Feature::Other, told.rest());
            Output::JsonSchema(schema)
        }
        _ => {
            let reason = "it must be text, json_object or json_schema";
            return Err(format.invalid("type", reason));
        }
    };
    note(extras, Feature::Other, format.rest());
    Ok(output)
}

fn records(body: &mut Object<'_>, request: &mut Request) -> Result<(), RequestError> {
    request.user = body.text("user")?;
    request.service_tier = body.text("service_tier")?;
    request.cache_key = body.text("prompt_cache_key")?;
    if let Some(labels) = body.object("metadata")? {
        request.metadata = labels.into_texts()?;
    }
    Ok(())
}

/// Fields that the canonical form has no place for.
fn elsewhere(body: &mut Object<'_>, extras: &mut Extras) -> Result<(), RequestError> {
    for (name, feature) in [
        ("audio", Feature::Modalities),
        ("moderation", Feature::Moderation),
        ("prediction", Feature::Prediction),
        ("web_search_options", Feature::WebSearch),
        ("prompt_cache_options", Feature::CacheRetention),
    ] {
        if body.object(name)?.is_some() {
            note(extras, feature, [name.to_owned()]);
        }
    }
    if body
        .object("logit_bias")?
        .is_some_and(|bias| !bias.is_empty())
    {
        note(extras, Feature::LogitBias, ["logit_bias".to_owned()]);
    }
    for (name, feature) in [
        ("safety_identifier", Feature::SafetyIdentifier),
        ("prompt_cache_retention", Feature::CacheRetention),
    ] {
        if body.text(name)?.is_some() {
            note(extras, feature, [name.to_owned()]);
        }
    }
    if body.boolean("store")? == Some(true) {
        note(extras, Feature::Store, ["store".to_owned()]);
    }
    Ok(())
}

/// Takes out the gateway's own fields, which are for routing; only in the form that makes them its own, by the rule of
/// [`Envelope`](crate::Envelope).
pub(in crate::openai) fn orchestration(body: &mut Object<'_>) -> Result<(), RequestError> {
    body.take_if("provider", |value| value.as_str().is_some())?;
    body.take_if("fallback_providers", |value| {
        value.kind == Kind::Array && texts(*value, "").is_ok()
    })?;
    body.take_if("timeout", |value| value.as_f64().is_some())?;
    body.take_if("retry_count", |value| {
        value.as_i64().is_some_and(|count| (0..=5).contains(&count))
    })
}
