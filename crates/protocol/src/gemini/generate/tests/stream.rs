//! Streams.

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use super::{reply, signature};
use crate::{
    ClientError, ErrorKind,
    canonical::{Event, Family, Finish},
    gemini::generate::{
        response,
        stream::{Reader, Writer},
    },
    sse,
};

/// As the service sends it: thoughts, text, parallel calls of which the first is signed, usage on every event.
const RECORDED: &str = concat!(
    "data: {\"candidates\": [{\"content\": {\"parts\": [{\"text\": \"Let me\",\"thought\": true}],\"role\": \"model\"},\"index\": 0}],\"usageMetadata\": {\"promptTokenCount\": 9,\"totalTokenCount\": 9},\"modelVersion\": \"gemini-3-flash\",\"responseId\": \"abc\"}\r\n\r\n",
    "data: {\"candidates\": [{\"content\": {\"parts\": [{\"text\": \"Grüße\\n\\ud83d\\ude42\"}],\"role\": \"model\"},\"index\": 0}],\"usageMetadata\": {\"promptTokenCount\": 9,\"candidatesTokenCount\": 2,\"thoughtsTokenCount\": 4,\"totalTokenCount\": 15},\"modelVersion\": \"gemini-3-flash\",\"responseId\": \"abc\"}\r\n\r\n",
    "data: {\"candidates\": [{\"content\": {\"parts\": [{\"functionCall\": {\"name\": \"f\",\"args\": {\"z\": 1,\"a\": 2}},\"thoughtSignature\": \"c2ln\"},{\"functionCall\": {\"name\": \"f\",\"args\": {}}}],\"role\": \"model\"},\"index\": 0}],\"modelVersion\": \"gemini-3-flash\",\"responseId\": \"abc\"}\r\n\r\n",
    "data: {\"candidates\": [{\"content\": {\"parts\": [{\"text\": \"\"}],\"role\": \"model\"},\"finishReason\": \"STOP\",\"index\": 0}],\"usageMetadata\": {\"promptTokenCount\": 9,\"candidatesTokenCount\": 8,\"thoughtsTokenCount\": 4,\"totalTokenCount\": 21},\"modelVersion\": \"gemini-3-flash\",\"responseId\": \"abc\"}\r\n\r\n",
);

/// The events of a stream that comes in these chunks.
fn events(chunks: &[&[u8]]) -> String {
    let (mut decoder, mut reader) = (sse::Decoder::new(1 << 20), Reader::default());
    let mut told = String::new();
    let mut take = |event: sse::Event| {
        let Some(data) = event.data() else {
            return;
        };
        reader
            .read(&data, &mut |event| told.push_str(&format!("{event:?}\n")))
            .unwrap();
    };
    for chunk in chunks {
        decoder.push(Bytes::copy_from_slice(chunk));
        while let Some(event) = decoder.next_event().unwrap() {
            take(event);
        }
    }
    told
}

#[track_caller]
fn read(data: &str) -> Vec<String> {
    let mut told = Vec::new();
    Reader::default()
        .read(data.as_bytes(), &mut |event| {
            told.push(format!("{event:?}"))
        })
        .unwrap();
    told
}

#[test]
fn a_stream_is_read_alike_however_it_is_cut() {
    let bytes = RECORDED.as_bytes();
    let whole = events(&[bytes]);
    for at in 0..bytes.len() {
        assert_eq!(events(&[&bytes[..at], &bytes[at..]]), whole, "cut at {at}");
    }
    insta::assert_snapshot!(whole, @r#"
    Start { id: Some("abc"), model: Some("gemini-3-flash") }
    Usage(Usage { prompt: 9, completion: 0, total: 9, cached: 0, cache_write: 0, reasoning: 0, source: Provider })
    Thinking { choice: 0, text: "Let me" }
    Usage(Usage { prompt: 9, completion: 6, total: 15, cached: 0, cache_write: 0, reasoning: 4, source: Provider })
    Text { choice: 0, text: "Grüße\n🙂", logprobs: [] }
    Signature { choice: 0, signature: Signature { family: Gemini, value: "c2ln" }, redacted: false }
    ToolCall { choice: 0, index: 0, id: "call_0_e71fa2190541574b", name: "f" }
    Arguments { choice: 0, index: 0, json: "{\"z\": 1,\"a\": 2}" }
    ToolCall { choice: 0, index: 1, id: "call_1_e71fa2190541574b", name: "f" }
    Arguments { choice: 0, index: 1, json: "{}" }
    Usage(Usage { prompt: 9, completion: 12, total: 21, cached: 0, cache_write: 0, reasoning: 4, source: Provider })
    Finish { choice: 0, reason: ToolCalls }
    "#);
}

#[test]
fn errors_and_blocked_prompts_are_events() {
    let error = read(r#"{"error":{"code":503,"message":"m","status":"UNAVAILABLE"}}"#);
    assert_eq!(error.len(), 1);
    assert!(
        error[0].starts_with("Error(ProviderError { message: \"m\", kind: Some(\"UNAVAILABLE\")")
    );
    let blocked = read(
        r#"{"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":4}}"#,
    );
    assert_eq!(blocked.len(), 3);
    assert_eq!(
        blocked[2],
        r#"Finish { choice: 0, reason: Filtered(Some("SAFETY")) }"#
    );
    let broken = read(r#"{"candidates":[{"finishReason":"UNEXPECTED_TOOL_CALL"}]}"#);
    assert_eq!(
        broken[1],
        r#"Finish { choice: 0, reason: Broken("UNEXPECTED_TOOL_CALL") }"#
    );
    for malformed in ["", "[", "7", "\"x\"", r#"{"candidates":{}}"#] {
        assert!(
            Reader::default()
                .read(malformed.as_bytes(), &mut |_| {})
                .is_err(),
            "{malformed}"
        );
    }
}

/// What is written for these events, then `finish`.
fn written(events: &[Event<'_>], as_array: bool) -> String {
    let (mut writer, mut out) = (Writer::new(reply(as_array)), BytesMut::new());
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

fn call(index: u32, id: &'static str) -> Event<'static> {
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

#[test]
fn calls_come_whole_and_the_reason_comes_last() {
    let events = [
        Event::Start {
            id: Some("u1".into()),
            model: None,
        },
        Event::Thinking {
            choice: 0,
            text: "hm".into(),
        },
        Event::Signature {
            choice: 0,
            signature: signature(Family::Gemini, "c2ln").unwrap(),
            redacted: false,
        },
        call(0, "a"),
        arguments(0, r#"{"z":"#),
        call(1, "b"),
        arguments(1, "{}"),
        arguments(0, "1}"),
        arguments(7, "{}"),
        text("x\u{85}"),
        call(2, "c"),
        finish(Finish::ToolCalls),
        text("late"),
    ];
    insta::assert_snapshot!(written(&events, false).replace('\r', ""), @r#"
    data: {"candidates":[{"content":{"parts":[{"text":"hm","thought":true}],"role":"model"},"index":0}],"modelVersion":"gemini-x","responseId":"u1"}

    data: {"candidates":[{"content":{"parts":[{"functionCall":{"id":"a","name":"f","args":{"z":1}},"thoughtSignature":"c2ln"},{"functionCall":{"id":"b","name":"f","args":{}}},{"text":"x\u0085"}],"role":"model"},"index":0}],"modelVersion":"gemini-x","responseId":"u1"}

    data: {"candidates":[{"content":{"parts":[{"functionCall":{"id":"c","name":"f","args":{}}}],"role":"model"},"finishReason":"STOP","index":0}],"modelVersion":"gemini-x","responseId":"u1"}
    "#);
}

#[test]
fn only_the_first_call_of_an_answer_is_vouched_for() {
    for parted in [false, true] {
        let mut events = vec![call(0, "a"), arguments(0, "{}")];
        events.extend(parted.then(|| text("x")));
        events.extend([call(1, "b"), arguments(1, "{}"), finish(Finish::ToolCalls)]);
        let written = written(&events, false);
        let placeholder = r#""thoughtSignature":"c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=""#;
        assert_eq!(written.matches(placeholder).count(), 1, "{written}");
        assert!(
            written.find(placeholder) < written.find(r#""id":"b""#),
            "{written}"
        );
    }
}

#[test]
fn signatures_without_a_part_get_an_empty_one() {
    let sign = |family, redacted| Event::Signature {
        choice: 0,
        signature: signature(family, "c2ln").unwrap(),
        redacted,
    };
    let events = [
        sign(Family::OpenAi, false),
        sign(Family::Anthropic, true),
        text("a"),
        sign(Family::Gemini, false),
        finish(Finish::Length),
    ];
    let parts: Vec<_> = written(&events, true)
        .split(r#""parts":"#)
        .skip(1)
        .filter_map(|rest| rest.split_once(r#","role""#))
        .map(|(parts, _)| parts.to_owned())
        .collect();
    assert_eq!(
        parts,
        [
            r#"[{"text":"","thoughtSignature":"bG8xLm9wZW5haS5jMmxu"}]"#,
            r#"[{"text":"","thought":true,"thoughtSignature":"bG8xLmFudGhyb3BpYy5jMmxu"}]"#,
            r#"[{"text":"a"}]"#,
            r#"[{"text":"","thoughtSignature":"c2ln"}]"#,
        ]
    );
}

#[test]
fn a_call_that_is_no_object_is_told_in_geminis_own_word() {
    for json in ["{", "[]", "7"] {
        let written = written(
            &[call(0, "a"), arguments(0, json), finish(Finish::ToolCalls)],
            false,
        );
        assert!(
            written.contains(r#""finishReason":"MALFORMED_FUNCTION_CALL""#),
            "{written}"
        );
        assert!(!written.contains("functionCall\""), "{written}");
    }
}

#[test]
fn a_stream_that_fails_ends_in_the_error() {
    let error = ClientError::new(ErrorKind::Unavailable, "gone");
    let failed = |as_array, begun: bool| {
        let (mut writer, mut out) = (Writer::new(reply(as_array)), BytesMut::new());
        if begun {
            writer.write(&text("a"), &mut out);
            out.clear();
        }
        writer.fail(&error, &mut out);
        let failed = out.clone();
        writer.write(&text("b"), &mut out);
        writer.finish(&mut out);
        writer.fail(&error, &mut out);
        assert_eq!(out, failed);
        String::from_utf8(failed.to_vec()).unwrap()
    };
    let json = r#"{"error":{"code":503,"message":"gone","status":"UNAVAILABLE"}}"#;
    assert_eq!(failed(false, true), format!("data: {json}\r\n\r\n"));
    assert_eq!(failed(true, true), format!(",\r\n{json}]"));
    assert_eq!(failed(true, false), format!("[{json}]"));
}

fn any_event() -> impl Strategy<Value = Event<'static>> {
    let choice = 0..3_u32;
    let family = prop_oneof![Just(Family::Gemini), Just(Family::Anthropic)];
    let json = prop_oneof![
        Just(r#"{"a":"#),
        Just("1}"),
        Just("{}"),
        Just("\u{2028}"),
        Just("")
    ];
    prop_oneof![
        (choice.clone(), ".{0,4}").prop_map(|(choice, text)| Event::Text {
            choice,
            text: text.into(),
            logprobs: Vec::new()
        }),
        (choice.clone(), ".{0,4}").prop_map(|(choice, text)| Event::Thinking {
            choice,
            text: text.into()
        }),
        (choice.clone(), ".{0,4}").prop_map(|(choice, text)| Event::Refusal {
            choice,
            text: text.into()
        }),
        (choice.clone(), family, any::<bool>()).prop_map(|(choice, family, redacted)| {
            Event::Signature {
                choice,
                signature: signature(family, "c2ln").unwrap(),
                redacted,
            }
        }),
        (choice.clone(), 0..3_u32).prop_map(|(choice, index)| Event::ToolCall {
            choice,
            index,
            id: "i".into(),
            name: "f".into()
        }),
        (choice.clone(), 0..3_u32, json).prop_map(|(choice, index, json)| Event::Arguments {
            choice,
            index,
            json: json.into()
        }),
        choice.prop_map(|choice| Event::Finish {
            choice,
            reason: Finish::Stop
        }),
    ]
}

proptest! {
    /// Whatever comes, each event is one line of an answer that can be read, the last one alone tells the reasons, and the
    /// array holds the same answers.
    #[test]
    fn any_order_of_events_is_written_by_the_grammar(events in proptest::collection::vec(any_event(), 0..24)) {
        let stream = written(&events, false);
        prop_assert!(stream.ends_with("\r\n\r\n"));
        let mut answers = Vec::new();
        for event in stream.trim_end_matches("\r\n\r\n").split("\r\n\r\n") {
            let json = event.strip_prefix("data: ").unwrap();
            let is_cut = json.contains(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']);
            prop_assert!(!is_cut);
            let answer: serde_json::Value = serde_json::from_str(json).unwrap();
            let candidates = answer["candidates"].as_array().cloned().unwrap_or_default();
            for candidate in &candidates {
                prop_assert!(!candidate["content"]["parts"].as_array().unwrap().is_empty());
            }
            prop_assert!(candidates.is_empty() || response::read(json.as_bytes()).is_ok());
            answers.push(answer);
        }
        for answer in &answers[..answers.len() - 1] {
            prop_assert!(answer["candidates"][0]["finishReason"].is_null());
        }
        let array: Vec<serde_json::Value> = serde_json::from_str(&written(&events, true)).unwrap();
        prop_assert_eq!(array, answers);
    }

    #[test]
    fn no_bytes_of_a_provider_are_the_end_of_the_gateway(data in proptest::collection::vec(any::<u8>(), 0..64), json in r#"[{}\[\]":,a-z0-9\\]{0,48}"#) {
        for bytes in [data.as_slice(), json.as_bytes()] {
            let _ = Reader::default().read(bytes, &mut |_| {});
            let _ = response::read(bytes);
            let _ = crate::gemini::generate::request::read(bytes);
            let _ = crate::gemini::retry_delay(bytes);
        }
    }
}
