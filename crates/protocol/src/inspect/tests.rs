use proptest::prelude::*;

use super::*;
use crate::{ErrorKind, UsageSource, sse::Decoder, stream::Stream};

mod alike;
mod answers;
mod events;

fn expected(endpoint: Endpoint) -> Inspected {
    Inspected {
        endpoint,
        passes_usage: true,
        choices: 1,
        as_array: false,
    }
}

/// What becomes of every event of `text`, forwarded bytes joined.
#[track_caller]
fn run(stream: &mut Stream, text: &str) -> (String, Vec<Step>) {
    let mut decoder = Decoder::new(1 << 20);
    decoder.push(Bytes::copy_from_slice(text.as_bytes()));
    let (mut forwarded, mut steps) = (String::new(), Vec::new());
    while let Some(event) = decoder.next_event().unwrap() {
        let step = stream.look(event).unwrap();
        forwarded.push_str(str::from_utf8(&step.bytes).unwrap());
        steps.push(step);
    }
    (forwarded, steps)
}

fn data(json: &str) -> String {
    format!("data: {json}\n\n")
}

const CONTENT: &str =
    r#"{"choices":[{"index":0,"delta":{"content":"0123456789ab"},"finish_reason":null}]}"#;
const USAGE: &str =
    r#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}"#;

#[test]
fn usage_is_kept_from_a_chat_client_that_did_not_ask() {
    let mut quiet = Stream::pass(
        Inspected {
            passes_usage: false,
            ..expected(Endpoint::ChatCompletions)
        },
        40,
    );
    assert_eq!(run(&mut quiet, &data(CONTENT)).0, data(CONTENT));
    assert_eq!(run(&mut quiet, &data(USAGE)).0, "");
    assert_eq!(quiet.usage().total, 3);
    let mut asked = Stream::pass(expected(Endpoint::ChatCompletions), 40);
    assert_eq!(run(&mut asked, &data(USAGE)).0, data(USAGE));
}

#[test]
fn without_usage_an_estimate_is_made_of_what_passed() {
    let mut stream = Stream::pass(expected(Endpoint::ChatCompletions), 40);
    run(&mut stream, &data(CONTENT));
    let usage = stream.usage();
    assert_eq!(
        (usage.prompt, usage.completion, usage.source),
        (10, 3, UsageSource::Estimated)
    );
}

#[test]
fn a_stream_is_complete_when_every_choice_has_finished() {
    let finish = |index: u32| {
        data(&format!(
            r#"{{"choices":[{{"index":{index},"delta":{{}},"finish_reason":"stop"}}]}}"#
        ))
    };
    let two = Inspected {
        choices: 2,
        ..expected(Endpoint::ChatCompletions)
    };
    let mut stream = Stream::pass(two, 0);
    run(&mut stream, &finish(0));
    run(&mut stream, &finish(0));
    assert!(!stream.is_complete());
    run(&mut stream, &finish(1));
    assert!(stream.is_complete() && !stream.is_done());
    assert_eq!(stream.finish(), "data: [DONE]\n\n");
    let mut marked = Stream::pass(two, 0);
    assert!(marked.is_empty());
    run(&mut marked, "data: [DONE]\n\n");
    assert!(marked.is_complete() && marked.is_done() && !marked.is_empty());
}

#[test]
fn comments_pass_to_all_but_gemini_clients() {
    for (endpoint, passed) in [
        (Endpoint::ChatCompletions, ": hi\n\n"),
        (Endpoint::Responses, ": hi\n\n"),
        (Endpoint::Messages, ": hi\n\n"),
        (Endpoint::StreamGenerateContent, ""),
    ] {
        let mut stream = Stream::pass(expected(endpoint), 0);
        assert_eq!(run(&mut stream, ": hi\n\n").0, passed);
        assert!(stream.is_empty());
        assert_eq!(run(&mut stream, "data:\n\n").0, "", "no event");
    }
}

const RESPONSES: &str = r#"event: response.created
data: {"type":"response.created","sequence_number":0,"response":{"id":"r","status":"in_progress","error":null,"output":[],"usage":null}}

event: response.output_item.added
data: {"type":"response.output_item.added","sequence_number":1,"output_index":0,"item":{"id":"m","type":"message","content":[]}}

event: response.output_text.delta
data: {"type":"response.output_text.delta","sequence_number":2,"delta":"12345678"}

event: response.completed
data: {"type":"response.completed","sequence_number":3,"response":{"id":"r","status":"completed","error":null,"output":[],"usage":{"input_tokens":5,"output_tokens":2,"total_tokens":7}}}

"#;

#[test]
fn a_responses_stream_ends_with_its_last_event() {
    let mut stream = Stream::pass(expected(Endpoint::Responses), 0);
    let (forwarded, steps) = run(&mut stream, RESPONSES);
    assert_eq!(forwarded, RESPONSES);
    let content: Vec<_> = steps.iter().map(|step| step.content).collect();
    assert_eq!(content, [false, false, true, true]);
    assert!(stream.is_done());
    assert_eq!(stream.usage().total, 7);
    assert!(stream.finish().is_empty());
}

#[test]
fn every_stream_that_is_passed_on_fails_in_its_own_words() {
    let error = ClientError::new(ErrorKind::BadGateway, "gone");
    for (endpoint, words) in [
        (Endpoint::ChatCompletions, "data: {\"error\":{"),
        (Endpoint::Completions, "data: {\"error\":{"),
        (Endpoint::Messages, "event: error\ndata: {\"error\":{"),
        // Its clients see an error only where it comes first, with a number as its code.
        (
            Endpoint::StreamGenerateContent,
            "data: {\"error\":{\"code\":502,",
        ),
    ] {
        let event = Stream::pass(expected(endpoint), 0).fail(&error);
        let event = str::from_utf8(&event).unwrap();
        assert!(event.starts_with(words), "{event}");
        assert!(event.contains("\"message\":\"gone\""), "{event}");
        let data = event.trim_end();
        assert!(data.len() < event.len() && data.ends_with('}'), "{event}");
    }
}

#[test]
fn an_array_that_fails_stays_an_array() {
    let error = ClientError::new(ErrorKind::BadGateway, "gone");
    let as_array = Inspected {
        as_array: true,
        ..expected(Endpoint::StreamGenerateContent)
    };
    for before in ["", r#"{"candidates":[]}"#] {
        let mut stream = Stream::pass(as_array, 0);
        let mut array = if before.is_empty() {
            String::new()
        } else {
            run(&mut stream, &data(before)).0
        };
        array.push_str(str::from_utf8(&stream.fail(&error)).unwrap());
        let elements: Vec<serde_json::Value> = serde_json::from_str(&array).unwrap();
        assert_eq!(elements.last().unwrap()["error"]["code"], 502);
        assert!(stream.finish().is_empty(), "it is closed");
    }
}

#[test]
fn an_error_in_a_responses_stream_goes_on_with_its_numbers() {
    let mut stream = Stream::pass(expected(Endpoint::Responses), 0);
    let first = RESPONSES
        .split_inclusive("\n\n")
        .take(3)
        .collect::<String>();
    run(&mut stream, &first);
    assert!(!stream.is_complete());
    let event = stream.fail(&ClientError::new(ErrorKind::BadGateway, "gone"));
    insta::assert_snapshot!(str::from_utf8(&event).unwrap().trim_end(), @r#"
    event: error
    data: {"code":"upstream_error","error":{"code":"upstream_error","message":"gone","param":null,"type":"server_error"},"message":"gone","param":null,"sequence_number":3,"type":"error"}
    "#);
    let event = Stream::pass(expected(Endpoint::ChatCompletions), 0)
        .fail(&ClientError::new(ErrorKind::BadGateway, "gone"));
    assert!(event.starts_with(b"data: {\"error\":{") && event.ends_with(b"}}\n\n"));
}

const MESSAGES: &str = r#"event: message_start
data: {"type":"message_start","message":{"id":"m","type":"message","content":[],"stop_reason":null,"usage":{"input_tokens":10,"cache_read_input_tokens":3,"output_tokens":1}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}

event: ping
data: {"type":"ping"}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"1234"}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":9}}

event: message_stop
data: {"type":"message_stop"}

"#;

#[test]
fn a_messages_stream_tells_its_usage_in_pieces() {
    let mut stream = Stream::pass(expected(Endpoint::Messages), 0);
    let (start, end) = MESSAGES.split_at(MESSAGES.find("event: message_delta").unwrap());
    let (forwarded, steps) = run(&mut stream, start);
    assert_eq!(forwarded, start);
    let content: Vec<_> = steps.iter().map(|step| step.content).collect();
    assert_eq!(content, [false, false, false, true, false]);
    assert!(!stream.is_complete());
    let (delta, stop) = end.split_at(end.find("event: message_stop").unwrap());
    assert!(run(&mut stream, delta).1[0].content);
    assert!(stream.is_complete() && !stream.is_done());
    assert_eq!(stream.finish(), stop);
    run(&mut stream, stop);
    assert!(stream.is_done());
    let usage = stream.usage();
    assert_eq!(
        (usage.prompt, usage.cached, usage.completion, usage.total),
        (13, 3, 9, 22)
    );
}

#[test]
fn output_of_a_stream_that_is_cut_short_is_estimated() {
    let mut stream = Stream::pass(expected(Endpoint::Messages), 0);
    let (start, _) = MESSAGES.split_at(MESSAGES.find("event: content_block_stop").unwrap());
    run(&mut stream, start);
    let text = format!(
        r#"{{"type":"content_block_delta","delta":{{"type":"text_delta","text":"{}"}}}}"#,
        "word".repeat(24)
    );
    run(&mut stream, &data(&text));
    let usage = stream.usage();
    assert_eq!((usage.prompt, usage.completion, usage.total), (13, 25, 38));
    assert_eq!(usage.source, UsageSource::Estimated);
}

#[test]
fn a_gemini_stream_is_complete_when_every_candidate_is() {
    let text = r#"{"candidates":[{"content":{"parts":[{"text":"hi"}],"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":2}}"#;
    let last = r#"{"candidates":[{"content":{"parts":[{"text":""}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":2,"candidatesTokenCount":1,"thoughtsTokenCount":4,"totalTokenCount":7}}"#;
    let other = r#"{"candidates":[{"finishReason":"STOP","index":1}]}"#;
    let two = Inspected {
        choices: 2,
        ..expected(Endpoint::StreamGenerateContent)
    };
    let mut stream = Stream::pass(two, 0);
    let (_, steps) = run(&mut stream, &format!("{}{}", data(text), data(last)));
    assert!(steps.iter().all(|step| step.content));
    assert!(!stream.is_complete());
    assert_eq!(stream.usage().completion, 5);
    run(&mut stream, &data(other));
    assert!(stream.is_complete() && !stream.is_done());
    assert!(stream.finish().is_empty());
    let mut array = Stream::pass(
        Inspected {
            as_array: true,
            ..two
        },
        0,
    );
    assert_eq!(run(&mut array, &data(text)).0, format!("[{text}"));
    assert_eq!(run(&mut array, &data(last)).0, format!(",\r\n{last}"));
    assert_eq!(array.finish(), "]");
    assert!(array.finish().is_empty());
}

#[test]
fn a_refused_prompt_finishes_every_candidate() {
    let three = Inspected {
        choices: 3,
        ..expected(Endpoint::StreamGenerateContent)
    };
    let mut stream = Stream::pass(three, 0);
    let (_, steps) = run(
        &mut stream,
        &data(r#"{"promptFeedback":{"blockReason":"SAFETY"}}"#),
    );
    assert!(steps[0].content && stream.is_complete());
}

#[test]
fn what_is_no_object_is_malformed_and_changes_nothing() {
    for endpoint in [
        Endpoint::ChatCompletions,
        Endpoint::Responses,
        Endpoint::Messages,
        Endpoint::StreamGenerateContent,
        Endpoint::Speech,
    ] {
        let mut stream = Stream::pass(expected(endpoint), 0);
        for data in [
            "{",
            "{\"choices\":[",
            "[]",
            "null",
            "hello",
            "{} {}",
            r#"{"choices":[{"finish_reason":"stop"}]"#,
            r#"{"type":"message_delta","delta":{"stop_reason":"x"}"#,
            r#"{"candidates":[{"finishReason":"STOP"}]"#,
        ] {
            let raw = Bytes::from(format!("data: {data}\n\n"));
            let looked = stream.look(sse::Event { raw });
            assert!(looked.is_err(), "{endpoint:?} {data}");
        }
        assert!(!stream.is_complete());
    }
}

proptest! {
    #[test]
    fn no_event_makes_it_panic(json in any_event(), cut in any::<prop::sample::Index>()) {
        for endpoint in Endpoint::ALL {
            let mut stream = Stream::pass(expected(endpoint), 0);
            let whole = Bytes::from(format!("data: {json}\n\n"));
            let looked = stream.look(sse::Event { raw: whole.clone() });
            prop_assert!(looked.is_ok());
            let raw = whole.slice(..cut.index(whole.len()));
            let _ = stream.look(sse::Event { raw });
            let _ = Answer::inspect(endpoint, json.as_bytes());
            stream.finish();
            let _ = stream.usage();
        }
    }
}

/// Objects of the names that are read, in places and with values as they may be.
fn any_event() -> impl Strategy<Value = String> {
    const NAMES: [&str; 24] = [
        "type",
        "choices",
        "delta",
        "message",
        "usage",
        "error",
        "response",
        "item",
        "candidates",
        "content",
        "parts",
        "text",
        "finishReason",
        "finish_reason",
        "index",
        "usageMetadata",
        "promptFeedback",
        "blockReason",
        "content_block",
        "stop_reason",
        "sequence_number",
        "output",
        "status",
        "input_tokens",
    ];
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<i64>().prop_map(Into::into),
        prop::sample::select(vec![
            "failed",
            "error",
            "message_delta",
            "response.completed",
            "a\"\u{2028}b",
            ""
        ])
        .prop_map(Into::into),
    ];
    let value = leaf.prop_recursive(5, 48, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::btree_map(prop::sample::select(NAMES.to_vec()), inner, 0..5)
                .prop_map(object),
        ]
    });
    prop::collection::btree_map(prop::sample::select(NAMES.to_vec()), value, 0..6)
        .prop_map(|map| object(map).to_string())
}

fn object(map: std::collections::BTreeMap<&str, serde_json::Value>) -> serde_json::Value {
    map.into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect::<serde_json::Map<_, _>>()
        .into()
}
