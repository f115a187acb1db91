//! What the simulated model says: one meaning, from which each dialect makes its own answer.

use serde_json::{Map, Value, json};

use crate::ask::{Ask, Choice, Format, Tool};
use crate::behaviour::{Behaviour, CallSpec, Finish};
use crate::exchange::Exchange;
use crate::{schema, text};

/// Prompts from this many tokens on are told to be partly cached, in steps of [`CACHE_STEP`].
const CACHED_FROM: u64 = 1024;
const CACHE_STEP: u64 = 128;

/// One answer; several choices repeat it.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    /// The reasoning that is told, token by token.
    pub(crate) reasoning: Vec<String>,
    /// Whether there is reasoning that only its maker can read.
    pub(crate) redacted: bool,
    /// The text, token by token; its sum is the whole text.
    pub(crate) pieces: Vec<String>,
    pub(crate) refusal: Option<String>,
    /// Whether the prompt itself was refused, so that there is no answer.
    pub(crate) blocked: bool,
    pub(crate) calls: Vec<Call>,
    pub(crate) end: End,
    /// The dialect's own finish reason to give instead of the true one.
    pub(crate) finish_reason: Option<String>,
    pub(crate) choices: u64,
    /// Of all choices; none when no usage is to be told.
    pub(crate) usage: Option<Usage>,
}

/// A call in an answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Call {
    pub(crate) name: String,
    pub(crate) arguments: Map<String, Value>,
}

/// Why an answer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Natural,
    /// This stop sequence would have come next.
    Stopped(String),
    Length,
    Calls,
    Filtered,
}

/// Token counts as they are billed; the input includes the cached, the output the reasoning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) input: u64,
    pub(crate) cached: u64,
    pub(crate) cache_write: u64,
    pub(crate) output: u64,
    pub(crate) reasoning: u64,
}

impl Reply {
    /// The whole text.
    pub(crate) fn text(&self) -> String {
        self.pieces.concat()
    }

    /// The whole reasoning that is told.
    pub(crate) fn thought(&self) -> String {
        self.reasoning.concat()
    }

    /// How many tokens it takes to say all of it.
    pub(crate) fn length(&self) -> usize {
        self.pieces.len() + self.reasoning.len()
    }
}

/// What the model says to `ask`, as the behaviour wants it.
pub(crate) fn write(exchange: &Exchange<'_>, ask: &Ask) -> Reply {
    let behaviour = exchange.behaviour;
    let content = behaviour.content.unwrap_or(exchange.settings.content);
    let thinks = behaviour.reasoning_tokens.unwrap_or(ask.thinks) as usize;
    let mut reply = Reply {
        reasoning: text::tokens(content, &ask.prompt, thinks),
        redacted: behaviour.redacted_reasoning == Some(true),
        pieces: Vec::new(),
        refusal: behaviour.refusal.clone(),
        blocked: behaviour.blocked == Some(true),
        calls: Vec::new(),
        end: End::Natural,
        finish_reason: behaviour.finish_reason.clone(),
        choices: ask.choices.max(1),
        usage: None,
    };
    if reply.blocked {
        reply.reasoning.clear();
        reply.end = End::Filtered;
    } else if reply.refusal.is_none() {
        reply.calls = calls(behaviour, ask);
        if reply.calls.is_empty() {
            reply.pieces = spoken(exchange, ask);
            stop(&mut reply, &ask.stops);
            if behaviour.heeds_no_cap != Some(true) {
                cap(&mut reply, ask.cap);
            }
        } else {
            // A text of its own before the calls, as many models write one.
            let preamble = behaviour.text.as_deref();
            let preamble = preamble.filter(|_| behaviour.tool_calls.is_some());
            reply.pieces = preamble.map(text::pieces).unwrap_or_default();
            reply.end = End::Calls;
        }
    }
    match behaviour.finish {
        None => {}
        Some(Finish::Stop) => reply.end = End::Natural,
        Some(Finish::Length) => reply.end = End::Length,
        Some(Finish::ContentFilter) => reply.end = End::Filtered,
    }
    reply.usage = (behaviour.usage != Some(false)).then(|| usage(exchange, ask, &reply));
    reply
}

fn spoken(exchange: &Exchange<'_>, ask: &Ask) -> Vec<String> {
    let behaviour = exchange.behaviour;
    if let Some(text) = &behaviour.text {
        return text::pieces(text);
    }
    match &ask.format {
        Format::Json => return text::pieces(&json!({"answer": "lorem ipsum"}).to_string()),
        Format::Schema(schema) => return text::pieces(&schema::example(schema).to_string()),
        Format::Text => {}
    }
    if !ask.results.is_empty() && behaviour.content.is_none() && behaviour.tokens.is_none() {
        return text::pieces(&format!("The tools say: {}", ask.results.join(" | ")));
    }
    let content = behaviour.content.unwrap_or(exchange.settings.content);
    let wanted = behaviour.tokens.unwrap_or(exchange.settings.tokens) as usize;
    text::tokens(content, &ask.prompt, wanted)
}

/// The calls of an answer. What the behaviour lists, where tools may be called at all; else the tool that was demanded;
/// else all of them where parallel calls are asked for outright; else the first. Right after tool results a call is
/// made only when one is demanded, or the behaviour goes on calling.
fn calls(behaviour: &Behaviour, ask: &Ask) -> Vec<Call> {
    let listed = behaviour.tool_calls.as_deref();
    let demanded = matches!(ask.choice, Choice::Required | Choice::Named(_));
    let has_enough =
        !ask.results.is_empty() && !demanded && !behaviour.calls_again.unwrap_or(false);
    if ask.tools.is_empty() || ask.choice == Choice::None || has_enough {
        return Vec::new();
    }
    let wanted = match &ask.choice {
        Choice::Named(name) => ask.tools.iter().find(|tool| tool.name == *name),
        _ => None,
    };
    let most = if ask.parallel == Some(false) {
        1
    } else {
        usize::MAX
    };
    if let Some(listed) = listed {
        let fits = |spec: &&CallSpec| {
            wanted.is_none_or(|tool| spec.name.as_ref().is_none_or(|name| *name == tool.name))
        };
        let calls = listed.iter().filter(fits).take(most);
        let calls: Vec<Call> = calls
            .filter_map(|spec| as_listed(spec, wanted, ask))
            .collect();
        if !calls.is_empty() || !demanded {
            return calls;
        }
    }
    let chosen: Vec<&Tool> = match (wanted, ask.parallel) {
        (Some(tool), _) => vec![tool],
        (None, Some(true)) => ask.tools.iter().collect(),
        (None, _) => ask.tools.iter().take(1).collect(),
    };
    chosen.into_iter().map(of_schema).collect()
}

/// A call from the behaviour; a name that no tool has is called all the same, as models do at times.
fn as_listed(spec: &CallSpec, wanted: Option<&Tool>, ask: &Ask) -> Option<Call> {
    let tool = match &spec.name {
        Some(name) => ask.tools.iter().find(|tool| tool.name == *name),
        None => wanted.or_else(|| ask.tools.first()),
    };
    let mut call = match (tool, &spec.name) {
        (Some(tool), _) => of_schema(tool),
        (None, Some(name)) => Call {
            name: name.clone(),
            arguments: Map::new(),
        },
        (None, None) => return None,
    };
    if let Some(arguments) = &spec.arguments {
        call.arguments.clone_from(arguments);
    }
    Some(call)
}

fn of_schema(tool: &Tool) -> Call {
    let arguments = match schema::example(&tool.schema) {
        Value::Object(arguments) => arguments,
        _ => Map::new(),
    };
    Call {
        name: tool.name.clone(),
        arguments,
    }
}

fn stop(reply: &mut Reply, stops: &[String]) {
    let whole = reply.text();
    let found = stops
        .iter()
        .filter(|stop| !stop.is_empty())
        .filter_map(|stop| Some((whole.find(stop.as_str())?, stop)))
        .min_by_key(|(at, _)| *at);
    if let Some((at, stop)) = found {
        reply.pieces = text::pieces(&whole[..at]);
        reply.end = End::Stopped(stop.clone());
    }
}

fn cap(reply: &mut Reply, cap: Option<u64>) {
    if let Some(cap) = cap
        && (reply.pieces.len() as u64) > cap
    {
        reply.pieces.truncate(cap as usize);
        reply.end = End::Length;
    }
}

fn usage(exchange: &Exchange<'_>, ask: &Ask, reply: &Reply) -> Usage {
    let behaviour = exchange.behaviour;
    let by_size = if ask.prompt_tokens < CACHED_FROM {
        0
    } else {
        ask.prompt_tokens / 2 / CACHE_STEP * CACHE_STEP
    };
    let cached = behaviour.cached_tokens.unwrap_or(by_size);
    let cache_write = behaviour.cache_write_tokens.unwrap_or(0);
    let called = |call: &Call| {
        text::count(&call.name) + text::count(&Value::Object(call.arguments.clone()).to_string())
    };
    let reasoning = reply.reasoning.len() as u64 + ask.hidden_thinking;
    let output = reasoning
        + reply.calls.iter().map(called).sum::<u64>()
        + reply.refusal.as_deref().map_or(0, text::count)
        + reply.pieces.len() as u64;
    Usage {
        input: ask.prompt_tokens.max(cached.saturating_add(cache_write)),
        cached,
        cache_write,
        output: output * reply.choices,
        reasoning: reasoning * reply.choices,
    }
}
