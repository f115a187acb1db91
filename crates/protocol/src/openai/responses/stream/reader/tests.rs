use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use super::*;
use crate::{
    Reply,
    canonical::{Family, Request, Signature},
    openai::responses::stream::Writer,
    sse::Decoder,
};

/// In the order and with the fields of OpenAI's servers: reasoning, a tool of the provider's own, a message, two calls.
const RECORDED: &str = include_str!("recorded.sse");

fn read_chunks<'c>(chunks: impl IntoIterator<Item = &'c [u8]>) -> Vec<String> {
    let mut decoder = Decoder::new(1 << 20);
    let mut reader = Reader::default();
    let mut told = Vec::new();
    for chunk in chunks {
        decoder.push(Bytes::copy_from_slice(chunk));
        while let Some(event) = decoder.next_event().unwrap() {
            if let Some(data) = event.data() {
                let mut sink = |event: Event<'_>| told.push(format!("{event:?}"));
                reader.read(&data, &mut sink).unwrap();
            }
        }
    }
    told
}

#[test]
fn a_recorded_stream_is_read_alike_however_it_is_cut() {
    let whole = read_chunks([RECORDED.as_bytes()]);
    insta::assert_snapshot!("recorded", whole.join("\n"));
    for cut in 0..RECORDED.len() {
        let (one, two) = RECORDED.as_bytes().split_at(cut);
        assert_eq!(read_chunks([one, two]), whole, "cut at {cut}");
    }
    assert_eq!(read_chunks(RECORDED.as_bytes().chunks(1)), whole);
}

fn told(events: &[&str]) -> Vec<String> {
    let mut reader = Reader::default();
    let mut told = Vec::new();
    for data in events {
        let mut sink = |event: Event<'_>| match event {
            Event::Start { .. } => {}
            event => told.push(format!("{event:?}")),
        };
        reader.read(data.as_bytes(), &mut sink).unwrap();
    }
    told
}

#[track_caller]
fn reads(events: &[&str], expected: &[Event<'_>]) {
    let expected: Vec<String> = expected.iter().map(|event| format!("{event:?}")).collect();
    assert_eq!(told(events), expected);
}

fn text(text: &str) -> Event<'_> {
    Event::Text {
        choice: 0,
        text: text.into(),
        logprobs: Vec::new(),
    }
}

fn thinking(text: &str) -> Event<'_> {
    Event::Thinking {
        choice: 0,
        text: text.into(),
    }
}

#[test]
fn what_was_not_streamed_is_read_when_it_is_done() {
    reads(
        &[r#"{"type":"response.output_text.done","output_index":0,"content_index":0,"text":"a"}"#],
        &[text("a")],
    );
    reads(
        &[
            r#"{"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"a"}"#,
            r#"{"type":"response.output_text.done","output_index":0,"content_index":0,"text":"a"}"#,
            r#"{"type":"response.output_item.done","output_index":0,"item":{"type":"message","content":[{"type":"output_text","text":"a"},{"type":"output_text","text":"b"}]}}"#,
        ],
        &[text("a"), text("b")],
    );
    reads(
        &[
            r#"{"type":"response.output_item.done","output_index":3,"item":{"type":"function_call","call_id":"c","name":"f","arguments":"{}"}}"#,
        ],
        &[
            Event::ToolCall {
                choice: 0,
                index: 0,
                id: "c".into(),
                name: "f".into(),
            },
            Event::Arguments {
                choice: 0,
                index: 0,
                json: "{}".into(),
            },
        ],
    );
    reads(
        &[
            r#"{"type":"response.output_item.done","output_index":0,"item":{"type":"reasoning","id":"rs","summary":[{"type":"summary_text","text":"a"},{"type":"summary_text","text":"b"}],"encrypted_content":"x"}}"#,
        ],
        &[
            thinking("a\n\nb"),
            Event::Signature {
                choice: 0,
                signature: Signature {
                    family: Family::OpenAi,
                    value: "rs:x".to_owned(),
                },
                redacted: false,
            },
        ],
    );
}

#[test]
fn of_summary_and_text_of_reasoning_one_is_read() {
    reads(
        &[
            r#"{"type":"response.reasoning_text.delta","output_index":0,"content_index":0,"delta":"a"}"#,
            r#"{"type":"response.reasoning_summary_text.delta","output_index":0,"summary_index":0,"delta":"z"}"#,
            r#"{"type":"response.reasoning_text.delta","output_index":0,"content_index":1,"delta":"b"}"#,
        ],
        &[thinking("a"), thinking("\n\n"), thinking("b")],
    );
}

#[test]
fn errors_are_read_in_each_of_their_forms() {
    let error = |message: &str, code: Option<&str>| ProviderError {
        message: message.to_owned(),
        kind: None,
        code: code.map(str::to_owned),
    };
    #[track_caller]
    fn fails(event: &str, error: ProviderError) {
        reads(&[event], &[Event::Error(error)]);
    }
    fails(
        r#"{"type":"error","code":"server_error","message":"a","param":null,"sequence_number":1}"#,
        error("a", Some("server_error")),
    );
    fails(
        r#"{"type":"error","error":{"message":"b","code":null}}"#,
        error("b", None),
    );
    fails(r#"{"error":{"message":"c"}}"#, error("c", None));
    fails(
        r#"{"type":"response.failed","response":{"error":{"code":"x","message":"d"}}}"#,
        error("d", Some("x")),
    );
    fails(
        r#"{"type":"response.failed"}"#,
        error("the response failed", None),
    );
}

#[test]
fn the_last_event_tells_why_and_how_much() {
    let last = |event| {
        let told = told(&[event]);
        assert_eq!(told.last().map(String::as_str), Some("End"));
        told[told.len() - 2].clone()
    };
    assert!(last(r#"{"type":"response.completed"}"#).contains("reason: Stop"));
    let cut = r#"{"type":"response.incomplete","response":{"incomplete_details":{"reason":"content_filter"}}}"#;
    assert!(last(cut).contains(r#"Filtered(Some("content_filter"))"#));
    let cut = r#"{"type":"response.incomplete","response":{"usage":{"input_tokens":1,"output_tokens":2},"incomplete_details":null}}"#;
    assert!(last(cut).contains("reason: Length"));
    assert!(told(&[cut])[0].contains("total: 3"));
    assert_eq!(told(&["[DONE]"]), ["End"]);
}

#[test]
fn usage_that_cannot_be_read_does_not_spoil_the_answer() {
    let mut told = Vec::new();
    let last = r#"{"type":"response.completed","response":{"id":"r","usage":{"input_tokens":-1}}}"#;
    let read = Reader::default().read(last.as_bytes(), &mut |event| told.push(event));
    assert!(read.is_ok());
    assert!(!told.iter().any(|event| matches!(event, Event::Usage(_))));
    assert_eq!(told.last(), Some(&Event::End));
}

#[test]
fn what_is_not_known_is_skipped_and_what_is_broken_is_malformed() {
    for skipped in [
        r#"{"type":"response.new_thing","delta":{"a":1}}"#,
        r#"{"type":"response.output_item.added","output_index":0,"item":{"type":"web_search_call","id":"ws"}}"#,
        r#"{"type":"response.output_item.added","output_index":0,"item":null}"#,
        r#"{"type":"response.function_call_arguments.delta","output_index":9,"delta":"{}"}"#,
        "{}",
    ] {
        reads(&[skipped], &[]);
    }
    let read = |data: &str| Reader::default().read(data.as_bytes(), &mut |_| {});
    for broken in [
        "",
        "[]",
        "{",
        r#"{"type":"response.output_text.delta","delta":7}"#,
        r#"{"type":"response.output_text.delta","delta":"\ud800"}"#,
    ] {
        assert!(read(broken).is_err(), "{broken}");
    }
}

fn written(events: &[Event<'_>]) -> BytesMut {
    let mut writer = Writer::new(Reply {
        request: Arc::new(Request::default()),
        id: "0123".to_owned(),
        created: 0,
        model: "m".to_owned(),
        include_usage: false,
        prompt_tokens: 0,
        as_array: false,
    });
    let mut out = BytesMut::new();
    for event in events {
        writer.write(event, &mut out);
    }
    writer.finish(&mut out);
    out
}

#[test]
fn what_is_written_is_read_back() {
    let signature = Event::Signature {
        choice: 0,
        signature: Signature {
            family: Family::Gemini,
            value: "c2ln".to_owned(),
        },
        redacted: false,
    };
    let call = |index| Event::ToolCall {
        choice: 0,
        index,
        id: format!("c{index}").into(),
        name: "f".into(),
    };
    let arguments = |index, json: &'static str| Event::Arguments {
        choice: 0,
        index,
        json: json.into(),
    };
    let events = [
        Event::Start {
            id: Some("resp_0123".into()),
            model: Some("m".into()),
        },
        thinking("a\n"),
        signature,
        text("b"),
        text("\u{2028}c"),
        call(0),
        call(1),
        arguments(0, "{\"a\":"),
        arguments(1, "{}"),
        arguments(0, "1}"),
        Event::Finish {
            choice: 0,
            reason: Finish::ToolCalls,
        },
    ];
    let mut expected: Vec<String> = events.iter().map(|event| format!("{event:?}")).collect();
    expected.push("End".to_owned());
    assert_eq!(read_chunks([&written(&events)[..]]), expected);
}

proptest! {
    #[test]
    fn hostile_events_never_panic(
        kind in prop::sample::select(vec![
            "response.created", "response.output_item.added", "response.output_item.done", "response.output_text.delta",
            "response.function_call_arguments.done", "response.completed", "response.failed", "error", "x",
        ]),
        field in prop::sample::select(vec!["item", "delta", "response", "error", "arguments", "output_index"]),
        value in prop::sample::select(vec![
            "null", "7", "-1", "1e999", "\"\"", "[]", "{}", "{\"type\":\"reasoning\",\"summary\":[{}]}", "{\"type\":\"function_call\"}",
            "{\"type\":\"message\",\"content\":[{\"type\":\"output_text\"}]}", "{\"type\":7}", "{\"usage\":{}}", "18446744073709551615",
        ]),
        noise in prop::collection::vec(any::<u8>(), 0..32),
    ) {
        let mut reader = Reader::default();
        let data = format!("{{\"type\":\"{kind}\",\"{field}\":{value}}}");
        for _ in 0..2 {
            let _ = reader.read(data.as_bytes(), &mut |_| {});
            let _ = reader.read(&noise, &mut |_| {});
        }
    }
}
