//! Messages, and the count of their tokens.

use std::fmt;

use super::{Reader, begins_with};
use crate::{
    canonical::CARRIED,
    json::{Kind, Scanner, walk::Walk},
};

impl<'a> Reader<'a> {
    pub(super) fn anthropic_messages(&mut self, scanner: &mut Scanner<'a>) -> Walk<()> {
        self.has_input = true;
        let Some(mut elements) = self.array(scanner, format_args!("messages"))? else {
            return Ok(());
        };
        let mut index = 0;
        while scanner.next_element(&mut elements)? {
            self.anthropic_message(scanner, index)?;
            index += 1;
        }
        Ok(())
    }

    fn anthropic_message(&mut self, scanner: &mut Scanner<'a>, index: usize) -> Walk<()> {
        let Some(mut members) = self.object(scanner, format_args!("messages[{index}]"))? else {
            return Ok(());
        };
        let mut has_role = false;
        while let Some(key) = scanner.next_member(&mut members)? {
            match key.as_str().unwrap_or_default().as_ref() {
                "role" => {
                    has_role = true;
                    if scanner.value()?.kind != Kind::String {
                        self.wrong_type(format_args!("messages[{index}].role"), "a string");
                    }
                }
                "content" => {
                    let field = format_args!("messages[{index}].content");
                    self.blocks(scanner, field, "a string or an array")?;
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

    /// A text, or a list of blocks. Lists stand in lists only in results of tools, so the scanner's limit bounds this.
    pub(super) fn blocks(
        &mut self,
        scanner: &mut Scanner<'a>,
        field: fmt::Arguments<'_>,
        expected: &'static str,
    ) -> Walk<()> {
        match scanner.peek()? {
            Kind::String => self.prompt_bytes += scanner.value()?.text_len(),
            Kind::Array => {
                let mut blocks = scanner.enter_array()?;
                while scanner.next_element(&mut blocks)? {
                    if scanner.peek()? == Kind::Object {
                        self.block(scanner, field, expected)?;
                    } else {
                        scanner.value()?;
                        self.wrong_type(field, "an array of objects");
                    }
                }
            }
            _ => {
                scanner.value()?;
                self.wrong_type(field, expected);
            }
        }
        Ok(())
    }

    fn block(
        &mut self,
        scanner: &mut Scanner<'a>,
        field: fmt::Arguments<'_>,
        expected: &'static str,
    ) -> Walk<()> {
        let mut members = scanner.enter_object()?;
        while let Some(key) = scanner.next_member(&mut members)? {
            match key.as_str().unwrap_or_default().as_ref() {
                "type" => {
                    if let Some(kind) = scanner.value()?.as_str() {
                        self.needs.image |= kind == "image";
                        self.needs.tool_call |=
                            kind.ends_with("tool_use") || kind.ends_with("tool_result");
                    }
                }
                "text" | "thinking" => self.prompt_bytes += scanner.value()?.text_len(),
                // Of results: a text or blocks. Hosted tools have objects there.
                "content" if scanner.peek()? != Kind::Object => {
                    if scanner.peek()? == Kind::Null {
                        scanner.value()?;
                    } else {
                        self.blocks(scanner, field, expected)?;
                    }
                }
                "signature" | "data" => {
                    let value = scanner.value()?;
                    self.foreign |= begins_with(&value, CARRIED);
                }
                _ => {
                    scanner.value()?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn metadata(&mut self, scanner: &mut Scanner<'a>) -> Walk<()> {
        let Some(mut members) = self.object_or_null(scanner, format_args!("metadata"))? else {
            return Ok(());
        };
        while let Some(key) = scanner.next_member(&mut members)? {
            let value = scanner.value()?;
            if key.as_str().is_some_and(|name| name == "user_id") {
                self.user = value.as_str();
            }
        }
        Ok(())
    }

    pub(super) fn output_config(&mut self, scanner: &mut Scanner<'a>) -> Walk<()> {
        let Some(mut members) = self.object_or_null(scanner, format_args!("output_config"))? else {
            return Ok(());
        };
        while let Some(key) = scanner.next_member(&mut members)? {
            let value = scanner.value()?;
            if key.as_str().is_some_and(|name| name == "format") {
                self.needs.structured_output |= !value.is_null();
            }
        }
        Ok(())
    }
}
