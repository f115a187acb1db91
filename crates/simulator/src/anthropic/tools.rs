//! The rules of tools and of the choice among them.

use serde_json::Value;

use super::content::check_cache;
use super::error::ApiError;
use crate::ask::{Choice, Tool};
use crate::shape::{Kind, check};

const FIELDS: &[(&str, Kind)] = &[
    ("type", Kind::Text),
    ("name", Kind::Text),
    ("description", Kind::Text),
    ("input_schema", Kind::Object),
    ("cache_control", Kind::Object),
    ("strict", Kind::Bool),
    ("allowed_callers", Kind::Array),
    ("defer_loading", Kind::Bool),
    ("eager_input_streaming", Kind::Bool),
    ("input_examples", Kind::Array),
];

/// The tools of a request that the model may call.
pub(crate) fn read(tools: &[Value]) -> Result<Vec<Tool>, ApiError> {
    let mut offered: Vec<Tool> = Vec::new();
    for (index, tool) in tools.iter().enumerate() {
        let at = format!("tools.{index}");
        let kind = tool.get("type").and_then(Value::as_str);
        if let Some(server) = kind.filter(|kind| *kind != "custom") {
            check_server(&at, server)?;
            continue;
        }
        let members = check(tool, FIELDS, &["name", "input_schema"])
            .map_err(|flaw| ApiError::flaw(&format!("{at}.custom"), flaw))?;
        let name = members
            .get("name")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if name.is_empty() || name.len() > 128 || !name.bytes().all(allowed) {
            return Err(ApiError::invalid(format!(
                "{at}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'"
            )));
        }
        if offered.iter().any(|other| other.name == name) {
            return Err(ApiError::invalid("tools: Tool names must be unique."));
        }
        let schema = members.get("input_schema").cloned().unwrap_or_default();
        match schema.get("type").and_then(Value::as_str) {
            Some("object") => {}
            None => {
                return Err(ApiError::invalid(format!(
                    "{at}.custom.input_schema.type: Field required"
                )));
            }
            Some(_) => {
                return Err(ApiError::invalid(format!(
                    "{at}.custom.input_schema.type: Input should be 'object'"
                )));
            }
        }
        check_cache(&format!("{at}.custom"), members)?;
        offered.push(Tool {
            name: name.to_owned(),
            schema,
        });
    }
    Ok(offered)
}

fn check_server(at: &str, kind: &str) -> Result<(), ApiError> {
    let families = [
        "bash_",
        "browser_",
        "code_execution_",
        "computer_",
        "memory_",
        "text_editor_",
        "tool_search_tool_",
        "web_fetch_",
        "web_search_",
    ];
    if families.iter().any(|family| kind.starts_with(family)) {
        return Ok(());
    }
    Err(ApiError::invalid(format!(
        "{at}: Input tag '{kind}' found using 'type' does not match any of the expected tags"
    )))
}

/// Which tool is to be called, and whether several may be.
pub(crate) fn choice(
    choice: Option<&Value>,
    tools: &[Value],
    is_thinking: bool,
) -> Result<(Choice, Option<bool>), ApiError> {
    let Some(choice) = choice else {
        return Ok((Choice::Auto, None));
    };
    if tools.is_empty() {
        return Err(ApiError::invalid(
            "tool_choice: tool_choice may only be specified while providing tools.",
        ));
    }
    let kind = choice.get("type").and_then(Value::as_str);
    let kind = kind.ok_or_else(|| ApiError::invalid("tool_choice.type: Field required"))?;
    let typed = ("type", Kind::Text);
    let alone = ("disable_parallel_tool_use", Kind::Bool);
    let (known, required): (&[(&str, Kind)], &[&str]) = match kind {
        "auto" | "any" => (&[typed, alone], &["type"]),
        "tool" => (&[typed, alone, ("name", Kind::Text)], &["type", "name"]),
        "none" => (&[typed], &["type"]),
        _ => {
            return Err(ApiError::invalid(format!(
                "tool_choice: Input tag '{kind}' found using 'type' does not match any of the expected tags: 'auto', \
                 'any', 'tool', 'none'"
            )));
        }
    };
    let members = check(choice, known, required)
        .map_err(|flaw| ApiError::flaw(&format!("tool_choice.{kind}"), flaw))?;
    if is_thinking && ["any", "tool"].contains(&kind) {
        return Err(ApiError::invalid(
            "Thinking may not be enabled when tool_choice forces tool use.",
        ));
    }
    let parallel = members
        .get("disable_parallel_tool_use")
        .and_then(Value::as_bool);
    let name = members
        .get("name")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let chosen = match kind {
        "any" => Choice::Required,
        "none" => Choice::None,
        "tool" if !tools.iter().any(|tool| tool["name"] == name) => {
            return Err(ApiError::invalid(format!(
                "Tool '{name}' not found in provided tools"
            )));
        }
        "tool" => Choice::Named(name.to_owned()),
        _ => Choice::Auto,
    };
    Ok((chosen, parallel.map(|disabled| !disabled)))
}
