//! Writing a request.
//!
//! Nothing is stored at the provider, so reasoning comes back encrypted for the client to keep, and goes back as the items that
//! it came in. The instructions at the beginning are `instructions`; where nothing else is said they stay an item, since a
//! request needs one.

mod item;

use serde::Serialize;

use self::item::{Item, items};
use super::call_ids::CallIds;
use crate::{
    canonical::{Effort, Message, Part, Reasoning as Asked, ReasoningMode, Request, Role},
    feature::Feature,
    openai::responses::words::{Choice, Function, Reasoning, Text, effort, summary},
    traits::ThinkingStyle,
    translate::{Target, Unsayable, Written},
};

/// Least `max_output_tokens`.
const LEAST_TOKENS: u64 = 16;

/// A request.
#[derive(Debug, Serialize)]
pub(in crate::openai::responses) struct Body<'a> {
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    instructions: Option<String>,
    input: Vec<Item<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Function<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning: Option<Reasoning>,
    #[serde(flatten)]
    generation: Option<Generation<'a>>,
}

/// What a request to count lacks.
#[derive(Debug, Serialize)]
struct Generation<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_logprobs: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    include: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_cache_key: Option<&'a str>,
    store: bool,
    stream: bool,
}

/// Writes a request.
pub(crate) fn write(request: &Request, target: &Target<'_>, cut: &mut Vec<Feature>) -> Written {
    let mut body = body(request, target, cut)?;
    let max_output_tokens = request.max_tokens.map(|tokens| {
        if tokens < LEAST_TOKENS {
            cut.push(Feature::MaxTokens);
        }
        tokens.max(LEAST_TOKENS)
    });
    let mut include = Vec::new();
    let has_reasoning = |item: &Item<'_>| matches!(item, Item::Reasoning { .. });
    // A model that does not reason refuses this, so it is asked for only where reasoning is.
    let reasons = body
        .reasoning
        .as_ref()
        .is_some_and(|reasoning| reasoning.effort != Some("none"));
    if reasons || body.input.iter().any(has_reasoning) {
        include.push("reasoning.encrypted_content");
    }
    if request.logprobs.is_some() {
        include.push("message.output_text.logprobs");
    }
    body.generation = Some(Generation {
        max_output_tokens,
        temperature: request.temperature,
        top_p: request.top_p,
        top_logprobs: request.logprobs.and_then(|logprobs| logprobs.top),
        include,
        user: request.user.as_deref(),
        prompt_cache_key: request.cache_key.as_deref(),
        store: false,
        stream: request.stream,
    });
    Ok(serde_json::to_vec(&body).expect("keys of our types are strings"))
}

/// What counts as input: all of a request but how the answer is made.
pub(in crate::openai::responses) fn body<'a>(
    request: &'a Request,
    target: &Target<'a>,
    cut: &mut Vec<Feature>,
) -> Result<Body<'a>, Unsayable> {
    let ids = CallIds::of(&request.messages);
    let first = instructions_end(&request.messages);
    let (leading, rest) = request.messages.split_at(first);
    let mut input = Vec::new();
    for message in rest {
        items(message, &ids, &mut input)?;
    }
    let texts: Vec<&str> = leading
        .iter()
        .flat_map(|message| &message.parts)
        .filter_map(text_of)
        .collect();
    let mut body = Body {
        model: target.model,
        instructions: (!texts.is_empty()).then(|| texts.join("\n\n")),
        input,
        tools: Vec::new(),
        tool_choice: None,
        parallel_tool_calls: None,
        text: Text::asked(&request.output, request.verbosity.as_deref()),
        reasoning: reasoning(&request.reasoning, target, cut),
        generation: None,
    };
    // The API refuses what is about tools where there are none.
    if !request.tools.is_empty() {
        let tools = request.tools.iter();
        body.tools = tools.map(Function::asked).collect();
        body.tool_choice = request.tool_choice.as_ref().map(Choice::from);
        body.parallel_tool_calls = request.parallel_tool_calls;
    }
    Ok(body)
}

/// How many of the first messages are `instructions`: system messages of text that something follows.
fn instructions_end(messages: &[Message]) -> usize {
    let is_instructions = |message: &&Message| {
        message.role == Role::System && message.parts.iter().all(|part| text_of(part).is_some())
    };
    let count = messages.iter().take_while(is_instructions).count();
    if count == messages.len() { 0 } else { count }
}

fn text_of(part: &Part) -> Option<&str> {
    match part {
        Part::Text { text, .. } => Some(text),
        _ => None,
    }
}

fn reasoning(asked: &Asked, target: &Target<'_>, cut: &mut Vec<Feature>) -> Option<Reasoning> {
    let is_asked = *asked != Asked::default();
    if is_asked && target.traits.thinking == ThinkingStyle::None {
        let used = [
            (asked.effort.is_some(), Feature::Effort),
            (asked.mode.is_some(), Feature::ReasoningBudget),
            (asked.summary.is_some(), Feature::ReasoningSummary),
        ];
        cut.extend(used.iter().filter(|(used, _)| *used).map(|(_, it)| *it));
        return None;
    }
    let by_mode = || match asked.mode? {
        ReasoningMode::Off | ReasoningMode::Budget(0) => Some(Effort::None),
        ReasoningMode::Adaptive | ReasoningMode::BetweenTools => None,
        ReasoningMode::Budget(..=4096) => Some(Effort::Low),
        ReasoningMode::Budget(..=12_288) => Some(Effort::Medium),
        ReasoningMode::Budget(_) => Some(Effort::High),
    };
    is_asked.then(|| Reasoning {
        effort: asked.effort.or_else(by_mode).map(effort),
        summary: asked.summary.and_then(summary),
    })
}
