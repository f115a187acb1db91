//! Members that are read as one value.

use std::{borrow::Cow, fmt};

use super::{Reader, chat, has_elements};
use crate::{
    Endpoint, Operation, Protocol,
    envelope::field::Role,
    json::{Kind, Scanner, Value},
};

impl<'a> Reader<'a> {
    pub(super) fn plain(&mut self, role: Role, name: &str, value: &Value<'a>) {
        let kind = value.kind;
        match role {
            Role::Model => self.model(value),
            Role::Stream => match (kind, value.as_bool()) {
                (_, Some(stream)) => self.stream |= stream && may_stream(self.endpoint),
                (Kind::Null, _) => {}
                _ => self.wrong_type(format_args!("stream"), "a boolean"),
            },
            Role::StreamFormat => self.stream |= value.raw() == r#""sse""#,
            Role::Prompt => {
                self.input(name, value);
                self.prompts = chat::prompts(value.raw());
            }
            Role::EmbeddingsInput => self.input(name, value),
            Role::StoredInput => self.has_input |= !value.is_null(),
            Role::Instructions => match kind {
                Kind::String => self.prompt_bytes += value.text_len(),
                Kind::Null => {}
                _ => self.wrong_type(format_args!("{name}"), "a string"),
            },
            Role::Text => {
                self.prompt_bytes += match kind {
                    Kind::String => value.text_len(),
                    Kind::Array => value.raw().len(),
                    _ => 0,
                }
            }
            Role::Tools => match kind {
                Kind::Array => self.needs.tool_call |= has_elements(value.raw()),
                Kind::Null => {}
                _ => self.wrong_type(format_args!("{name}"), "an array"),
            },
            Role::OutputFormat => self.needs.structured_output |= !value.is_null(),
            Role::Number if !matches!(kind, Kind::Number | Kind::Null) => {
                self.wrong_type(format_args!("{name}"), "a number");
            }
            Role::Integer if !(value.is_null() || value.as_i64().is_some()) => {
                self.wrong_type(format_args!("{name}"), "an integer");
            }
            Role::MaxOutput => self.limit_output(format_args!("{name}"), value),
            Role::Choices => self.count_choices(format_args!("{name}"), value),
            Role::User => self.user = value.as_str(),
            Role::CacheKey => self.cache_key = value.as_str(),
            Role::SafetyId => self.safety_id = value.as_str(),
            Role::Version => self.edits.has_version = true,
            _ => {}
        }
    }

    fn model(&mut self, value: &Value<'a>) {
        match value.as_str() {
            Some(model) => {
                self.edits.model_value = value.span();
                // The path has the last word: it is what providers go by.
                if self.endpoint.protocol() != Protocol::Gemini {
                    self.model = Some(model);
                }
            }
            None if value.is_null() && self.endpoint == Endpoint::Moderations => {
                self.edits.model_value = value.span();
            }
            None => self.wrong_type(format_args!("model"), "a string"),
        }
    }

    /// Of two limits the greater one: which of them a provider obeys is its own affair.
    pub(super) fn limit_output(&mut self, field: fmt::Arguments<'_>, value: &Value<'_>) {
        match value.as_i64() {
            Some(limit) => self.max_output = self.max_output.max(u64::try_from(limit).ok()),
            None if value.is_null() => {}
            None => self.wrong_type(field, "an integer"),
        }
    }

    pub(super) fn count_choices(&mut self, field: fmt::Arguments<'_>, value: &Value<'_>) {
        match value.as_i64() {
            Some(count) => self.choices = usize::try_from(count).unwrap_or(1).max(1),
            None if value.is_null() => {}
            None => self.wrong_type(field, "an integer"),
        }
    }

    /// The gateway's own fields, and only in the form that makes them its own: some providers have fields of the same
    /// names. Answers whether it is one.
    pub(super) fn own(&mut self, name: &str, value: &Value<'a>) -> bool {
        let own = &mut self.orchestration;
        match name {
            "provider" => {
                own.provider = value.as_str();
                own.provider.is_some()
            }
            "fallback_providers" => match string_array(value.raw()) {
                Some(names) => {
                    own.fallback_providers = names;
                    true
                }
                None => false,
            },
            "timeout" => {
                own.timeout = value.as_f64();
                own.timeout.is_some()
            }
            _ => {
                own.retry_count = value
                    .as_i64()
                    .and_then(|count| u8::try_from(count).ok())
                    .filter(|count| *count <= 5);
                own.retry_count.is_some()
            }
        }
    }

    fn input(&mut self, name: &str, value: &Value<'a>) {
        self.has_input = true;
        self.prompt_bytes = value.raw().len();
        if !matches!(value.kind, Kind::String | Kind::Array) {
            self.wrong_type(format_args!("{name}"), "a string or an array");
        }
    }
}

/// Whether the body may ask for a stream.
fn may_stream(endpoint: Endpoint) -> bool {
    endpoint.streams() || endpoint.operation() == Operation::Forward
}

fn string_array(raw: &str) -> Option<Vec<Cow<'_, str>>> {
    let mut scanner = Scanner::new(raw.as_bytes()).ok()?;
    let mut elements = scanner.enter_array().ok()?;
    let mut strings = Vec::new();
    while scanner.next_element(&mut elements).ok()? {
        strings.push(scanner.value().ok()?.as_str()?);
    }
    Some(strings)
}
