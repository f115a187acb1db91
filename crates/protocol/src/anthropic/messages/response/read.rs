//! Reading a provider's answer.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    ProviderError, Unusable,
    anthropic::usage::Counts,
    canonical::{Choice, Family, Finish, Json, Part, Response, Signature, Thinking, ToolCall},
    json,
    lent::Lent,
};

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow)]
    r#type: Option<Lent<'a>>,
    id: Option<String>,
    model: Option<String>,
    #[serde(borrow)]
    content: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    stop_reason: Option<Lent<'a>>,
    stop_sequence: Option<String>,
    #[serde(borrow)]
    stop_details: Option<&'a RawValue>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

/// Why a model declined.
#[derive(Debug, Default, Deserialize)]
pub(in crate::anthropic::messages) struct StopDetails {
    category: Option<String>,
    explanation: Option<String>,
}

#[derive(Deserialize)]
struct Tier {
    service_tier: Option<String>,
}

#[derive(Deserialize)]
struct Kind<'a> {
    #[serde(borrow)]
    r#type: Lent<'a>,
}

#[derive(Deserialize)]
struct TextBlock {
    text: String,
}

#[derive(Deserialize)]
struct ThinkingBlock<'a> {
    thinking: String,
    #[serde(borrow)]
    signature: Option<Lent<'a>>,
}

#[derive(Deserialize)]
struct RedactedBlock<'a> {
    #[serde(borrow)]
    data: Lent<'a>,
}

#[derive(Deserialize)]
struct CallBlock {
    id: String,
    name: String,
    input: Option<Json>,
}

/// Reads a provider's answer.
pub(crate) fn read(body: &[u8]) -> Result<Response, Unusable> {
    if json::validate(body)? != json::Kind::Object {
        return Err(Unusable::Shape("content"));
    }
    let wire: Wire<'_> = serde_json::from_slice(body).map_err(wire)?;
    let Some(content) = wire.content else {
        if wire.r#type.is_some_and(|kind| kind.0 == "error")
            && let Some(error) = ProviderError::of_body(body)
        {
            return Err(Unusable::Error(error));
        }
        return Err(Unusable::Shape("content"));
    };
    let mut parts = Vec::with_capacity(content.len());
    for raw in content {
        parts.extend(block(raw.get())?);
    }
    let mut counts = Counts::default();
    if let Some(usage) = wire.usage {
        counts.merge(usage.get());
    }
    let tier: Option<Tier> = wire
        .usage
        .and_then(|usage| serde_json::from_str(usage.get()).ok());
    let details = wire
        .stop_details
        .and_then(|details| serde_json::from_str(details.get()).ok());
    let reason = wire.stop_reason.map(|reason| reason.0);
    Ok(Response {
        id: wire.id,
        model: wire.model,
        created: None,
        choices: vec![Choice {
            index: 0,
            parts,
            finish: finish(
                reason.as_deref().unwrap_or("end_turn"),
                wire.stop_sequence,
                details.unwrap_or_default(),
            ),
            logprobs: Vec::new(),
        }],
        usage: counts.usage(),
        service_tier: tier.and_then(|tier| tier.service_tier),
    })
}

fn wire(error: serde_json::Error) -> Unusable {
    Unusable::Wire(error.to_string())
}

/// Reads a block. Kinds that only the provider's own tools make are skipped, and so is what is not known.
fn block(raw: &str) -> Result<Option<Part>, Unusable> {
    let kind: Kind<'_> = serde_json::from_str(raw).map_err(wire)?;
    Ok(match &*kind.r#type.0 {
        "text" => {
            let block: TextBlock = serde_json::from_str(raw).map_err(wire)?;
            (!block.text.is_empty()).then(|| Part::text(block.text))
        }
        "thinking" => {
            let block: ThinkingBlock<'_> = serde_json::from_str(raw).map_err(wire)?;
            let signature = block
                .signature
                .filter(|signature| !signature.0.is_empty())
                .map(|signature| Signature::read(signature.0, Family::Anthropic))
                .filter(|signature| *signature != Signature::NONE);
            let is_empty = signature.is_none() && block.thinking.is_empty();
            let thinking = Thinking {
                text: block.thinking,
                signature,
                redacted: false,
            };
            (!is_empty).then_some(Part::Thinking(thinking))
        }
        "redacted_thinking" => {
            let block: RedactedBlock<'_> = serde_json::from_str(raw).map_err(wire)?;
            Some(Part::Thinking(redacted(block.data.0)))
        }
        "tool_use" => {
            let block: CallBlock = serde_json::from_str(raw).map_err(wire)?;
            let arguments = block.input.unwrap_or_else(Json::empty_object);
            if !arguments.is_object() {
                return Err(Unusable::Wire(
                    "the input of a tool is no object".to_owned(),
                ));
            }
            Some(Part::ToolCall(ToolCall {
                id: block.id,
                name: block.name,
                arguments,
                cache: None,
            }))
        }
        _ => None,
    })
}

fn redacted(data: Cow<'_, str>) -> Thinking {
    let signature = Signature::read(data, Family::Anthropic);
    Thinking {
        text: String::new(),
        redacted: signature.family == Family::Anthropic,
        signature: Some(signature),
    }
}

/// What a `stop_reason` means. Reasons that are not known count as an end of its own.
pub(in crate::anthropic::messages) fn finish(
    reason: &str,
    sequence: Option<String>,
    details: StopDetails,
) -> Finish {
    match reason {
        "max_tokens" => Finish::Length,
        "model_context_window_exceeded" => Finish::ContextLength,
        "stop_sequence" => Finish::StopSequence(sequence),
        "tool_use" => Finish::ToolCalls,
        "pause_turn" => Finish::Paused,
        "refusal" => Finish::Refused(details.explanation.or(details.category)),
        _ => Finish::Stop,
    }
}
