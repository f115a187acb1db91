//! Responses, and the count of their input's tokens.

use super::Reader;
use crate::{
    canonical::CARRIED,
    json::{Kind, Scanner, walk::Walk},
};

impl<'a> Reader<'a> {
    pub(super) fn responses_input(&mut self, scanner: &mut Scanner<'a>) -> Walk<()> {
        match scanner.peek()? {
            Kind::Array => {}
            Kind::String => {
                self.has_input = true;
                self.prompt_bytes += scanner.value()?.text_len();
                return Ok(());
            }
            kind => {
                scanner.value()?;
                if kind != Kind::Null {
                    self.wrong_type(format_args!("input"), "a string or an array");
                }
                return Ok(());
            }
        }
        self.has_input = true;
        let mut elements = scanner.enter_array()?;
        let mut index = 0;
        while scanner.next_element(&mut elements)? {
            self.item(scanner, index)?;
            index += 1;
        }
        Ok(())
    }

    fn item(&mut self, scanner: &mut Scanner<'a>, index: usize) -> Walk<()> {
        let Some(mut members) = self.object(scanner, format_args!("input[{index}]"))? else {
            return Ok(());
        };
        while let Some(key) = scanner.next_member(&mut members)? {
            match key.as_str().unwrap_or_default().as_ref() {
                "type" => match scanner.value()?.as_str() {
                    Some(kind) => self.needs.tool_call |= is_tool_item(&kind),
                    None => self.wrong_type(format_args!("input[{index}].type"), "a string"),
                },
                name @ ("content" | "output" | "summary") => {
                    self.item_texts(scanner, index, name)?;
                }
                "encrypted_content" => {
                    if let Some(text) = scanner.value()?.as_str() {
                        let is_carried = text.starts_with(CARRIED);
                        self.foreign |= is_carried;
                        self.encrypted_reasoning |= !is_carried && !text.is_empty();
                    }
                }
                _ => {
                    scanner.value()?;
                }
            }
        }
        Ok(())
    }

    /// A text, or a list of parts. Outputs of hosted tools have forms of their own, which are the provider's.
    fn item_texts(&mut self, scanner: &mut Scanner<'a>, index: usize, name: &str) -> Walk<()> {
        match scanner.peek()? {
            Kind::String => self.prompt_bytes += scanner.value()?.text_len(),
            Kind::Array => {
                let mut parts = scanner.enter_array()?;
                while scanner.next_element(&mut parts)? {
                    if scanner.peek()? == Kind::Object {
                        self.item_part(scanner)?;
                    } else {
                        scanner.value()?;
                        let field = format_args!("input[{index}].{name}");
                        self.wrong_type(field, "an array of objects");
                    }
                }
            }
            kind => {
                scanner.value()?;
                if name == "content" && kind != Kind::Null {
                    let field = format_args!("input[{index}].content");
                    self.wrong_type(field, "a string or an array");
                }
            }
        }
        Ok(())
    }

    fn item_part(&mut self, scanner: &mut Scanner<'a>) -> Walk<()> {
        let mut members = scanner.enter_object()?;
        while let Some(key) = scanner.next_member(&mut members)? {
            let value = scanner.value()?;
            match key.as_str().unwrap_or_default().as_ref() {
                "type" => {
                    self.needs.image |= value.as_str().is_some_and(|kind| kind == "input_image");
                }
                "text" | "refusal" => self.prompt_bytes += value.text_len(),
                _ => {}
            }
        }
        Ok(())
    }

    pub(super) fn text_config(&mut self, scanner: &mut Scanner<'a>) -> Walk<()> {
        let Some(mut members) = self.object_or_null(scanner, format_args!("text"))? else {
            return Ok(());
        };
        while let Some(key) = scanner.next_member(&mut members)? {
            if key.as_str().is_some_and(|name| name == "format") {
                self.typed_format(scanner, format_args!("text.format"))?;
            } else {
                scanner.value()?;
            }
        }
        Ok(())
    }
}

/// Calls of tools, hosted ones too, and their results; the other kinds of item are messages, reasoning, references and
/// compactions.
fn is_tool_item(kind: &str) -> bool {
    kind.ends_with("_call")
        || kind.ends_with("_call_output")
        || kind.starts_with("mcp_")
        || kind.starts_with("program")
        || matches!(kind, "additional_tools" | "tool_search_output")
}
