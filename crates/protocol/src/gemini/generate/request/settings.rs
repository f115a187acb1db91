//! Writing `generationConfig`, `tools` and `toolConfig`.

use serde::Serialize;
use serde_json::value::RawValue;

use super::budget::{self, ThinkingConfig};
use crate::{
    canonical::{Json, Output, Request, Tool, ToolChoice},
    feature::Feature,
    translate::{Target, Unsayable},
};

/// Most stop sequences that Gemini takes.
const MOST_STOPS: usize = 5;
/// Most answers at once.
const MOST_CHOICES: u32 = 8;
/// Most log probabilities at each place.
const MOST_LOGPROBS: u32 = 20;

/// `generationConfig`.
#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct GenerationConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    presence_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<i32>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stop_sequences: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    candidate_count: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_logprobs: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_mime_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_json_schema: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_config: Option<ThinkingConfig>,
}

/// What `request` asks of the answer; nothing where it asks nothing.
pub(super) fn generation<'a>(
    request: &'a Request,
    target: &Target<'_>,
    cut: &mut Vec<Feature>,
) -> Result<GenerationConfig<'a>, Unsayable> {
    limits(request)?;
    let seed = request.seed.and_then(|seed| i32::try_from(seed).ok());
    if seed.is_none() && request.seed.is_some() {
        cut.push(Feature::Seed);
    }
    let schema = match &request.output {
        Output::JsonSchema(schema) => Some(schema.schema.raw()),
        Output::Text | Output::JsonObject => None,
    };
    Ok(GenerationConfig {
        max_output_tokens: request.max_tokens,
        temperature: request.temperature,
        top_p: request.top_p,
        top_k: request.top_k,
        presence_penalty: request.presence_penalty,
        frequency_penalty: request.frequency_penalty,
        seed,
        stop_sequences: &request.stop,
        candidate_count: request.choices,
        response_logprobs: request.logprobs.map(|_| true),
        logprobs: request.logprobs.and_then(|logprobs| logprobs.top),
        response_mime_type: (request.output != Output::Text).then_some("application/json"),
        response_json_schema: schema,
        thinking_config: budget::write(request, target, cut),
    })
}

fn limits(request: &Request) -> Result<(), Unsayable> {
    let limits = [
        (
            request.stop.len() > MOST_STOPS,
            Feature::Stop,
            "Gemini takes at most 5 stop sequences",
        ),
        (
            request
                .choices
                .is_some_and(|choices| choices > MOST_CHOICES),
            Feature::Choices,
            "Gemini gives at most 8 answers",
        ),
        (
            request
                .logprobs
                .and_then(|logprobs| logprobs.top)
                .is_some_and(|top| top > MOST_LOGPROBS),
            Feature::Logprobs,
            "Gemini tells at most 20 log probabilities for each token",
        ),
    ];
    for (is_beyond, feature, why) in limits {
        if is_beyond {
            return Err(Unsayable {
                feature,
                why: why.into(),
            });
        }
    }
    Ok(())
}

/// One entry of `tools`: all functions stand in one.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToolOut<'a> {
    function_declarations: Vec<Declaration<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Declaration<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters_json_schema: Option<&'a RawValue>,
}

/// The tools.
pub(super) fn tools(tools: &[Tool]) -> Vec<ToolOut<'_>> {
    if tools.is_empty() {
        return Vec::new();
    }
    let declarations = tools.iter().map(|tool| Declaration {
        name: &tool.name,
        description: tool.description.as_deref(),
        parameters_json_schema: tool
            .parameters
            .as_ref()
            .filter(|schema| takes_any(schema))
            .map(Json::raw),
    });
    vec![ToolOut {
        function_declarations: declarations.collect(),
    }]
}

/// Whether a schema has properties or says something else of its object than that there are none: older models refuse an
/// object without properties.
fn takes_any(schema: &Json) -> bool {
    const SAYS_NOTHING: [&str; 5] = [
        "type",
        "properties",
        "required",
        "additionalProperties",
        "$schema",
    ];
    let Some(members) = crate::gemini::fields::members(schema.get()) else {
        return true;
    };
    members.iter().any(|(name, value)| match name.as_ref() {
        "properties" => !crate::gemini::fields::members(value.get())
            .is_some_and(|properties| properties.is_empty()),
        name => !SAYS_NOTHING.contains(&name),
    })
}

/// `toolConfig`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToolConfig<'a> {
    function_calling_config: Calling<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Calling<'a> {
    mode: &'static str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    allowed_function_names: &'a [String],
}

/// Whether tools are to be called; nothing where there are none. Names may stand beside ANY and VALIDATED only.
pub(super) fn tool_config(request: &Request) -> Option<ToolConfig<'_>> {
    let choice = request
        .tool_choice
        .as_ref()
        .filter(|_| !request.tools.is_empty())?;
    let (mode, names): (_, &[String]) = match choice {
        ToolChoice::Auto => ("AUTO", &[]),
        ToolChoice::None => ("NONE", &[]),
        ToolChoice::Required => ("ANY", &[]),
        ToolChoice::Tool(name) => ("ANY", std::slice::from_ref(name)),
        ToolChoice::Allowed(names, true) => ("ANY", names),
        ToolChoice::Allowed(names, false) => ("VALIDATED", names),
    };
    Some(ToolConfig {
        function_calling_config: Calling {
            mode,
            allowed_function_names: names,
        },
    })
}
