//! Chat Completions and Completions.

use super::{Answer, indices::Indices, look::Look, template::Varying};
use crate::{
    Malformed, ProviderError, Unusable,
    json::{
        Kind, Scanner, Value,
        walk::{self, Walk, document},
    },
    openai::{DONE, usage},
};

/// Judges a whole answer.
pub(super) fn answer(body: &[u8]) -> Result<Answer, Unusable> {
    let mut answer = Answer::default();
    let mut error = None;
    let mut choices = Choices::default();
    document(body, |name, scanner| {
        match name {
            "choices" => choices.read(scanner)?,
            "usage" => answer.usage = usage::read(scanner)?,
            "error" => error = ProviderError::unless_null(&scanner.value()?),
            _ => {
                scanner.value()?;
            }
        }
        Ok(())
    })?;
    answer.output_bytes = choices.text_bytes;
    match error {
        Some(error) => Err(Unusable::Error(error)),
        // No answer at all is not an empty one, which has its finish reason.
        None if choices.count == 0 => Err(Unusable::Shape("choices")),
        None => Ok(answer),
    }
}

/// Looks at the data of one event.
pub(super) fn look(data: &[u8]) -> Result<Look, Malformed> {
    let mut look = Look::default();
    if data.trim_ascii() == DONE {
        look.done = true;
        return Ok(look);
    }
    let mut choices = Choices {
        varying: Some(Vec::new()),
        ..Choices::default()
    };
    let is_object = document(data, |name, scanner| {
        match name {
            "choices" => choices.read(scanner)?,
            "usage" => look.usage = usage::read(scanner)?,
            "error" => look.error = ProviderError::unless_null(&scanner.value()?),
            _ => {
                let unread = Varying::padding(name, &scanner.value()?);
                look.varying.extend(unread);
            }
        }
        Ok(())
    })?;
    super::must_be_object(is_object)?;
    look.varying.extend(choices.varying.into_iter().flatten());
    look.content = choices.content || !choices.finished.is_empty();
    look.text_bytes = choices.text_bytes;
    look.finished = choices.finished;
    look.usage_only = look.usage.is_some() && choices.count == 0;
    Ok(look)
}

/// A summary of `choices`, of an answer or of a chunk of one.
#[derive(Default)]
struct Choices {
    count: usize,
    content: bool,
    finished: Indices,
    text_bytes: usize,
    /// The texts of a chunk; of an answer nobody asks for them.
    varying: Option<Vec<Varying>>,
}

impl Choices {
    fn read(&mut self, scanner: &mut Scanner<'_>) -> Walk<()> {
        self.count += walk::array(scanner, |scanner| self.choice(scanner))?.unwrap_or(0);
        Ok(())
    }

    fn choice(&mut self, scanner: &mut Scanner<'_>) -> Walk<()> {
        let mut index = 0;
        let mut is_finished = false;
        walk::object(scanner, |name, scanner| {
            match name {
                "delta" | "message" => {
                    walk::object(scanner, |name, scanner| self.delta(name, scanner))?;
                }
                "index" => index = scanner.value()?.raw().parse().unwrap_or(0),
                // Some servers send an empty reason for as long as there is none.
                "finish_reason" => {
                    let reason = scanner.value()?;
                    is_finished = !reason.is_null() && reason.raw() != r#""""#;
                }
                "text" => self.text(&scanner.value()?),
                _ => {
                    scanner.value()?;
                }
            }
            Ok(())
        })?;
        if is_finished {
            self.finished.insert(index);
        }
        Ok(())
    }

    fn delta(&mut self, name: &str, scanner: &mut Scanner<'_>) -> Walk<()> {
        let value = scanner.value()?;
        match name {
            "content" | "refusal" | "reasoning_content" | "reasoning" => self.text(&value),
            "tool_calls" | "function_call" | "audio" | "images" | "reasoning_details"
            | "thinking_blocks"
                if !value.is_null() && !matches!(value.raw(), "[]" | "{}") =>
            {
                self.content = true;
                self.text_bytes += value.raw().len();
                if name == "tool_calls"
                    && let Some(varying) = &mut self.varying
                {
                    arguments(&value, varying)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Text, or the list of parts that some servers make of it.
    fn text(&mut self, value: &Value<'_>) {
        let bytes = match value.kind {
            Kind::String | Kind::Array => value.raw().len().saturating_sub(2),
            _ => 0,
        };
        self.text_bytes += bytes;
        self.content |= bytes > 0;
        if let Some(varying) = &mut self.varying {
            varying.extend(Varying::text(value));
        }
    }
}

/// Finds what calls of tools say.
fn arguments(calls: &Value<'_>, varying: &mut Vec<Varying>) -> Walk<()> {
    let mut scanner = Scanner::of(calls.raw());
    let mut function = |name: &str, scanner: &mut Scanner<'_>| {
        let value = scanner.value()?;
        if name == "arguments" {
            varying.extend(Varying::text(&value).map(|it| it.behind(calls.start)));
        }
        Ok(())
    };
    walk::array(&mut scanner, |scanner| {
        walk::object(scanner, |name, scanner| {
            match name {
                "function" => {
                    walk::object(scanner, &mut function)?;
                }
                _ => {
                    scanner.value()?;
                }
            }
            Ok(())
        })?;
        Ok(())
    })?;
    Ok(())
}
