//! Reading a provider's answer.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    ProviderError, Unusable,
    canonical::{Choice, Finish, Part, Response, Thinking, ToolCall},
    json::{self, Kind},
    openai::{
        chat::{
            content::Content,
            images::Image,
            logprobs::Logprobs,
            thinking::{self, Block},
        },
        usage,
    },
};

#[derive(Deserialize)]
struct Wire<'a> {
    id: Option<String>,
    model: Option<String>,
    created: Option<f64>,
    #[serde(borrow)]
    choices: Option<Vec<WireChoice<'a>>>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    service_tier: Option<String>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct WireChoice<'a> {
    index: Option<u32>,
    #[serde(borrow)]
    message: Option<Message<'a>>,
    finish_reason: Option<String>,
    #[serde(borrow)]
    stop_reason: Option<&'a RawValue>,
    logprobs: Option<Logprobs>,
}

#[derive(Deserialize, Default)]
struct Message<'a> {
    #[serde(borrow)]
    content: Option<Content<'a>>,
    refusal: Option<String>,
    reasoning_content: Option<String>,
    reasoning: Option<String>,
    thinking_blocks: Option<Vec<Block>>,
    images: Option<Vec<Image>>,
    tool_calls: Option<Vec<Call>>,
    function_call: Option<Function>,
}

#[derive(Deserialize)]
struct Call {
    id: Option<String>,
    function: Option<Function>,
}

#[derive(Deserialize)]
struct Function {
    name: Option<String>,
    arguments: Option<String>,
}

/// Reads a provider's answer.
pub(crate) fn read(body: &[u8]) -> Result<Response, Unusable> {
    if json::validate(body)? != Kind::Object {
        return Err(Unusable::Shape("choices"));
    }
    let wire: Wire<'_> =
        serde_json::from_slice(body).map_err(|error| Unusable::Wire(error.to_string()))?;
    if let Some(error) = wire.error {
        return Err(Unusable::Error(ProviderError::of_value(error.get())));
    }
    // No answer at all is not an empty one, which has its finish reason.
    let choices = wire.choices.filter(|choices| !choices.is_empty());
    let choices = choices.ok_or(Unusable::Shape("choices"))?;
    let id = wire.id.filter(|id| !id.is_empty());
    let own = id.clone().unwrap_or_default();
    let choices = choices.into_iter().enumerate();
    Ok(Response {
        choices: choices.map(|(at, told)| choice(at, told, &own)).collect(),
        id,
        model: wire.model.filter(|model| !model.is_empty()),
        #[expect(
            clippy::cast_possible_truncation,
            reason = "some servers write fractions"
        )]
        created: wire.created.map(|created| created as i64),
        usage: wire.usage.and_then(|usage| usage::parse(usage.get())),
        service_tier: wire.service_tier,
    })
}

fn choice(at: usize, told: WireChoice<'_>, answer: &str) -> Choice {
    let mut message = told.message.unwrap_or_default();
    let blocks = reasoning(&mut message);
    let mut parts = Vec::new();
    let text = message.content.map(|Content(text)| text.into_owned());
    parts.extend(text.filter(|text| !text.is_empty()).map(Part::text));
    let images = message.images.unwrap_or_default().into_iter();
    parts.extend(images.filter_map(Image::media).map(|media| Part::Image {
        media,
        detail: None,
        cache: None,
    }));
    let refusal = message.refusal.filter(|refusal| !refusal.is_empty());
    let has_refusal = refusal.is_some();
    parts.extend(refusal.map(Part::Refusal));
    let (calls, broken) = calls(message.tool_calls, message.function_call, answer);
    let has_calls = !calls.is_empty();
    parts.extend(calls.into_iter().map(Part::ToolCall));
    let stop_text = told
        .stop_reason
        .and_then(|raw| serde_json::from_str(raw.get()).ok());
    let reason = told.finish_reason.as_deref();
    let finish = match (
        super::finish(reason, stop_text, has_calls, has_refusal),
        broken,
    ) {
        // What the limit cuts is no fault of the model's.
        (Finish::Length, _) => Finish::Length,
        (_, Some(name)) => Finish::Broken(format!(
            "the arguments of a call of '{name}' are not a JSON object"
        )),
        (finish, None) => finish,
    };
    Choice {
        index: told
            .index
            .unwrap_or_else(|| at.try_into().unwrap_or(u32::MAX)),
        parts: thinking::place(parts, blocks),
        finish,
        logprobs: told.logprobs.map(Logprobs::read).unwrap_or_default(),
    }
}

/// Reasoning, and how many pieces of the message stand before each part of it. Where there are blocks they say all of it.
fn reasoning(message: &mut Message<'_>) -> Vec<(usize, Thinking)> {
    let blocks = message.thinking_blocks.take().unwrap_or_default();
    let blocks: Vec<_> = blocks.into_iter().filter_map(Block::read).collect();
    if !blocks.is_empty() {
        return blocks;
    }
    let text = message.reasoning_content.take();
    let text = text.filter(|text| !text.is_empty());
    let text = text.or(message.reasoning.take()).unwrap_or_default();
    let thinking = Thinking {
        text,
        ..Thinking::default()
    };
    let is_empty = thinking.text.is_empty();
    (!is_empty).then_some((0, thinking)).into_iter().collect()
}

/// The calls that can be read, and the name of one that cannot.
fn calls(
    calls: Option<Vec<Call>>,
    function_call: Option<Function>,
    answer: &str,
) -> (Vec<ToolCall>, Option<String>) {
    let old = function_call.map(|function| Call {
        id: None,
        function: Some(function),
    });
    let mut read = Vec::new();
    let mut broken = None;
    for call in calls.unwrap_or_default().into_iter().chain(old) {
        let Some(Function {
            name: Some(name),
            arguments,
        }) = call.function
        else {
            continue;
        };
        let id = call.id.filter(|id| !id.is_empty());
        match super::arguments(&arguments.unwrap_or_default()) {
            Some(arguments) => read.push(ToolCall {
                id: id.unwrap_or_else(|| super::call_id(answer, read.len())),
                name,
                arguments,
                cache: None,
            }),
            None => broken = Some(name),
        }
    }
    (read, broken)
}
