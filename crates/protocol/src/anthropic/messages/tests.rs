//! What the format can say comes back as it was said, and hostile bytes do no harm.

use proptest::prelude::*;
use serde_json::Value;

use super::{count, request, response, testing};
use crate::{
    ThinkingStyle,
    canonical::{
        CacheControl, Choice, Effort, Family, Finish, JsonSchema, Message, Output, Part, Reasoning,
        ReasoningMode, Request, Response, Role, Signature, Summary, Thinking, Tool, ToolChoice,
        arbitrary,
    },
};

fn signature() -> impl Strategy<Value = Signature> {
    "[A-Za-z0-9+/=]{4,12}".prop_map(|value| Signature {
        family: Family::Anthropic,
        value,
    })
}

fn reasoning() -> impl Strategy<Value = Part> {
    (arbitrary::text(), signature(), any::<bool>()).prop_map(|(text, signature, redacted)| {
        Part::Thinking(Thinking {
            text: if redacted { String::new() } else { text },
            signature: Some(signature),
            redacted,
        })
    })
}

fn cache() -> impl Strategy<Value = Option<CacheControl>> {
    prop::option::of(prop::sample::select(vec![
        CacheControl::Default,
        CacheControl::Hour,
    ]))
}

/// The conversation, its last turn of the user's marked, and signed reasoning before each turn of the assistant's.
fn conversation() -> impl Strategy<Value = Vec<Message>> {
    let reasonings = prop::collection::vec(prop::option::of(reasoning()), 8);
    (
        arbitrary::conversation(),
        reasonings,
        cache(),
        any::<bool>(),
    )
        .prop_map(|(mut messages, reasonings, mark, is_error)| {
            for (message, reasoning) in messages.iter_mut().zip(reasonings) {
                match message.role {
                    Role::Assistant => message.parts.splice(0..0, reasoning).for_each(drop),
                    _ => {
                        for part in &mut message.parts {
                            match part {
                                Part::Text { cache, .. } | Part::Image { cache, .. } => {
                                    *cache = mark;
                                }
                                Part::ToolResult(result) => result.is_error = is_error,
                                _ => {}
                            }
                        }
                    }
                }
            }
            messages
        })
}

/// Blank text is refused by the API, so it is left out.
fn is_printed(messages: &[Message]) -> bool {
    messages
        .iter()
        .flat_map(|message| &message.parts)
        .all(|part| match part {
            Part::Text { text, .. } => !text.trim().is_empty(),
            _ => true,
        })
}

fn tools() -> impl Strategy<Value = (Vec<Tool>, Option<ToolChoice>, Option<bool>)> {
    let tools = prop::collection::vec(
        (arbitrary::tool(), prop::option::of(any::<bool>()), cache()),
        1..4,
    );
    let tools = tools.prop_map(|tools| {
        let marked = tools.into_iter().map(|(tool, strict, cache)| Tool {
            strict,
            cache,
            ..tool
        });
        marked.collect::<Vec<_>>()
    });
    let choice = prop_oneof![
        Just(None),
        Just(Some((ToolChoice::Auto, Some(false)))),
        Just(Some((ToolChoice::Auto, None))),
        Just(Some((ToolChoice::Required, Some(true)))),
        Just(Some((ToolChoice::None, None))),
        arbitrary::name().prop_map(|name| Some((ToolChoice::Tool(name), None))),
    ];
    prop_oneof![
        Just((Vec::new(), None, None)),
        (tools, choice).prop_map(|(tools, choice)| {
            let (choice, parallel) = choice.map_or((None, None), |(it, one)| (Some(it), one));
            (tools, choice, parallel)
        }),
    ]
}

fn settings() -> impl Strategy<Value = Request> {
    let schema = arbitrary::tool().prop_map(|tool| tool.parameters);
    let stop = prop::collection::vec("[a-z]{1,4}", 0..3);
    let user = prop::option::of(arbitrary::text());
    let temperature = prop::option::of((0_u8..=100).prop_map(|percent| f64::from(percent) / 100.0));
    let top_k = prop::option::of(0_u64..500);
    (
        1..100_000_u64,
        schema,
        stop,
        user,
        temperature,
        top_k,
        any::<bool>(),
    )
        .prop_map(
            |(max_tokens, schema, stop, user, temperature, top_k, stream)| Request {
                max_tokens: Some(max_tokens),
                output: schema.map_or(Output::Text, |schema| {
                    Output::JsonSchema(JsonSchema {
                        name: None,
                        description: None,
                        schema,
                        strict: None,
                    })
                }),
                stop,
                user,
                temperature,
                top_k,
                stream,
                ..Request::default()
            },
        )
}

/// Ways of reasoning that models of a style can be told as they are.
fn mode() -> impl Strategy<Value = (ThinkingStyle, Reasoning)> {
    let summary = prop::option::of(prop::sample::select(vec![Summary::Auto, Summary::Omitted]));
    let efforts = [
        Effort::Low,
        Effort::Medium,
        Effort::High,
        Effort::XHigh,
        Effort::Max,
    ];
    let effort = prop::option::of(prop::sample::select(efforts.to_vec()));
    let of = |mode, effort, summary| Reasoning {
        mode: Some(mode),
        effort,
        summary,
    };
    prop_oneof![
        Just((ThinkingStyle::None, Reasoning::default())),
        Just((ThinkingStyle::Budget, of(ReasoningMode::Off, None, None))),
        Just((
            ThinkingStyle::Adaptive,
            of(ReasoningMode::BetweenTools, None, None)
        )),
        (1_024_u64..90_000, summary.clone()).prop_map(move |(budget, summary)| (
            ThinkingStyle::Budget,
            of(ReasoningMode::Budget(budget), None, summary)
        )),
        (effort, summary).prop_map(move |(effort, summary)| (
            ThinkingStyle::Adaptive,
            of(ReasoningMode::Adaptive, effort, summary)
        )),
    ]
}

fn sayable() -> impl Strategy<Value = (ThinkingStyle, Request)> {
    (conversation(), tools(), settings(), mode())
        .prop_filter("blank text", |(messages, ..)| is_printed(messages))
        .prop_map(
            |(messages, (tools, tool_choice, parallel_tool_calls), settings, mode)| {
                let (style, reasoning) = mode;
                let request = Request {
                    messages,
                    tools,
                    tool_choice,
                    parallel_tool_calls,
                    reasoning,
                    ..settings
                };
                (style, request)
            },
        )
}

fn answer() -> impl Strategy<Value = Response> {
    let reasoning = prop::option::of(reasoning());
    let finish = prop::sample::select(vec![
        Finish::Length,
        Finish::ContextLength,
        Finish::Paused,
        Finish::StopSequence(Some("x".into())),
        Finish::Refused(Some("why".into())),
        Finish::Refused(None),
    ]);
    let tier = prop::option::of(prop::sample::select(vec!["standard", "priority", "batch"]));
    (
        reasoning,
        arbitrary::turn(0),
        finish,
        any::<bool>(),
        arbitrary::usage(),
        tier,
    )
        .prop_map(|(reasoning, mut turn, finish, is_plain, usage, tier)| {
            let said = turn.remove(0).parts;
            let calls = said.iter().any(|part| matches!(part, Part::ToolCall(_)));
            let finish = match (is_plain, calls) {
                (false, _) => finish,
                (true, true) => Finish::ToolCalls,
                (true, false) => Finish::Stop,
            };
            Response {
                id: Some("msg_1".into()),
                model: Some("claude".into()),
                created: None,
                choices: vec![Choice {
                    index: 0,
                    parts: reasoning.into_iter().chain(said).collect(),
                    finish,
                    logprobs: Vec::new(),
                }],
                usage: Some(usage),
                service_tier: tier.map(str::to_owned),
            }
        })
}

/// Any JSON, with the words of the format among its names and texts.
fn hostile() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "type",
        "role",
        "content",
        "messages",
        "text",
        "user",
        "assistant",
        "system",
        "tool_use",
        "tool_result",
        "thinking",
        "redacted_thinking",
        "image",
        "document",
        "source",
        "base64",
        "url",
        "input",
        "id",
        "name",
        "tool_use_id",
        "tools",
        "input_schema",
        "tool_choice",
        "data",
        "signature",
        "cache_control",
        "stop_reason",
        "usage",
        "max_tokens",
        "search_result",
        "media_type",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.clone().prop_map(Value::from),
        "\\PC{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((word.clone(), inner), 0..8).prop_map(|members| {
                let members = members
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value));
                Value::Object(members.collect())
            }),
        ]
    })
}

proptest! {
    #[test]
    fn a_request_comes_back_as_it_was_said((style, mut asked) in sayable()) {
        let mut cut = Vec::new();
        let target = testing::target(style);
        let body = request::write(&asked, &target, &mut cut).unwrap();
        // What is cut is known to differ; its rules have tests of their own.
        prop_assume!(cut.is_empty());
        prop_assert_eq!(&request::read(&body).unwrap(), &asked);

        let body = count::write(&asked, &target, &mut cut).unwrap();
        (asked.max_tokens, asked.temperature, asked.top_k) = (None, None, None);
        (asked.user, asked.stream) = (None, false);
        asked.stop.clear();
        prop_assert_eq!(request::read_count(&body).unwrap(), asked);
    }

    #[test]
    fn an_answer_comes_back_as_it_was_said(said in answer()) {
        let body = response::write(&said, &testing::reply());
        prop_assert_eq!(response::read(&body).unwrap(), said);
    }

    #[test]
    fn hostile_json_does_no_harm(mut body in hostile(), messages in hostile()) {
        let _ = response::read(body.to_string().as_bytes());
        if let Some(body) = body.as_object_mut() {
            body.insert("max_tokens".into(), 1.into());
            body.insert("messages".into(), messages);
        }
        if let Ok(asked) = request::read(body.to_string().as_bytes()) {
            let _ = request::write(&asked, &testing::target(ThinkingStyle::Budget), &mut Vec::new());
        }
    }

    #[test]
    fn hostile_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = request::read(&bytes);
        let _ = response::read(&bytes);
    }
}
