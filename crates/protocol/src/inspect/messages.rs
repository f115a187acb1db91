//! Messages.

use super::{Answer, look::Look, template::Varying};
use crate::{
    Malformed, ProviderError, Unusable,
    anthropic::usage::Counts,
    json::{
        Scanner, Value,
        walk::{self, Walk, document},
    },
};

/// Judges a whole answer.
pub(super) fn answer(body: &[u8]) -> Result<Answer, Unusable> {
    let mut counts = Counts::default();
    let mut block = Block::default();
    let mut blocks = None;
    let mut error = None;
    let mut kind = None;
    document(body, |name, scanner| {
        match name {
            "type" => kind = Some(scanner.value()?),
            "content" => blocks = walk::array(scanner, |scanner| block.read(scanner))?,
            "usage" => counts.merge(scanner.value()?.raw()),
            "error" => error = ProviderError::unless_null(&scanner.value()?),
            _ => {
                scanner.value()?;
            }
        }
        Ok(())
    })?;
    let kind = kind.as_ref().and_then(Value::as_str);
    if error.is_some() || kind.as_deref() == Some("error") {
        return Err(Unusable::Error(error.unwrap_or_default()));
    }
    if kind.is_some_and(|kind| kind != "message") {
        return Err(Unusable::Shape("type"));
    }
    blocks.ok_or(Unusable::Shape("content"))?;
    Ok(Answer {
        usage: counts.usage(),
        output_bytes: block.text_bytes,
        media: crate::Media::default(),
    })
}

/// Looks at the data of one event; what it tells of usage is merged into `counts`.
pub(super) fn look(data: &[u8], counts: &mut Counts) -> Result<Look, Malformed> {
    let mut look = Look::default();
    let mut kind = None;
    let (mut told, mut tells_usage) = (*counts, false);
    let mut block = Block::default();
    let mut delta = Block {
        varying: Some(Vec::new()),
        ..Block::default()
    };
    let mut error = None;
    let is_object = document(data, |name, scanner| {
        match name {
            "type" => kind = Some(scanner.value()?),
            "delta" => delta.read(scanner)?,
            "content_block" => block.read(scanner)?,
            "message" => {
                walk::object(scanner, |name, scanner| {
                    let value = scanner.value()?;
                    if name == "usage" {
                        told.merge(value.raw());
                        tells_usage = true;
                    }
                    Ok(())
                })?;
            }
            "usage" => {
                told.merge(scanner.value()?.raw());
                tells_usage = true;
            }
            "error" => error = ProviderError::unless_null(&scanner.value()?),
            _ => {
                scanner.value()?;
            }
        }
        Ok(())
    })?;
    super::must_be_object(is_object)?;
    let kind = kind.as_ref().and_then(Value::as_str);
    match kind.as_deref().unwrap_or_default() {
        "content_block_delta" => {
            look.text_bytes = delta.text_bytes;
            look.content = delta.content;
            if !tells_usage {
                look.varying = delta.varying.unwrap_or_default();
            }
        }
        "content_block_start" => {
            look.text_bytes = block.text_bytes;
            look.content = block.content || block.is_whole;
        }
        "message_delta" if delta.has_ended => {
            look.content = true;
            look.finished.insert(0);
        }
        "message_stop" => look.done = true,
        "error" => look.error = Some(error.unwrap_or_default()),
        _ => look.error = error,
    }
    if tells_usage {
        *counts = told;
        look.usage = told.usage();
    }
    Ok(look)
}

/// A block of content, or what is added to one.
#[derive(Default)]
struct Block {
    content: bool,
    text_bytes: usize,
    /// Its very kind is something to keep: the call of a tool, say, but not a text, which is empty at first.
    is_whole: bool,
    has_ended: bool,
    /// Its texts, if it is added to a block.
    varying: Option<Vec<Varying>>,
}

impl Block {
    fn read(&mut self, scanner: &mut Scanner<'_>) -> Walk<()> {
        walk::object(scanner, |name, scanner| {
            let value = scanner.value()?;
            match name {
                "type" => {
                    self.is_whole = value
                        .as_str()
                        .is_some_and(|kind| kind != "text" && kind != "thinking");
                }
                "text" | "thinking" | "partial_json" => {
                    let bytes = value.text_len();
                    self.text_bytes += bytes;
                    self.content |= bytes > 0;
                    if let Some(varying) = &mut self.varying {
                        varying.extend(Varying::text(&value));
                    }
                }
                // Arguments; at the start of a stream's block they are empty.
                "input" => {
                    self.text_bytes += if value.raw() == "{}" {
                        0
                    } else {
                        value.raw().len()
                    };
                }
                "signature" => self.content |= value.text_len() > 0,
                "citation" => self.content |= !value.is_null(),
                "stop_reason" => self.has_ended = !value.is_null(),
                _ => {}
            }
            Ok(())
        })?;
        Ok(())
    }
}
