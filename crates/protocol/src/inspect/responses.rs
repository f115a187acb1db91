//! Responses.

use super::{Answer, look::Look, template::Varying};
use crate::{
    Malformed, ProviderError, Unusable, Usage,
    json::{
        Scanner, Value,
        walk::{self, Walk, document},
    },
    openai::{DONE, usage},
};

/// Judges a whole answer.
pub(super) fn answer(body: &[u8]) -> Result<Answer, Unusable> {
    let mut response = Response::default();
    let mut scanner = Scanner::new(body)?;
    response.read(&mut scanner)?;
    scanner.end()?;
    if let Some(error) = response.failure() {
        return Err(Unusable::Error(error));
    }
    if !response.has_output {
        return Err(Unusable::Shape("output"));
    }
    Ok(Answer {
        usage: response.usage,
        output_bytes: response.text_bytes,
        media: crate::Media::default(),
    })
}

/// Looks at the data of one event. `sequence_number` becomes that of the event after it.
pub(super) fn look(data: &[u8], sequence_number: &mut u64) -> Result<Look, Malformed> {
    let mut look = Look::default();
    // The protocol has no such marker, but some servers send it.
    if data.trim_ascii() == DONE {
        look.done = true;
        return Ok(look);
    }
    let mut event = Event::default();
    let is_object = document(data, |name, scanner| event.member(name, scanner))?;
    super::must_be_object(is_object)?;
    if let Some(number) = event.sequence_number {
        *sequence_number = number.saturating_add(1);
    }
    let kind = event.kind.as_ref().and_then(Value::as_str);
    match kind.as_deref().unwrap_or_default() {
        "response.completed" | "response.incomplete" => {
            look.done = true;
            look.content = true;
            look.finished.insert(0);
        }
        "response.failed" => look.error = Some(event.response.failure().unwrap_or_default()),
        "error" => look.error = Some(event.error.unwrap_or_else(|| told_by(data))),
        "response.output_item.added" => look.content = event.item_is_content,
        // A client keeps the item even if nothing of it was told before.
        "response.output_item.done" | "response.image_generation_call.partial_image" => {
            look.content = true;
        }
        "response.audio.delta" => look.content = event.delta_bytes() > 0,
        kind if kind.ends_with(".delta") => {
            look.text(event.delta_bytes());
            look.varying = event.varying;
            look.varying
                .extend(event.delta.as_ref().and_then(Varying::text));
        }
        _ => look.error = event.error,
    }
    look.usage = event.response.usage;
    Ok(look)
}

/// The error that an event of `type: error` is: its members stand beside its type.
fn told_by(data: &[u8]) -> ProviderError {
    std::str::from_utf8(data).map_or_else(|_| ProviderError::default(), ProviderError::of_value)
}

#[derive(Default)]
struct Event<'a> {
    kind: Option<Value<'a>>,
    sequence_number: Option<u64>,
    delta: Option<Value<'a>>,
    /// The item is itself something to keep: a call of a tool, say, but not a message, which is empty at first.
    item_is_content: bool,
    response: Response,
    error: Option<ProviderError>,
    /// What differs in each event.
    varying: Vec<Varying>,
}

impl<'a> Event<'a> {
    fn delta_bytes(&self) -> usize {
        self.delta.as_ref().map_or(0, Value::text_len)
    }

    fn member(&mut self, name: &str, scanner: &mut Scanner<'a>) -> Walk<()> {
        match name {
            "type" => self.kind = Some(scanner.value()?),
            "sequence_number" => {
                let number = scanner.value()?;
                self.sequence_number = number.raw().parse().ok();
                self.varying.push(Varying::sequence(&number));
            }
            "delta" => self.delta = Some(scanner.value()?),
            "item" => {
                walk::object(scanner, |name, scanner| {
                    let value = scanner.value()?;
                    if name == "type" {
                        self.item_is_content = value
                            .as_str()
                            .is_some_and(|kind| kind != "message" && kind != "reasoning");
                    }
                    Ok(())
                })?;
            }
            "response" => self.response.read(scanner)?,
            "error" => self.error = ProviderError::unless_null(&scanner.value()?),
            _ => {
                let unread = Varying::padding(name, &scanner.value()?);
                self.varying.extend(unread);
            }
        }
        Ok(())
    }
}

/// A response, of an answer or at the end of a stream.
#[derive(Default)]
struct Response {
    has_output: bool,
    has_failed: bool,
    error: Option<ProviderError>,
    usage: Option<Usage>,
    text_bytes: usize,
}

impl Response {
    fn read(&mut self, scanner: &mut Scanner<'_>) -> Walk<()> {
        walk::object(scanner, |name, scanner| {
            match name {
                "status" => self.has_failed = scanner.value()?.raw() == r#""failed""#,
                "error" => self.error = ProviderError::unless_null(&scanner.value()?),
                "usage" => self.usage = usage::read(scanner)?,
                "output" => {
                    let items = walk::array(scanner, |scanner| self.item(scanner))?;
                    self.has_output = items.is_some();
                }
                _ => {
                    scanner.value()?;
                }
            }
            Ok(())
        })?;
        Ok(())
    }

    /// An item, or a part of one.
    fn item(&mut self, scanner: &mut Scanner<'_>) -> Walk<()> {
        walk::object(scanner, |name, scanner| {
            match name {
                "content" | "summary" => {
                    walk::array(scanner, |scanner| self.item(scanner))?;
                }
                "text" | "refusal" | "arguments" | "input" | "code" => {
                    self.text_bytes += scanner.value()?.text_len();
                }
                _ => {
                    scanner.value()?;
                }
            }
            Ok(())
        })?;
        Ok(())
    }

    fn failure(&mut self) -> Option<ProviderError> {
        let silent = || ProviderError {
            message: "the response failed".to_owned(),
            ..ProviderError::default()
        };
        self.error.take().or_else(|| self.has_failed.then(silent))
    }
}
