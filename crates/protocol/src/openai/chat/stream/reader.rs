//! Reading a provider's chunks.

use std::{borrow::Cow, collections::HashMap};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    Malformed, ProviderError,
    canonical::Event,
    json::{Reason, SyntaxError},
    lent::Lent,
    openai::{
        DONE,
        chat::{content::Content, images::Image, logprobs::Logprobs, response, thinking::Block},
        usage,
    },
};

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow)]
    id: Option<Lent<'a>>,
    #[serde(borrow)]
    model: Option<Lent<'a>>,
    #[serde(borrow)]
    choices: Option<Vec<Choice<'a>>>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    index: Option<u32>,
    #[serde(borrow)]
    delta: Option<Delta<'a>>,
    #[serde(borrow)]
    finish_reason: Option<Lent<'a>>,
    #[serde(borrow)]
    stop_reason: Option<&'a RawValue>,
    logprobs: Option<Logprobs>,
}

#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(borrow)]
    content: Option<Content<'a>>,
    #[serde(borrow)]
    refusal: Option<Lent<'a>>,
    #[serde(borrow)]
    reasoning_content: Option<Lent<'a>>,
    #[serde(borrow)]
    reasoning: Option<Lent<'a>>,
    thinking_blocks: Option<Vec<Block>>,
    images: Option<Vec<Image>>,
    #[serde(borrow)]
    tool_calls: Option<Vec<Call<'a>>>,
    #[serde(borrow)]
    function_call: Option<Function<'a>>,
}

#[derive(Deserialize)]
struct Call<'a> {
    index: Option<u32>,
    #[serde(borrow)]
    id: Option<Lent<'a>>,
    #[serde(borrow)]
    function: Option<Function<'a>>,
}

#[derive(Deserialize)]
struct Function<'a> {
    #[serde(borrow)]
    name: Option<Lent<'a>>,
    #[serde(borrow)]
    arguments: Option<Lent<'a>>,
}

/// Reads a provider's chunks.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    has_started: bool,
    /// The answer's id, for calls without one.
    id: String,
    choices: HashMap<u32, Progress>,
}

/// How far an answer has come.
#[derive(Debug, Default)]
struct Progress {
    /// Ids of its calls.
    calls: Vec<String>,
    /// The call that the server's own index means.
    by_index: HashMap<u32, usize>,
    has_refusal: bool,
    /// Reasoning came since the last signature.
    has_reasoning: bool,
    has_finished: bool,
}

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
        let chunk: Chunk<'d> = read(data)?;
        if let Some(error) = chunk.error {
            sink(Event::Error(ProviderError::of_value(error.get())));
            return Ok(());
        }
        let choices = chunk.choices.unwrap_or_default();
        let id = filled(chunk.id);
        // Azure sends a chunk before the first, of which all is empty.
        if !self.has_started && (id.is_some() || !choices.is_empty()) {
            self.has_started = true;
            self.id = id.as_deref().unwrap_or_default().to_owned();
            sink(Event::Start {
                id,
                model: filled(chunk.model),
            });
        }
        for choice in choices {
            let index = choice.index.unwrap_or(0);
            let progress = self.choices.entry(index).or_default();
            progress.read(choice, index, &self.id, sink);
        }
        let usage = chunk.usage.and_then(|usage| usage::parse(usage.get()));
        if let Some(usage) = usage {
            sink(Event::Usage(usage));
        }
        Ok(())
    }
}

/// An object; serde alone would take an array for one too.
fn read(data: &[u8]) -> Result<Chunk<'_>, Malformed> {
    if data.trim_ascii_start().first() != Some(&b'{') {
        return Err(Malformed::from(SyntaxError::new(Reason::Object, 0)));
    }
    serde_json::from_slice(data).map_err(|error| Malformed(error.to_string()))
}

/// The text, unless it is empty.
fn filled(text: Option<Lent<'_>>) -> Option<Cow<'_, str>> {
    text.map(|Lent(text)| text).filter(|text| !text.is_empty())
}

impl Progress {
    fn read<'d>(
        &mut self,
        told: Choice<'d>,
        choice: u32,
        answer: &str,
        sink: &mut dyn FnMut(Event<'d>),
    ) {
        let mut logprobs = told.logprobs.map(Logprobs::read).unwrap_or_default();
        if let Some(mut delta) = told.delta {
            self.reasoning(&mut delta, choice, sink);
            let text = delta.content.map(|Content(text)| text).unwrap_or_default();
            if !text.is_empty() || !logprobs.is_empty() {
                sink(Event::Text {
                    choice,
                    text,
                    logprobs: std::mem::take(&mut logprobs),
                });
            }
            for media in delta.images.into_iter().flatten().filter_map(Image::media) {
                sink(Event::Image { choice, media });
            }
            if let Some(text) = filled(delta.refusal) {
                self.has_refusal = true;
                sink(Event::Refusal { choice, text });
            }
            for call in delta.tool_calls.into_iter().flatten() {
                self.call(call, choice, answer, sink);
            }
            if let Some(function) = delta.function_call {
                let call = Call {
                    index: Some(0),
                    id: None,
                    function: Some(function),
                };
                self.call(call, choice, answer, sink);
            }
        }
        // Some servers send an empty reason for as long as there is none.
        let Some(reason) = filled(told.finish_reason).filter(|_| !self.has_finished) else {
            return;
        };
        self.has_finished = true;
        let stop_text = told
            .stop_reason
            .and_then(|raw| serde_json::from_str(raw.get()).ok());
        let has_calls = !self.calls.is_empty();
        let reason = response::finish(Some(&reason), stop_text, has_calls, self.has_refusal);
        sink(Event::Finish { choice, reason });
    }

    /// A block repeats the text that came as `reasoning_content`, and tells it where none came.
    fn reasoning<'d>(
        &mut self,
        delta: &mut Delta<'d>,
        choice: u32,
        sink: &mut dyn FnMut(Event<'d>),
    ) {
        let text = filled(delta.reasoning_content.take());
        if let Some(text) = text.or_else(|| filled(delta.reasoning.take())) {
            self.has_reasoning = true;
            sink(Event::Thinking { choice, text });
        }
        let blocks = delta.thinking_blocks.take().into_iter().flatten();
        for (_, thinking) in blocks.filter_map(Block::read) {
            if !self.has_reasoning && !thinking.text.is_empty() {
                let text = Cow::Owned(thinking.text);
                sink(Event::Thinking { choice, text });
            }
            if let Some(signature) = thinking.signature {
                self.has_reasoning = false;
                sink(Event::Signature {
                    choice,
                    signature,
                    redacted: thinking.redacted,
                });
            }
        }
    }

    fn call<'d>(
        &mut self,
        told: Call<'d>,
        choice: u32,
        answer: &str,
        sink: &mut dyn FnMut(Event<'d>),
    ) {
        let id = filled(told.id);
        let (name, arguments) = told.function.map_or((None, None), |function| {
            (filled(function.name), filled(function.arguments))
        });
        let open = match told.index {
            Some(index) => self.by_index.get(&index).copied(),
            None => self.calls.len().checked_sub(1),
        };
        // Some servers repeat id and name with every piece; others send every call under one index, or none.
        let open = open.filter(|at| match (&id, &name) {
            (Some(id), Some(_)) => self.calls.get(*at).is_some_and(|known| known == id),
            (None, Some(_)) => told.index.is_some(),
            _ => true,
        });
        let at = match (open, name) {
            (Some(at), _) => at,
            (None, Some(name)) => {
                let at = self.calls.len();
                let id = id.unwrap_or_else(|| Cow::Owned(response::call_id(answer, at)));
                self.calls.push(id.clone().into_owned());
                if let Some(index) = told.index {
                    self.by_index.insert(index, at);
                }
                let index = at.try_into().unwrap_or(u32::MAX);
                sink(Event::ToolCall {
                    choice,
                    index,
                    id,
                    name,
                });
                at
            }
            // A piece of no call.
            (None, None) => return,
        };
        if let Some(json) = arguments {
            sink(Event::Arguments {
                choice,
                index: at.try_into().unwrap_or(u32::MAX),
                json,
            });
        }
    }
}
