use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::{
    Reply, Unusable,
    canonical::{
        Choice, Effort, Family, Finish, Json, JsonSchema, Logprobs, Output, Part, Reasoning,
        Request, Response, Signature, Summary, Thinking, TokenLogprob, Tool, ToolCall, ToolChoice,
        arbitrary,
    },
};

fn reply(request: Request) -> Reply {
    Reply {
        request: Arc::new(request),
        id: "0123".to_owned(),
        created: 1_700_000_000,
        model: "some-model".to_owned(),
        include_usage: false,
        prompt_tokens: 3,
        as_array: false,
    }
}

fn answer(parts: Vec<Part>, finish: Finish) -> Response {
    Response {
        id: Some("upstream".to_owned()),
        model: Some("model-1".to_owned()),
        created: Some(1_700_000_001),
        choices: vec![Choice {
            index: 0,
            parts,
            finish,
            logprobs: Vec::new(),
        }],
        usage: None,
        service_tier: Some("standard".to_owned()),
    }
}

fn written(response: &Response, request: Request) -> String {
    String::from_utf8(write(response, &reply(request))).unwrap()
}

#[test]
fn an_answer_repeats_the_request() {
    let request = crate::openai::responses::request::read(
        br#"{"model":"m","instructions":"Be brief.","input":"hi","max_output_tokens":99,"temperature":0.5,"top_p":0.9,
            "parallel_tool_calls":false,"metadata":{"a":"b"},"user":"u","prompt_cache_key":"k","top_logprobs":2,
            "reasoning":{"effort":"low","summary":"auto"},"tool_choice":{"type":"function","name":"look"},
            "text":{"verbosity":"low","format":{"type":"json_schema","name":"n","schema":{"type":"object"},"strict":true}},
            "tools":[{"type":"function","name":"look","description":"d","parameters":{"type":"object"},"strict":false}]}"#,
    )
    .unwrap();
    let mut response = answer(vec![Part::text("Hello")], Finish::Length);
    response.service_tier = Some("priority".to_owned());
    insta::assert_snapshot!("echo", written(&response, request));
}

#[test]
fn each_kind_of_part_is_an_item() {
    let thinking = |text: &str, value: &str, redacted| {
        Part::Thinking(Thinking {
            text: text.to_owned(),
            signature: Some(Signature {
                family: Family::Anthropic,
                value: value.to_owned(),
            }),
            redacted,
        })
    };
    let parts = vec![
        thinking("Hm.", "sig", false),
        thinking("", "data", true),
        Part::text("One"),
        Part::text("Two"),
        Part::Refusal("No.".to_owned()),
        Part::ToolCall(ToolCall {
            id: "toolu_1".to_owned(),
            name: "look".to_owned(),
            arguments: Json::parse(r#"{"a": 1}"#).unwrap(),
            cache: None,
        }),
    ];
    let response = answer(parts.clone(), Finish::ToolCalls);
    let body = written(&response, Request::default());
    insta::assert_snapshot!("items", body);
    let back = read(body.as_bytes()).unwrap();
    assert_eq!(back.choices[0].parts, parts);
}

#[track_caller]
fn ends(parts: Vec<Part>, finish: Finish, status: &str, reason: Option<&str>, items: usize) {
    let body = written(&answer(parts, finish), Request::default());
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["status"], status);
    assert_eq!(body["incomplete_details"]["reason"].as_str(), reason);
    assert_eq!(body["output"].as_array().unwrap().len(), items);
}

#[test]
fn each_finish_has_its_status() {
    let (limit, filter) = (Some("max_output_tokens"), Some("content_filter"));
    ends(vec![], Finish::Stop, "completed", None, 0);
    ends(vec![], Finish::StopSequence(None), "completed", None, 0);
    ends(
        vec![Part::text("a")],
        Finish::Length,
        "incomplete",
        limit,
        1,
    );
    ends(vec![], Finish::Paused, "incomplete", limit, 0);
    ends(vec![], Finish::Filtered(None), "incomplete", filter, 0);
    ends(vec![], Finish::Refused(None), "incomplete", filter, 0);
    let why = Finish::Refused(Some("cyber".to_owned()));
    ends(vec![], why.clone(), "completed", None, 1);
    let refusal = Part::Refusal("no".to_owned());
    ends(vec![refusal], why, "completed", None, 1);
}

fn parts_of(body: &str) -> (Vec<Part>, Finish) {
    let response = read(body.as_bytes()).unwrap();
    let choice = response.choices.into_iter().next().unwrap();
    (choice.parts, choice.finish)
}

#[test]
fn items_of_other_kinds_are_skipped_and_nulls_are_absent() {
    let (parts, finish) = parts_of(
        r#"{"id":"resp_1","status":"completed","error":null,"incomplete_details":null,"usage":null,"new":{},"output":[
            {"type":"web_search_call","id":"ws","status":"completed"},
            {"type":"reasoning","id":"rs","summary":[],"content":[{"type":"reasoning_text","text":"t"}],"encrypted_content":null},
            {"type":"reasoning","id":"rs","summary":[],"encrypted_content":"x"},
            {"type":"reasoning","id":"rs","summary":[]},
            {"type":"message","content":[{"type":"output_text","text":"","annotations":[{"type":"x"}]},{"type":"new"},{"type":"refusal","refusal":"no"}]},
            {"type":"message","content":null},
            {"id":"untyped"}]}"#,
    );
    let thinking = |text: &str, signature: Option<&str>| {
        Part::Thinking(Thinking {
            text: text.to_owned(),
            signature: signature.map(|value| Signature {
                family: Family::OpenAi,
                value: value.to_owned(),
            }),
            redacted: false,
        })
    };
    let expected = vec![
        thinking("t", None),
        thinking("", Some("rs:x")),
        Part::Refusal("no".to_owned()),
    ];
    assert_eq!((parts, finish), (expected, Finish::Refused(None)));
}

#[test]
fn arguments_that_cannot_be_read_break_an_answer_unless_it_was_cut_off() {
    let body = |status: &str, arguments: &str| {
        format!(
            r#"{{"status":"{status}","output":[{{"type":"function_call","call_id":"c","name":"f","arguments":"{arguments}"}}]}}"#
        )
    };
    let broken = Finish::Broken("the arguments of f are not a JSON object".to_owned());
    assert_eq!(parts_of(&body("completed", "{")), (vec![], broken.clone()));
    assert_eq!(parts_of(&body("completed", "[]")), (vec![], broken));
    assert_eq!(parts_of(&body("incomplete", "{")), (vec![], Finish::Length));
    let (parts, finish) = parts_of(&body("completed", ""));
    assert!(matches!(&parts[..], [Part::ToolCall(call)] if call.arguments.get() == "{}"));
    assert_eq!(finish, Finish::ToolCalls);
}

#[test]
fn what_is_no_answer_is_told_apart() {
    let read = |body: &str| read(body.as_bytes()).unwrap_err();
    assert!(matches!(read("<html>"), Unusable::Syntax(_)));
    assert!(matches!(read("[]"), Unusable::Wire(_) | Unusable::Shape(_)));
    assert!(matches!(read(r#"{"output":7}"#), Unusable::Wire(_)));
    assert_eq!(read(r#"{"id":"x"}"#), Unusable::Shape("output"));
    let failed = read(r#"{"status":"failed","error":{"code":"server_error","message":"boom"}}"#);
    assert_eq!(failed.to_string(), "the answer is an error: boom");
    let unfinished = read(r#"{"status":"in_progress","output":[]}"#);
    assert!(matches!(unfinished, Unusable::Error(_)));
    let deep = format!("{}{}", r#"{"output":"#, "[".repeat(100_000));
    assert!(matches!(read(&deep), Unusable::Syntax(_)));
}

fn logprob() -> impl Strategy<Value = TokenLogprob> {
    let token = || {
        (arbitrary::text(), -36_i8..0, any::<bool>()).prop_map(|(token, logprob, has_bytes)| {
            TokenLogprob {
                bytes: has_bytes.then(|| vec![0xe2, 0x82]),
                token,
                // Quarters: serde_json reads other fractions to the last bit but one.
                logprob: f64::from(logprob) / 4.0,
                top: Vec::new(),
            }
        })
    };
    (token(), prop::collection::vec(token(), 0..2))
        .prop_map(|(token, top)| TokenLogprob { top, ..token })
}

/// An answer as the format can say it.
fn sayable() -> impl Strategy<Value = Response> {
    let family = prop::sample::select(vec![Family::OpenAi, Family::Anthropic, Family::Gemini]);
    let signature =
        (family, "[a-zA-Z0-9+/:]{1,12}").prop_map(|(family, value)| Signature { family, value });
    let thinking =
        (arbitrary::text(), prop::option::of(signature)).prop_map(|(text, signature)| {
            Part::Thinking(Thinking {
                text,
                signature,
                redacted: false,
            })
        });
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
    let part = prop_oneof![
        thinking,
        call,
        arbitrary::text().prop_map(Part::text),
        arbitrary::text().prop_map(Part::Refusal),
    ];
    let logprobs = prop::collection::vec(logprob(), 0..3);
    (
        prop::collection::vec(part, 0..5),
        logprobs,
        prop::option::of(arbitrary::usage()),
        0_u8..3,
    )
        .prop_map(|(parts, logprobs, usage, end)| {
            let any = |is: fn(&Part) -> bool| parts.iter().any(is);
            let finish = match end {
                0 => Finish::Length,
                1 => Finish::Filtered(Some("content_filter".to_owned())),
                _ if any(|part| matches!(part, Part::ToolCall(_))) => Finish::ToolCalls,
                _ if any(|part| matches!(part, Part::Refusal(_))) => Finish::Refused(None),
                _ => Finish::Stop,
            };
            let has_text = any(|part| matches!(part, Part::Text { .. }));
            let mut response = answer(parts, finish);
            response.id = Some("resp_0123".to_owned());
            response.service_tier = None;
            response.usage = usage;
            if has_text {
                response.choices[0].logprobs = logprobs;
            }
            response
        })
}

proptest! {
    #[test]
    fn what_the_format_can_say_comes_back(response in sayable()) {
        let body = write(&response, &reply(Request::default()));
        prop_assert_eq!(read(&body), Ok(response));
    }

    #[test]
    fn hostile_answers_never_panic(
        field in prop::sample::select(vec!["output", "usage", "error", "created_at", "status", "incomplete_details"]),
        value in prop::sample::select(vec![
            "null", "-1", "1e999", "\"\"", "[]", "{}", "[{}]", "[7]", "[{\"type\":\"message\",\"content\":[{}]}]",
            "[{\"type\":\"reasoning\"}]", "[{\"type\":\"function_call\"}]", "{\"input_tokens\":18446744073709551615,\"output_tokens\":1}",
        ]),
        noise in prop::collection::vec(any::<u8>(), 0..32),
    ) {
        let _ = read(format!("{{\"output\":[],\"x{field}\":0,\"{field}\":{value}}}").as_bytes());
        let _ = read(&noise);
    }
}

#[test]
fn plain_settings_are_told_by_their_defaults() {
    let request = Request {
        output: Output::JsonSchema(JsonSchema {
            name: None,
            description: None,
            schema: Json::empty_object(),
            strict: None,
        }),
        tool_choice: Some(ToolChoice::Allowed(vec!["look".to_owned()], false)),
        tools: vec![Tool {
            name: "look".to_owned(),
            description: None,
            parameters: None,
            strict: None,
            cache: None,
        }],
        logprobs: Some(Logprobs { top: None }),
        reasoning: Reasoning {
            mode: None,
            effort: Some(Effort::Minimal),
            summary: Some(Summary::Omitted),
        },
        ..Request::default()
    };
    let empty = Response::default();
    insta::assert_snapshot!("defaults", written(&empty, request));
}
