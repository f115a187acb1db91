//! The conversation.

use std::collections::HashMap;

use super::{
    Extras,
    content::{self, Takes},
    note,
};
use crate::{
    RequestError,
    canonical::{Message, Part, Role, Thinking, ToolCall, ToolResult},
    feature::Feature,
    openai::{
        chat::{
            response::arguments,
            thinking::{self, Block},
        },
        object::Object,
    },
};

/// Reads `messages`.
pub(super) fn read(
    body: &mut Object<'_>,
    extras: &mut Extras,
) -> Result<Vec<Message>, RequestError> {
    let messages = body
        .array("messages")?
        .ok_or(RequestError::Missing("messages"))?;
    let mut reader = Reader {
        messages: Vec::with_capacity(messages.len()),
        calls: HashMap::new(),
        last_function: None,
        extras,
    };
    for (value, path) in messages {
        reader.message(Object::of(value, path)?)?;
    }
    Ok(reader.messages)
}

struct Reader<'e> {
    messages: Vec<Message>,
    /// The tool of each call so far, by the call's id.
    calls: HashMap<String, String>,
    /// Id and name of the last call in the form without ids.
    last_function: Option<(String, String)>,
    extras: &'e mut Extras,
}

impl Reader<'_> {
    fn message(&mut self, mut told: Object<'_>) -> Result<(), RequestError> {
        match told.required_text("role")?.as_str() {
            "system" => self.said(&mut told, Role::System, Takes::Text)?,
            "developer" => self.said(&mut told, Role::Developer, Takes::Text)?,
            "user" => self.said(&mut told, Role::User, Takes::Everything)?,
            "assistant" => self.assistant(&mut told)?,
            "tool" => self.tool(&mut told)?,
            "function" => self.function(&mut told)?,
            _ => {
                let reason = "it must be system, developer, user, assistant, tool or function";
                return Err(told.invalid("role", reason));
            }
        }
        note(self.extras, Feature::Other, told.rest());
        Ok(())
    }

    fn said(
        &mut self,
        told: &mut Object<'_>,
        role: Role,
        takes: Takes,
    ) -> Result<(), RequestError> {
        let parts = self.required_content(told, takes)?;
        self.messages.push(Message {
            role,
            parts,
            name: told.text("name")?,
        });
        Ok(())
    }

    fn required_content(
        &mut self,
        told: &mut Object<'_>,
        takes: Takes,
    ) -> Result<Vec<Part>, RequestError> {
        let content = told.take("content")?;
        let content = content.ok_or_else(|| told.wrong_type("content", "a string or an array"))?;
        content::read(content, &told.path("content"), takes, self.extras)
    }

    fn assistant(&mut self, told: &mut Object<'_>) -> Result<(), RequestError> {
        let blocks = reasoning(told, self.extras)?;
        let mut parts = match told.take("content")? {
            Some(content) => {
                content::read(content, &told.path("content"), Takes::Said, self.extras)?
            }
            None => Vec::new(),
        };
        // The order of the answers that this gateway writes.
        for mut image in told.objects("images")? {
            image.take("index")?;
            image.text("type")?;
            parts.push(content::image(&mut image, None, self.extras)?);
        }
        if let Some(refusal) = told.text("refusal")?.filter(|text| !text.is_empty()) {
            parts.push(Part::Refusal(refusal));
        }
        for call in told.objects("tool_calls")? {
            parts.extend(self.call(call)?.map(Part::ToolCall));
        }
        if let Some(mut call) = told.object("function_call")? {
            let id = format!("call_{}", self.messages.len());
            let call = self.called(id, &mut call)?;
            self.last_function = Some((call.id.clone(), call.name.clone()));
            parts.push(Part::ToolCall(call));
        }
        if told.object("audio")?.is_some() {
            note(self.extras, Feature::OtherContent, [told.path("audio")]);
        }
        // The provider's notes on what its model said: they are for people, no model is shown them.
        told.objects("annotations")?;
        self.messages.push(Message {
            role: Role::Assistant,
            parts: thinking::place(parts, blocks),
            name: told.text("name")?,
        });
        Ok(())
    }

    fn call(&mut self, mut told: Object<'_>) -> Result<Option<ToolCall>, RequestError> {
        let id = told.required_text("id")?;
        // Some clients send back what they put together from a stream.
        told.take("index")?;
        if told.text("type")?.is_some_and(|kind| kind != "function") {
            self.calls.insert(id, String::new());
            note(self.extras, Feature::CustomTool, [told.place().to_owned()]);
            return Ok(None);
        }
        let mut function = told.required_object("function")?;
        let call = self.called(id, &mut function)?;
        note(self.extras, Feature::Other, told.rest());
        Ok(Some(call))
    }

    fn called(&mut self, id: String, function: &mut Object<'_>) -> Result<ToolCall, RequestError> {
        let name = function.required_text("name")?;
        let text = function.text("arguments")?.unwrap_or_default();
        let arguments = arguments(&text)
            .ok_or_else(|| function.invalid("arguments", "it is not a JSON object"))?;
        note(self.extras, Feature::Other, function.rest());
        self.calls.insert(id.clone(), name.clone());
        Ok(ToolCall {
            id,
            name,
            arguments,
            cache: None,
        })
    }

    fn tool(&mut self, told: &mut Object<'_>) -> Result<(), RequestError> {
        let call_id = told.required_text("tool_call_id")?;
        // Redundant, but some clients send it: the name at the call is the one that counts.
        told.text("name")?;
        let name = self.calls.get(&call_id).cloned();
        let name =
            name.ok_or_else(|| told.invalid("tool_call_id", "no call before it has this id"))?;
        self.result(told, call_id, name)
    }

    fn function(&mut self, told: &mut Object<'_>) -> Result<(), RequestError> {
        let name = told.required_text("name")?;
        let call = self
            .last_function
            .take()
            .filter(|(_, called)| *called == name);
        let (call_id, name) =
            call.ok_or_else(|| told.invalid("name", "no call before it is of this function"))?;
        self.result(told, call_id, name)
    }

    /// Adds a result to those of its turn.
    fn result(
        &mut self,
        told: &mut Object<'_>,
        call_id: String,
        name: String,
    ) -> Result<(), RequestError> {
        let result = Part::ToolResult(ToolResult {
            call_id,
            name,
            content: self.required_content(told, Takes::Text)?,
            object: None,
            is_error: false,
            cache: None,
        });
        match self.messages.last_mut() {
            Some(message) if message.role == Role::Tool => message.parts.push(result),
            _ => self.messages.push(Message::new(Role::Tool, vec![result])),
        }
        Ok(())
    }
}

/// Reasoning, and how many pieces of the message stand before each part of it. Where there are blocks they say all of it.
fn reasoning(
    told: &mut Object<'_>,
    extras: &mut Extras,
) -> Result<Vec<(usize, Thinking)>, RequestError> {
    let text = told.text("reasoning_content")?;
    let text = told
        .text("reasoning")?
        .or(text)
        .filter(|text| !text.is_empty());
    let mut blocks = Vec::new();
    for block in told.objects("thinking_blocks")? {
        blocks.extend(read_block(block, extras)?);
    }
    if let (Some(text), true) = (text, blocks.is_empty()) {
        let thinking = Thinking {
            text,
            ..Thinking::default()
        };
        blocks.push((0, thinking));
    }
    Ok(blocks)
}

fn read_block(
    mut told: Object<'_>,
    extras: &mut Extras,
) -> Result<Option<(usize, Thinking)>, RequestError> {
    told.take("index")?;
    let block = Block {
        index: None,
        kind: told.required_text("type")?,
        thinking: told.text("thinking")?,
        signature: told.text("signature")?,
        data: told.text("data")?,
        position: told.natural("position")?,
    };
    // Anthropic's mark, which histories of other gateways hold. Nothing is cached up to reasoning.
    told.take("cache_control")?;
    note(extras, Feature::Other, told.rest());
    let read = block.read();
    if read.is_none() {
        note(extras, Feature::OtherContent, [told.place().to_owned()]);
    }
    Ok(read)
}
