//! Reading a stream.

use std::borrow::Cow;

use super::Ids;
use crate::{
    Malformed, ProviderError,
    canonical::{Event, Finish, TokenLogprob},
    gemini::{
        generate::{
            finish, logprobs,
            part::PartIn,
            response::{Candidate, Wire},
        },
        usage,
    },
    lent::Lent,
};

/// Most answers that a stream is followed for; nobody asks for more.
const MOST_CHOICES: u32 = 128;

/// Reads a provider's events. Each is a whole answer of what is new; there is no end marker.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    ids: Option<Ids>,
    choices: Vec<Progress>,
}

/// How far one of the answers has come.
#[derive(Debug)]
struct Progress {
    index: u32,
    calls: u32,
    finished: bool,
}

impl Reader {
    /// Reads the data of one event.
    pub(crate) fn read<'d>(
        &mut self,
        data: &'d [u8],
        sink: &mut dyn FnMut(Event<'d>),
    ) -> Result<(), Malformed> {
        let mut wire: Wire<'d> =
            serde_json::from_slice(data).map_err(|error| Malformed(error.to_string()))?;
        if let Some(error) = wire.error {
            sink(Event::Error(ProviderError::of_value(error.get())));
            return Ok(());
        }
        let blocked = wire.blocked();
        if self.ids.is_none() {
            let id = wire.response_id.take().map(|Lent(id)| id);
            self.ids = Some(Ids::new(id.as_deref(), data));
            let model = wire.model_version.take().map(|Lent(model)| model);
            sink(Event::Start { id, model });
        }
        let usage = wire.usage_metadata.and_then(|raw| usage::parse(raw.get()));
        if let Some(usage) = usage {
            sink(Event::Usage(usage));
        }
        let candidates = wire.candidates.unwrap_or_default();
        if candidates.is_empty()
            && let Some(reason) = blocked
        {
            self.finish(0, reason, sink);
        }
        for (index, candidate) in
            Wire::placed(candidates).filter(|(index, _)| *index < MOST_CHOICES)
        {
            self.candidate(index, candidate, sink);
        }
        Ok(())
    }

    fn candidate<'d>(
        &mut self,
        index: u32,
        candidate: Candidate<'d>,
        sink: &mut dyn FnMut(Event<'d>),
    ) {
        let mut logprobs = candidate
            .logprobs_result
            .map(|raw| logprobs::read(raw.get()))
            .unwrap_or_default();
        let parts = candidate.content.and_then(|content| content.parts);
        for part in parts.unwrap_or_default() {
            self.part(index, part, &mut logprobs, sink);
        }
        let Some(Lent(word)) = candidate.finish_reason else {
            return;
        };
        let has_calls = self.choice(index).calls > 0;
        self.finish(index, finish::read(&word, has_calls), sink);
    }

    fn part<'d>(
        &mut self,
        choice: u32,
        part: PartIn<'d>,
        logprobs: &mut Vec<TokenLogprob>,
        sink: &mut dyn FnMut(Event<'d>),
    ) {
        let is_thought = part.thought == Some(true);
        let signature = part.signature();
        let media = part.media();
        let is_said_first = is_thought && signature.is_some();
        if let Some(signature) = signature.clone().filter(|_| !is_said_first) {
            sink(Event::Signature {
                choice,
                signature,
                redacted: false,
            });
        }
        if let Some(media) = media {
            sink(Event::Image { choice, media });
        } else if let Some(call) = part.function_call {
            let Some(Lent(name)) = call.name else {
                return;
            };
            let id = call.id.map(|Lent(id)| id);
            let id = match &mut self.ids {
                Some(ids) => ids.or_next(id),
                None => id.unwrap_or_default(),
            };
            let progress = self.choice(choice);
            let index = progress.calls;
            progress.calls = index.saturating_add(1);
            sink(Event::ToolCall {
                choice,
                index,
                id,
                name,
            });
            if let Some(args) = call.args {
                sink(Event::Arguments {
                    choice,
                    index,
                    json: Cow::Borrowed(args.get()),
                });
            }
        } else if let Some(Lent(text)) = part.text.filter(|Lent(text)| !text.is_empty()) {
            sink(if is_thought {
                Event::Thinking { choice, text }
            } else {
                Event::Text {
                    choice,
                    text,
                    logprobs: std::mem::take(logprobs),
                }
            });
        }
        if let Some(signature) = signature.filter(|_| is_said_first) {
            sink(Event::Signature {
                choice,
                signature,
                redacted: false,
            });
        }
    }

    fn finish<'d>(&mut self, choice: u32, reason: Finish, sink: &mut dyn FnMut(Event<'d>)) {
        let progress = self.choice(choice);
        if !progress.finished {
            progress.finished = true;
            sink(Event::Finish { choice, reason });
        }
    }

    fn choice(&mut self, index: u32) -> &mut Progress {
        let at = self
            .choices
            .iter()
            .position(|progress| progress.index == index)
            .unwrap_or_else(|| {
                self.choices.push(Progress {
                    index,
                    calls: 0,
                    finished: false,
                });
                self.choices.len() - 1
            });
        &mut self.choices[at]
    }
}
