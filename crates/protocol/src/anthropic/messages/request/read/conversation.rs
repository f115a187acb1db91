//! The turns of the conversation.

use std::collections::HashMap;

use super::{
    content::{self, Block},
    node::Node,
};
use crate::{
    RequestError,
    canonical::{Extra, Message, Part, Role, ToolResult},
    feature::Feature,
};

/// Reads `messages`. Results of tools, which stand in user messages, become messages of their own before the rest.
pub(super) fn read(
    node: Node<'_, '_>,
    messages: &mut Vec<Message>,
    extras: &mut Vec<Extra>,
) -> Result<(), RequestError> {
    let mut tools = HashMap::new();
    for node in node.list()?.nodes() {
        let message = node.object()?;
        let role = message.need("role")?;
        let content = message.need("content")?;
        match &*role.text()? {
            "user" => user(content, &tools, messages, extras)?,
            "assistant" => {
                let parts = assistant(content, &mut tools, extras)?;
                messages.push(Message::new(Role::Assistant, parts));
            }
            "system" => {
                let parts = content::texts(content, extras)?;
                messages.push(Message::new(Role::System, parts));
            }
            _ => return Err(role.invalid("it must be 'user', 'assistant' or 'system'")),
        }
        message.end(extras);
    }
    Ok(())
}

/// Names of the tools by the ids of their calls.
type Calls = HashMap<String, String>;

fn user(
    content: Node<'_, '_>,
    calls: &Calls,
    messages: &mut Vec<Message>,
    extras: &mut Vec<Extra>,
) -> Result<(), RequestError> {
    let mut results = Vec::new();
    let mut rest = Vec::new();
    content::each_block(content, extras, |node, block, extras| {
        match block {
            Block::Parts(parts) => rest.extend(parts),
            Block::Result { id, result } => {
                let name =
                    calls
                        .get(&result.call_id)
                        .cloned()
                        .ok_or_else(|| RequestError::Invalid {
                            field: id,
                            reason:
                                "no earlier turn of the assistant's has a tool_use with this id"
                                    .into(),
                        })?;
                results.push(Part::ToolResult(ToolResult { name, ..*result }));
            }
            Block::Call(_) | Block::Thinking(_) => {
                return Err(node.invalid("only the assistant's turns hold such a block"));
            }
            Block::Other(feature) => node.note(feature, extras),
        }
        Ok(())
    })?;
    let has_results = !results.is_empty();
    if has_results {
        messages.push(Message::new(Role::Tool, results));
    }
    if !has_results || !rest.is_empty() {
        messages.push(Message::new(Role::User, rest));
    }
    Ok(())
}

fn assistant(
    content: Node<'_, '_>,
    calls: &mut Calls,
    extras: &mut Vec<Extra>,
) -> Result<Vec<Part>, RequestError> {
    let mut parts = Vec::new();
    content::each_block(content, extras, |node, block, extras| {
        match block {
            Block::Parts(said) => {
                for part in said {
                    // No format lets a model have said a picture or a document.
                    if matches!(part, Part::Text { .. }) {
                        parts.push(part);
                    } else {
                        node.note(Feature::OtherContent, extras);
                    }
                }
            }
            Block::Call(call) => {
                calls.insert(call.id.clone(), call.name.clone());
                parts.push(Part::ToolCall(call));
            }
            Block::Thinking(thinking) => parts.push(Part::Thinking(thinking)),
            Block::Result { .. } => {
                return Err(node.invalid("only the user's turns hold such a block"));
            }
            Block::Other(feature) => node.note(feature, extras),
        }
        Ok(())
    })?;
    Ok(parts)
}
