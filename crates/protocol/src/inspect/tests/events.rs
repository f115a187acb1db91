//! Single events.

use super::*;

const GEMINI: Endpoint = Endpoint::StreamGenerateContent;

fn look(endpoint: Endpoint, json: &str) -> Step {
    let raw = Bytes::from(data(json));
    Stream::pass(expected(endpoint), 0)
        .look(sse::Event { raw })
        .unwrap()
}

#[track_caller]
fn content(endpoint: Endpoint, json: &str, expected: bool) {
    let step = look(endpoint, json);
    assert_eq!((step.content, step.error), (expected, None), "{json}");
}

#[test]
fn content_of_chat_is_what_a_client_would_keep() {
    let with_delta = |delta: &str| {
        format!(
            r#"{{"choices":[{{"index":0,"delta":{delta},"finish_reason":null}}],"usage":null}}"#
        )
    };
    for delta in [
        r#"{"content":"a"}"#,
        r#"{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":""}}]}"#,
        r#"{"refusal":"no"}"#,
        r#"{"reasoning_content":"hm"}"#,
        r#"{"reasoning":"hm"}"#,
        r#"{"content":[{"type":"text","text":"a"}]}"#,
    ] {
        content(Endpoint::ChatCompletions, &with_delta(delta), true);
    }
    for delta in [
        r#"{"role":"assistant","content":""}"#,
        "{}",
        "null",
        r#"{"content":null,"refusal":null}"#,
        r#"{"tool_calls":[]}"#,
        r#"{"content":[]}"#,
    ] {
        content(Endpoint::ChatCompletions, &with_delta(delta), false);
    }
    let finish = r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#;
    content(Endpoint::ChatCompletions, finish, true);
    let text = r#"{"choices":[{"text":"a","finish_reason":null}]}"#;
    content(Endpoint::Completions, text, true);
    content(Endpoint::ChatCompletions, USAGE, false);
}

#[test]
fn a_finish_reason_belongs_to_its_answer() {
    let finished = |choices: &str| {
        let json = format!(r#"{{"choices":[{choices}]}}"#);
        chat::look(json.as_bytes()).unwrap().finished
    };
    let of = |indices: &[u32]| {
        let mut set = Indices::default();
        for index in indices {
            set.insert(*index);
        }
        set
    };
    assert_eq!(
        finished(r#"{"finish_reason":"stop","index":3},{"index":1,"finish_reason":"length"}"#),
        of(&[1, 3])
    );
    assert_eq!(finished(r#"{"index":-1,"finish_reason":"stop"}"#), of(&[0]));
    for none in ["null", r#""""#] {
        let choice = format!(r#"{{"index":0,"delta":{{}},"finish_reason":{none}}}"#);
        assert!(finished(&choice).is_empty());
    }
}

#[test]
fn content_of_responses_is_told_by_the_type() {
    for (json, expected) in [
        (r#"{"delta":"a","type":"response.output_text.delta"}"#, true),
        (r#"{"type":"response.refusal.delta","delta":"a"}"#, true),
        (
            r#"{"type":"response.reasoning_summary_text.delta","delta":"a"}"#,
            true,
        ),
        (
            r#"{"type":"response.function_call_arguments.delta","delta":"a"}"#,
            true,
        ),
        (r#"{"type":"response.output_text.delta","delta":""}"#, false),
        (
            r#"{"type":"response.output_item.added","item":{"type":"function_call","name":"f"}}"#,
            true,
        ),
        (
            r#"{"type":"response.output_item.added","item":{"type":"web_search_call"}}"#,
            true,
        ),
        (
            r#"{"type":"response.output_item.added","item":{"type":"message"}}"#,
            false,
        ),
        (
            r#"{"type":"response.output_item.added","item":{"type":"reasoning"}}"#,
            false,
        ),
        (
            r#"{"type":"response.output_item.done","item":{"type":"message"}}"#,
            true,
        ),
        (
            r#"{"type":"response.content_part.added","part":{"type":"output_text"}}"#,
            false,
        ),
        (r#"{"type":"response.in_progress","response":{}}"#, false),
        (r#"{"type":"response.incomplete","response":{}}"#, true),
        (r#"{"type":"something.new","error":null}"#, false),
    ] {
        content(Endpoint::Responses, json, expected);
    }
}

#[test]
fn content_of_messages_is_what_a_client_would_keep() {
    for (json, expected) in [
        (
            r#"{"type":"content_block_start","content_block":{"type":"tool_use","name":"f","input":{}}}"#,
            true,
        ),
        (
            r#"{"type":"content_block_start","content_block":{"type":"redacted_thinking","data":"x"}}"#,
            true,
        ),
        (
            r#"{"type":"content_block_start","content_block":{"type":"text","text":""}}"#,
            false,
        ),
        (
            r#"{"type":"content_block_start","content_block":{"type":"thinking","thinking":"","signature":""}}"#,
            false,
        ),
        (
            r#"{"type":"content_block_delta","delta":{"type":"thinking_delta","thinking":"a"}}"#,
            true,
        ),
        (
            r#"{"type":"content_block_delta","delta":{"type":"signature_delta","signature":"a"}}"#,
            true,
        ),
        (
            r#"{"type":"content_block_delta","delta":{"type":"input_json_delta","partial_json":""}}"#,
            false,
        ),
        (
            r#"{"type":"content_block_delta","delta":{"type":"citations_delta","citation":{}}}"#,
            true,
        ),
        (
            r#"{"type":"message_delta","delta":{"stop_reason":null}}"#,
            false,
        ),
        (r#"{"type":"ping"}"#, false),
    ] {
        content(Endpoint::Messages, json, expected);
    }
}

#[test]
fn content_of_gemini_is_what_a_client_would_keep() {
    let with_part =
        |part: &str| format!(r#"{{"candidates":[{{"content":{{"parts":[{part}]}}}}]}}"#);
    for part in [
        r#"{"text":"a"}"#,
        r#"{"text":"a","thought":true}"#,
        r#"{"functionCall":{"name":"f"}}"#,
        r#"{"inlineData":{"mimeType":"image/png","data":""}}"#,
        r#"{"text":"","thoughtSignature":"eA=="}"#,
    ] {
        content(GEMINI, &with_part(part), true);
    }
    for part in ["", "{}", r#"{"text":""}"#, r#"{"text":"","thought":true}"#] {
        content(GEMINI, &with_part(part), false);
    }
    let none =
        r#"{"candidates":[{"finishReason":"FINISH_REASON_UNSPECIFIED"}],"promptFeedback":{}}"#;
    content(GEMINI, none, false);
    content(GEMINI, r#"{"usageMetadata":{"promptTokenCount":1}}"#, false);
}

#[test]
fn errors_are_never_passed_as_they_came() {
    for (endpoint, json, message) in [
        (
            Endpoint::ChatCompletions,
            r#"{"error":{"message":"overloaded","type":"server_error"}}"#,
            "overloaded",
        ),
        (
            Endpoint::Responses,
            r#"{"type":"error","code":"x","message":"overloaded","sequence_number":2}"#,
            "overloaded",
        ),
        (
            Endpoint::Responses,
            r#"{"type":"error","error":{"message":"overloaded"}}"#,
            "overloaded",
        ),
        (
            Endpoint::Responses,
            r#"{"type":"response.failed","response":{"status":"failed","error":{"code":"x","message":"overloaded"}}}"#,
            "overloaded",
        ),
        (
            Endpoint::Messages,
            r#"{"type":"error","error":{"type":"overloaded_error","message":"overloaded"}}"#,
            "overloaded",
        ),
        (
            GEMINI,
            r#"{"error":{"code":503,"message":"overloaded","status":"UNAVAILABLE"}}"#,
            "overloaded",
        ),
        (
            GEMINI,
            r#"{"candidates":[{"finishReason":"MALFORMED_FUNCTION_CALL"}]}"#,
            "MALFORMED_FUNCTION_CALL",
        ),
        (
            Endpoint::ImageGenerations,
            r#"{"type":"error","error":{"message":"overloaded"}}"#,
            "overloaded",
        ),
    ] {
        let step = look(endpoint, json);
        assert!(step.bytes.is_empty() && !step.content, "{json}");
        assert_eq!(step.error.unwrap().message, message, "{json}");
    }
    let null = r#"{"error":null,"choices":[]}"#;
    assert_eq!(look(Endpoint::ChatCompletions, null).error, None);
}

#[test]
fn usage_of_a_failed_response_counts() {
    let mut stream = Stream::pass(expected(Endpoint::Responses), 0);
    run(
        &mut stream,
        &data(
            r#"{"type":"response.failed","response":{"status":"failed","error":{"message":"x"},"usage":{"input_tokens":5,"output_tokens":2}}}"#,
        ),
    );
    assert_eq!(stream.usage().total, 7);
    assert!(!stream.is_complete());
}

#[test]
fn a_forwarded_stream_is_content_from_its_first_event_on() {
    let mut stream = Stream::pass(expected(Endpoint::Transcriptions), 0);
    let (_, steps) = run(
        &mut stream,
        &data(r#"{"type":"transcript.text.delta","delta":"a"}"#),
    );
    assert!(steps[0].content && !stream.is_complete());
    run(
        &mut stream,
        &data(
            r#"{"type":"transcript.text.done","text":"a","usage":{"type":"tokens","input_tokens":1,"output_tokens":1,"total_tokens":2}}"#,
        ),
    );
    assert!(stream.is_complete());
    assert_eq!(stream.usage().total, 2);
    assert!(stream.finish().is_empty());
}

#[test]
fn the_end_marker_of_chat_is_known_with_space_around_it() {
    for text in ["data: [DONE]\n\n", "data:  [DONE] \n\n"] {
        let mut stream = Stream::pass(expected(Endpoint::ChatCompletions), 0);
        run(&mut stream, text);
        assert!(stream.is_done());
    }
}
