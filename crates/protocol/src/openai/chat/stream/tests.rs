use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::{
    ClientError, ErrorKind, Malformed, Usage, UsageSource,
    canonical::{Event, Family, Finish, Media, Signature, Source},
    openai::chat::response::tests::reply,
    sse,
};

fn read(reader: &mut Reader, data: &str) -> Result<Vec<String>, Malformed> {
    let mut events = Vec::new();
    reader.read(data.as_bytes(), &mut |event| {
        events.push(format!("{event:?}"))
    })?;
    Ok(events)
}

/// Every event that a recorded stream holds, however it is cut.
fn events(recorded: &[u8], cut: usize) -> Vec<String> {
    let mut decoder = sse::Decoder::new(1 << 20);
    let mut reader = Reader::default();
    let mut told = Vec::new();
    let (one, two) = recorded.split_at(cut);
    for piece in [one, two] {
        decoder.push(Bytes::copy_from_slice(piece));
        while let Some(event) = decoder.next_event().unwrap() {
            let Some(data) = event.data() else { continue };
            reader
                .read(&data, &mut |event| told.push(format!("{event:?}")))
                .unwrap();
        }
    }
    told
}

const RECORDED: &str = concat!(
    "data: {\"id\":\"\",\"choices\":[],\"prompt_filter_results\":[]}\n\n",
    "data: {\"id\":\"chatcmpl-1\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}],\"usage\":null}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"reasoning\":\"hm\"}}]}\r\n\r\n",
    ": ping\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"é\\ud83d\\ude42\u{2028}\"}}]}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]}}]}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":1,\"id\":\"b\",\"type\":\"function\",\"function\":{\"name\":\"g\",\"arguments\":\"{\"}}]}}]}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{}\"}},{\"index\":1,\"function\":{\"arguments\":\"}\"}}]}}]}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2,\"total_tokens\":3}}\n\n",
    "data: [DONE]\n\n",
);

#[test]
fn a_recorded_stream_reads_alike_however_it_is_cut() {
    let whole = events(RECORDED.as_bytes(), 0);
    for cut in 1..RECORDED.len() {
        assert_eq!(events(RECORDED.as_bytes(), cut), whole, "cut at {cut}");
    }
    insta::assert_snapshot!(whole.join("\n"), @r##"
    Start { id: Some("chatcmpl-1"), model: Some("m") }
    Thinking { choice: 0, text: "hm" }
    Text { choice: 0, text: "é🙂\u{2028}", logprobs: [] }
    ToolCall { choice: 0, index: 0, id: "a", name: "f" }
    ToolCall { choice: 0, index: 1, id: "b", name: "g" }
    Arguments { choice: 0, index: 1, json: "{" }
    Arguments { choice: 0, index: 0, json: "{}" }
    Arguments { choice: 0, index: 1, json: "}" }
    Finish { choice: 0, reason: ToolCalls }
    Usage(Usage { prompt: 1, completion: 2, total: 3, cached: 0, cache_write: 0, reasoning: 0, source: Provider })
    End
    "##);
}

/// The calls and arguments that the deltas of one answer tell: `index id name` or `index+arguments`.
#[track_caller]
fn calls(deltas: &[&str], expected: &[&str]) {
    let mut reader = Reader::default();
    let mut told = Vec::new();
    for delta in deltas {
        let chunk = format!(r#"{{"id":"x","choices":[{{"delta":{delta}}}]}}"#);
        reader
            .read(chunk.as_bytes(), &mut |event| match event {
                Event::ToolCall {
                    index, id, name, ..
                } => told.push(format!("{index} {id} {name}")),
                Event::Arguments { index, json, .. } => told.push(format!("{index}+{json}")),
                _ => {}
            })
            .unwrap();
    }
    assert_eq!(told, expected);
}

#[test]
fn calls_are_told_apart_whatever_servers_leave_out() {
    // Id and name with every piece.
    calls(
        &[
            r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{"}}]}"#,
            r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"}"}}]}"#,
        ],
        &["0 a f", "0+{", "0+}"],
    );
    // Every call under one index.
    calls(
        &[
            r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]}"#,
            r#"{"tool_calls":[{"index":0,"id":"b","function":{"name":"f","arguments":"{}"}}]}"#,
        ],
        &["0 a f", "0+{}", "1 b f", "1+{}"],
    );
    // No index, no id.
    calls(
        &[
            r#"{"tool_calls":[{"function":{"name":"f","arguments":"{"}}]}"#,
            r#"{"tool_calls":[{"function":{"arguments":"}"}}]}"#,
            r#"{"tool_calls":[{"function":{"name":"g"}}]}"#,
        ],
        &["0 call_0_x f", "0+{", "0+}", "1 call_1_x g"],
    );
    // Indices that do not begin at 0, and pieces of no call.
    calls(
        &[
            r#"{"tool_calls":[{"index":9,"function":{"arguments":"?"}}]}"#,
            r#"{"tool_calls":[{"index":3,"id":"a","function":{"name":"f"}}]}"#,
            r#"{"tool_calls":[{"index":3,"function":{"arguments":"{}"}}]}"#,
        ],
        &["0 a f", "0+{}"],
    );
    calls(
        &[
            r#"{"function_call":{"name":"f","arguments":""}}"#,
            r#"{"function_call":{"arguments":"{}"}}"#,
        ],
        &["0 call_0_x f", "0+{}"],
    );
}

#[test]
fn errors_ends_and_nonsense_are_told_apart() {
    let mut reader = Reader::default();
    assert_eq!(read(&mut reader, " [DONE]\r").unwrap(), ["End"]);
    let error = read(&mut reader, r#"{"error":{"message":"boom","code":"x"}}"#).unwrap();
    assert!(error[0].starts_with("Error(") && error[0].contains("boom"));
    for data in ["", "{", "[]", "null", "hello", r#"{"choices":7}"#, "{} {}"] {
        assert!(read(&mut reader, data).is_err(), "{data}");
    }
}

fn write(events: &[Event<'_>], include_usage: bool) -> String {
    let mut reply = reply();
    reply.include_usage = include_usage;
    let mut writer = Writer::new(reply);
    let mut out = BytesMut::new();
    for event in events {
        writer.write(event, &mut out);
    }
    writer.finish(&mut out);
    String::from_utf8(out.to_vec()).unwrap()
}

const USAGE: Usage = Usage {
    prompt: 5,
    completion: 3,
    total: 8,
    cached: 2,
    cache_write: 1,
    reasoning: 1,
    source: UsageSource::Provider,
};

fn sample() -> Vec<Event<'static>> {
    vec![
        Event::Start {
            id: Some("msg_1".into()),
            model: Some("m".into()),
        },
        Event::Usage(USAGE),
        Event::Thinking {
            choice: 0,
            text: "h".into(),
        },
        Event::Thinking {
            choice: 0,
            text: "m".into(),
        },
        Event::Signature {
            choice: 0,
            signature: Signature {
                family: Family::Gemini,
                value: "AA==".into(),
            },
            redacted: false,
        },
        Event::Text {
            choice: 0,
            text: "a\"".into(),
            logprobs: Vec::new(),
        },
        Event::Image {
            choice: 0,
            media: Media {
                media_type: Some("image/png".into()),
                source: Source::Inline("AAAA".into()),
            },
        },
        Event::ToolCall {
            choice: 0,
            index: 4,
            id: "c".into(),
            name: "f".into(),
        },
        Event::ToolCall {
            choice: 0,
            index: 7,
            id: "d".into(),
            name: "g".into(),
        },
        Event::Arguments {
            choice: 0,
            index: 4,
            json: "{\"a\":1}".into(),
        },
        Event::Arguments {
            choice: 0,
            index: 9,
            json: "?".into(),
        },
        Event::Finish {
            choice: 0,
            reason: Finish::ToolCalls,
        },
        Event::Text {
            choice: 0,
            text: "late".into(),
            logprobs: Vec::new(),
        },
    ]
}

#[test]
fn a_stream_is_written_as_the_sdks_read_it() {
    insta::assert_snapshot!(write(&sample(), true), @r##"
    data: {"id":"chatcmpl-00112233445566778899aabbccddeeff","object":"chat.completion.chunk","created":1700000000,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}],"usage":null}

    data: {"id":"chatcmpl-00112233445566778899aabbccddeeff","object":"chat.completion.chunk","created":1700000000,"model":"m","choices":[{"index":0,"delta":{"reasoning_content":"h"},"logprobs":null,"finish_reason":null}],"usage":null}

    data: {"id":"chatcmpl-00112233445566778899aabbccddeeff","object":"chat.completion.chunk","created":1700000000,"model":"m","choices":[{"index":0,"delta":{"reasoning_content":"m"},"logprobs":null,"finish_reason":null}],"usage":null}

    data: {"id":"chatcmpl-00112233445566778899aabbccddeeff","object":"chat.completion.chunk","created":1700000000,"model":"m","choices":[{"index":0,"delta":{"thinking_blocks":[{"index":0,"type":"thinking","thinking":"hm","signature":"lo1.gemini.AA=="}]},"logprobs":null,"finish_reason":null}],"usage":null}

    data: {"id":"chatcmpl-00112233445566778899aabbccddeeff","object":"chat.completion.chunk","created":1700000000,"model":"m","choices":[{"index":0,"delta":{"content":"a\""},"logprobs":null,"finish_reason":null}],"usage":null}

    data: {"id":"chatcmpl-00112233445566778899aabbccddeeff","object":"chat.completion.chunk","created":1700000000,"model":"m","choices":[{"index":0,"delta":{"images":[{"index":0,"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]},"logprobs":null,"finish_reason":null}],"usage":null}

    data: {"id":"chatcmpl-00112233445566778899aabbccddeeff","object":"chat.completion.chunk","created":1700000000,"model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c","type":"function","function":{"name":"f","arguments":""}}]},"logprobs":null,"finish_reason":null}],"usage":null}

    data: {"id":"chatcmpl-00112233445566778899aabbccddeeff","object":"chat.completion.chunk","created":1700000000,"model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"d","type":"function","function":{"name":"g","arguments":""}}]},"logprobs":null,"finish_reason":null}],"usage":null}

    data: {"id":"chatcmpl-00112233445566778899aabbccddeeff","object":"chat.completion.chunk","created":1700000000,"model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\":1}"}}]},"logprobs":null,"finish_reason":null}],"usage":null}

    data: {"id":"chatcmpl-00112233445566778899aabbccddeeff","object":"chat.completion.chunk","created":1700000000,"model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"function":{"arguments":"{}"}}]},"logprobs":null,"finish_reason":null}],"usage":null}

    data: {"id":"chatcmpl-00112233445566778899aabbccddeeff","object":"chat.completion.chunk","created":1700000000,"model":"m","choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"tool_calls"}],"usage":null}

    data: {"id":"chatcmpl-00112233445566778899aabbccddeeff","object":"chat.completion.chunk","created":1700000000,"model":"m","choices":[],"usage":{"prompt_tokens":5,"completion_tokens":3,"total_tokens":8,"prompt_tokens_details":{"cached_tokens":2,"cache_write_tokens":1},"completion_tokens_details":{"reasoning_tokens":1}}}

    data: [DONE]
    "##);
}

#[test]
fn usage_is_told_only_where_it_was_asked_for_and_known() {
    let without = write(&sample(), false);
    assert!(!without.contains("usage"));
    let unknown = write(
        &[Event::Start {
            id: None,
            model: None,
        }],
        true,
    );
    assert!(unknown.contains(r#""usage":null"#) && !unknown.contains("prompt_tokens"));
    assert!(unknown.ends_with("data: [DONE]\n\n"));
}

#[test]
fn a_refusal_reaches_the_client() {
    let refused = |why: Option<&str>| {
        let finish = Event::Finish {
            choice: 1,
            reason: Finish::Refused(why.map(str::to_owned)),
        };
        write(&[finish], false)
    };
    assert!(refused(Some("why")).contains(r#""delta":{"refusal":"why"}"#));
    assert!(refused(Some("why")).contains(r#""finish_reason":"stop""#));
    assert!(
        refused(None)
            .contains(r#""index":1,"delta":{},"logprobs":null,"finish_reason":"content_filter""#)
    );
}

#[test]
fn a_failure_is_the_last_event() {
    let mut writer = Writer::new(reply());
    let mut out = BytesMut::new();
    writer.fail(&ClientError::new(ErrorKind::BadGateway, "gone"), &mut out);
    insta::assert_snapshot!(String::from_utf8(out.to_vec()).unwrap().trim_end(), @r#"data: {"error":{"code":"upstream_error","message":"gone","param":null,"type":"server_error"}}"#);
}

fn any_event() -> impl Strategy<Value = Event<'static>> {
    let choice = 0_u32..2;
    let index = 0_u32..3;
    let text = crate::canonical::arbitrary::text;
    prop_oneof![
        Just(Event::Start {
            id: None,
            model: Some("m".into())
        }),
        crate::canonical::arbitrary::usage().prop_map(Event::Usage),
        (choice.clone(), text()).prop_map(|(choice, text)| Event::Text {
            choice,
            text: text.into(),
            logprobs: Vec::new()
        }),
        (choice.clone(), text()).prop_map(|(choice, text)| Event::Refusal {
            choice,
            text: text.into()
        }),
        (choice.clone(), text()).prop_map(|(choice, text)| Event::Thinking {
            choice,
            text: text.into()
        }),
        (choice.clone(), text(), any::<bool>()).prop_map(|(choice, value, redacted)| {
            Event::Signature {
                choice,
                signature: Signature {
                    family: Family::Anthropic,
                    value,
                },
                redacted,
            }
        }),
        (choice.clone(), index.clone(), text()).prop_map(|(choice, index, name)| Event::ToolCall {
            choice,
            index,
            id: name.clone().into(),
            name: name.into(),
        }),
        (choice.clone(), index, text()).prop_map(|(choice, index, json)| Event::Arguments {
            choice,
            index,
            json: json.into()
        }),
        (
            choice,
            prop::sample::select(vec![
                Finish::Stop,
                Finish::Refused(Some("w".into())),
                Finish::Broken("b".into())
            ])
        )
            .prop_map(|(choice, reason)| Event::Finish { choice, reason }),
    ]
}

/// Checks what the SDKs rely on; answers the chunks.
fn check_grammar(written: &str) -> Result<Vec<Value>, TestCaseError> {
    let body = written.strip_suffix("data: [DONE]\n\n");
    let body = body.ok_or_else(|| TestCaseError::fail("no end marker"))?;
    let mut chunks: Vec<Value> = Vec::new();
    for frame in body.split_terminator("\n\n") {
        let data = frame
            .strip_prefix("data: ")
            .ok_or_else(|| TestCaseError::fail("no data"))?;
        chunks.push(
            serde_json::from_str(data).map_err(|error| TestCaseError::fail(error.to_string()))?,
        );
    }
    let mut begun = [false; 2];
    let mut ended = [false; 2];
    let mut calls = [0_u64; 2];
    for (at, chunk) in chunks.iter().enumerate() {
        prop_assert_eq!(&chunk["id"], &chunks[0]["id"]);
        prop_assert_eq!(&chunk["object"], "chat.completion.chunk");
        let Some(choice) = chunk["choices"].get(0) else {
            prop_assert_eq!(at, chunks.len() - 1, "usage comes last");
            prop_assert!(chunk["usage"].is_object());
            continue;
        };
        prop_assert!(chunk["usage"].is_null());
        let index = usize::try_from(choice["index"].as_u64().unwrap()).unwrap();
        prop_assert_eq!(choice["delta"]["role"] == "assistant", !begun[index]);
        begun[index] = true;
        prop_assert!(!ended[index], "nothing follows the end");
        ended[index] = !choice["finish_reason"].is_null();
        if let Some(call) = choice["delta"]["tool_calls"].get(0) {
            let is_first = call["index"].as_u64() == Some(calls[index]);
            prop_assert_eq!(call["id"].is_string(), is_first);
            prop_assert_eq!(call["function"]["name"].is_string(), is_first);
            prop_assert!(call["function"]["arguments"].is_string());
            calls[index] += u64::from(is_first);
            prop_assert!(call["index"].as_u64() < Some(calls[index]));
        }
    }
    Ok(chunks)
}

proptest! {
    #[test]
    fn whatever_happens_the_stream_is_well_formed(events in prop::collection::vec(any_event(), 0..40), usage: bool) {
        let written = write(&events, usage);
        let chunks = check_grammar(&written)?;
        let last_has_usage = chunks.last().is_some_and(|chunk| chunk["usage"].is_object());
        prop_assert_eq!(last_has_usage, usage && events.iter().any(|event| matches!(event, Event::Usage(_))));
    }

    #[test]
    fn what_was_written_reads_as_it_was(text in crate::canonical::arbitrary::text(), name in crate::canonical::arbitrary::name()) {
        let events = [
            Event::Start { id: Some("chatcmpl-1".into()), model: Some("m".into()) },
            Event::Thinking { choice: 0, text: text.clone().into() },
            Event::Signature { choice: 0, signature: Signature { family: Family::OpenAi, value: name.clone() }, redacted: false },
            Event::Text { choice: 0, text: text.into(), logprobs: Vec::new() },
            Event::ToolCall { choice: 0, index: 0, id: name.clone().into(), name: name.into() },
            Event::Arguments { choice: 0, index: 0, json: "{}".into() },
            Event::Finish { choice: 0, reason: Finish::ToolCalls },
            Event::Usage(USAGE),
            Event::End,
        ];
        let written = write(&events[..8], true);
        let told: Vec<String> = events.iter().map(|event| format!("{event:?}")).collect();
        prop_assert_eq!(self::events(written.as_bytes(), 0), told);
    }

    #[test]
    fn no_data_makes_the_reader_panic(data in any::<Vec<u8>>()) {
        let _ = Reader::default().read(&data, &mut |_| {});
    }
}
