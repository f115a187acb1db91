//! Whole answers.

use super::{reply, signature};
use crate::{
    Unusable, Usage, UsageSource,
    canonical::{
        Choice, Family, Finish, Json, Media, Part, Response, Source, Thinking, TokenLogprob,
        ToolCall,
    },
    gemini::generate::response::{read as read_body, write as write_body},
};

fn read(body: &str) -> Response {
    read_body(body.as_bytes()).unwrap()
}

fn write(response: &Response) -> String {
    String::from_utf8(write_body(response, &reply(false))).unwrap()
}

fn of(parts: Vec<Part>, finish: Finish) -> Response {
    Response {
        choices: vec![Choice {
            index: 0,
            parts,
            finish,
            logprobs: Vec::new(),
        }],
        ..Response::default()
    }
}

#[test]
fn an_answer_is_read() {
    let response = read(
        r#"{"candidates":[{"content":{"parts":[{"text":"plan","thought":true},{"text":"Look","thoughtSignature":"c2ln"},
            {"functionCall":{"name":"f","args":{"z":1,"a":2}}},{"functionCall":{"name":"f","id":"own"}},{"executableCode":{}},
            {"inlineData":{"mimeType":"image/png","data":"-_8"}}],"role":"model"},
            "finishReason":"STOP","index":0,"safetyRatings":[{"category":"x"}]}],
            "usageMetadata":{"promptTokenCount":5,"candidatesTokenCount":3,"thoughtsTokenCount":2,"totalTokenCount":10},
            "modelVersion":"gemini-3-flash","responseId":"abc","newField":{}}"#,
    );
    let Part::ToolCall(made) = &response.choices[0].parts[2] else {
        panic!("a call");
    };
    assert!(made.id.starts_with("call_0_"), "{}", made.id);
    let call = |id: &str, arguments: &str| {
        Part::ToolCall(ToolCall {
            id: id.to_owned(),
            name: "f".to_owned(),
            arguments: Json::parse(arguments).unwrap(),
            cache: None,
        })
    };
    let parts = vec![
        Part::Thinking(Thinking {
            text: "plan".into(),
            signature: signature(Family::Gemini, "c2ln"),
            redacted: false,
        }),
        Part::text("Look"),
        call(&made.id, r#"{"z":1,"a":2}"#),
        call("own", "{}"),
        Part::Image {
            media: Media {
                media_type: Some("image/png".into()),
                source: Source::Inline("+/8=".into()),
            },
            detail: None,
            cache: None,
        },
    ];
    let expected = Response {
        id: Some("abc".into()),
        model: Some("gemini-3-flash".into()),
        usage: Some(Usage {
            prompt: 5,
            completion: 5,
            total: 10,
            cached: 0,
            cache_write: 0,
            reasoning: 2,
            source: UsageSource::Provider,
        }),
        ..of(parts, Finish::ToolCalls)
    };
    assert_eq!(response, expected);
}

#[test]
fn ids_differ_between_answers() {
    let id = |body: &str| match &read(body).choices[0].parts[0] {
        Part::ToolCall(call) => call.id.clone(),
        part => panic!("{part:?}"),
    };
    let body = |answer: &str| {
        format!(
            r#"{{"candidates":[{{"content":{{"parts":[{{"functionCall":{{"name":"f"}}}}]}}}}]{answer}}}"#
        )
    };
    let first = id(&body(r#","responseId":"a""#));
    assert_eq!(first, id(&body(r#","responseId":"a""#)));
    assert_ne!(first, id(&body(r#","responseId":"b""#)));
    assert_ne!(first, id(&body("")));
    assert!(
        first.len() <= 40
            && first
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    );
}

#[test]
fn answers_without_content_are_answers() {
    for (candidate, finish) in [
        ("{}", Finish::Stop),
        (r#"{"content":{}}"#, Finish::Stop),
        (
            r#"{"content":{"role":"model"},"finishReason":"MAX_TOKENS"}"#,
            Finish::Length,
        ),
        (
            r#"{"finishReason":"SAFETY","content":null}"#,
            Finish::Filtered(Some("SAFETY".into())),
        ),
        (
            r#"{"finishReason":"MALFORMED_FUNCTION_CALL"}"#,
            Finish::Broken("MALFORMED_FUNCTION_CALL".into()),
        ),
    ] {
        let response = read(&format!(r#"{{"candidates":[{candidate}]}}"#));
        assert_eq!(response, of(Vec::new(), finish), "{candidate}");
    }
    let blocked = read(r#"{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"}}"#);
    assert_eq!(
        blocked,
        of(
            Vec::new(),
            Finish::Filtered(Some("PROHIBITED_CONTENT".into()))
        )
    );
}

#[test]
fn what_is_no_answer_is_told_apart() {
    let error = |body: &str| read_body(body.as_bytes()).unwrap_err();
    assert_eq!(error("{}"), Unusable::Shape("candidates"));
    assert!(matches!(error("<html>"), Unusable::Syntax(_)));
    assert!(matches!(error("7"), Unusable::Wire(_)));
    assert!(matches!(error(r#"{"candidates":7}"#), Unusable::Wire(_)));
    for body in [
        r#"{"error":{"code":500,"message":"m","status":"INTERNAL"}}"#,
        r#"[{"error":{"code":500,"message":"m","status":"INTERNAL"}}]"#,
    ] {
        assert!(matches!(error(body), Unusable::Error(told) if told.message == "m"));
    }
}

#[test]
fn an_answer_is_written() {
    let thinking = |text: &str, family, value: &str, redacted| {
        Part::Thinking(Thinking {
            text: text.to_owned(),
            signature: signature(family, value),
            redacted,
        })
    };
    let parts = vec![
        thinking("plan", Family::Anthropic, "abc", false),
        thinking("", Family::Anthropic, "red", true),
        Part::text("a\u{2028}"),
        thinking("", Family::Gemini, "c2ln", false),
        Part::ToolCall(ToolCall {
            id: "c1".into(),
            name: "f".into(),
            arguments: Json::parse(r#"{"z":1,"a":2}"#).unwrap(),
            cache: None,
        }),
        Part::Refusal("no".into()),
    ];
    let mut response = of(parts, Finish::ToolCalls);
    response.usage = Some(Usage {
        prompt: 5,
        completion: 5,
        total: 10,
        cached: 1,
        cache_write: 0,
        reasoning: 2,
        source: UsageSource::Provider,
    });
    insta::assert_snapshot!(write(&response), @r#"{"candidates":[{"content":{"parts":[{"text":"plan","thought":true},{"text":"","thoughtSignature":"bG8xLmFudGhyb3BpYy5hYmM="},{"text":"","thought":true,"thoughtSignature":"bG8xLmFudGhyb3BpYy5yZWQ="},{"text":"a\u2028"},{"functionCall":{"id":"c1","name":"f","args":{"z":1,"a":2}},"thoughtSignature":"c2ln"},{"text":"no"}],"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":5,"cachedContentTokenCount":1,"candidatesTokenCount":3,"thoughtsTokenCount":2,"totalTokenCount":10},"modelVersion":"gemini-x","responseId":"0123"}"#);
}

#[test]
fn the_first_call_of_an_answer_is_vouched_for() {
    let call = |id: &str| {
        Part::ToolCall(ToolCall {
            id: id.into(),
            name: "f".into(),
            arguments: Json::empty_object(),
            cache: None,
        })
    };
    let written = write(&of(vec![call("a"), call("b")], Finish::ToolCalls));
    let placeholder = r#""thoughtSignature":"c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=""#;
    assert_eq!(written.matches(placeholder).count(), 1, "{written}");
    assert!(
        written.find(placeholder) < written.find(r#""id":"b""#),
        "{written}"
    );
}

#[test]
fn an_empty_answer_still_has_a_part_and_a_reason() {
    let refused = of(Vec::new(), Finish::Refused(Some("policy".into())));
    insta::assert_snapshot!(write(&refused), @r#"{"candidates":[{"content":{"parts":[{"text":""}],"role":"model"},"finishReason":"SAFETY","finishMessage":"policy","index":0}],"modelVersion":"gemini-x","responseId":"0123"}"#);
}

#[test]
fn log_probabilities_are_written_with_their_answer() {
    let mut response = of(vec![Part::text("a")], Finish::Stop);
    response.choices[0].logprobs.push(TokenLogprob {
        token: "a".into(),
        logprob: -0.5,
        bytes: None,
        top: Vec::new(),
    });
    let written = write(&response);
    assert!(written.contains(
        r#""logprobsResult":{"chosenCandidates":[{"token":"a","logProbability":-0.5}]}"#
    ));
    assert_eq!(read(&written).choices, response.choices);
}
