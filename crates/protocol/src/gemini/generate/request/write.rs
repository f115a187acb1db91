//! Writing a request.

use std::{borrow::Cow, collections::HashMap};

use serde::Serialize;

use super::{
    results,
    settings::{self, GenerationConfig, ToolConfig, ToolOut},
};
use crate::{
    ThinkingStyle,
    canonical::{Family, Message, Part, Request, Role, Thinking},
    feature::Feature,
    gemini::generate::{
        json_text,
        part::{PartOut, vouch, write_parts},
    },
    translate::{Target, Unsayable, Written},
};

/// Said by the user where the conversation begins otherwise, which Gemini refuses.
const FILLER: &str = "Continue.";

/// The body of a request.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    system_instruction: Option<Content<'a>>,
    contents: Vec<Content<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<ToolOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_config: Option<ToolConfig<'a>>,
    generation_config: GenerationConfig<'a>,
}

#[derive(Serialize)]
struct Content<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    parts: Vec<PartOut<'a>>,
}

/// Writes a request.
pub(crate) fn write(request: &Request, target: &Target<'_>, cut: &mut Vec<Feature>) -> Written {
    Ok(json_text(&body(request, target, cut)?).into_bytes())
}

/// What is written.
pub(crate) fn body<'a>(
    request: &'a Request,
    target: &Target<'_>,
    cut: &mut Vec<Feature>,
) -> Result<Body<'a>, Unsayable> {
    // Gemini 3 gives its calls ids, and wants its signatures back; the ones before know neither.
    let is_third = target.traits.thinking == ThinkingStyle::Level;
    Ok(Body {
        system_instruction: system(&request.messages),
        contents: contents(&request.messages, is_third),
        tools: settings::tools(&request.tools),
        tool_config: settings::tool_config(request),
        generation_config: settings::generation(request, target, cut)?,
    })
}

/// All instructions, joined to one text.
fn system(messages: &[Message]) -> Option<Content<'_>> {
    let mut texts = messages
        .iter()
        .filter(|message| matches!(message.role, Role::System | Role::Developer))
        .flat_map(|message| &message.parts)
        .filter_map(|part| match part {
            Part::Text { text, .. } => Some(text.as_str()),
            _ => None,
        });
    let first = Cow::Borrowed(texts.next()?);
    let text = texts.fold(first, |text, more| {
        let mut text = text.into_owned();
        text.push_str("\n\n");
        text.push_str(more);
        Cow::Owned(text)
    });
    Some(Content {
        role: None,
        parts: vec![PartOut::text(text)],
    })
}

const USER: Option<&str> = Some("user");
const MODEL: Option<&str> = Some("model");

/// The turns: neighbours of one role are one, and the user begins.
fn contents(messages: &[Message], is_third: bool) -> Vec<Content<'_>> {
    let mut contents: Vec<Content<'_>> = Vec::new();
    let mut calls = HashMap::new();
    for message in messages {
        let (role, parts) = match message.role {
            Role::System | Role::Developer => continue,
            Role::User => (USER, write_parts(&message.parts, is_third, is_own)),
            Role::Assistant => {
                calls = places(message);
                (MODEL, write_parts(&message.parts, is_third, is_own))
            }
            Role::Tool => (USER, answers(&message.parts, &calls, is_third)),
        };
        if parts.is_empty() {
            continue;
        }
        match contents.last_mut() {
            Some(last) if last.role == role => last.parts.extend(parts),
            _ => contents.push(Content { role, parts }),
        }
    }
    if contents.first().is_none_or(|first| first.role != USER) {
        let filler = Content {
            role: USER,
            parts: vec![PartOut::text(FILLER)],
        };
        contents.insert(0, filler);
    }
    if is_third {
        contents
            .iter_mut()
            .filter(|content| content.role == MODEL)
            .for_each(|content| vouch(&mut content.parts));
    }
    contents
}

/// Reasoning that Gemini made, and that it can read.
fn is_own(thinking: &Thinking) -> bool {
    thinking
        .signature
        .as_ref()
        .is_some_and(|signature| signature.family == Family::Gemini)
}

fn places(message: &Message) -> HashMap<&str, usize> {
    let calls = message.parts.iter().filter_map(|part| match part {
        Part::ToolCall(call) => Some(call.id.as_str()),
        _ => None,
    });
    calls.enumerate().map(|(place, id)| (id, place)).collect()
}

/// Results in the order of their calls.
fn answers<'a>(
    parts: &'a [Part],
    calls: &HashMap<&str, usize>,
    with_ids: bool,
) -> Vec<PartOut<'a>> {
    let mut results: Vec<_> = parts
        .iter()
        .filter_map(|part| match part {
            Part::ToolResult(result) => Some(result),
            _ => None,
        })
        .collect();
    results.sort_by_key(|result| calls.get(result.call_id.as_str()).copied());
    results
        .into_iter()
        .map(|result| results::write(result, with_ids))
        .collect()
}
