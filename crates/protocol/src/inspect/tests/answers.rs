//! Whole answers.

use super::*;

#[track_caller]
fn reads(endpoint: Endpoint, body: &str, total: Option<u64>, output_bytes: usize) {
    let answer = Answer::inspect(endpoint, body.as_bytes()).unwrap();
    assert_eq!(answer.usage.map(|usage| usage.total), total, "{body}");
    assert_eq!(answer.output_bytes, output_bytes, "{body}");
}

#[test]
fn an_answer_gives_its_usage_and_length() {
    reads(
        Endpoint::ChatCompletions,
        r#"{"id":"x","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}],
            "usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5},"error":null}"#,
        Some(5),
        5,
    );
    reads(
        Endpoint::Completions,
        r#"{"choices":[{"text":"hello","finish_reason":"stop"}]}"#,
        None,
        5,
    );
    reads(
        Endpoint::Responses,
        r#"{"object":"response","status":"completed","error":null,"output":[{"type":"reasoning","summary":[{"type":"summary_text","text":"ab"}]},
            {"type":"message","content":[{"type":"output_text","text":"hello"}]},{"type":"function_call","arguments":"{}"}],
            "usage":{"input_tokens":3,"output_tokens":2,"total_tokens":5}}"#,
        Some(5),
        9,
    );
    reads(
        Endpoint::Messages,
        r#"{"type":"message","content":[{"type":"text","text":"hello"},{"type":"tool_use","input":{"a":1}}],"stop_reason":"end_turn",
            "usage":{"input_tokens":3,"cache_read_input_tokens":10,"output_tokens":2}}"#,
        Some(15),
        12,
    );
    reads(
        Endpoint::GenerateContent,
        r#"{"candidates":[{"content":{"parts":[{"text":"hello"}]},"finishReason":"STOP"}],
            "usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":2,"totalTokenCount":5}}"#,
        Some(5),
        5,
    );
}

#[test]
fn answers_that_are_not_text_are_known_by_their_own_member() {
    reads(
        Endpoint::Embeddings,
        r#"{"data":[{"embedding":[0.1]}],"usage":{"prompt_tokens":3,"total_tokens":3}}"#,
        Some(3),
        0,
    );
    reads(
        Endpoint::EmbedContent,
        r#"{"embedding":{"values":[0.1]}}"#,
        None,
        0,
    );
    reads(
        Endpoint::BatchEmbedContents,
        r#"{"embeddings":[{"values":[0.1]}],"usageMetadata":{"promptTokenCount":4}}"#,
        Some(4),
        0,
    );
    reads(
        Endpoint::InputTokens,
        r#"{"object":"response.input_tokens","input_tokens":11}"#,
        None,
        0,
    );
    reads(
        Endpoint::CountMessagesTokens,
        r#"{"input_tokens":11}"#,
        None,
        0,
    );
    reads(Endpoint::CountTokens, r#"{"totalTokens":11}"#, None, 0);
    reads(
        Endpoint::ImageGenerations,
        r#"{"data":[{"b64_json":""}],"usage":{"input_tokens":1,"output_tokens":2,"total_tokens":3}}"#,
        Some(3),
        0,
    );
    reads(
        Endpoint::Rerank,
        r#"{"results":[],"usage":{"total_tokens":3}}"#,
        Some(3),
        0,
    );
    reads(Endpoint::Moderations, r#"{"results":[]}"#, None, 0);
    for endpoint in [
        Endpoint::Speech,
        Endpoint::Transcriptions,
        Endpoint::Translations,
    ] {
        reads(endpoint, "WEBVTT {", None, 0);
        let audio = Answer::inspect(endpoint, b"\xff\xf3{").unwrap();
        assert_eq!(audio, Answer::default());
    }
}

#[test]
fn an_empty_but_complete_answer_is_an_answer() {
    for (endpoint, body) in [
        (
            Endpoint::ChatCompletions,
            r#"{"choices":[{"message":{"content":""},"finish_reason":"stop"}]}"#,
        ),
        (
            Endpoint::Responses,
            r#"{"status":"incomplete","output":[]}"#,
        ),
        (
            Endpoint::Messages,
            r#"{"type":"message","content":[],"stop_reason":"end_turn"}"#,
        ),
        (
            Endpoint::GenerateContent,
            r#"{"candidates":[{"finishReason":"SAFETY"}]}"#,
        ),
        (
            Endpoint::GenerateContent,
            r#"{"promptFeedback":{"blockReason":"SAFETY"}}"#,
        ),
    ] {
        let answer = Answer::inspect(endpoint, body.as_bytes());
        assert_eq!(answer, Ok(Answer::default()), "{body}");
    }
}

#[track_caller]
fn lacks(endpoint: Endpoint, body: &str, member: &'static str) {
    assert_eq!(
        Answer::inspect(endpoint, body.as_bytes()),
        Err(Unusable::Shape(member)),
        "{body}"
    );
}

#[test]
fn what_is_no_answer_is_told_apart() {
    for endpoint in Endpoint::ALL {
        let may_be_text = matches!(
            endpoint,
            Endpoint::Speech | Endpoint::Transcriptions | Endpoint::Translations
        );
        for body in ["<html>", r#"{"choices":["#, "", "{} {}"] {
            let answer = Answer::inspect(endpoint, body.as_bytes());
            assert_eq!(
                matches!(answer, Err(Unusable::Syntax(_))),
                !may_be_text,
                "{endpoint:?} {body}"
            );
        }
    }
    for body in [
        "[]",
        "{}",
        r#"{"data":[]}"#,
        r#"{"choices":null}"#,
        r#"{"choices":[]}"#,
    ] {
        lacks(Endpoint::ChatCompletions, body, "choices");
    }
    lacks(Endpoint::Embeddings, r#"{"data":null}"#, "data");
    lacks(Endpoint::Responses, r#"{"status":"completed"}"#, "output");
    lacks(Endpoint::Messages, r#"{"type":"message"}"#, "content");
    lacks(
        Endpoint::Messages,
        r#"{"type":"completion","content":[]}"#,
        "type",
    );
    for body in [
        "[]",
        "{}",
        r#"{"candidates":[]}"#,
        r#"{"promptFeedback":{}}"#,
    ] {
        lacks(Endpoint::GenerateContent, body, "candidates");
    }
    lacks(
        Endpoint::CountTokens,
        r#"{"totalTokens":"x"}"#,
        "totalTokens",
    );
    lacks(Endpoint::InputTokens, "{}", "input_tokens");
    lacks(Endpoint::EmbedContent, r#"{"embedding":[]}"#, "embedding");
    lacks(Endpoint::BatchEmbedContents, "{}", "embeddings");
}

#[test]
fn errors_in_disguise_and_broken_ends_are_found() {
    for (endpoint, body) in [
        (
            Endpoint::ChatCompletions,
            r#"{"error":{"message":"boom","code":"x"}}"#,
        ),
        (
            Endpoint::Responses,
            r#"{"status":"failed","error":{"code":"x","message":"boom"},"output":[]}"#,
        ),
        (
            Endpoint::Messages,
            r#"{"type":"error","error":{"type":"t","message":"boom","code":"x"}}"#,
        ),
        (
            Endpoint::GenerateContent,
            r#"{"error":{"code":"x","message":"boom"}}"#,
        ),
        (
            Endpoint::Transcriptions,
            r#"{"error":{"code":"x","message":"boom"}}"#,
        ),
        (
            Endpoint::CountTokens,
            r#"{"error":{"code":"x","message":"boom"},"totalTokens":1}"#,
        ),
    ] {
        let Err(Unusable::Error(error)) = Answer::inspect(endpoint, body.as_bytes()) else {
            panic!("{body}")
        };
        assert_eq!(
            (error.message.as_str(), error.code.as_deref()),
            ("boom", Some("x"))
        );
    }
    let silent = Answer::inspect(Endpoint::Responses, br#"{"status":"failed","output":[]}"#);
    assert!(matches!(silent, Err(Unusable::Error(_))));
    for reason in [
        "MALFORMED_FUNCTION_CALL",
        "UNEXPECTED_TOOL_CALL",
        "TOO_MANY_TOOL_CALLS",
        "MISSING_THOUGHT_SIGNATURE",
        "MALFORMED_RESPONSE",
    ] {
        let body = format!(r#"{{"candidates":[{{"finishReason":"{reason}"}}]}}"#);
        let answer = Answer::inspect(Endpoint::GenerateContent, body.as_bytes());
        assert_eq!(answer, Err(Unusable::Broken(reason.to_owned())));
    }
}

#[test]
fn images_and_seconds_of_what_is_forwarded_are_counted() {
    let media = |endpoint, body: &str| Answer::inspect(endpoint, body.as_bytes()).unwrap().media;
    let images = |body| media(Endpoint::ImageGenerations, body).images;
    assert_eq!(
        images(r#"{"data":[{"b64_json":"[,"},{"url":"x"}]}"#),
        Some(2)
    );
    assert_eq!(images(r#"{"data":[]}"#), Some(0));
    assert_eq!(images(r#"{"data":{}}"#), None);
    assert_eq!(images(r#"{"created":1}"#), None);
    assert_eq!(media(Endpoint::Moderations, r#"{"data":[1]}"#).images, None);
    let millis = |body| media(Endpoint::Transcriptions, body).millis;
    for (body, expected) in [
        (
            r#"{"text":"","usage":{"type":"duration","seconds":9}}"#,
            Some(9_000),
        ),
        (r#"{"text":"","duration":8.47}"#, Some(8_470)),
        (r#"{"text":"","duration":"8.470000267028809"}"#, Some(8_470)),
        (
            r#"{"duration":8.47,"usage":{"type":"duration","seconds":9}}"#,
            Some(9_000),
        ),
        (
            r#"{"usage":{"type":"tokens","input_tokens":1,"seconds":3}}"#,
            None,
        ),
        (r#"{"duration":-1}"#, None),
        (r#"{"duration":1e300}"#, None),
        (r#"{"duration":null,"usage":null}"#, None),
        ("spoken words", None),
    ] {
        assert_eq!(millis(body), expected, "{body}");
    }
    let image = Answer::inspect(Endpoint::ImageGenerations, br#"{"data":[1],"duration":3}"#);
    assert_eq!(image.unwrap().media.millis, None);
}
