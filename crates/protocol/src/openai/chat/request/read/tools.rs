//! Tools and the choice among them, in today's form and in the one before it (`functions`, `function_call`).

use super::{Extras, note};
use crate::{
    RequestError,
    canonical::{Json, Request, Tool, ToolChoice},
    feature::Feature,
    json::Kind,
    openai::object::Object,
};

/// Reads the fields that are about tools.
pub(super) fn read(body: &mut Object<'_>, request: &mut Request) -> Result<(), RequestError> {
    let extras = &mut request.extras;
    for told in body.objects("tools")? {
        request.tools.extend(tool(told, extras)?);
    }
    let functions = body.objects("functions")?;
    if !functions.is_empty() && !request.tools.is_empty() {
        return Err(body.invalid("functions", "it cannot stand beside 'tools'"));
    }
    for told in functions {
        request.tools.push(function(told, extras)?);
    }
    request.parallel_tool_calls = body.boolean("parallel_tool_calls")?;
    request.tool_choice = match choice(body, extras)? {
        Some(choice) => Some(choice),
        None => function_call(body, extras)?,
    };
    Ok(())
}

/// A tool that the client runs; any other is noted.
fn tool(mut told: Object<'_>, extras: &mut Extras) -> Result<Option<Tool>, RequestError> {
    let feature = match told.required_text("type")?.as_str() {
        "function" => {
            let tool = function(told.required_object("function")?, extras)?;
            note(extras, Feature::Other, told.rest());
            return Ok(Some(tool));
        }
        "custom" => Feature::CustomTool,
        _ => Feature::HostedTool,
    };
    note(extras, feature, [told.place().to_owned()]);
    Ok(None)
}

fn function(mut told: Object<'_>, extras: &mut Extras) -> Result<Tool, RequestError> {
    let tool = Tool {
        name: told.required_text("name")?,
        description: told.text("description")?,
        parameters: schema(&mut told, "parameters")?,
        strict: told.boolean("strict")?,
        cache: None,
    };
    note(extras, Feature::Other, told.rest());
    Ok(tool)
}

/// Takes a JSON schema out, which is an object.
pub(super) fn schema(told: &mut Object<'_>, name: &str) -> Result<Option<Json>, RequestError> {
    let Some(value) = told.take(name)? else {
        return Ok(None);
    };
    if value.kind != Kind::Object {
        return Err(told.wrong_type(name, "an object"));
    }
    let schema = Json::parse(value.raw());
    schema
        .map(Some)
        .map_err(|error| told.invalid(name, error.to_string()))
}

fn choice(body: &mut Object<'_>, extras: &mut Extras) -> Result<Option<ToolChoice>, RequestError> {
    let Some(value) = body.take("tool_choice")? else {
        return Ok(None);
    };
    if let Some(word) = value.as_str() {
        return match word.as_ref() {
            "auto" => Ok(Some(ToolChoice::Auto)),
            "none" => Ok(Some(ToolChoice::None)),
            "required" => Ok(Some(ToolChoice::Required)),
            _ => Err(body.invalid(
                "tool_choice",
                "it must be auto, none, required or an object",
            )),
        };
    }
    if value.kind != Kind::Object {
        return Err(body.wrong_type("tool_choice", "a string or an object"));
    }
    let mut told = Object::of(value, body.path("tool_choice"))?;
    let choice = match told.required_text("type")?.as_str() {
        "function" => {
            let name = told.required_object("function")?.required_text("name")?;
            Some(ToolChoice::Tool(name))
        }
        "allowed_tools" => allowed(told.required_object("allowed_tools")?, extras)?,
        "custom" => {
            note(extras, Feature::CustomTool, [told.place().to_owned()]);
            return Ok(None);
        }
        _ => {
            let reason = "it must be function, allowed_tools or custom";
            return Err(told.invalid("type", reason));
        }
    };
    note(extras, Feature::Other, told.rest());
    Ok(choice)
}

fn allowed(mut told: Object<'_>, extras: &mut Extras) -> Result<Option<ToolChoice>, RequestError> {
    let must = match told.required_text("mode")?.as_str() {
        "auto" => false,
        "required" => true,
        _ => return Err(told.invalid("mode", "it must be auto or required")),
    };
    let mut names = Vec::new();
    for mut tool in told.objects("tools")? {
        if tool.required_text("type")? == "function" {
            names.push(tool.required_object("function")?.required_text("name")?);
        } else {
            note(extras, Feature::CustomTool, [tool.place().to_owned()]);
        }
    }
    note(extras, Feature::Other, told.rest());
    Ok(Some(ToolChoice::Allowed(names, must)))
}

fn function_call(
    body: &mut Object<'_>,
    extras: &mut Extras,
) -> Result<Option<ToolChoice>, RequestError> {
    let Some(value) = body.take("function_call")? else {
        return Ok(None);
    };
    if let Some(word) = value.as_str() {
        return match word.as_ref() {
            "auto" => Ok(Some(ToolChoice::Auto)),
            "none" => Ok(Some(ToolChoice::None)),
            _ => Err(body.invalid("function_call", "it must be auto, none or an object")),
        };
    }
    let mut told = Object::of(value, body.path("function_call"))?;
    let name = told.required_text("name")?;
    note(extras, Feature::Other, told.rest());
    Ok(Some(ToolChoice::Tool(name)))
}
