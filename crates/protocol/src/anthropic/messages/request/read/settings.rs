//! Everything that is neither said nor called.

use super::node::{Node, Object};
use crate::{
    RequestError,
    canonical::{Effort, Extra, JsonSchema, Output, Reasoning, ReasoningMode, Request, Summary},
    feature::Feature,
};

/// Reads sampling, reasoning, the form of the answer, and what is for the provider's records.
pub(super) fn read(
    body: &Object<'_, '_>,
    request: &mut Request,
    extras: &mut Vec<Extra>,
) -> Result<(), RequestError> {
    request.temperature = body
        .get("temperature")?
        .map(|node| node.number())
        .transpose()?;
    request.top_p = body.get("top_p")?.map(|node| node.number()).transpose()?;
    request.top_k = body.get("top_k")?.map(|node| node.count()).transpose()?;
    if let Some(stop) = body.get("stop_sequences")? {
        for text in stop.list()?.nodes() {
            request.stop.push(text.string()?);
        }
    }
    if let Some(stream) = body.get("stream")? {
        request.stream = stream.boolean()?;
    }
    request.service_tier = body
        .get("service_tier")?
        .map(|node| node.string())
        .transpose()?;
    if let Some(speed) = body.get("speed")?
        && speed.text()? != "standard"
    {
        speed.note(Feature::ServiceTier, extras);
    }
    if let Some(node) = body.get("metadata")? {
        let metadata = node.object()?;
        request.user = metadata
            .get("user_id")?
            .map(|node| node.string())
            .transpose()?;
        metadata.end(extras);
    }
    if let Some(node) = body.get("thinking")? {
        thinking(node, &mut request.reasoning, extras)?;
    }
    if let Some(node) = body.get("output_config")? {
        let config = node.object()?;
        if let Some(word) = config.get("effort")? {
            request.reasoning.effort = Some(effort(word)?);
        }
        if let Some(node) = config.get("format")? {
            request.output = format(node, extras)?;
        }
        config.end(extras);
    }
    // What `output_config.format` was called while it was in beta.
    if let Some(node) = body.get("output_format")? {
        if request.output != Output::Text {
            return Err(node.invalid("it cannot stand beside 'output_config.format'"));
        }
        request.output = format(node, extras)?;
    }
    Ok(())
}

fn thinking(
    node: Node<'_, '_>,
    reasoning: &mut Reasoning,
    extras: &mut Vec<Extra>,
) -> Result<(), RequestError> {
    let thinking = node.object()?;
    let kind = thinking.need("type")?;
    reasoning.mode = Some(match &*kind.text()? {
        "enabled" => ReasoningMode::Budget(thinking.need("budget_tokens")?.count()?),
        "adaptive" => ReasoningMode::Adaptive,
        "between_tools" => ReasoningMode::BetweenTools,
        "disabled" => ReasoningMode::Off,
        _ => {
            return Err(
                kind.invalid("it must be 'enabled', 'adaptive', 'between_tools' or 'disabled'")
            );
        }
    });
    if let Some(display) = thinking.get("display")? {
        reasoning.summary = Some(match &*display.text()? {
            "summarized" => Summary::Auto,
            "omitted" => Summary::Omitted,
            _ => return Err(display.invalid("it must be 'summarized' or 'omitted'")),
        });
    }
    thinking.end(extras);
    Ok(())
}

fn effort(word: Node<'_, '_>) -> Result<Effort, RequestError> {
    Ok(match &*word.text()? {
        "low" => Effort::Low,
        "medium" => Effort::Medium,
        "high" => Effort::High,
        "xhigh" => Effort::XHigh,
        "max" => Effort::Max,
        _ => return Err(word.invalid("it must be 'low', 'medium', 'high', 'xhigh' or 'max'")),
    })
}

fn format(node: Node<'_, '_>, extras: &mut Vec<Extra>) -> Result<Output, RequestError> {
    let format = node.object()?;
    let kind = format.need("type")?;
    if kind.text()? != "json_schema" {
        return Err(kind.invalid("it must be 'json_schema'"));
    }
    let schema = format.need("schema")?.json_object()?;
    format.end(extras);
    Ok(Output::JsonSchema(JsonSchema {
        name: None,
        description: None,
        schema,
        strict: None,
    }))
}
