use std::sync::Arc;

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::{
    Reply, Unusable,
    canonical::{
        Choice, Family, Part, Request, Response, Signature, Thinking, TokenLogprob, ToolCall,
        arbitrary,
    },
};

pub(in crate::openai::chat) fn reply() -> Reply {
    Reply {
        request: Arc::new(Request::default()),
        id: "00112233445566778899aabbccddeeff".into(),
        created: 1_700_000_000,
        model: "up".into(),
        include_usage: true,
        prompt_tokens: 0,
        as_array: false,
    }
}

fn reads(choice: &str) -> Choice {
    let body = format!(r#"{{"id":"x","choices":[{choice}]}}"#);
    read(body.as_bytes()).unwrap().choices.remove(0)
}

fn answer(parts: Vec<Part>, finish: Finish) -> Value {
    let response = Response {
        choices: vec![Choice {
            index: 0,
            parts,
            finish,
            logprobs: Vec::new(),
        }],
        ..Response::default()
    };
    serde_json::from_slice(&write(&response, &reply())).unwrap()
}

#[test]
fn reasons_to_finish_are_read() {
    for (told, expected) in [
        (
            r#""message":{"content":"a"},"finish_reason":"stop""#,
            Finish::Stop,
        ),
        (
            r#""message":{"content":"a"},"finish_reason":null"#,
            Finish::Stop,
        ),
        (
            r#""message":{"content":"a"},"finish_reason":"stop","stop_reason":"END""#,
            Finish::StopSequence(Some("END".into())),
        ),
        (
            r#""message":{"content":"a"},"finish_reason":"stop","stop_reason":7"#,
            Finish::Stop,
        ),
        (
            r#""message":{"content":"a"},"finish_reason":"length""#,
            Finish::Length,
        ),
        (
            r#""message":{"refusal":"no"},"finish_reason":"stop""#,
            Finish::Refused(None),
        ),
        (
            r#""message":{},"finish_reason":"content_filter""#,
            Finish::Filtered(Some("content_filter".into())),
        ),
        (
            r#""message":{"tool_calls":[{"id":"a","function":{"name":"f","arguments":""}}]},"finish_reason":"stop""#,
            Finish::ToolCalls,
        ),
        (
            r#""message":{"function_call":{"name":"f","arguments":"{}"}},"finish_reason":"function_call""#,
            Finish::ToolCalls,
        ),
        (
            r#""message":{"tool_calls":[{"id":"a","function":{"name":"f","arguments":"{"}}]},"finish_reason":"length""#,
            Finish::Length,
        ),
        (
            r#""message":{"tool_calls":[{"id":"a","function":{"name":"f","arguments":"{"}}]},"finish_reason":"tool_calls""#,
            Finish::Broken("the arguments of a call of 'f' are not a JSON object".into()),
        ),
        (
            r#""message":{},"finish_reason":"error""#,
            Finish::Broken("error".into()),
        ),
    ] {
        assert_eq!(reads(&format!("{{{told}}}")).finish, expected, "{told}");
    }
}

#[test]
fn what_servers_write_differently_is_read_too() {
    let parts = |message: &str| {
        reads(&format!(
            r#"{{"message":{message},"finish_reason":"stop"}}"#
        ))
        .parts
    };
    let thinking = Part::Thinking(Thinking {
        text: "hm".into(),
        ..Thinking::default()
    });
    assert_eq!(
        parts(r#"{"content":"a","reasoning_content":"hm"}"#),
        [thinking.clone(), Part::text("a")]
    );
    assert_eq!(
        parts(r#"{"content":"a","reasoning_content":"","reasoning":"hm"}"#),
        [thinking, Part::text("a")]
    );
    assert_eq!(
        parts(
            r#"{"content":[{"type":"text","text":"a"},{"type":"x"},{"type":"text","text":"b"}]}"#
        ),
        [Part::text("ab")]
    );
    let Part::ToolCall(call) =
        parts(r#"{"tool_calls":[{"function":{"name":"f","arguments":null}}]}"#).remove(0)
    else {
        panic!()
    };
    assert_eq!((call.id.as_str(), call.arguments.get()), ("call_0_x", "{}"));
}

#[test]
fn what_is_no_answer_is_told_apart() {
    let read = |body: &str| read(body.as_bytes()).unwrap_err();
    assert!(matches!(read("<html>"), Unusable::Syntax(_)));
    assert_eq!(read("[]"), Unusable::Shape("choices"));
    assert_eq!(read(r#"{"choices":[]}"#), Unusable::Shape("choices"));
    assert!(matches!(read(r#"{"choices":7}"#), Unusable::Wire(_)));
    let Unusable::Error(error) = read(r#"{"error":{"message":"boom"}}"#) else {
        panic!()
    };
    assert_eq!(error.message, "boom");
}

#[test]
fn an_answer_is_written_as_the_sdks_type_it() {
    let signed = Part::Thinking(Thinking {
        text: "hm".into(),
        signature: Some(Signature {
            family: Family::Anthropic,
            value: "s".into(),
        }),
        redacted: false,
    });
    let call = Part::ToolCall(ToolCall {
        id: "c".into(),
        name: "f".into(),
        arguments: Json::parse(r#"{"a": 1}"#).unwrap(),
        cache: None,
    });
    let written = answer(vec![signed, Part::text("a"), call], Finish::ToolCalls);
    insta::assert_snapshot!(serde_json::to_string_pretty(&written).unwrap(), @r##"
    {
      "choices": [
        {
          "finish_reason": "tool_calls",
          "index": 0,
          "logprobs": null,
          "message": {
            "content": "a",
            "reasoning_content": "hm",
            "refusal": null,
            "role": "assistant",
            "thinking_blocks": [
              {
                "signature": "lo1.anthropic.s",
                "thinking": "hm",
                "type": "thinking"
              }
            ],
            "tool_calls": [
              {
                "function": {
                  "arguments": "{\"a\": 1}",
                  "name": "f"
                },
                "id": "c",
                "type": "function"
              }
            ]
          }
        }
      ],
      "created": 1700000000,
      "id": "chatcmpl-00112233445566778899aabbccddeeff",
      "model": "up",
      "object": "chat.completion"
    }
    "##);
}

#[test]
fn reasons_to_finish_are_written() {
    let no = || vec![Part::Refusal("no".into())];
    for (parts, finish, reason, refusal) in [
        (vec![], Finish::Stop, "stop", None),
        (vec![], Finish::StopSequence(None), "stop", None),
        (vec![], Finish::Paused, "stop", None),
        (vec![], Finish::Length, "length", None),
        (vec![], Finish::ContextLength, "length", None),
        (vec![], Finish::ToolCalls, "tool_calls", None),
        (vec![], Finish::Filtered(None), "content_filter", None),
        (vec![], Finish::Refused(None), "content_filter", None),
        (
            vec![],
            Finish::Refused(Some("why".into())),
            "stop",
            Some("why"),
        ),
        (
            no(),
            Finish::Refused(Some("why".into())),
            "stop",
            Some("no"),
        ),
    ] {
        let choice = answer(parts, finish)["choices"][0].clone();
        assert_eq!(choice["finish_reason"], reason);
        assert_eq!(choice["message"]["refusal"].as_str(), refusal);
    }
}

#[test]
fn ids_and_classes_of_others_are_made_fit() {
    let mut response = Response {
        id: Some("chatcmpl-7".into()),
        service_tier: Some("standard".into()),
        ..Response::default()
    };
    let write =
        |response: &Response| serde_json::from_slice::<Value>(&write(response, &reply())).unwrap();
    assert_eq!(write(&response)["id"], "chatcmpl-7");
    assert_eq!(write(&response)["service_tier"], "default");
    response.id = Some("msg_1".into());
    response.service_tier = Some("on_demand".into());
    assert_eq!(
        write(&response)["id"],
        "chatcmpl-00112233445566778899aabbccddeeff"
    );
    assert_eq!(write(&response)["service_tier"], Value::Null);
}

/// An answer whose parts stand in the order in which Chat Completions tells them.
fn choice() -> impl Strategy<Value = Choice> {
    let thinking = || {
        (arbitrary::text(), arbitrary::name(), any::<bool>()).prop_map(|(text, value, redacted)| {
            Part::Thinking(Thinking {
                text: if redacted { String::new() } else { text },
                signature: Some(Signature {
                    family: Family::Anthropic,
                    value,
                }),
                redacted,
            })
        })
    };
    let call = (arbitrary::name(), arbitrary::name(), arbitrary::object()).prop_map(
        |(id, name, arguments)| {
            Part::ToolCall(ToolCall {
                id,
                name,
                arguments,
                cache: None,
            })
        },
    );
    let halves = (-40_i32..0).prop_map(|halves| f64::from(halves) / 2.0);
    let logprob = (arbitrary::text(), halves).prop_map(|(token, logprob)| TokenLogprob {
        top: vec![TokenLogprob {
            token: token.clone(),
            logprob,
            bytes: None,
            top: Vec::new(),
        }],
        token,
        logprob,
        bytes: Some(vec![0xc3]),
    });
    let parts = (
        prop::collection::vec(thinking(), 0..3),
        arbitrary::text(),
        prop::collection::vec((prop::option::of(thinking()), call), 0..3),
    );
    (parts, prop::collection::vec(logprob, 0..2)).prop_map(
        |((mut parts, text, calls), logprobs)| {
            let finish = if calls.is_empty() {
                Finish::Stop
            } else {
                Finish::ToolCalls
            };
            parts.push(Part::text(text));
            parts.extend(
                calls
                    .into_iter()
                    .flat_map(|(thinking, call)| thinking.into_iter().chain([call])),
            );
            Choice {
                index: 0,
                parts,
                finish,
                logprobs,
            }
        },
    )
}

proptest! {
    #[test]
    fn an_answer_comes_back_as_it_was(choice in choice(), usage in prop::option::of(arbitrary::usage()), created in 0_i64..1 << 40) {
        let response = Response {
            id: Some("chatcmpl-1".into()),
            model: Some("m".into()),
            created: Some(created),
            choices: vec![choice],
            usage,
            service_tier: Some("flex".into()),
        };
        prop_assert_eq!(read(&write(&response, &reply())).unwrap(), response);
    }

    #[test]
    fn no_body_makes_the_reader_panic(body in any::<Vec<u8>>()) {
        let _ = read(&body);
    }
}
