//! Reading a provider's events.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::wire::{ContentBlock, Delta, Ending, Start, Wire, kind, parse};
use crate::{
    Malformed, ProviderError,
    anthropic::{messages::response::finish, usage::Counts},
    canonical::{Event, Family, Finish, Signature},
    lent::Lent,
};

/// Reads a provider's events.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    usage: Counts,
    /// The block that is open, by its index: the format has one at a time.
    open: Option<(u64, Block)>,
    calls: u32,
    finished: bool,
}

#[derive(Debug)]
enum Block {
    Text,
    Thinking,
    /// A call, by its place among the calls; its input, where the provider sent it with the start.
    Call {
        index: u32,
        input: Option<String>,
    },
}

impl Reader {
    /// Reads the data of one event. Kinds that are not known are skipped, as the format's documents ask of clients.
    pub(crate) fn read<'d>(
        &mut self,
        data: &'d [u8],
        sink: &mut dyn FnMut(Event<'d>),
    ) -> Result<(), Malformed> {
        let wire: Wire<'d> =
            serde_json::from_slice(data).map_err(|error| Malformed(error.to_string()))?;
        let kind = wire.r#type.map(|kind| kind.0).unwrap_or_default();
        match (&*kind, wire.index) {
            ("message_start", _) => self.start(wire.message, sink)?,
            ("content_block_start", Some(index)) => {
                if let Some(block) = wire.content_block {
                    self.open(index, block, sink)?;
                }
            }
            ("content_block_delta", Some(index)) => {
                if let Some(delta) = wire.delta {
                    self.delta(index, delta, sink)?;
                }
            }
            ("content_block_stop", Some(index))
                if self.open.as_ref().is_some_and(|(open, _)| *open == index) =>
            {
                self.close(sink);
            }
            ("message_delta", _) => {
                self.close(sink);
                self.use_up(wire.usage, sink);
                if let Some(delta) = wire.delta {
                    self.end(delta, sink)?;
                }
            }
            ("message_stop", _) => {
                self.close(sink);
                if !self.finished {
                    self.finish(Finish::Stop, sink);
                }
                sink(Event::End);
            }
            // Servers that only resemble the API send an error without its type.
            ("error" | "", _) => {
                if let Some(error) = wire.error {
                    sink(Event::Error(ProviderError::of_value(error.get())));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn start<'d>(
        &mut self,
        message: Option<&'d RawValue>,
        sink: &mut dyn FnMut(Event<'d>),
    ) -> Result<(), Malformed> {
        let Some(message) = message else {
            return Err(Malformed("a message_start without a message".to_owned()));
        };
        let message: Start<'d> = parse(message.get())?;
        sink(Event::Start {
            id: message.id.map(|id| id.0),
            model: message.model.map(|model| model.0),
        });
        self.use_up(message.usage, sink);
        Ok(())
    }

    /// Usage comes in pieces: of the input at the start, of the output at the end.
    fn use_up<'d>(&mut self, usage: Option<&'d RawValue>, sink: &mut dyn FnMut(Event<'d>)) {
        let Some(usage) = usage else { return };
        self.usage.merge(usage.get());
        if let Some(usage) = self.usage.usage() {
            sink(Event::Usage(usage));
        }
    }

    fn open<'d>(
        &mut self,
        index: u64,
        raw: &'d RawValue,
        sink: &mut dyn FnMut(Event<'d>),
    ) -> Result<(), Malformed> {
        self.close(sink);
        if !matches!(
            &*kind(raw)?,
            "text" | "thinking" | "redacted_thinking" | "tool_use"
        ) {
            return Ok(());
        }
        let block: ContentBlock<'d> = parse(raw.get())?;
        let open = match &*block.r#type.0 {
            "text" => {
                text(block.text, sink);
                Block::Text
            }
            "thinking" => {
                thinking(block.thinking, sink);
                signature(block.signature, sink);
                Block::Thinking
            }
            "tool_use" => {
                let (Some(id), Some(name)) = (block.id, block.name) else {
                    return Err(Malformed("a tool_use without id or name".to_owned()));
                };
                let call = self.calls;
                self.calls = self.calls.saturating_add(1);
                sink(Event::ToolCall {
                    choice: 0,
                    index: call,
                    id: id.0,
                    name: name.0,
                });
                let input = block.input.map(RawValue::get);
                let is_empty = |input: &str| input.split_ascii_whitespace().eq(["{}"]);
                Block::Call {
                    index: call,
                    input: input
                        .filter(|input| input.starts_with('{') && !is_empty(input))
                        .map(str::to_owned),
                }
            }
            _ => {
                if let Some(data) = block.data {
                    let signature = Signature::read(data.0, Family::Anthropic);
                    sink(Event::Signature {
                        choice: 0,
                        redacted: signature.family == Family::Anthropic,
                        signature,
                    });
                }
                return Ok(());
            }
        };
        self.open = Some((index, open));
        Ok(())
    }

    fn delta<'d>(
        &mut self,
        index: u64,
        raw: &'d RawValue,
        sink: &mut dyn FnMut(Event<'d>),
    ) -> Result<(), Malformed> {
        let Some((open, block)) = &mut self.open else {
            return Ok(());
        };
        if *open != index || kind(raw)? == "citations_delta" {
            return Ok(());
        }
        let delta: Delta<'d> = parse(raw.get())?;
        match (block, &*delta.r#type.0) {
            (Block::Text, "text_delta") => text(delta.text, sink),
            (Block::Thinking, "thinking_delta") => thinking(delta.thinking, sink),
            (Block::Thinking, "signature_delta") => signature(delta.signature, sink),
            (Block::Call { index, input }, "input_json_delta") => {
                if let Some(Lent(json)) = delta.partial_json.filter(|piece| !piece.0.is_empty()) {
                    *input = None;
                    sink(Event::Arguments {
                        choice: 0,
                        index: *index,
                        json,
                    });
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn close<'d>(&mut self, sink: &mut dyn FnMut(Event<'d>)) {
        if let Some((
            _,
            Block::Call {
                index,
                input: Some(input),
            },
        )) = self.open.take()
        {
            sink(Event::Arguments {
                choice: 0,
                index,
                json: Cow::Owned(input),
            });
        }
    }

    fn end<'d>(
        &mut self,
        raw: &'d RawValue,
        sink: &mut dyn FnMut(Event<'d>),
    ) -> Result<(), Malformed> {
        let ending: Ending<'d> = parse(raw.get())?;
        if let Some(reason) = ending.stop_reason {
            let details = ending.stop_details.unwrap_or_default();
            self.finish(finish(&reason.0, ending.stop_sequence, details), sink);
        }
        Ok(())
    }

    fn finish<'d>(&mut self, reason: Finish, sink: &mut dyn FnMut(Event<'d>)) {
        self.finished = true;
        sink(Event::Finish { choice: 0, reason });
    }
}

fn text<'d>(text: Option<Lent<'d>>, sink: &mut dyn FnMut(Event<'d>)) {
    if let Some(Lent(text)) = text.filter(|text| !text.0.is_empty()) {
        sink(Event::Text {
            choice: 0,
            text,
            logprobs: Vec::new(),
        });
    }
}

fn thinking<'d>(text: Option<Lent<'d>>, sink: &mut dyn FnMut(Event<'d>)) {
    if let Some(Lent(text)) = text.filter(|text| !text.0.is_empty()) {
        sink(Event::Thinking { choice: 0, text });
    }
}

fn signature<'d>(text: Option<Lent<'d>>, sink: &mut dyn FnMut(Event<'d>)) {
    let Some(Lent(text)) = text.filter(|text| !text.0.is_empty()) else {
        return;
    };
    let signature = Signature::read(text, Family::Anthropic);
    if signature != Signature::NONE {
        sink(Event::Signature {
            choice: 0,
            signature,
            redacted: false,
        });
    }
}
