//! `generateContent` and `streamGenerateContent`.

use super::{Answer, indices::Indices, look::Look};
use crate::{
    Malformed, ProviderError, Unusable, Usage,
    gemini::{generate::is_broken, usage},
    json::{
        Scanner, Value,
        walk::{self, Walk, document},
    },
};

/// Judges a whole answer.
pub(super) fn answer(body: &[u8]) -> Result<Answer, Unusable> {
    let mut response = Response::default();
    document(body, |name, scanner| response.member(name, scanner))?;
    if let Some(error) = response.error {
        return Err(Unusable::Error(error));
    }
    if let Some(reason) = response.broken {
        return Err(Unusable::Broken(reason));
    }
    if response.candidates == 0 && !response.is_blocked {
        return Err(Unusable::Shape("candidates"));
    }
    Ok(Answer {
        usage: response.usage,
        output_bytes: response.text_bytes,
        media: crate::Media::default(),
    })
}

/// Looks at the data of one event.
pub(super) fn look(data: &[u8]) -> Result<Look, Malformed> {
    let mut response = Response::default();
    let is_object = document(data, |name, scanner| response.member(name, scanner))?;
    super::must_be_object(is_object)?;
    let broken = response.broken.map(|reason| ProviderError {
        message: reason,
        ..ProviderError::default()
    });
    Ok(Look {
        content: response.content || response.is_blocked || !response.finished.is_empty(),
        finished: response.finished,
        all_finished: response.is_blocked,
        usage: response.usage,
        text_bytes: response.text_bytes,
        error: response.error.or(broken),
        ..Look::default()
    })
}

/// An answer, or a piece of one.
#[derive(Default)]
struct Response {
    candidates: usize,
    content: bool,
    finished: Indices,
    text_bytes: usize,
    /// The prompt was refused, so that there are no candidates.
    is_blocked: bool,
    /// A candidate ended in a way that is no answer; Gemini's word for it.
    broken: Option<String>,
    usage: Option<Usage>,
    error: Option<ProviderError>,
}

impl Response {
    fn member(&mut self, name: &str, scanner: &mut Scanner<'_>) -> Walk<()> {
        match name {
            "candidates" => {
                let count = walk::array(scanner, |scanner| self.candidate(scanner))?;
                self.candidates += count.unwrap_or(0);
            }
            "usageMetadata" => self.usage = usage::parse(scanner.value()?.raw()),
            "promptFeedback" => {
                walk::object(scanner, |name, scanner| {
                    let value = scanner.value()?;
                    if name == "blockReason" {
                        self.is_blocked = is_reason(&value);
                    }
                    Ok(())
                })?;
            }
            "error" => self.error = ProviderError::unless_null(&scanner.value()?),
            _ => {
                scanner.value()?;
            }
        }
        Ok(())
    }

    fn candidate(&mut self, scanner: &mut Scanner<'_>) -> Walk<()> {
        let mut index = 0;
        let mut is_finished = false;
        walk::object(scanner, |name, scanner| {
            match name {
                "index" => index = scanner.value()?.raw().parse().unwrap_or(0),
                "finishReason" => {
                    let reason = scanner.value()?;
                    is_finished = is_reason(&reason);
                    if let Some(word) = reason.as_str().filter(|word| is_broken(word)) {
                        self.broken = Some(word.into_owned());
                    }
                }
                "content" => {
                    walk::object(scanner, |name, scanner| {
                        if name == "parts" {
                            walk::array(scanner, |scanner| self.part(scanner))?;
                        } else {
                            scanner.value()?;
                        }
                        Ok(())
                    })?;
                }
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

    fn part(&mut self, scanner: &mut Scanner<'_>) -> Walk<()> {
        walk::object(scanner, |name, scanner| {
            let value = scanner.value()?;
            match name {
                "text" => {
                    let bytes = value.text_len();
                    self.text_bytes += bytes;
                    self.content |= bytes > 0;
                }
                "functionCall" | "executableCode" | "codeExecutionResult" if !value.is_null() => {
                    self.text_bytes += value.raw().len();
                    self.content = true;
                }
                // Whatever else a part holds (`inlineData`, `thoughtSignature`) is kept too, but for what describes it.
                "thought" | "partMetadata" | "videoMetadata" | "mediaResolution" => {}
                _ => self.content |= !value.is_null(),
            }
            Ok(())
        })?;
        Ok(())
    }
}

/// Whether a value names a reason; proto3 has a word for none.
fn is_reason(value: &Value<'_>) -> bool {
    value
        .as_str()
        .is_some_and(|word| !word.is_empty() && !word.ends_with("_UNSPECIFIED"))
}
