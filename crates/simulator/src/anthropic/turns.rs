//! The rules of a conversation's messages.

use serde_json::Value;

use super::content::{Place, check_block};
use super::error::ApiError;
use crate::shape::{Kind, check};

/// One message: where it stands, whose it is, and its blocks; a string is no block.
pub(crate) struct Turn<'a> {
    pub(crate) role: &'a str,
    pub(crate) content: &'a Value,
    pub(crate) blocks: &'a [Value],
}

/// The messages, each checked on its own and all of them as a conversation.
pub(crate) fn read<'a>(
    messages: &'a [Value],
    is_newest: bool,
    must_think: bool,
) -> Result<Vec<Turn<'a>>, ApiError> {
    if messages.is_empty() {
        return Err(ApiError::invalid(
            "messages: at least one message is required",
        ));
    }
    let mut turns = Vec::with_capacity(messages.len());
    for (index, message) in messages.iter().enumerate() {
        turns.push(read_turn(index, message, messages.len(), is_newest)?);
    }
    if turns
        .first()
        .is_some_and(|turn: &Turn<'_>| turn.role != "user")
    {
        return Err(ApiError::invalid(
            "messages: first message must use the \"user\" role",
        ));
    }
    check_results(&turns)?;
    if must_think {
        check_thought(&turns)?;
    }
    Ok(turns)
}

fn read_turn<'a>(
    index: usize,
    message: &'a Value,
    count: usize,
    is_newest: bool,
) -> Result<Turn<'a>, ApiError> {
    let at = format!("messages.{index}");
    let known = [("role", Kind::Text), ("content", Kind::TextOrArray)];
    let members =
        check(message, &known, &["role", "content"]).map_err(|flaw| ApiError::flaw(&at, flaw))?;
    let role = members
        .get("role")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let place = match role {
        "user" => Place::User,
        "assistant" => Place::Assistant,
        "system" => Place::System,
        _ => {
            return Err(ApiError::invalid(format!(
                "{at}.role: Input should be 'user', 'assistant' or 'system'"
            )));
        }
    };
    let content = members.get("content").unwrap_or(&Value::Null);
    let blocks = content.as_array().map(Vec::as_slice).unwrap_or_default();
    let is_empty = content.as_str().map_or(blocks.is_empty(), str::is_empty);
    let is_prefill = place == Place::Assistant && index + 1 == count;
    if is_empty && !is_prefill {
        return Err(ApiError::invalid(format!(
            "{at}: all messages must have non-empty content except for the optional final assistant message"
        )));
    }
    for (nth, block) in blocks.iter().enumerate() {
        check_block(&format!("{at}.content.{nth}"), block, place, is_newest)?;
    }
    let last = blocks.last().and_then(|block| block.get("text"));
    let last = last.unwrap_or(content).as_str().unwrap_or_default();
    if is_prefill && last.ends_with(char::is_whitespace) {
        return Err(ApiError::invalid(
            "messages: final assistant content cannot end with trailing whitespace",
        ));
    }
    Ok(Turn {
        role,
        content,
        blocks,
    })
}

fn is_kind(block: &Value, kind: &str) -> bool {
    block.get("type").is_some_and(|found| found == kind)
}

fn ids<'a>(blocks: &'a [Value], kind: &'static str, name: &'static str) -> Vec<&'a str> {
    let of_kind = blocks.iter().filter(move |block| is_kind(block, kind));
    of_kind
        .filter_map(|block| block.get(name)?.as_str())
        .collect()
}

/// Every call is answered by the next message, results first, and nothing else is.
fn check_results(turns: &[Turn<'_>]) -> Result<(), ApiError> {
    let mut open: Vec<&str> = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    for (index, turn) in turns.iter().enumerate() {
        let leading = turn
            .blocks
            .iter()
            .take_while(|block| is_kind(block, "tool_result"))
            .count();
        let results = ids(&turn.blocks[..leading], "tool_result", "tool_use_id");
        let unanswered: Vec<&str> = open
            .iter()
            .copied()
            .filter(|id| !results.contains(id))
            .collect();
        if !unanswered.is_empty() {
            return Err(unanswered_calls(index - 1, &unanswered));
        }
        for (nth, id) in ids(turn.blocks, "tool_result", "tool_use_id")
            .iter()
            .enumerate()
        {
            if !open.contains(id) {
                return Err(ApiError::invalid(format!(
                    "messages.{index}.content.{nth}: unexpected `tool_use_id` found in `tool_result` blocks: {id}. \
                     Each `tool_result` block must have a corresponding `tool_use` block in the previous message."
                )));
            }
            if results.iter().filter(|other| *other == id).count() > 1 {
                return Err(ApiError::invalid(format!(
                    "messages.{index}.content: each tool_use must have a single result. Found multiple `tool_result` \
                     blocks with id: {id}"
                )));
            }
        }
        open = ids(turn.blocks, "tool_use", "id");
        for (nth, id) in open.iter().enumerate() {
            if seen.contains(id) || open[..nth].contains(id) {
                return Err(ApiError::invalid("messages: `tool_use` ids must be unique"));
            }
        }
        seen.extend(&open);
    }
    if open.is_empty() {
        return Ok(());
    }
    Err(unanswered_calls(turns.len() - 1, &open))
}

fn unanswered_calls(index: usize, ids: &[&str]) -> ApiError {
    ApiError::invalid(format!(
        "messages.{index}: `tool_use` ids were found without `tool_result` blocks immediately after: {}. Each \
         `tool_use` block must have a corresponding `tool_result` block in the next message.",
        ids.join(", ")
    ))
}

/// In a loop of tools the last assistant message starts with its thinking.
fn check_thought(turns: &[Turn<'_>]) -> Result<(), ApiError> {
    let last = turns.iter().rposition(|turn| turn.role == "assistant");
    let Some((index, turn)) = last.and_then(|index| Some((index, turns.get(index)?))) else {
        return Ok(());
    };
    let kind = |block: &Value| block.get("type").and_then(Value::as_str).map(str::to_owned);
    let first = turn.blocks.first().and_then(kind);
    let calls = turn.blocks.iter().any(|block| is_kind(block, "tool_use"));
    let is_final = index + 1 == turns.len();
    match first.as_deref() {
        Some("thinking" | "redacted_thinking") => Ok(()),
        _ if !calls && !is_final => Ok(()),
        found => Err(ApiError::invalid(format!(
            "messages.{index}.content.0.type: Expected `thinking` or `redacted_thinking`, but found `{}`. When \
             `thinking` is enabled, a final `assistant` message must start with a thinking block (preceeding the \
             lastmost set of `tool_use` and `tool_result` blocks). To avoid this requirement, disable `thinking`.",
            found.unwrap_or("text")
        ))),
    }
}
