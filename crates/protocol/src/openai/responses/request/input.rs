//! The items of `input`.

use std::{borrow::Cow, collections::HashMap};

use super::{
    content,
    fields::{Fields, invalid},
};
use crate::{
    RequestError,
    canonical::{Extra, Json, Message, Part, Role, Thinking, ToolCall, ToolResult},
    feature::Feature,
    json::Value,
    openai::responses::reasoning::{self, BETWEEN_PARTS},
};

/// Becomes the conversation. What the assistant says in a row is one message, and so are the results of its calls.
#[derive(Debug, Default)]
pub(super) struct Input {
    pub(super) messages: Vec<Message>,
    pub(super) extras: Vec<Extra>,
    /// Names of the tools, by the ids of their calls.
    names: HashMap<String, String>,
}

impl Input {
    /// Reads one item.
    pub(super) fn item(&mut self, raw: Value<'_>, path: String) -> Result<(), RequestError> {
        let mut fields = Fields::of(raw, path)?;
        let kind = match fields.text("type")? {
            Some(kind) => kind,
            None if fields.has("role") => "message".into(),
            None if fields.has("id") => "item_reference".into(),
            None => return Err(invalid(fields.at("type"), "it is required")),
        };
        match kind.as_ref() {
            "message" => self.message(fields),
            "function_call" => self.call(fields),
            "function_call_output" => self.result(fields),
            "reasoning" => self.reasoning(fields),
            other => {
                self.extras.push(Extra {
                    feature: feature(other),
                    param: fields.path().to_owned(),
                });
                Ok(())
            }
        }
    }

    fn message(&mut self, mut fields: Fields<'_>) -> Result<(), RequestError> {
        let role = match fields.needed_text("role")?.as_ref() {
            "user" => Role::User,
            "assistant" => Role::Assistant,
            "system" => Role::System,
            "developer" => Role::Developer,
            _ => {
                let reason = "it must be user, assistant, system or developer";
                return Err(invalid(fields.at("role"), reason));
            }
        };
        // Which of a turn's messages was its last word is seen from their order.
        fields.ignore(&["id", "status", "phase"]);
        let path = fields.at("content");
        let content = fields
            .any("content", "a string or an array")?
            .ok_or_else(|| invalid(path.clone(), "it is required"))?;
        let parts = content::read(content, &path, &mut self.extras)?;
        fields.leave(&mut self.extras);
        if role == Role::Assistant {
            self.say(parts);
        } else {
            self.messages.push(Message::new(role, parts));
        }
        Ok(())
    }

    fn call(&mut self, mut fields: Fields<'_>) -> Result<(), RequestError> {
        let id = fields.needed_text("call_id")?.into_owned();
        let name = fields.needed_text("name")?.into_owned();
        let text = fields.needed_text("arguments")?;
        let arguments = if text.trim().is_empty() {
            Json::empty_object()
        } else {
            Json::parse(text.trim())
                .ok()
                .filter(Json::is_object)
                .ok_or_else(|| invalid(fields.at("arguments"), "it is not a JSON object"))?
        };
        self.leave_calling(fields)?;
        self.names.insert(id.clone(), name.clone());
        self.say([Part::ToolCall(ToolCall {
            id,
            name,
            arguments,
            cache: None,
        })]);
        Ok(())
    }

    fn result(&mut self, mut fields: Fields<'_>) -> Result<(), RequestError> {
        let call_id = fields.needed_text("call_id")?.into_owned();
        let path = fields.at("output");
        let output = fields
            .any("output", "a string or an array")?
            .ok_or_else(|| invalid(path.clone(), "it is required"))?;
        let content = content::read(output, &path, &mut self.extras)?;
        let told = fields.text("name")?;
        let name = self.names.get(&call_id).cloned();
        let name = name.or(told.map(Cow::into_owned)).unwrap_or_default();
        self.leave_calling(fields)?;
        let result = Part::ToolResult(ToolResult {
            call_id,
            name,
            content,
            object: None,
            is_error: false,
            cache: None,
        });
        match self.messages.last_mut() {
            Some(last) if last.role == Role::Tool => last.parts.push(result),
            _ => self.messages.push(Message::new(Role::Tool, vec![result])),
        }
        Ok(())
    }

    /// What calls and results have besides: a caller other than the model is a program that the provider runs.
    fn leave_calling(&mut self, mut fields: Fields<'_>) -> Result<(), RequestError> {
        fields.ignore(&["id", "status"]);
        if let Some(mut caller) = fields.fields("caller")?
            && caller.text("type")?.as_deref() != Some("direct")
        {
            self.extras.push(Extra {
                feature: Feature::HostedTool,
                param: caller.path().to_owned(),
            });
        }
        if fields.flag("async")? == Some(true) {
            self.extras.push(Extra {
                feature: Feature::Other,
                param: fields.at("async"),
            });
        }
        fields.leave(&mut self.extras);
        Ok(())
    }

    fn reasoning(&mut self, mut fields: Fields<'_>) -> Result<(), RequestError> {
        let id = fields.text("id")?.unwrap_or_default();
        fields.ignore(&["status"]);
        let summary = texts(&mut fields, "summary")?;
        let content = texts(&mut fields, "content")?;
        let signature = fields
            .text("encrypted_content")?
            .filter(|encrypted| !encrypted.is_empty())
            .map(|encrypted| reasoning::read(&id, encrypted));
        fields.leave(&mut self.extras);
        let redacted = signature.as_ref().is_some_and(|(_, redacted)| *redacted);
        let thinking = Thinking {
            text: if summary.is_empty() { content } else { summary },
            signature: signature.map(|(signature, _)| signature),
            redacted,
        };
        // One of nothing but an id names reasoning that only its maker has stored.
        self.say((thinking != Thinking::default()).then_some(Part::Thinking(thinking)));
        Ok(())
    }

    fn say(&mut self, parts: impl IntoIterator<Item = Part>) {
        let mut parts = parts.into_iter().peekable();
        match self.messages.last_mut() {
            Some(last) if last.role == Role::Assistant => last.parts.extend(parts),
            _ if parts.peek().is_some() => {
                let message = Message::new(Role::Assistant, parts.collect());
                self.messages.push(message);
            }
            _ => {}
        }
    }
}

fn texts(fields: &mut Fields<'_>, name: &str) -> Result<String, RequestError> {
    let path = fields.at(name);
    let mut texts = Vec::new();
    for (index, raw) in fields
        .list(name)?
        .unwrap_or_default()
        .into_iter()
        .enumerate()
    {
        let mut part = Fields::of(raw, format!("{path}[{index}]"))?;
        texts.push(part.needed_text("text")?);
    }
    Ok(texts.join(BETWEEN_PARTS))
}

/// What an item of another kind asks for.
fn feature(kind: &str) -> Feature {
    match kind {
        "item_reference" => Feature::PreviousResponse,
        "custom_tool_call" | "custom_tool_call_output" => Feature::CustomTool,
        "compaction" | "compaction_trigger" => Feature::Truncation,
        "mcp_list_tools" | "mcp_approval_request" | "mcp_approval_response" | "mcp_call" => {
            Feature::McpServers
        }
        "file_search_call"
        | "web_search_call"
        | "computer_call"
        | "computer_call_output"
        | "code_interpreter_call"
        | "image_generation_call"
        | "local_shell_call"
        | "local_shell_call_output"
        | "shell_call"
        | "shell_call_output"
        | "apply_patch_call"
        | "apply_patch_call_output"
        | "tool_search_call"
        | "tool_search_output"
        | "additional_tools"
        | "program"
        | "program_output" => Feature::HostedTool,
        _ => Feature::OtherContent,
    }
}
