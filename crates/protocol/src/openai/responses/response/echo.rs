//! The answer object, which repeats the request.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    Reply, Usage,
    canonical::{Part, Request, Role},
    openai::responses::{
        item::{COMPLETED, INCOMPLETE, Item},
        usage,
        words::{Choice, Function, Reasoning, Text, effort, summary},
    },
};

/// `service_tier`s that the SDKs know.
const TIERS: [&str; 7] = [
    "auto",
    "default",
    "flex",
    "scale",
    "priority",
    "fast",
    "ultrafast",
];

/// What differs between the states of one answer.
#[derive(Debug, Clone, Copy)]
pub(in crate::openai::responses) struct State<'a> {
    /// `status`
    pub(in crate::openai::responses) status: &'static str,
    /// Why it is incomplete.
    pub(in crate::openai::responses) reason: Option<&'static str>,
    /// Code and message of the error that ended it.
    pub(in crate::openai::responses) error: Option<(&'static str, &'a str)>,
    /// The model, as the provider reports it.
    pub(in crate::openai::responses) model: Option<&'a str>,
    /// When it began, in Unix seconds.
    pub(in crate::openai::responses) created: i64,
    /// `service_tier`, as the provider reports it.
    pub(in crate::openai::responses) tier: Option<&'a str>,
    /// `output`
    pub(in crate::openai::responses) output: &'a [Item],
    /// `usage`
    pub(in crate::openai::responses) usage: Option<Usage>,
}

/// The answer object.
#[derive(Debug, Serialize)]
pub(in crate::openai::responses) struct Answer<'a> {
    id: String,
    object: &'static str,
    created_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<i64>,
    status: &'static str,
    background: bool,
    error: Option<Failure<'a>>,
    incomplete_details: Option<Incomplete>,
    instructions: Option<String>,
    max_output_tokens: Option<u64>,
    metadata: BTreeMap<&'a str, &'a str>,
    model: &'a str,
    output: &'a [Item],
    parallel_tool_calls: bool,
    previous_response_id: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_cache_key: Option<&'a str>,
    reasoning: Reasoning,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'a str>,
    store: bool,
    temperature: Option<f64>,
    text: Text<'a>,
    tool_choice: Choice<'a>,
    tools: Vec<Function<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_logprobs: Option<u32>,
    top_p: Option<f64>,
    truncation: &'static str,
    usage: Option<usage::Written>,
    user: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct Failure<'a> {
    code: &'static str,
    message: &'a str,
}

#[derive(Debug, Serialize)]
struct Incomplete {
    reason: &'static str,
}

impl<'a> Answer<'a> {
    /// The answer that `reply` is for, in this state.
    pub(in crate::openai::responses) fn new(reply: &'a Reply, state: State<'a>) -> Self {
        let request = &*reply.request;
        let incomplete = Incomplete {
            reason: state.reason.unwrap_or("max_output_tokens"),
        };
        Self {
            id: format!("resp_{}", reply.id),
            object: "response",
            created_at: state.created,
            completed_at: (state.status == COMPLETED).then_some(state.created),
            status: state.status,
            background: false,
            error: state.error.map(|(code, message)| Failure { code, message }),
            incomplete_details: (state.status == INCOMPLETE).then_some(incomplete),
            instructions: instructions(request),
            max_output_tokens: request.max_tokens,
            metadata: labels(request),
            model: state.model.unwrap_or(&reply.model),
            output: state.output,
            parallel_tool_calls: request.parallel_tool_calls.unwrap_or(true),
            previous_response_id: None,
            prompt_cache_key: request.cache_key.as_deref(),
            reasoning: Reasoning {
                effort: request.reasoning.effort.map(effort),
                summary: request.reasoning.summary.and_then(summary),
            },
            service_tier: state.tier.filter(|tier| TIERS.contains(tier)),
            store: false,
            temperature: request.temperature,
            text: Text::told(&request.output, request.verbosity.as_deref()),
            tool_choice: request
                .tool_choice
                .as_ref()
                .map_or(Choice::Word("auto"), Choice::from),
            tools: request.tools.iter().map(Function::told).collect(),
            top_logprobs: request.logprobs.and_then(|logprobs| logprobs.top),
            top_p: request.top_p,
            truncation: "disabled",
            usage: state.usage.map(Into::into),
            user: request.user.as_deref(),
        }
    }
}

fn labels(request: &Request) -> BTreeMap<&str, &str> {
    request
        .metadata
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect()
}

/// The reader makes `instructions` the first message.
fn instructions(request: &Request) -> Option<String> {
    let first = request.messages.first()?;
    let texts: Vec<&str> = (first.role == Role::System).then(|| {
        first
            .parts
            .iter()
            .filter_map(|part| match part {
                Part::Text { text, .. } => Some(text.as_str()),
                _ => None,
            })
            .collect()
    })?;
    (!texts.is_empty()).then(|| texts.join("\n\n"))
}
