//! Tools, the choice among them, the form of the answer and reasoning.

use super::fields::{Any, Fields, invalid, wrong_type};
use crate::{
    RequestError,
    canonical::{Extra, JsonSchema, Output, Reasoning, Request, Tool, ToolChoice},
    feature::Feature,
    json::Value,
    openai::responses::words::{effort_of, summary_of},
};

/// Reads an entry of `tools`. A function that does not say whether it is strict stays so: here that means strict, but its
/// schema was then made for OpenAI's rules, and other formats' default fits it better than their strict modes.
pub(super) fn tool(
    raw: Value<'_>,
    path: String,
    request: &mut Request,
) -> Result<(), RequestError> {
    let mut fields = Fields::of(raw, path)?;
    let feature = match fields.needed_text("type")?.as_ref() {
        "function" => return function(fields, request),
        "custom" => Feature::CustomTool,
        "mcp" => Feature::McpServers,
        _ => Feature::HostedTool,
    };
    request.extras.push(Extra {
        feature,
        param: fields.path().to_owned(),
    });
    Ok(())
}

fn function(mut fields: Fields<'_>, request: &mut Request) -> Result<(), RequestError> {
    let tool = Tool {
        name: fields.needed_text("name")?.into_owned(),
        description: fields.text("description")?.map(Into::into),
        parameters: fields.json("parameters")?,
        strict: fields.flag("strict")?,
        cache: None,
    };
    request.tools.push(tool);
    // A function that programs call too, or that is found by search, belongs to a tool that the provider runs.
    let callers = fields.list("allowed_callers")?.unwrap_or_default();
    let by_programs = callers
        .iter()
        .any(|caller| caller.as_str().as_deref() != Some("direct"));
    for (used, name, feature) in [
        (by_programs, "allowed_callers", Feature::HostedTool),
        (
            fields.flag("defer_loading")? == Some(true),
            "defer_loading",
            Feature::HostedTool,
        ),
        (fields.flag("async")? == Some(true), "async", Feature::Other),
    ] {
        if used {
            request.extras.push(Extra {
                feature,
                param: fields.at(name),
            });
        }
    }
    fields.leave(&mut request.extras);
    Ok(())
}

/// Reads `tool_choice`.
pub(super) fn tool_choice(choice: Any<'_>, request: &mut Request) -> Result<(), RequestError> {
    let path = || "tool_choice".to_owned();
    let mut fields = match choice {
        Any::Text(word) => {
            request.tool_choice = Some(match word.as_ref() {
                "auto" => ToolChoice::Auto,
                "none" => ToolChoice::None,
                "required" => ToolChoice::Required,
                _ => return Err(invalid(path(), "it must be auto, none or required")),
            });
            return Ok(());
        }
        Any::Fields(fields) => fields,
        Any::List(_) => return Err(wrong_type(path(), "a string or an object")),
    };
    let feature = match fields.needed_text("type")?.as_ref() {
        "function" => {
            let name = fields.needed_text("name")?.into_owned();
            request.tool_choice = Some(ToolChoice::Tool(name));
            fields.leave(&mut request.extras);
            return Ok(());
        }
        "allowed_tools" => return allowed(fields, request),
        "custom" => Feature::CustomTool,
        "mcp" => Feature::McpServers,
        _ => Feature::HostedTool,
    };
    request.extras.push(Extra {
        feature,
        param: path(),
    });
    Ok(())
}

fn allowed(mut fields: Fields<'_>, request: &mut Request) -> Result<(), RequestError> {
    let must = match fields.needed_text("mode")?.as_ref() {
        "auto" => false,
        "required" => true,
        _ => return Err(invalid(fields.at("mode"), "it must be auto or required")),
    };
    let path = fields.at("tools");
    let tools = fields
        .list("tools")?
        .ok_or_else(|| invalid(path.clone(), "it is required"))?;
    let mut names = Vec::with_capacity(tools.len());
    for (index, raw) in tools.into_iter().enumerate() {
        let mut tool = Fields::of(raw, format!("{path}[{index}]"))?;
        if tool.needed_text("type")? == "function" {
            names.push(tool.needed_text("name")?.into_owned());
            tool.leave(&mut request.extras);
        } else {
            request.extras.push(Extra {
                feature: Feature::HostedTool,
                param: tool.path().to_owned(),
            });
        }
    }
    fields.leave(&mut request.extras);
    request.tool_choice = Some(ToolChoice::Allowed(names, must));
    Ok(())
}

/// Reads `text`.
pub(super) fn text(mut fields: Fields<'_>, request: &mut Request) -> Result<(), RequestError> {
    request.verbosity = fields.text("verbosity")?.map(Into::into);
    if let Some(mut format) = fields.fields("format")? {
        request.output = match format.needed_text("type")?.as_ref() {
            "text" => Output::Text,
            "json_object" => Output::JsonObject,
            "json_schema" => Output::JsonSchema(JsonSchema {
                name: Some(format.needed_text("name")?.into_owned()),
                description: format.text("description")?.map(Into::into),
                schema: format
                    .json("schema")?
                    .ok_or_else(|| invalid(format.at("schema"), "it is required"))?,
                strict: format.flag("strict")?,
            }),
            _ => {
                let reason = "it must be text, json_object or json_schema";
                return Err(invalid(format.at("type"), reason));
            }
        };
        format.leave(&mut request.extras);
    }
    fields.leave(&mut request.extras);
    Ok(())
}

/// Reads `reasoning`.
pub(super) fn reasoning(mut fields: Fields<'_>, request: &mut Request) -> Result<(), RequestError> {
    let effort = match fields.text("effort")? {
        None => None,
        Some(word) => Some(effort_of(&word).ok_or_else(|| {
            let reason = "it must be none, minimal, low, medium, high, xhigh or max";
            invalid(fields.at("effort"), reason)
        })?),
    };
    let mut summary = None;
    // The first is the older name of the second.
    for name in ["generate_summary", "summary"] {
        if let Some(word) = fields.text(name)? {
            summary =
                Some(summary_of(&word).ok_or_else(|| {
                    invalid(fields.at(name), "it must be auto, concise or detailed")
                })?);
        }
    }
    for (name, default) in [("context", "auto"), ("mode", "standard")] {
        if fields.text(name)?.is_some_and(|word| word != default) {
            request.extras.push(Extra {
                feature: Feature::Other,
                param: fields.at(name),
            });
        }
    }
    request.reasoning = Reasoning {
        mode: None,
        effort,
        summary,
    };
    fields.leave(&mut request.extras);
    Ok(())
}
