//! Writing requests.

mod block;
mod conversation;
mod ids;
mod reasoning;
mod schema;
mod tools;

use std::borrow::Cow;

use serde::Serialize;

use self::{
    block::Block,
    conversation::Conversation,
    reasoning::{Plan, Thinking},
    tools::{Choice, Tool},
};
use crate::{
    canonical::{Json, Output, Request},
    feature::Feature,
    translate::{Target, Unsayable, Written},
};

/// Asks for a JSON object where no schema is given: the format's own `json_schema` takes closed objects only.
const JSON_OBJECT: &str =
    "Answer with a single JSON object and nothing else: no text around it, no code fence.";

/// The body of a request.
#[derive(Debug, Serialize)]
pub(crate) struct Body<'a> {
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system: Option<System<'a>>,
    messages: Vec<Turn<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<Thinking>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_config: Option<OutputConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<u64>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stop_sequences: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Metadata<'a>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stream: bool,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum System<'a> {
    Text(&'a str),
    Blocks(Vec<Block<'a>>),
}

/// A turn of the conversation.
#[derive(Debug, Serialize)]
struct Turn<'a> {
    role: &'static str,
    content: Vec<Block<'a>>,
}

#[derive(Debug, Serialize)]
struct OutputConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<OutputFormat>,
}

#[derive(Debug, Serialize)]
struct OutputFormat {
    r#type: &'static str,
    schema: Json,
}

#[derive(Debug, Serialize)]
struct Metadata<'a> {
    user_id: &'a str,
}

impl Body<'_> {
    /// Takes out what a request to count tokens does not have.
    pub(crate) fn only_what_counts(&mut self) {
        self.max_tokens = None;
        self.temperature = None;
        self.top_p = None;
        self.top_k = None;
        self.stop_sequences = &[];
        self.metadata = None;
        self.stream = false;
    }

    /// Its bytes.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("keys of our types are strings")
    }
}

/// Writes a request.
pub(crate) fn write(request: &Request, target: &Target<'_>, cut: &mut Vec<Feature>) -> Written {
    Ok(body(request, target, cut)?.to_bytes())
}

/// The body of `request`, for a provider model of `target`'s traits.
pub(crate) fn body<'a>(
    request: &'a Request,
    target: &Target<'a>,
    cut: &mut Vec<Feature>,
) -> Result<Body<'a>, Unsayable> {
    let Conversation { mut system, turns } = conversation::of(&request.messages)?;
    let format = match &request.output {
        Output::Text => None,
        Output::JsonObject => {
            system.push(Block::text(JSON_OBJECT));
            None
        }
        Output::JsonSchema(schema) => Some(OutputFormat {
            r#type: "json_schema",
            schema: schema::closed(&schema.schema)?,
        }),
    };
    if request.stop.iter().any(|text| text.trim().is_empty()) {
        return Err(Unsayable {
            feature: Feature::Stop,
            why: "stop sequences must hold more than white space there".into(),
        });
    }
    let max_tokens = request.max_tokens.unwrap_or(target.traits.max_tokens);
    let plan = Plan::of(&request.reasoning, &target.traits, max_tokens, cut);
    let plan = plan.as_far_as_the_conversation_allows(&request.reasoning, &turns, cut);
    let sampling = Sampling::of(request, &plan, cut);
    let tools = tools::offered(request)?;
    let tool_choice = tools::choice(request, &tools, plan.thinks(), cut);
    let has_config = plan.effort.is_some() || format.is_some();
    Ok(Body {
        model: target.model,
        max_tokens: Some(max_tokens),
        system: joined(system),
        messages: turns,
        tools,
        tool_choice,
        thinking: plan.thinking,
        output_config: has_config.then_some(OutputConfig {
            effort: plan.effort,
            format,
        }),
        temperature: sampling.temperature,
        top_p: sampling.top_p,
        top_k: sampling.top_k,
        stop_sequences: &request.stop,
        metadata: request.user.as_deref().map(|user_id| Metadata { user_id }),
        stream: request.stream,
    })
}

/// One text without a cache mark is written as such, as most clients do.
fn joined(system: Vec<Block<'_>>) -> Option<System<'_>> {
    match &system[..] {
        [] => None,
        [
            Block::Text {
                text: Cow::Borrowed(text),
                cache_control: None,
            },
        ] => Some(System::Text(text)),
        _ => Some(System::Blocks(system)),
    }
}

/// How the answer is sampled.
struct Sampling {
    temperature: Option<f64>,
    top_p: Option<f64>,
    top_k: Option<u64>,
}

impl Sampling {
    /// Temperatures are 0 to 1; while a model thinks it takes no other temperature than 1, no `top_k`, and `top_p` from 0.95 on.
    /// Models from 4.1 on take either temperature or `top_p`, which the vendor advises for all of them.
    fn of(request: &Request, plan: &Plan, cut: &mut Vec<Feature>) -> Self {
        let mut sampling = Self {
            temperature: request.temperature.map(|asked| asked.clamp(0.0, 1.0)),
            top_p: request.top_p,
            top_k: request.top_k,
        };
        if sampling.temperature != request.temperature {
            cut.push(Feature::Temperature);
        }
        if plan.thinks() {
            if sampling.temperature.take_if(|asked| *asked < 1.0).is_some() {
                cut.push(Feature::Temperature);
            }
            if sampling.top_k.take().is_some() {
                cut.push(Feature::TopK);
            }
            if sampling.top_p.take_if(|asked| *asked < 0.95).is_some() {
                cut.push(Feature::TopP);
            }
        }
        match (sampling.temperature, sampling.top_p) {
            (Some(1.0), Some(_)) => sampling.temperature = None,
            (Some(_), Some(_)) => {
                sampling.top_p = None;
                cut.push(Feature::TopP);
            }
            _ => {}
        }
        sampling
    }
}

#[cfg(test)]
mod tests;
