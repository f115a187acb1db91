//! Writing a request for a provider.

mod call_id;
mod messages;
mod tools;

use serde::Serialize;

use crate::{
    ThinkingStyle, Traits,
    canonical::{Effort, Json, JsonSchema, Output, Reasoning, ReasoningMode, Request},
    feature::Feature,
    openai::strict,
    translate::{Target, Unsayable, Written},
};

/// Writes a request.
pub(crate) fn write(request: &Request, target: &Target<'_>, cut: &mut Vec<Feature>) -> Written {
    if request.stop.len() > MOST_STOPS {
        return Err(Unsayable {
            feature: Feature::Stop,
            why: "Chat Completions takes at most 4 stop sequences".into(),
        });
    }
    let has_tools = !request.tools.is_empty();
    let body = Body {
        model: target.model,
        messages: messages::write(&request.messages)?,
        tools: request.tools.iter().map(tools::Tool::of).collect(),
        // Without tools OpenAI refuses both.
        tool_choice: request
            .tool_choice
            .as_ref()
            .filter(|_| has_tools)
            .map(tools::Choice::of),
        parallel_tool_calls: request.parallel_tool_calls.filter(|_| has_tools),
        response_format: Format::of(&request.output),
        max_completion_tokens: request.max_tokens,
        stop: &request.stop,
        temperature: request.temperature,
        top_p: request.top_p,
        presence_penalty: request.presence_penalty,
        frequency_penalty: request.frequency_penalty,
        seed: request.seed,
        n: request.choices,
        logprobs: request.logprobs.map(|_| true),
        top_logprobs: request.logprobs.and_then(|logprobs| logprobs.top),
        reasoning_effort: effort(&request.reasoning, &target.traits, cut),
        verbosity: request.verbosity.as_deref(),
        user: request.user.as_deref(),
        prompt_cache_key: request.cache_key.as_deref(),
        stream: request.stream,
        // Without it the provider tells no usage.
        stream_options: request.stream.then_some(StreamOptions {
            include_usage: true,
        }),
    };
    Ok(serde_json::to_vec(&body).expect("keys of our types are strings"))
}

const MOST_STOPS: usize = 4;

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    messages: Vec<messages::Message<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<tools::Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<tools::Choice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<Format<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u64>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stop: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    presence_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_logprobs: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verbosity: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_cache_key: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

#[derive(Serialize)]
struct Format<'a> {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    json_schema: Option<Schema<'a>>,
}

#[derive(Serialize)]
struct Schema<'a> {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    schema: &'a Json,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

impl<'a> Format<'a> {
    fn of(output: &'a Output) -> Option<Self> {
        match output {
            Output::Text => None,
            Output::JsonObject => Some(Self {
                r#type: "json_object",
                json_schema: None,
            }),
            Output::JsonSchema(schema) => Some(Self {
                r#type: "json_schema",
                json_schema: Some(Schema::of(schema)),
            }),
        }
    }
}

impl<'a> Schema<'a> {
    fn of(schema: &'a JsonSchema) -> Self {
        Self {
            name: schema_name(schema.name.as_deref().unwrap_or_default()),
            description: schema.description.as_deref(),
            schema: &schema.schema,
            strict: schema
                .strict
                .map(|strict| strict && strict::obeys(&schema.schema)),
        }
    }
}

/// A schema's name has to be there, and of `^[a-zA-Z0-9_-]{1,64}$`.
fn schema_name(told: &str) -> String {
    let name: String = told
        .chars()
        .take(64)
        .map(|letter| match letter {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '-' => letter,
            _ => '_',
        })
        .collect();
    if name.is_empty() {
        "response".to_owned()
    } else {
        name
    }
}

/// The effort in OpenAI's words. A model that does not reason gets none.
fn effort(reasoning: &Reasoning, traits: &Traits, cut: &mut Vec<Feature>) -> Option<&'static str> {
    if traits.thinking == ThinkingStyle::None {
        cut.extend(reasoning.effort.map(|_| Feature::Effort));
        cut.extend(reasoning.mode.map(|_| Feature::ReasoningBudget));
        return None;
    }
    let effort = match (reasoning.mode, reasoning.effort) {
        (Some(ReasoningMode::Off), _) => Effort::None,
        (_, Some(effort)) => effort,
        (Some(ReasoningMode::Budget(tokens)), None) => match tokens {
            0 => Effort::None,
            1..1_024 => Effort::Minimal,
            1_024..=4_096 => Effort::Low,
            4_097..=12_288 => Effort::Medium,
            _ => Effort::High,
        },
        (Some(ReasoningMode::Adaptive | ReasoningMode::BetweenTools) | None, None) => return None,
    };
    Some(match effort {
        Effort::None => "none",
        Effort::Minimal => "minimal",
        Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High => "high",
        Effort::XHigh => "xhigh",
        Effort::Max => "max",
    })
}
