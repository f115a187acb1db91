use serde_json::{Value, json};

use super::{read, write};
use crate::{
    Reply, Unusable,
    anthropic::messages::testing::reply,
    canonical::{
        Choice, Family, Finish, Json, Media, Part, Response, Signature, Source, Thinking, ToolCall,
    },
};

fn message(content: Value, stop_reason: Value) -> Value {
    json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": content,
        "stop_reason": stop_reason, "stop_sequence": null, "usage": {"input_tokens": 3, "output_tokens": 5}})
}

#[track_caller]
fn answer(body: &Value) -> Response {
    read(body.to_string().as_bytes()).unwrap()
}

#[track_caller]
fn parts(content: Value) -> Vec<Part> {
    answer(&message(content, json!("end_turn")))
        .choices
        .remove(0)
        .parts
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

#[track_caller]
fn written(response: &Response) -> Value {
    serde_json::from_slice(&write(response, &reply())).unwrap()
}

fn reasoning(text: &str, signature: Option<(Family, &str)>, redacted: bool) -> Part {
    Part::Thinking(Thinking {
        text: text.into(),
        signature: signature.map(|(family, value)| Signature {
            family,
            value: value.into(),
        }),
        redacted,
    })
}

#[test]
fn every_kind_of_block_is_read_or_skipped() {
    let read = parts(json!([
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "thinking", "thinking": "", "signature": ""},
        {"type": "redacted_thinking", "data": "d"},
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
        {"type": "web_search_tool_result", "tool_use_id": "s", "content": []},
        {"type": "novel", "text": 7},
        {"type": "text", "text": "", "citations": null},
        {"type": "text", "text": "Hi", "citations": [{"type": "char_location"}]},
        {"type": "tool_use", "id": "t", "name": "f", "input": {"b": 1, "a": 2}, "caller": {"type": "direct"}},
    ]));
    let call = Part::ToolCall(ToolCall {
        id: "t".into(),
        name: "f".into(),
        arguments: Json::parse(r#"{"a":2,"b":1}"#).unwrap(),
        cache: None,
    });
    let expected = [
        reasoning("hm", Some((Family::Anthropic, "s")), false),
        reasoning("", Some((Family::Anthropic, "d")), true),
        Part::text("Hi"),
        call,
    ];
    assert_eq!(read, expected);
}

#[test]
fn every_reason_is_read_and_written() {
    let with = |reason: &str| {
        answer(&message(json!([]), json!(reason)))
            .choices
            .remove(0)
            .finish
    };
    for (reason, finish) in [
        ("end_turn", Finish::Stop),
        ("max_tokens", Finish::Length),
        ("model_context_window_exceeded", Finish::ContextLength),
        ("pause_turn", Finish::Paused),
        ("stop_sequence", Finish::StopSequence(None)),
        ("refusal", Finish::Refused(None)),
    ] {
        assert_eq!(with(reason), finish);
        assert_eq!(written(&of(vec![], finish))["stop_reason"], reason);
    }
    assert_eq!(with("tool_use"), Finish::ToolCalls);
    assert_eq!(with("novel"), Finish::Stop);
    let mut body = message(json!([]), json!("refusal"));
    body["stop_details"] = json!({"type": "refusal", "category": "bio", "explanation": "why"});
    assert_eq!(
        answer(&body).choices[0].finish,
        Finish::Refused(Some("why".into()))
    );
    body["stop_details"] = json!({"type": "refusal", "category": "bio", "explanation": null});
    assert_eq!(
        answer(&body).choices[0].finish,
        Finish::Refused(Some("bio".into()))
    );
    body["stop_reason"] = Value::Null;
    assert_eq!(answer(&body).choices[0].finish, Finish::Stop);
}

#[test]
fn the_reason_fits_what_was_said() {
    let call = || {
        Part::ToolCall(ToolCall {
            id: "t".into(),
            name: "f".into(),
            arguments: Json::empty_object(),
            cache: None,
        })
    };
    let refusal = || Part::Refusal("No.".into());
    for (parts, finish, reason) in [
        (vec![call()], Finish::Stop, "tool_use"),
        (vec![], Finish::ToolCalls, "end_turn"),
        (vec![refusal()], Finish::Stop, "refusal"),
        (vec![call()], Finish::Length, "max_tokens"),
        (vec![], Finish::Filtered(Some("SAFETY".into())), "refusal"),
    ] {
        assert_eq!(written(&of(parts, finish))["stop_reason"], reason);
    }
    let refused = written(&of(vec![refusal()], Finish::Stop));
    assert_eq!(refused["content"], json!([{"type": "text", "text": "No."}]));
}

#[test]
fn an_answer_is_written() {
    let response = Response {
        id: Some("chatcmpl-1".into()),
        service_tier: Some("default".into()),
        ..of(
            vec![
                reasoning("hm", None, false),
                reasoning("so", Some((Family::OpenAi, "rs:x")), false),
                reasoning("", Some((Family::Gemini, "Zm9v")), false),
                reasoning("", Some((Family::Anthropic, "own")), false),
                reasoning("", Some((Family::Anthropic, "data")), true),
                Part::text("Hi"),
                Part::Image {
                    media: Media {
                        media_type: None,
                        source: Source::Url("https://x/".into()),
                    },
                    detail: None,
                    cache: None,
                },
            ],
            Finish::StopSequence(Some("END".into())),
        )
    };
    let text = String::from_utf8(write(&response, &reply())).unwrap();
    insta::assert_snapshot!(text, @r#"{"id":"msg_0123456789abcdef0123456789abcdef","type":"message","role":"assistant","model":"provider-model","content":[{"type":"thinking","thinking":"hm","signature":"lo1.openai."},{"type":"thinking","thinking":"so","signature":"lo1.openai.rs:x"},{"type":"redacted_thinking","data":"lo1.gemini.Zm9v"},{"type":"thinking","thinking":"","signature":"own"},{"type":"redacted_thinking","data":"data"},{"type":"text","text":"Hi"},{"type":"text","text":"![image](https://x/)"}],"stop_reason":"stop_sequence","stop_sequence":"END","usage":{"input_tokens":12,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":2}}"#);
}

#[test]
fn an_id_of_the_form_is_kept() {
    let response = Response {
        id: Some("msg_x".into()),
        model: Some("told".into()),
        service_tier: Some("priority".into()),
        ..Response::default()
    };
    let body = written(&response);
    assert_eq!(
        (&body["id"], &body["model"]),
        (&json!("msg_x"), &json!("told"))
    );
    assert_eq!(body["usage"]["service_tier"], "priority");
    let Reply { prompt_tokens, .. } = reply();
    assert_eq!(body["usage"]["input_tokens"], prompt_tokens);
}

#[test]
fn what_is_no_answer_is_refused() {
    let no = |body: &[u8]| read(body).unwrap_err();
    let error = br#"{"type":"error","error":{"type":"overloaded_error","message":"busy"}}"#;
    assert!(matches!(no(error), Unusable::Error(error) if error.message == "busy"));
    assert!(matches!(no(b"<html>"), Unusable::Syntax(_)));
    assert_eq!(no(b"[]"), Unusable::Shape("content"));
    assert_eq!(no(b"{}"), Unusable::Shape("content"));
    assert!(matches!(no(br#"{"content":{}}"#), Unusable::Wire(_)));
    assert!(matches!(
        no(br#"{"content":[{"type":"text"}]}"#),
        Unusable::Wire(_)
    ));
    let input = br#"{"content":[{"type":"tool_use","id":"a","name":"f","input":[]}]}"#;
    assert!(matches!(no(input), Unusable::Wire(_)));
}

#[test]
fn a_turn_of_calls_has_reasoning_where_reasoning_was_asked_for() {
    use crate::canonical::{Reasoning, ReasoningMode, Request};

    let call = Part::ToolCall(ToolCall {
        id: "a".into(),
        name: "look".into(),
        arguments: Json::empty_object(),
        cache: None,
    });
    let kinds = |parts: Vec<Part>, mode| {
        let asked = Reply {
            request: std::sync::Arc::new(Request {
                reasoning: Reasoning {
                    mode,
                    ..Reasoning::default()
                },
                ..Request::default()
            }),
            ..reply()
        };
        let message: Value =
            serde_json::from_slice(&write(&of(parts, Finish::ToolCalls), &asked)).unwrap();
        let blocks = message["content"].as_array().unwrap();
        let kind = |block: &Value| block["type"].as_str().unwrap().to_owned();
        blocks.iter().map(kind).collect::<Vec<_>>()
    };
    let budget = Some(ReasoningMode::Budget(2048));
    assert_eq!(
        kinds(vec![call.clone()], budget),
        ["redacted_thinking", "tool_use"]
    );
    assert_eq!(kinds(vec![call.clone()], None), ["tool_use"]);
    assert_eq!(
        kinds(vec![call.clone()], Some(ReasoningMode::Off)),
        ["tool_use"]
    );
    assert_eq!(kinds(vec![Part::text("a")], budget), ["text"]);
    let own = vec![reasoning("hm", None, false), call];
    assert_eq!(kinds(own, budget), ["thinking", "tool_use"]);
}
