use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Reader, Writer};
use crate::{
    ClientError, ErrorKind, ProviderError, Usage, UsageSource,
    anthropic::messages::testing::reply,
    canonical::{Event, Family, Finish, Media, Part, Signature, Source, arbitrary},
    sse,
};

const RECORDED: &str = include_str!("recorded.sse");

/// What a stream means, whose chunks are as given; neighbouring texts stay apart.
fn events(chunks: &[&[u8]]) -> Vec<String> {
    let mut decoder = sse::Decoder::new(1 << 20);
    let mut reader = Reader::default();
    let mut found = Vec::new();
    for chunk in chunks {
        decoder.push(Bytes::copy_from_slice(chunk));
        while let Some(event) = decoder.next_event().unwrap() {
            if let Some(data) = event.data() {
                reader
                    .read(&data, &mut |event| found.push(format!("{event:?}")))
                    .unwrap();
            }
        }
    }
    assert_eq!(decoder.finish(), None);
    found
}

#[test]
fn a_recorded_stream_is_read() {
    let found = events(&[RECORDED.as_bytes()]).join("\n");
    insta::assert_snapshot!(found, @r#"
    Start { id: Some("msg_01"), model: Some("claude-sonnet-4-5") }
    Usage(Usage { prompt: 125, completion: 1, total: 126, cached: 100, cache_write: 0, reasoning: 0, source: Provider })
    Thinking { choice: 0, text: "Let me see…" }
    Signature { choice: 0, signature: Signature { family: Anthropic, value: "EqQBCgIYAhIM+/=" }, redacted: false }
    Signature { choice: 0, signature: Signature { family: Anthropic, value: "EmwKAhgB" }, redacted: true }
    Text { choice: 0, text: "Grüße 😀", logprobs: [] }
    Text { choice: 0, text: "\u{2028} \"two\"\n", logprobs: [] }
    ToolCall { choice: 0, index: 0, id: "toolu_01", name: "get_weather" }
    Arguments { choice: 0, index: 0, json: "{\"city\": \"Par" }
    Arguments { choice: 0, index: 0, json: "is\"}" }
    ToolCall { choice: 0, index: 1, id: "toolu_02", name: "get_time" }
    Usage(Usage { prompt: 125, completion: 89, total: 214, cached: 100, cache_write: 0, reasoning: 40, source: Provider })
    Finish { choice: 0, reason: ToolCalls }
    End
    "#);
}

#[test]
fn a_stream_means_the_same_wherever_it_is_cut() {
    let bytes = RECORDED.as_bytes();
    let whole = events(&[bytes]);
    for at in 0..=bytes.len() {
        let (head, tail) = bytes.split_at(at);
        assert_eq!(events(&[head, tail]), whole, "cut at {at}");
    }
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(events(&single), whole);
}

#[track_caller]
fn read(events: &[Value]) -> Vec<Event<'static>> {
    let mut reader = Reader::default();
    let mut found = Vec::new();
    for event in events {
        // Leaked so that the events may be kept; a test's memory ends with it.
        let data: &'static [u8] = event.to_string().into_bytes().leak();
        reader.read(data, &mut |event| found.push(event)).unwrap();
    }
    found
}

#[test]
fn an_error_event_is_an_error() {
    let told = json!({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}});
    let expected = ProviderError {
        message: "busy".into(),
        kind: Some("overloaded_error".into()),
        code: None,
    };
    assert_eq!(read(&[told]), [Event::Error(expected)]);
}

#[test]
fn what_only_the_provider_understands_is_skipped() {
    let found = read(&[
        json!({"type": "ping"}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": "{}"}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "content_block_start", "index": 1, "content_block": {"type": "web_search_tool_result", "tool_use_id": "s", "content": []}}),
        json!({"type": "content_block_stop", "index": 1}),
        json!({"type": "content_block_start", "index": 2, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "content_block_delta", "index": 2, "delta": {"type": "citations_delta", "citation": {"type": "x"}}}),
        json!({"type": "content_block_delta", "index": 7, "delta": {"type": "text_delta", "text": "stray"}}),
        json!({"type": "new_event", "text": 7}),
        json!({"type": "message_stop"}),
    ]);
    let expected = [
        Event::Finish {
            choice: 0,
            reason: Finish::Stop,
        },
        Event::End,
    ];
    assert_eq!(found, expected);
}

#[test]
fn input_that_comes_with_the_start_is_kept_unless_pieces_follow() {
    let start = |index| json!({"type": "content_block_start", "index": index, "content_block": {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}}});
    let stop = |index| json!({"type": "content_block_stop", "index": index});
    let delta = json!({"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": "{\"y\":2}"}});
    let found = read(&[start(0), stop(0), start(1), delta, stop(1)]);
    let arguments: Vec<_> = found
        .iter()
        .filter_map(|event| match event {
            Event::Arguments { index, json, .. } => Some((*index, &**json)),
            _ => None,
        })
        .collect();
    assert_eq!(arguments, [(0, r#"{"x":1}"#), (1, r#"{"y":2}"#)]);
}

fn written(events: &[Event<'_>]) -> String {
    let mut writer = Writer::new(reply());
    let mut out = BytesMut::new();
    for event in events {
        writer.write(event, &mut out);
    }
    writer.finish(&mut out);
    String::from_utf8(out.to_vec()).unwrap()
}

fn text(text: &str) -> Event<'_> {
    Event::Text {
        choice: 0,
        text: text.into(),
        logprobs: Vec::new(),
    }
}

fn call<'a>(index: u32, id: &'a str) -> Event<'a> {
    Event::ToolCall {
        choice: 0,
        index,
        id: id.into(),
        name: "f".into(),
    }
}

fn arguments(index: u32, json: &str) -> Event<'_> {
    Event::Arguments {
        choice: 0,
        index,
        json: json.into(),
    }
}

fn finish(reason: Finish) -> Event<'static> {
    Event::Finish { choice: 0, reason }
}

fn usage() -> Usage {
    Usage {
        prompt: 30,
        completion: 9,
        total: 39,
        cached: 10,
        cache_write: 5,
        reasoning: 4,
        source: UsageSource::Provider,
    }
}

#[test]
fn an_answer_is_written() {
    let signature = Signature {
        family: Family::OpenAi,
        value: "rs_1:abc".into(),
    };
    let frames = written(&[
        Event::Start {
            id: Some("chatcmpl-1".into()),
            model: Some("gpt-5".into()),
        },
        Event::Thinking {
            choice: 0,
            text: "hm".into(),
        },
        Event::Signature {
            choice: 0,
            signature: signature.clone(),
            redacted: false,
        },
        Event::Signature {
            choice: 0,
            signature,
            redacted: false,
        },
        text("Hi"),
        call(0, "call_a"),
        arguments(0, "{\"x\":1}"),
        finish(Finish::Stop),
        text("late"),
        Event::Usage(usage()),
    ]);
    insta::assert_snapshot!(frames.trim_end(), @r#"
    event: message_start
    data: {"type":"message_start","message":{"id":"msg_0123456789abcdef0123456789abcdef","type":"message","role":"assistant","model":"gpt-5","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":12,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":0}}}

    event: content_block_start
    data: {"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}

    event: content_block_delta
    data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}

    event: content_block_delta
    data: {"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"lo1.openai.rs_1:abc"}}

    event: content_block_stop
    data: {"type":"content_block_stop","index":0}

    event: content_block_start
    data: {"type":"content_block_start","index":1,"content_block":{"type":"redacted_thinking","data":"lo1.openai.rs_1:abc"}}

    event: content_block_stop
    data: {"type":"content_block_stop","index":1}

    event: content_block_start
    data: {"type":"content_block_start","index":2,"content_block":{"type":"text","text":""}}

    event: content_block_delta
    data: {"type":"content_block_delta","index":2,"delta":{"type":"text_delta","text":"Hi"}}

    event: content_block_stop
    data: {"type":"content_block_stop","index":2}

    event: content_block_start
    data: {"type":"content_block_start","index":3,"content_block":{"type":"tool_use","id":"call_a","name":"f","input":{}}}

    event: content_block_delta
    data: {"type":"content_block_delta","index":3,"delta":{"type":"input_json_delta","partial_json":"{\"x\":1}"}}

    event: content_block_stop
    data: {"type":"content_block_stop","index":3}

    event: message_delta
    data: {"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"input_tokens":15,"cache_creation_input_tokens":5,"cache_read_input_tokens":10,"output_tokens":9,"output_tokens_details":{"thinking_tokens":4}}}

    event: message_stop
    data: {"type":"message_stop"}
    "#);
}

#[test]
fn usage_that_comes_first_stands_in_the_start() {
    let frames = written(&[Event::Usage(usage()), text("x"), finish(Finish::Length)]);
    assert!(frames.starts_with("event: message_start\n"));
    let (start, _) = frames.split_once("\n\n").unwrap();
    assert!(
        start.ends_with(r#""usage":{"input_tokens":15,"cache_creation_input_tokens":5,"cache_read_input_tokens":10,"output_tokens":0}}}"#),
        "{start}"
    );
}

#[test]
fn arguments_that_interleave_are_written_one_call_after_the_other() {
    let frames = written(&[
        call(0, "a"),
        arguments(0, "{\"x\""),
        call(1, "b"),
        arguments(1, "{\"y\":"),
        arguments(0, ":1}"),
        arguments(1, "2}"),
        call(2, "c"),
        arguments(9, "nobody's"),
        finish(Finish::ToolCalls),
    ]);
    let message = assembled(&frames);
    assert_eq!(
        message["content"],
        json!([
            {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}},
            {"type": "tool_use", "id": "b", "name": "f", "input": {"y": 2}},
            {"type": "tool_use", "id": "c", "name": "f", "input": {}},
        ])
    );
    assert_eq!(message["stop_reason"], "tool_use");
}

#[test]
fn a_refusal_ends_as_one_and_a_picture_is_text() {
    let refusal = Event::Refusal {
        choice: 0,
        text: "No.".into(),
    };
    let message = assembled(&written(&[refusal, finish(Finish::Stop)]));
    assert_eq!(message["content"], json!([{"type": "text", "text": "No."}]));
    assert_eq!(message["stop_reason"], "refusal");
    assert_eq!(message["stop_details"]["type"], "refusal");
    let image = Event::Image {
        choice: 0,
        media: Media {
            media_type: Some("image/png".into()),
            source: Source::Inline("AAAA".into()),
        },
    };
    let message = assembled(&written(&[image]));
    assert_eq!(
        message["content"][0]["text"],
        "![image](data:image/png;base64,AAAA)"
    );
}

#[test]
fn a_turn_of_calls_has_reasoning_where_reasoning_was_asked_for() {
    use crate::{
        Reply,
        canonical::{Reasoning, ReasoningMode, Request},
    };

    let marks = |mode| {
        let request = Request {
            reasoning: Reasoning {
                mode,
                ..Reasoning::default()
            },
            ..Request::default()
        };
        let mut writer = Writer::new(Reply {
            request: std::sync::Arc::new(request),
            ..reply()
        });
        let mut out = BytesMut::new();
        for event in [call(0, "a"), call(1, "b"), finish(Finish::ToolCalls)] {
            writer.write(&event, &mut out);
        }
        let written = String::from_utf8(out.to_vec()).unwrap();
        written.matches("redacted_thinking").count()
    };
    assert_eq!(marks(Some(ReasoningMode::Adaptive)), 1);
    assert_eq!(marks(Some(ReasoningMode::Off)), 0);
    assert_eq!(marks(None), 0);
}

#[test]
fn an_error_is_an_event_and_ends_the_stream() {
    let mut writer = Writer::new(reply());
    let mut out = BytesMut::new();
    writer.write(&text("x"), &mut out);
    out.clear();
    writer.fail(&ClientError::new(ErrorKind::BadGateway, "gone"), &mut out);
    writer.finish(&mut out);
    insta::assert_snapshot!(std::str::from_utf8(&out).unwrap().trim_end(), @r#"
    event: error
    data: {"error":{"message":"gone","type":"api_error"},"type":"error"}
    "#);
}

/// Puts a stream together as the SDKs do, and checks the grammar on the way.
#[track_caller]
fn assembled(frames: &str) -> Value {
    let mut message = Value::Null;
    let mut blocks: Vec<Value> = Vec::new();
    let mut open: Option<(u64, String)> = None;
    let mut delta_seen = false;
    let mut stopped = false;
    for frame in frames.split_terminator("\n\n") {
        let (name, data) = frame.split_once('\n').unwrap();
        let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(name.strip_prefix("event: ").unwrap(), data["type"]);
        assert!(!stopped, "nothing follows message_stop");
        assert_eq!(message.is_null(), data["type"] == "message_start");
        match data["type"].as_str().unwrap() {
            "message_start" => message = data["message"].clone(),
            "content_block_start" => {
                assert!(open.is_none() && !delta_seen);
                assert_eq!(data["index"], blocks.len());
                blocks.push(data["content_block"].clone());
                open = Some((data["index"].as_u64().unwrap(), String::new()));
            }
            "content_block_delta" => {
                let (index, json) = open.as_mut().unwrap();
                assert_eq!(data["index"], *index);
                let block = blocks.last_mut().unwrap();
                let delta = &data["delta"];
                let (kind, field) = match delta["type"].as_str().unwrap() {
                    "text_delta" => ("text", "text"),
                    "thinking_delta" => ("thinking", "thinking"),
                    "signature_delta" => ("thinking", "signature"),
                    "input_json_delta" => {
                        assert_eq!(block["type"], "tool_use");
                        json.push_str(delta["partial_json"].as_str().unwrap());
                        continue;
                    }
                    other => panic!("a delta of kind {other}"),
                };
                assert_eq!(block["type"], kind);
                let before = block[field].as_str().unwrap();
                block[field] = format!("{before}{}", delta[field].as_str().unwrap()).into();
            }
            "content_block_stop" => {
                let (index, json) = open.take().unwrap();
                assert_eq!(data["index"], index);
                if let Ok(input) = serde_json::from_str(&json) {
                    blocks.last_mut().unwrap()["input"] = input;
                }
            }
            "message_delta" => {
                assert!(open.is_none() && !delta_seen);
                delta_seen = true;
                for (name, value) in data["delta"].as_object().unwrap() {
                    message[name] = value.clone();
                }
                for (name, value) in data["usage"].as_object().unwrap() {
                    message["usage"][name] = value.clone();
                }
            }
            "message_stop" => stopped = delta_seen,
            other => panic!("an event of type {other}"),
        }
    }
    assert!(stopped);
    message["content"] = blocks.into();
    message
}

fn any_event() -> impl Strategy<Value = Event<'static>> {
    let word = "[a-z{}\"\\\\:1]{0,6}";
    let choice = prop_oneof![4 => Just(0_u32), 1 => Just(1_u32)];
    let family = prop::sample::select(vec![Family::OpenAi, Family::Anthropic, Family::Gemini]);
    let finish = prop::sample::select(vec![
        Finish::Stop,
        Finish::ToolCalls,
        Finish::Length,
        Finish::Filtered(None),
        Finish::StopSequence(Some("x".into())),
        Finish::Broken("x".into()),
    ]);
    (
        0..10_u8,
        choice,
        0_u32..4,
        word,
        family,
        any::<bool>(),
        finish,
    )
        .prop_map(
            |(kind, choice, index, word, family, redacted, reason)| match kind {
                0 => Event::Start {
                    id: Some(word.into()),
                    model: None,
                },
                1 => Event::Usage(usage()),
                2 => Event::Text {
                    choice,
                    text: word.into(),
                    logprobs: Vec::new(),
                },
                3 => Event::Refusal {
                    choice,
                    text: word.into(),
                },
                4 => Event::Thinking {
                    choice,
                    text: word.into(),
                },
                5 => Event::Signature {
                    choice,
                    signature: Signature {
                        family,
                        value: word,
                    },
                    redacted,
                },
                6 => Event::ToolCall {
                    choice,
                    index,
                    id: word.clone().into(),
                    name: word.into(),
                },
                7 | 8 => Event::Arguments {
                    choice,
                    index,
                    json: word.into(),
                },
                _ => Event::Finish { choice, reason },
            },
        )
}

/// The events of an answer, each part in one piece.
fn events_of(parts: &[Part]) -> Vec<Event<'static>> {
    let mut events = vec![Event::Start {
        id: Some("msg_1".into()),
        model: Some("m".into()),
    }];
    let mut calls = 0;
    for part in parts {
        match part {
            Part::Text { text, .. } => events.push(Event::Text {
                choice: 0,
                text: text.clone().into(),
                logprobs: Vec::new(),
            }),
            Part::ToolCall(call) => {
                events.push(Event::ToolCall {
                    choice: 0,
                    index: calls,
                    id: call.id.clone().into(),
                    name: call.name.clone().into(),
                });
                events.push(Event::Arguments {
                    choice: 0,
                    index: calls,
                    json: call.arguments.get().to_owned().into(),
                });
                calls += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    let reason = if calls > 0 {
        Finish::ToolCalls
    } else {
        Finish::Stop
    };
    events.push(finish(reason));
    events
}

proptest! {
    #[test]
    fn a_stream_comes_back_as_it_was_written(turn in arbitrary::turn(0), usage in arbitrary::usage()) {
        let mut told = events_of(&turn[0].parts);
        let mut expected: Vec<_> = told.iter().map(|event| format!("{event:?}")).collect();
        expected.push(format!("{:?}", Event::End));
        told.push(Event::Usage(usage));
        let frames = written(&told);
        let (usages, found): (Vec<_>, Vec<_>) = events(&[frames.as_bytes()])
            .into_iter()
            .partition(|event| event.starts_with("Usage("));
        prop_assert_eq!(found, expected);
        prop_assert_eq!(usages.last(), Some(&format!("{:?}", Event::Usage(usage))));
    }

    #[test]
    fn whatever_happens_the_grammar_is_kept(events in prop::collection::vec(any_event(), 0..40)) {
        assembled(&written(&events));
    }

    #[test]
    fn hostile_events_do_no_harm(kind in "[a-z_]{0,20}", bytes in prop::collection::vec(any::<u8>(), 0..80), index in any::<u64>()) {
        let mut reader = Reader::default();
        let _ = reader.read(&bytes, &mut |_| {});
        let kinds = ["message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta", "message_stop", "error", &kind];
        for event in kinds {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let told = json!({"type": event, "index": index, "message": text, "delta": {"type": kind, "text": text}, "content_block": {"type": "tool_use", "id": text, "name": index}});
            let _ = reader.read(told.to_string().as_bytes(), &mut |_| {});
        }
    }
}
