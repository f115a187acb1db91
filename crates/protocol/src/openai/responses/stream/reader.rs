//! Reading a provider's events.

mod wire;

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
};

use serde_json::value::RawValue;

use self::wire::{Head, Last, Wire, error, item, lent, malformed, parse};

use crate::{
    Malformed, ProviderError,
    canonical::{Event, Finish, TokenLogprob},
    openai::{
        DONE,
        responses::{
            reasoning::BETWEEN_PARTS,
            response::{Logprob, OutputItem, finish_of_incomplete},
        },
        usage,
    },
};

/// Reads a provider's events. Events of other kinds are skipped, and so are the items of tools that the provider runs.
/// Servers that send no deltas but only what is done are read too.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    is_started: bool,
    /// Calls by their item's place.
    calls: HashMap<u64, Call>,
    /// Parts of messages of which something was said, by item and part.
    spoken: HashSet<(u64, u64)>,
    reasoning: Reasoning,
    has_refusal: bool,
}

#[derive(Debug, Clone, Copy)]
struct Call {
    index: u32,
    has_arguments: bool,
}

/// The reasoning item that is being streamed.
#[derive(Debug, Default)]
struct Reasoning {
    item: Option<u64>,
    /// Whether its summary or its text is read: the first that comes, since they say the same.
    kind: Option<Thought>,
    part: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Thought {
    Summary,
    Text,
}

type Sink<'s, 'd> = &'s mut dyn FnMut(Event<'d>);

impl Reader {
    /// Reads the data of one event.
    pub(crate) fn read<'d>(
        &mut self,
        data: &'d [u8],
        sink: &mut dyn FnMut(Event<'d>),
    ) -> Result<(), Malformed> {
        if data.trim_ascii() == DONE {
            sink(Event::End);
            return Ok(());
        }
        let wire: Wire<'d> = serde_json::from_slice(data).map_err(malformed)?;
        let kind = wire.r#type.as_ref().map_or("", |kind| kind.0.as_ref());
        match kind {
            "response.created" | "response.queued" | "response.in_progress" => {
                self.start(wire.response, sink)
            }
            "response.output_text.delta" => self.text(&wire, wire.delta, sink),
            "response.output_text.done" => self.late(&wire, wire.text, false, sink),
            "response.refusal.delta" => self.refuse(&wire, wire.delta, sink),
            "response.refusal.done" => self.late(&wire, wire.refusal, true, sink),
            "response.reasoning_summary_text.delta" => {
                self.think(&wire, Thought::Summary, wire.summary_index, sink)
            }
            "response.reasoning_text.delta" => {
                self.think(&wire, Thought::Text, wire.content_index, sink)
            }
            "response.function_call_arguments.delta" => {
                self.arguments(wire.place(), lent(wire.delta)?, sink);
                Ok(())
            }
            "response.function_call_arguments.done" => {
                self.all_arguments(wire.place(), lent(wire.arguments)?, sink);
                Ok(())
            }
            "response.output_item.added" => self.added(&wire, sink),
            "response.output_item.done" => self.done(&wire, sink),
            "response.completed" | "response.incomplete" => self.last(kind, wire.response, sink),
            "response.failed" | "response.cancelled" => self.failed(wire.response, sink),
            "error" => {
                sink(Event::Error(error(&wire)));
                Ok(())
            }
            // Servers that speak other formats too tell of errors without a type.
            _ => {
                if let (true, Some(error)) = (kind.is_empty(), wire.error) {
                    sink(Event::Error(ProviderError::of_value(error.get())));
                }
                Ok(())
            }
        }
    }

    fn start<'d>(
        &mut self,
        response: Option<&'d RawValue>,
        sink: Sink<'_, 'd>,
    ) -> Result<(), Malformed> {
        if self.is_started {
            return Ok(());
        }
        self.is_started = true;
        let head: Option<Head<'d>> = parse(response)?;
        let (id, model) = head.map_or((None, None), |head| (head.id, head.model));
        sink(Event::Start {
            id: id.map(|id| id.0),
            model: model.map(|model| model.0),
        });
        Ok(())
    }

    fn text<'d>(
        &mut self,
        wire: &Wire<'d>,
        text: Option<&'d RawValue>,
        sink: Sink<'_, 'd>,
    ) -> Result<(), Malformed> {
        self.start(None, sink)?;
        let text = lent(text)?;
        let logprobs: Option<Vec<Logprob>> = parse(wire.logprobs)?;
        let logprobs: Vec<TokenLogprob> = logprobs
            .unwrap_or_default()
            .into_iter()
            .map(Logprob::canonical)
            .collect();
        if !text.is_empty() || !logprobs.is_empty() {
            self.spoken.insert(wire.part());
            sink(Event::Text {
                choice: 0,
                text,
                logprobs,
            });
        }
        Ok(())
    }

    fn refuse<'d>(
        &mut self,
        wire: &Wire<'d>,
        text: Option<&'d RawValue>,
        sink: Sink<'_, 'd>,
    ) -> Result<(), Malformed> {
        self.start(None, sink)?;
        let text = lent(text)?;
        if !text.is_empty() {
            self.has_refusal = true;
            self.spoken.insert(wire.part());
            sink(Event::Refusal { choice: 0, text });
        }
        Ok(())
    }

    /// A part that is done, of which nothing was streamed.
    fn late<'d>(
        &mut self,
        wire: &Wire<'d>,
        text: Option<&'d RawValue>,
        is_refusal: bool,
        sink: Sink<'_, 'd>,
    ) -> Result<(), Malformed> {
        if self.spoken.contains(&wire.part()) {
            return Ok(());
        }
        if is_refusal {
            self.refuse(wire, text, sink)
        } else {
            self.text(wire, text, sink)
        }
    }

    fn think<'d>(
        &mut self,
        wire: &Wire<'d>,
        kind: Thought,
        part: Option<u64>,
        sink: Sink<'_, 'd>,
    ) -> Result<(), Malformed> {
        self.start(None, sink)?;
        let text = lent(wire.delta)?;
        let (item, part) = (Some(wire.place()), part.unwrap_or(0));
        if text.is_empty() {
            return Ok(());
        }
        if self.reasoning.item != item {
            self.reasoning = Reasoning {
                item,
                kind: Some(kind),
                part,
            };
        }
        if self.reasoning.kind != Some(kind) {
            return Ok(());
        }
        let mut think = |text| sink(Event::Thinking { choice: 0, text });
        if self.reasoning.part != part {
            self.reasoning.part = part;
            think(Cow::Borrowed(BETWEEN_PARTS));
        }
        think(text);
        Ok(())
    }

    fn added<'d>(&mut self, wire: &Wire<'d>, sink: Sink<'_, 'd>) -> Result<(), Malformed> {
        self.start(None, sink)?;
        if let Some(item) = item(wire)?
            && item.r#type == "function_call"
        {
            self.call(wire.place(), item, sink);
        }
        Ok(())
    }

    fn done<'d>(&mut self, wire: &Wire<'d>, sink: Sink<'_, 'd>) -> Result<(), Malformed> {
        self.start(None, sink)?;
        let Some(mut item) = item(wire)? else {
            return Ok(());
        };
        let place = wire.place();
        match item.r#type.as_str() {
            "function_call" => {
                let arguments = item.arguments.take().unwrap_or_default();
                self.call(place, item, sink);
                self.all_arguments(place, Cow::Owned(arguments), sink);
            }
            "reasoning" => self.reasoned(place, item, sink),
            _ => self.said(place, item, sink),
        }
        Ok(())
    }

    fn call<'d>(&mut self, place: u64, item: OutputItem, sink: Sink<'_, 'd>) {
        let index = u32::try_from(self.calls.len()).unwrap_or(u32::MAX);
        if let std::collections::hash_map::Entry::Vacant(vacant) = self.calls.entry(place) {
            vacant.insert(Call {
                index,
                has_arguments: false,
            });
            sink(Event::ToolCall {
                choice: 0,
                index,
                id: item.call_id.or(item.id).unwrap_or_default().into(),
                name: item.name.unwrap_or_default().into(),
            });
        }
    }

    fn arguments<'d>(&mut self, place: u64, json: Cow<'d, str>, sink: Sink<'_, 'd>) {
        if let Some(call) = self.calls.get_mut(&place)
            && !json.is_empty()
        {
            call.has_arguments = true;
            sink(Event::Arguments {
                choice: 0,
                index: call.index,
                json,
            });
        }
    }

    /// The whole arguments, unless they were streamed.
    fn all_arguments<'d>(&mut self, place: u64, json: Cow<'d, str>, sink: Sink<'_, 'd>) {
        if self
            .calls
            .get(&place)
            .is_some_and(|call| !call.has_arguments)
        {
            self.arguments(place, json, sink);
        }
    }

    fn reasoned<'d>(&mut self, place: u64, item: OutputItem, sink: Sink<'_, 'd>) {
        let Some(thinking) = item.thinking() else {
            return;
        };
        if self.reasoning.item != Some(place) && !thinking.text.is_empty() {
            self.reasoning.item = Some(place);
            sink(Event::Thinking {
                choice: 0,
                text: thinking.text.into(),
            });
        }
        if let Some(signature) = thinking.signature {
            sink(Event::Signature {
                choice: 0,
                signature,
                redacted: thinking.redacted,
            });
        }
    }

    /// A message that is done, of which not all was streamed.
    fn said<'d>(&mut self, place: u64, item: OutputItem, sink: Sink<'_, 'd>) {
        for (index, spoken) in (0..).zip(item.spoken()) {
            if !self.spoken.insert((place, index)) {
                continue;
            }
            match spoken {
                Ok((text, logprobs)) if !text.is_empty() => sink(Event::Text {
                    choice: 0,
                    text: text.into(),
                    logprobs,
                }),
                Err(refusal) if !refusal.is_empty() => {
                    self.has_refusal = true;
                    sink(Event::Refusal {
                        choice: 0,
                        text: refusal.into(),
                    });
                }
                _ => {}
            }
        }
    }

    fn last<'d>(
        &mut self,
        kind: &str,
        response: Option<&'d RawValue>,
        sink: Sink<'_, 'd>,
    ) -> Result<(), Malformed> {
        self.start(response, sink)?;
        let last: Option<Last<'d>> = parse(response)?;
        let (details, usage) =
            last.map_or((None, None), |last| (last.incomplete_details, last.usage));
        if let Some(usage) = usage.and_then(|usage| usage::parse(usage.get())) {
            sink(Event::Usage(usage));
        }
        let reason = if kind == "response.incomplete" {
            let reason = details.and_then(|details| details.reason);
            finish_of_incomplete(reason.as_deref())
        } else if !self.calls.is_empty() {
            Finish::ToolCalls
        } else if self.has_refusal {
            Finish::Refused(None)
        } else {
            Finish::Stop
        };
        sink(Event::Finish { choice: 0, reason });
        sink(Event::End);
        Ok(())
    }

    fn failed<'d>(
        &mut self,
        response: Option<&'d RawValue>,
        sink: Sink<'_, 'd>,
    ) -> Result<(), Malformed> {
        let last: Option<Last<'d>> = parse(response)?;
        let (error, usage) = last.map_or((None, None), |last| (last.error, last.usage));
        if let Some(usage) = usage.and_then(|usage| usage::parse(usage.get())) {
            sink(Event::Usage(usage));
        }
        let error = error.map_or_else(
            || ProviderError {
                message: "the response failed".to_owned(),
                ..ProviderError::default()
            },
            |error| ProviderError::of_value(error.get()),
        );
        sink(Event::Error(error));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
