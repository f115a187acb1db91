//! Gemini's bodies. They are proto3 JSON: every field may be spelled in camel case or in snake case.

use std::fmt;

use super::{Reader, begins_with, has_elements};
use crate::{
    envelope::{NestedModel, foreign::CARRIED_BASE64, place::Place},
    json::{Kind, Scanner, walk::Walk},
};

impl<'a> Reader<'a> {
    pub(super) fn contents(&mut self, scanner: &mut Scanner<'a>, name: &str) -> Walk<()> {
        self.has_input = true;
        let Some(mut elements) = self.array(scanner, format_args!("{name}"))? else {
            return Ok(());
        };
        let mut index = 0;
        while scanner.next_element(&mut elements)? {
            self.gemini_content(scanner, format_args!("{name}[{index}]"))?;
            index += 1;
        }
        Ok(())
    }

    /// An object with `parts`.
    pub(super) fn gemini_content(
        &mut self,
        scanner: &mut Scanner<'a>,
        field: fmt::Arguments<'_>,
    ) -> Walk<()> {
        let Some(mut members) = self.object(scanner, field)? else {
            return Ok(());
        };
        while let Some(key) = scanner.next_member(&mut members)? {
            if key.as_str().is_none_or(|name| name != "parts") {
                scanner.value()?;
                continue;
            }
            let Some(mut parts) = self.array(scanner, format_args!("{field}.parts"))? else {
                continue;
            };
            let mut index = 0;
            while scanner.next_element(&mut parts)? {
                self.gemini_part(scanner, format_args!("{field}.parts[{index}]"))?;
                index += 1;
            }
        }
        Ok(())
    }

    fn gemini_part(&mut self, scanner: &mut Scanner<'a>, field: fmt::Arguments<'_>) -> Walk<()> {
        let Some(mut members) = self.object(scanner, field)? else {
            return Ok(());
        };
        while let Some(key) = scanner.next_member(&mut members)? {
            match key.as_str().unwrap_or_default().as_ref() {
                "text" => self.prompt_bytes += scanner.value()?.text_len(),
                "inlineData" | "inline_data" | "fileData" | "file_data" => self.blob(scanner)?,
                "functionCall"
                | "function_call"
                | "executableCode"
                | "executable_code"
                | "codeExecutionResult"
                | "code_execution_result"
                | "toolCall"
                | "tool_call"
                | "toolResponse"
                | "tool_response" => {
                    self.needs.tool_call |= !scanner.value()?.is_null();
                }
                "functionResponse" | "function_response" => {
                    let value = scanner.value()?;
                    self.needs.tool_call |= !value.is_null();
                    // The result is text to the model, whatever its form.
                    self.prompt_bytes += value.raw().len();
                }
                "thoughtSignature" | "thought_signature" => {
                    self.foreign |= begins_with(&scanner.value()?, CARRIED_BASE64);
                }
                _ => {
                    scanner.value()?;
                }
            }
        }
        Ok(())
    }

    fn blob(&mut self, scanner: &mut Scanner<'a>) -> Walk<()> {
        if scanner.peek()? != Kind::Object {
            scanner.value()?;
            return Ok(());
        }
        let mut members = scanner.enter_object()?;
        while let Some(key) = scanner.next_member(&mut members)? {
            let value = scanner.value()?;
            if matches!(
                key.as_str().unwrap_or_default().as_ref(),
                "mimeType" | "mime_type"
            ) {
                self.needs.image |= begins_with(&value, "image/");
            }
        }
        Ok(())
    }

    pub(super) fn generation_config(&mut self, scanner: &mut Scanner<'a>, name: &str) -> Walk<()> {
        let Some(mut members) = self.object_or_null(scanner, format_args!("{name}"))? else {
            return Ok(());
        };
        while let Some(key) = scanner.next_member(&mut members)? {
            let value = scanner.value()?;
            match key.as_str().unwrap_or_default().as_ref() {
                "responseMimeType" | "response_mime_type" => {
                    self.needs.structured_output |= value
                        .as_str()
                        .is_some_and(|mime| mime == "application/json");
                }
                "responseSchema"
                | "response_schema"
                | "responseJsonSchema"
                | "response_json_schema"
                | "_responseJsonSchema" => {
                    self.needs.structured_output |= !value.is_null();
                }
                // Its type is the provider's to judge.
                "maxOutputTokens" | "max_output_tokens" if value.as_i64().is_some() => {
                    self.limit_output(format_args!("{name}"), &value);
                }
                key @ ("candidateCount" | "candidate_count") => {
                    self.count_choices(format_args!("{name}.{key}"), &value);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The whole request to generate whose tokens are counted, with a model of its own.
    pub(super) fn generate_request(&mut self, scanner: &mut Scanner<'a>, name: &str) -> Walk<()> {
        let Some(mut members) = self.object_or_null(scanner, format_args!("{name}"))? else {
            return Ok(());
        };
        let mut index = 0;
        while let Some(key) = scanner.next_member(&mut members)? {
            match key.as_str().unwrap_or_default().as_ref() {
                "model" => {
                    let value = scanner.value()?;
                    self.nested_model(index, key.start, value.span());
                }
                "contents" => self.contents(scanner, "contents")?,
                "systemInstruction" | "system_instruction" => {
                    self.gemini_content(scanner, format_args!("{name}.systemInstruction"))?;
                }
                "tools" => {
                    let tools = scanner.value()?;
                    self.needs.tool_call |= has_elements(tools.raw());
                }
                _ => {
                    scanner.value()?;
                }
            }
            index += 1;
        }
        Ok(())
    }

    pub(super) fn embed_requests(&mut self, scanner: &mut Scanner<'a>) -> Walk<()> {
        self.has_input = true;
        let Some(mut elements) = self.array(scanner, format_args!("requests"))? else {
            return Ok(());
        };
        let mut request = 0;
        while scanner.next_element(&mut elements)? {
            if let Some(mut members) = self.object(scanner, format_args!("requests[{request}]"))? {
                let mut index = 0;
                while let Some(key) = scanner.next_member(&mut members)? {
                    match key.as_str().unwrap_or_default().as_ref() {
                        "model" => {
                            let value = scanner.value()?;
                            self.nested_model(index, key.start, value.span());
                        }
                        "content" => {
                            let field = format_args!("requests[{request}].content");
                            self.gemini_content(scanner, field)?;
                        }
                        _ => {
                            scanner.value()?;
                        }
                    }
                    index += 1;
                }
            }
            request += 1;
        }
        Ok(())
    }

    fn nested_model(&mut self, index: usize, start: usize, value: std::ops::Range<usize>) {
        let span = start..value.end;
        let place = Place { index, span };
        self.edits.nested_models.push(NestedModel { place, value });
    }
}
