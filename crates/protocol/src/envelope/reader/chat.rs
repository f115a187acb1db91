//! Chat Completions and Completions.

use super::{Reader, elements, has_elements, no_options};
use crate::{
    RequestError,
    json::{Cursor, Kind, Scanner, walk::Walk},
};

impl<'a> Reader<'a> {
    pub(super) fn chat_messages(&mut self, scanner: &mut Scanner<'a>) -> Walk<()> {
        self.has_input = true;
        let Some(mut elements) = self.array(scanner, format_args!("messages"))? else {
            return Ok(());
        };
        let mut index = 0;
        while scanner.next_element(&mut elements)? {
            if let Some(mut members) = self.object(scanner, format_args!("messages[{index}]"))? {
                self.chat_message(scanner, &mut members, index)?;
            }
            index += 1;
        }
        Ok(())
    }

    fn chat_message(
        &mut self,
        scanner: &mut Scanner<'a>,
        members: &mut Cursor,
        index: usize,
    ) -> Walk<()> {
        let mut has_role = false;
        while let Some(key) = scanner.next_member(members)? {
            match key.as_str().unwrap_or_default().as_ref() {
                "role" => {
                    has_role = true;
                    match scanner.value()?.as_str() {
                        Some(role) => self.needs.tool_call |= role == "tool" || role == "function",
                        None => {
                            self.wrong_type(format_args!("messages[{index}].role"), "a string");
                        }
                    }
                }
                "content" => self.chat_content(scanner, index)?,
                "tool_calls" => {
                    let calls = scanner.value()?;
                    self.needs.tool_call |= calls.kind == Kind::Array && has_elements(calls.raw());
                }
                "function_call" => self.needs.tool_call |= !scanner.value()?.is_null(),
                "thinking_blocks" => {
                    scanner.value()?;
                    self.foreign = true;
                }
                _ => {
                    scanner.value()?;
                }
            }
        }
        if !has_role {
            self.wrong_type(format_args!("messages[{index}]"), "an object with a role");
        }
        Ok(())
    }

    fn chat_content(&mut self, scanner: &mut Scanner<'a>, index: usize) -> Walk<()> {
        match scanner.peek()? {
            Kind::Array => {
                let mut parts = scanner.enter_array()?;
                while scanner.next_element(&mut parts)? {
                    if scanner.peek()? == Kind::Object {
                        self.chat_part(scanner)?;
                    } else {
                        scanner.value()?;
                        let field = format_args!("messages[{index}].content");
                        self.wrong_type(field, "an array of objects");
                    }
                }
            }
            Kind::String => self.prompt_bytes += scanner.value()?.text_len(),
            kind => {
                scanner.value()?;
                if kind != Kind::Null {
                    let field = format_args!("messages[{index}].content");
                    self.wrong_type(field, "a string, an array or null");
                }
            }
        }
        Ok(())
    }

    fn chat_part(&mut self, scanner: &mut Scanner<'a>) -> Walk<()> {
        let mut members = scanner.enter_object()?;
        while let Some(key) = scanner.next_member(&mut members)? {
            let value = scanner.value()?;
            match key.as_str().unwrap_or_default().as_ref() {
                "type" => {
                    self.needs.image |= value.as_str().is_some_and(|kind| kind == "image_url");
                }
                "text" => self.prompt_bytes += value.text_len(),
                _ => {}
            }
        }
        Ok(())
    }

    pub(super) fn stream_options(&mut self, scanner: &mut Scanner<'a>) -> Walk<()> {
        if scanner.peek()? != Kind::Object {
            let value = scanner.value()?;
            if value.is_null() {
                self.edits.stream_options = Some(no_options(value.span()));
            } else {
                self.wrong_type(format_args!("stream_options"), "an object");
            }
            return Ok(());
        }
        let mut members = scanner.enter_object()?;
        let start = scanner.offset() - 1;
        let mut options = no_options(start..start);
        while let Some(key) = scanner.next_member(&mut members)? {
            options.has_members = true;
            let value = scanner.value()?;
            if key.as_str().is_some_and(|name| name == "include_usage") {
                if options.include_usage.is_some() {
                    let field = "stream_options.include_usage".to_owned();
                    self.blame(RequestError::Duplicate(field));
                }
                match value.kind {
                    Kind::Bool => self.include_usage = value.as_bool() == Some(true),
                    Kind::Null => self.include_usage = false,
                    _ => {
                        let field = format_args!("stream_options.include_usage");
                        self.wrong_type(field, "a boolean");
                    }
                }
                options.include_usage = Some(value.span());
            }
        }
        options.span.end = scanner.offset();
        self.edits.stream_options = Some(options);
        Ok(())
    }
}

/// How many prompts a `prompt` holds: one text, one list of tokens, or a list of either.
pub(super) fn prompts(raw: &str) -> usize {
    let is_list_of_prompts = raw
        .strip_prefix('[')
        .is_some_and(|rest| rest.trim_start().starts_with(['"', '[']));
    if is_list_of_prompts {
        elements(raw).unwrap_or(1)
    } else {
        1
    }
}
