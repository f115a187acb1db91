//! Requests and answers that Gemini can say.

use proptest::{collection::vec, option, prelude::*};

use super::signature;
use crate::{
    Usage, UsageSource,
    canonical::{
        Choice, Family, Finish, Json, JsonSchema, Logprobs, Media, Message, Output, Part,
        Reasoning, ReasoningMode, Request, Response, Role, Signature, Source, Summary, Thinking,
        TokenLogprob, Tool, ToolCall, ToolChoice, ToolResult,
    },
};

fn text() -> impl Strategy<Value = String> {
    ".{1,12}"
}

/// Numbers whose decimals are read as they were written.
fn hundredths(range: std::ops::RangeInclusive<i32>) -> impl Strategy<Value = f64> {
    range.prop_map(|number| f64::from(number) / 100.0)
}

fn name() -> impl Strategy<Value = String> {
    "[a-z]{1,6}"
}

fn object() -> impl Strategy<Value = Json> {
    prop_oneof![
        Just("{}"),
        Just(r#"{"z":1.50,"a":[null,"\u00e9"]}"#),
        Just(r#"{"snake_case":{"x":-0}}"#),
    ]
    .prop_map(|text| Json::parse(text).unwrap())
}

fn media(kind: &'static str) -> impl Strategy<Value = Media> {
    prop_oneof![
        Just(Source::Inline("+/8=".to_owned())),
        Just(Source::Url("https://x.example/a".to_owned())),
    ]
    .prop_map(move |source| Media {
        media_type: Some(kind.to_owned()),
        source,
    })
}

fn image() -> impl Strategy<Value = Part> {
    media("image/png").prop_map(|media| Part::Image {
        media,
        detail: None,
        cache: None,
    })
}

fn user() -> impl Strategy<Value = Message> {
    let file = media("application/pdf").prop_map(|media| Part::File {
        media,
        name: None,
        cache: None,
    });
    let part = prop_oneof![
        text().prop_map(Part::text),
        image(),
        file,
        media("audio/wav").prop_map(Part::Audio),
    ];
    vec(part, 1..4).prop_map(|parts| Message::new(Role::User, parts))
}

fn own_signature() -> impl Strategy<Value = Option<Signature>> {
    Just(signature(Family::Gemini, "c2ln"))
}

fn any_signature() -> impl Strategy<Value = Option<Signature>> {
    prop_oneof![
        own_signature(),
        Just(signature(Family::Anthropic, "a.b/=")),
        Just(signature(Family::OpenAi, "rs_1:x")),
        Just(None),
    ]
}

fn call() -> impl Strategy<Value = Part> {
    (name(), object()).prop_map(|(name, arguments)| {
        Part::ToolCall(ToolCall {
            id: String::new(),
            name,
            arguments,
            cache: None,
        })
    })
}

/// What a model says: neighbouring texts are one, and so is reasoning that no signature parts.
fn said(signatures: impl Strategy<Value = Option<Signature>>) -> impl Strategy<Value = Vec<Part>> {
    let thinking = ("[a-z]{0,4}", signatures)
        .prop_filter("nothing to say", |(text, signature)| {
            !text.is_empty() || signature.is_some()
        })
        .prop_map(|(text, signature)| {
            Part::Thinking(Thinking {
                text,
                signature,
                redacted: false,
            })
        });
    let part = prop_oneof![text().prop_map(Part::text), call(), image(), thinking];
    vec(part, 1..6).prop_map(|parts| {
        let mut joined: Vec<Part> = Vec::new();
        for part in parts {
            let is_one = match (joined.last(), &part) {
                (Some(Part::Text { .. }), Part::Text { .. }) => true,
                (Some(Part::Thinking(before)), Part::Thinking(_)) => before.signature.is_none(),
                // Unsigned reasoning takes whatever signature comes next.
                _ => false,
            };
            if !is_one {
                joined.push(part);
            }
        }
        joined
    })
}

/// A turn of the model's and the results of its calls.
fn turn() -> impl Strategy<Value = Vec<Message>> {
    let result = (option::of(object()), any::<bool>(), option::of(image()));
    (said(own_signature()), vec(result, 6), user()).prop_map(|(parts, results, user)| {
        let mut answers = Vec::new();
        let names = parts.iter().filter_map(|part| match part {
            Part::ToolCall(call) => Some(&call.name),
            _ => None,
        });
        for (name, (object, is_error, image)) in names.zip(results) {
            let object = match (object, is_error) {
                (_, true) => Json::parse(r#"{"error":"no"}"#).unwrap(),
                (Some(object), false) => object,
                (None, false) => Json::parse(r#"{"result":"yes"}"#).unwrap(),
            };
            let text = match object.get() {
                r#"{"error":"no"}"# => "no",
                r#"{"result":"yes"}"# => "yes",
                text => text,
            };
            answers.push(Part::ToolResult(ToolResult {
                call_id: String::new(),
                name: name.clone(),
                content: std::iter::once(Part::text(text)).chain(image).collect(),
                object: Some(object),
                is_error,
                cache: None,
            }));
        }
        let mut messages = vec![Message::new(Role::Assistant, parts)];
        if !answers.is_empty() {
            messages.push(Message::new(Role::Tool, answers));
        }
        messages.push(user);
        messages
    })
}

fn conversation() -> impl Strategy<Value = Vec<Message>> {
    (option::of(text()), user(), vec(turn(), 0..3)).prop_map(|(system, first, turns)| {
        let system = system.map(|text| Message::new(Role::System, vec![Part::text(text)]));
        let mut messages: Vec<_> = system.into_iter().chain([first]).collect();
        messages.extend(turns.into_iter().flatten());
        number(&mut messages);
        messages
    })
}

/// Gives calls and their results ids.
fn number(messages: &mut [Message]) {
    let (mut calls, mut results) = (0, 0);
    for part in messages.iter_mut().flat_map(|message| &mut message.parts) {
        match part {
            Part::ToolCall(call) => {
                call.id = format!("id_{calls}");
                calls += 1;
            }
            Part::ToolResult(result) => {
                result.call_id = format!("id_{results}");
                results += 1;
            }
            _ => {}
        }
    }
}

fn tool() -> impl Strategy<Value = Tool> {
    (name(), option::of(text()), any::<bool>()).prop_map(|(name, description, takes)| Tool {
        name,
        description,
        parameters: takes
            .then(|| Json::parse(r#"{"type":"object","properties":{"z":{},"a":{}}}"#).unwrap()),
        strict: None,
        cache: None,
    })
}

fn output() -> impl Strategy<Value = Output> {
    prop_oneof![
        Just(Output::Text),
        Just(Output::JsonObject),
        object().prop_map(|schema| Output::JsonSchema(JsonSchema {
            name: None,
            description: None,
            schema,
            strict: None,
        })),
    ]
}

fn choice() -> impl Strategy<Value = Option<ToolChoice>> {
    let names = |from| vec(name(), from..3);
    prop_oneof![
        Just(None),
        Just(Some(ToolChoice::Auto)),
        Just(Some(ToolChoice::None)),
        Just(Some(ToolChoice::Required)),
        name().prop_map(|name| Some(ToolChoice::Tool(name))),
        names(2).prop_map(|names| Some(ToolChoice::Allowed(names, true))),
        names(1).prop_map(|names| Some(ToolChoice::Allowed(names, false))),
    ]
}

fn reasoning() -> impl Strategy<Value = Reasoning> {
    let summary = prop_oneof![Just(Summary::Auto), Just(Summary::Omitted)];
    let mode = prop_oneof![
        Just(ReasoningMode::Off),
        Just(ReasoningMode::Adaptive),
        (1..24_576_u64).prop_map(ReasoningMode::Budget),
    ];
    (option::of(mode), option::of(summary)).prop_map(|(mode, summary)| {
        // Asked for without a word on its thoughts, it is written as if they were asked for too.
        let is_wanted = mode.is_some_and(|mode| mode != ReasoningMode::Off);
        Reasoning {
            mode,
            effort: None,
            summary: summary.or(is_wanted.then_some(Summary::Auto)),
        }
    })
}

/// A request.
pub(super) fn request() -> impl Strategy<Value = Request> {
    let sampling = (
        option::of(hundredths(-200..=200)),
        option::of(hundredths(0..=100)),
        option::of(0..100_u64),
        option::of(any::<i32>()),
    );
    let limits = (
        option::of(30_000..40_000_u64),
        option::of(1..=8_u32),
        option::of(option::of(0..=20_u32)),
        vec(text(), 0..=5),
    );
    let tools = (vec(tool(), 1..3), choice());
    (
        conversation(),
        sampling,
        limits,
        tools,
        output(),
        reasoning(),
    )
        .prop_map(
            |(messages, sampling, limits, (tools, tool_choice), output, reasoning)| Request {
                messages,
                tools,
                tool_choice,
                output,
                temperature: sampling.0,
                presence_penalty: sampling.0,
                top_p: sampling.1,
                frequency_penalty: sampling.1,
                top_k: sampling.2,
                seed: sampling.3.map(i64::from),
                max_tokens: limits.0,
                choices: limits.1,
                logprobs: limits.2.map(|top| Logprobs { top }),
                stop: limits.3,
                reasoning,
                ..Request::default()
            },
        )
}

/// An answer.
pub(super) fn response() -> impl Strategy<Value = Response> {
    let usage = (0..99_u64, 0..99_u64, 0..99_u64).prop_map(|(prompt, said, reasoning)| Usage {
        prompt,
        completion: said + reasoning,
        total: prompt + said + reasoning,
        cached: prompt / 2,
        cache_write: 0,
        reasoning,
        source: UsageSource::Provider,
    });
    let logprob = (text(), hundredths(-900..=0)).prop_map(|(token, logprob)| TokenLogprob {
        token,
        logprob,
        bytes: None,
        top: Vec::new(),
    });
    let finish = prop_oneof![
        Just(Finish::Stop),
        Just(Finish::Length),
        Just(Finish::Filtered(Some("SAFETY".into()))),
    ];
    let choice = (said(any_signature()), finish, vec(logprob, 0..3));
    (vec(choice, 1..3), option::of(usage)).prop_map(|(choices, usage)| {
        let mut choices: Vec<_> = (0..)
            .zip(choices)
            .map(|(index, (parts, finish, logprobs))| {
                let calls = parts.iter().any(|part| matches!(part, Part::ToolCall(_)));
                let finish = match finish {
                    Finish::Stop if calls => Finish::ToolCalls,
                    finish => finish,
                };
                (index, parts, finish, logprobs)
            })
            .map(|(index, parts, finish, logprobs)| Choice {
                index,
                parts,
                finish,
                logprobs,
            })
            .collect();
        let calls = choices.iter_mut().flat_map(|choice| &mut choice.parts);
        for (number, part) in calls.enumerate() {
            match part {
                Part::ToolCall(call) => call.id = format!("id_{number}"),
                // An answer says where its pictures are in itself.
                Part::Image { media, .. } => media.source = Source::Inline("AA==".into()),
                _ => {}
            }
        }
        Response {
            id: Some("r".into()),
            model: Some("m".into()),
            choices,
            usage,
            ..Response::default()
        }
    })
}
