//! Tools, and the choice among them.

use std::borrow::Cow;

use serde::Serialize;

use super::{super::NO_PARAMETERS, block::Mark};
use crate::{
    anthropic::messages::members::Members,
    canonical::{self, Json, Request, ToolChoice},
    feature::Feature,
    translate::Unsayable,
};

/// A tool.
#[derive(Debug, Serialize)]
pub(super) struct Tool<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    input_schema: Cow<'a, Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<Mark>,
}

/// `tool_choice`.
#[derive(Debug, Serialize)]
pub(super) struct Choice<'a> {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disable_parallel_tool_use: Option<bool>,
}

/// The tools to offer: all, or those that the choice allows.
pub(super) fn offered(request: &Request) -> Result<Vec<Tool<'_>>, Unsayable> {
    let allowed = match &request.tool_choice {
        Some(ToolChoice::Allowed(names, _)) => Some(
            names
                .iter()
                .map(String::as_str)
                .collect::<std::collections::HashSet<_>>(),
        ),
        _ => None,
    };
    request
        .tools
        .iter()
        .filter(|tool| {
            allowed
                .as_ref()
                .is_none_or(|names| names.contains(&*tool.name))
        })
        .map(tool)
        .collect()
}

fn tool(tool: &canonical::Tool) -> Result<Tool<'_>, Unsayable> {
    Ok(Tool {
        name: &tool.name,
        description: tool.description.as_deref(),
        input_schema: match &tool.parameters {
            Some(schema) => input_schema(schema)?,
            None => Cow::Owned(json(NO_PARAMETERS)),
        },
        strict: tool.strict,
        cache_control: tool.cache.map(Mark::of),
    })
}

fn json(text: &str) -> Json {
    Json::parse(text).expect("it is written as JSON")
}

/// The schema of arguments, which has to say that they are an object.
fn input_schema(schema: &Json) -> Result<Cow<'_, Json>, Unsayable> {
    let refused = || Unsayable {
        feature: Feature::Tools,
        why: "the schema of a tool's arguments must be that of an object there".into(),
    };
    let Members(members) = Members::of(schema.get()).ok_or_else(refused)?;
    let kind = members.iter().find(|(name, _)| name.0 == "type");
    match kind.map(|(_, kind)| kind.get()) {
        Some(r#""object""#) => Ok(Cow::Borrowed(schema)),
        Some(_) => Err(refused()),
        None => {
            let rest = schema.get().strip_prefix('{').ok_or_else(refused)?;
            let comma = if members.is_empty() { "" } else { "," };
            Json::parse(&format!(r#"{{"type":"object"{comma}{rest}"#))
                .map(Cow::Owned)
                .map_err(|_| refused())
        }
    }
}

/// The choice. Without tools there is none to make; while the model thinks it cannot be made to call one.
pub(super) fn choice<'a>(
    request: &'a Request,
    tools: &[Tool<'_>],
    thinks: bool,
    cut: &mut Vec<Feature>,
) -> Option<Choice<'a>> {
    let one_at_a_time = request.parallel_tool_calls.map(|parallel| !parallel);
    let (kind, name) = match request.tool_choice.as_ref() {
        None if one_at_a_time == Some(true) => ("auto", None),
        None => return None,
        Some(ToolChoice::Auto | ToolChoice::Allowed(_, false)) => ("auto", None),
        Some(ToolChoice::None) => ("none", None),
        Some(ToolChoice::Required | ToolChoice::Allowed(_, true)) => ("any", None),
        Some(ToolChoice::Tool(name)) => ("tool", Some(&**name)),
    };
    let must_call = matches!(kind, "any" | "tool");
    if must_call && (thinks || tools.is_empty()) {
        cut.push(match request.tool_choice {
            Some(ToolChoice::Allowed(..)) => Feature::ToolChoiceAllowed,
            _ => Feature::ToolChoice,
        });
    }
    if tools.is_empty() {
        return None;
    }
    let (kind, name) = if must_call && thinks {
        ("auto", None)
    } else {
        (kind, name)
    };
    Some(Choice {
        r#type: kind,
        name,
        disable_parallel_tool_use: one_at_a_time.filter(|_| kind != "none"),
    })
}
