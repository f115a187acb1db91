//! Reading tools, and whether they are to be called.

use serde_json::value::RawValue;

use super::schema;
use crate::{
    RequestError,
    canonical::{Extra, Json, Request, Tool, ToolChoice},
    feature::Feature,
    gemini::fields::{Fields, invalid, missing, type_error},
};

/// Members of a tool that the provider runs.
const HOSTED: [&str; 11] = [
    "googleSearch",
    "googleSearchRetrieval",
    "codeExecution",
    "urlContext",
    "computerUse",
    "fileSearch",
    "googleMaps",
    "retrieval",
    "enterpriseWebSearch",
    "parallelAiSearch",
    "exaAiSearch",
];

/// Takes `tools` and `toolConfig`.
pub(super) fn read(fields: &mut Fields<'_>, request: &mut Request) -> Result<(), RequestError> {
    for (raw, path) in fields.list("tools")?.unwrap_or_default() {
        let mut tool = Fields::read(raw, path)?;
        for (raw, path) in tool.list("functionDeclarations")?.unwrap_or_default() {
            let declared = declaration(raw, path, request)?;
            request.tools.push(declared);
        }
        for (name, feature) in HOSTED
            .into_iter()
            .map(|name| (name, Feature::HostedTool))
            .chain([("mcpServers", Feature::McpServers)])
        {
            if tool.take(name).is_some() {
                request.extras.push(Extra {
                    feature,
                    param: tool.path_of(name),
                });
            }
        }
        request.extras.extend(tool.unknown());
    }
    match fields.object("toolConfig")? {
        Some(config) => tool_config(config, request),
        None => Ok(()),
    }
}

fn declaration(raw: &RawValue, path: String, request: &mut Request) -> Result<Tool, RequestError> {
    let mut declared = Fields::read(raw, path)?;
    let name = declared
        .string("name")?
        .ok_or_else(|| missing(declared.path_of("name")))?
        .into_owned();
    let description = declared.string("description")?.map(Into::into);
    let parameters = either_schema(&mut declared, "parameters", "parametersJsonSchema")?;
    for name in ["response", "responseJsonSchema"] {
        if declared.take(name).is_some() {
            request.extras.push(Extra {
                feature: Feature::ToolResponseSchema,
                param: declared.path_of(name),
            });
        }
    }
    let behavior = declared.string("behavior")?.unwrap_or_default();
    if behavior == "NON_BLOCKING" {
        request.extras.push(Extra {
            feature: Feature::OtherSampling,
            param: declared.path_of("behavior"),
        });
    }
    request.extras.extend(declared.unknown());
    Ok(Tool {
        name,
        description,
        parameters,
        strict: None,
        cache: None,
    })
}

/// Takes a schema that is told in Gemini's subset or as JSON schema.
pub(super) fn either_schema(
    fields: &mut Fields<'_>,
    subset: &str,
    full: &str,
) -> Result<Option<Json>, RequestError> {
    let (own, json) = (fields.take(subset), fields.take(full));
    match (own, json) {
        (Some(_), Some(_)) => Err(invalid(
            fields.path_of(full),
            "it stands beside the same schema in Gemini's subset",
        )),
        (Some(own), None) => schema::read(own, fields.path_of(subset)).map(Some),
        (None, Some(json)) if json.get().starts_with('{') => Ok(Some(Json::of(json))),
        (None, Some(_)) => Err(type_error(fields.path_of(full), "an object")),
        (None, None) => Ok(None),
    }
}

fn tool_config(mut config: Fields<'_>, request: &mut Request) -> Result<(), RequestError> {
    if let Some(mut calling) = config.object("functionCallingConfig")? {
        request.tool_choice = choice(&mut calling)?;
        calling_details(calling, request)?;
    }
    if config.bool("includeServerSideToolInvocations")? == Some(true) {
        request.extras.push(Extra {
            feature: Feature::HostedTool,
            param: config.path_of("includeServerSideToolInvocations"),
        });
    }
    if config.take("retrievalConfig").is_some() {
        request.extras.push(Extra {
            feature: Feature::HostedTool,
            param: config.path_of("retrievalConfig"),
        });
    }
    request.extras.extend(config.unknown());
    Ok(())
}

fn calling_details(mut calling: Fields<'_>, request: &mut Request) -> Result<(), RequestError> {
    if calling.bool("streamFunctionCallArguments")? == Some(true) {
        request.extras.push(Extra {
            feature: Feature::OtherSampling,
            param: calling.path_of("streamFunctionCallArguments"),
        });
    }
    request.extras.extend(calling.unknown());
    Ok(())
}

/// `VALIDATED` is `AUTO` with arguments that obey their schemas; the canonical form says that of each tool or not at all.
fn choice(calling: &mut Fields<'_>) -> Result<Option<ToolChoice>, RequestError> {
    let mode = calling.string("mode")?.unwrap_or_default();
    let mut names = calling.strings("allowedFunctionNames")?;
    Ok(match mode.to_ascii_uppercase().as_str() {
        "" | "MODE_UNSPECIFIED" | "AUTO" | "VALIDATED" if !names.is_empty() => {
            Some(ToolChoice::Allowed(names, false))
        }
        "" | "MODE_UNSPECIFIED" => None,
        "AUTO" | "VALIDATED" => Some(ToolChoice::Auto),
        "NONE" => Some(ToolChoice::None),
        "ANY" if names.is_empty() => Some(ToolChoice::Required),
        "ANY" if names.len() == 1 => names.pop().map(ToolChoice::Tool),
        "ANY" => Some(ToolChoice::Allowed(names, true)),
        _ => {
            return Err(invalid(
                calling.path_of("mode"),
                "it must be AUTO, ANY, NONE or VALIDATED",
            ));
        }
    })
}
