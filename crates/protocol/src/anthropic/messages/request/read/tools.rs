//! Tools, and the choice among them.

use super::{
    super::NO_PARAMETERS,
    content::cache_of,
    node::{Node, Object},
};
use crate::{
    RequestError,
    canonical::{Extra, Request, Tool, ToolChoice},
    feature::Feature,
};

/// Reads `tools`, `tool_choice` and `mcp_servers`.
pub(super) fn read(
    body: &Object<'_, '_>,
    request: &mut Request,
    extras: &mut Vec<Extra>,
) -> Result<(), RequestError> {
    if let Some(tools) = body.get("tools")? {
        for node in tools.list()?.nodes() {
            request.tools.extend(tool(node, extras)?);
        }
    }
    if let Some(choice) = body.get("tool_choice")? {
        let (choice, parallel) = tool_choice(choice, extras)?;
        request.tool_choice = Some(choice);
        request.parallel_tool_calls = parallel;
    }
    if let Some(servers) = body.get("mcp_servers")?
        && servers.list()?.nodes().next().is_some()
    {
        servers.note(Feature::McpServers, extras);
    }
    Ok(())
}

fn tool(node: Node<'_, '_>, extras: &mut Vec<Extra>) -> Result<Option<Tool>, RequestError> {
    let tool = node.object()?;
    let kind = tool.get("type")?;
    if let Some(kind) = kind
        && kind.text()? != "custom"
    {
        node.note(Feature::HostedTool, extras);
        return Ok(None);
    }
    if let Some(callers) = tool.get("allowed_callers")? {
        for caller in callers.list()?.nodes() {
            if caller.text()? != "direct" {
                caller.note(Feature::HostedTool, extras);
            }
        }
    }
    if let Some(deferred) = tool.get("defer_loading")?
        && deferred.boolean()?
    {
        deferred.note(Feature::HostedTool, extras);
    }
    tool.note("input_examples", Feature::ToolHints, extras)?;
    tool.note("eager_input_streaming", Feature::ToolHints, extras)?;
    let parameters = tool.need("input_schema")?.json_object()?;
    let pieces = parameters.get().split_ascii_whitespace();
    let takes_none = pieces.flat_map(str::bytes).eq(NO_PARAMETERS.bytes());
    let read = Tool {
        name: tool.need("name")?.string()?,
        description: tool
            .get("description")?
            .map(|node| node.string())
            .transpose()?,
        parameters: (!takes_none).then_some(parameters),
        strict: tool.get("strict")?.map(|node| node.boolean()).transpose()?,
        cache: cache_of(&tool)?,
    };
    tool.end(extras);
    Ok(Some(read))
}

fn tool_choice(
    node: Node<'_, '_>,
    extras: &mut Vec<Extra>,
) -> Result<(ToolChoice, Option<bool>), RequestError> {
    let choice = node.object()?;
    let kind = choice.need("type")?;
    let read = match &*kind.text()? {
        "auto" => ToolChoice::Auto,
        "any" => ToolChoice::Required,
        "none" => ToolChoice::None,
        "tool" => ToolChoice::Tool(choice.need("name")?.string()?),
        _ => return Err(kind.invalid("it must be 'auto', 'any', 'tool' or 'none'")),
    };
    let one = choice.get("disable_parallel_tool_use")?;
    let parallel = one.map(|node| node.boolean()).transpose()?.map(|one| !one);
    choice.end(extras);
    Ok((read, parallel))
}
