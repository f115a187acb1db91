//! Writing requests.

use super::{signature, target};
use crate::{
    Feature,
    canonical::{
        Family, Json, JsonSchema, Logprobs, Media, Message, Output, Part, Request, Role, Source,
        Thinking, Tool, ToolCall, ToolChoice, ToolResult,
    },
    gemini::generate::{count, request::write as write_body},
};

const SECOND: &str = "gemini-2.5-flash";
const THIRD: &str = "gemini-3-flash";

fn write(request: &Request, model: &str) -> String {
    let mut cut = Vec::new();
    let body = write_body(request, &target(model), &mut cut).unwrap();
    assert_eq!(cut, []);
    String::from_utf8(body).unwrap()
}

fn of(messages: Vec<Message>) -> Request {
    Request {
        messages,
        ..Request::default()
    }
}

fn user(text: &str) -> Message {
    Message::new(Role::User, vec![Part::text(text)])
}

fn call(id: &str, name: &str) -> Part {
    Part::ToolCall(ToolCall {
        id: id.to_owned(),
        name: name.to_owned(),
        arguments: Json::parse(r#"{"b":1,"a":2}"#).unwrap(),
        cache: None,
    })
}

fn result(id: &str, name: &str, content: Vec<Part>) -> ToolResult {
    ToolResult {
        call_id: id.to_owned(),
        name: name.to_owned(),
        content,
        object: None,
        is_error: false,
        cache: None,
    }
}

fn thinking(text: &str, family: Family, value: &str) -> Part {
    Part::Thinking(Thinking {
        text: text.to_owned(),
        signature: signature(family, value),
        redacted: false,
    })
}

#[test]
fn neighbours_are_one_turn_and_the_user_begins() {
    let request = of(vec![
        Message::new(Role::System, vec![Part::text("a")]),
        Message::new(Role::Assistant, vec![Part::text("hi")]),
        user("b"),
        Message::new(Role::Developer, vec![Part::text("c")]),
        user("d"),
        Message::new(Role::Assistant, vec![Part::Refusal("no".into())]),
        Message::new(Role::Assistant, vec![Part::text("e")]),
    ]);
    insta::assert_snapshot!(write(&request, SECOND), @r#"{"systemInstruction":{"parts":[{"text":"a\n\nc"}]},"contents":[{"role":"user","parts":[{"text":"Continue."}]},{"role":"model","parts":[{"text":"hi"}]},{"role":"user","parts":[{"text":"b"},{"text":"d"}]},{"role":"model","parts":[{"text":"no"},{"text":"e"}]}],"generationConfig":{}}"#);
    insta::assert_snapshot!(write(&Request::default(), SECOND), @r#"{"contents":[{"role":"user","parts":[{"text":"Continue."}]}],"generationConfig":{}}"#);
}

#[test]
fn results_come_in_the_order_of_their_calls_and_as_objects() {
    let image = Part::Image {
        media: Media {
            media_type: Some("image/png".into()),
            source: Source::Inline("AA==".into()),
        },
        detail: None,
        cache: None,
    };
    let results = vec![
        result("3", "h", vec![Part::text("t"), image]),
        ToolResult {
            is_error: true,
            ..result("2", "g", vec![Part::text("bad")])
        },
        result("1", "f", vec![Part::text(r#" {"z":1,"y":2}"#)]),
        result("4", "i", vec![]),
    ];
    let request = of(vec![
        user("go"),
        Message::new(
            Role::Assistant,
            vec![
                call("1", "f"),
                call("2", "g"),
                call("3", "h"),
                call("4", "i"),
            ],
        ),
        Message::new(
            Role::Tool,
            results.into_iter().map(Part::ToolResult).collect(),
        ),
        user("so?"),
    ]);
    insta::assert_snapshot!(write(&request, SECOND), @r#"{"contents":[{"role":"user","parts":[{"text":"go"}]},{"role":"model","parts":[{"functionCall":{"name":"f","args":{"b":1,"a":2}}},{"functionCall":{"name":"g","args":{"b":1,"a":2}}},{"functionCall":{"name":"h","args":{"b":1,"a":2}}},{"functionCall":{"name":"i","args":{"b":1,"a":2}}}]},{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"z":1,"y":2}}},{"functionResponse":{"name":"g","response":{"error":"bad"}}},{"functionResponse":{"name":"h","response":{"result":"t"},"parts":[{"inlineData":{"mimeType":"image/png","data":"AA=="}}]}},{"functionResponse":{"name":"i","response":{"result":""}}},{"text":"so?"}]}],"generationConfig":{}}"#);
}

#[test]
fn gemini_3_gets_ids_and_a_signature_on_the_first_call_of_each_step() {
    let request = of(vec![
        user("go"),
        Message::new(
            Role::Assistant,
            vec![
                thinking("hm", Family::Anthropic, "foreign"),
                call("1", "f"),
                call("2", "f"),
            ],
        ),
        Message::new(
            Role::Tool,
            vec![Part::ToolResult(result("1", "f", vec![Part::text("x")]))],
        ),
        Message::new(
            Role::Assistant,
            vec![thinking("own", Family::Gemini, "c2ln"), call("3", "f")],
        ),
    ]);
    insta::assert_snapshot!(write(&request, THIRD), @r#"{"contents":[{"role":"user","parts":[{"text":"go"}]},{"role":"model","parts":[{"functionCall":{"id":"1","name":"f","args":{"b":1,"a":2}},"thoughtSignature":"c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="},{"functionCall":{"id":"2","name":"f","args":{"b":1,"a":2}}}]},{"role":"user","parts":[{"functionResponse":{"id":"1","name":"f","response":{"result":"x"}}}]},{"role":"model","parts":[{"text":"own","thought":true},{"functionCall":{"id":"3","name":"f","args":{"b":1,"a":2}},"thoughtSignature":"c2ln"}]}],"generationConfig":{}}"#);
}

#[test]
fn media_elsewhere_tells_its_kind_where_it_can_be_seen() {
    let at = |url: &str, media_type: Option<&str>| Part::File {
        media: Media {
            media_type: media_type.map(str::to_owned),
            source: Source::Url(url.to_owned()),
        },
        name: None,
        cache: None,
    };
    let text = Part::File {
        media: Media {
            media_type: None,
            source: Source::Text("plain".into()),
        },
        name: None,
        cache: None,
    };
    let request = of(vec![Message::new(
        Role::User,
        vec![
            at("https://x.example/a.pdf?v=1", None),
            at("https://x.example/a", Some("image/png")),
            at("https://x.example/a", None),
            text,
        ],
    )]);
    insta::assert_snapshot!(write(&request, SECOND), @r#"{"contents":[{"role":"user","parts":[{"fileData":{"mimeType":"application/pdf","fileUri":"https://x.example/a.pdf?v=1"}},{"fileData":{"mimeType":"image/png","fileUri":"https://x.example/a"}},{"fileData":{"fileUri":"https://x.example/a"}},{"text":"plain"}]}],"generationConfig":{}}"#);
}

#[test]
fn settings_are_written() {
    let tool = |name: &str, schema: Option<&str>| Tool {
        name: name.to_owned(),
        description: None,
        parameters: schema.map(|schema| Json::parse(schema).unwrap()),
        strict: None,
        cache: None,
    };
    let request = Request {
        messages: vec![user("a")],
        tools: vec![
            tool(
                "f",
                Some(r#"{"type":"object","properties":{"b":{},"a":{}}}"#),
            ),
            tool(
                "g",
                Some(r#"{"type":"object","properties":{},"additionalProperties":false}"#),
            ),
            tool("h", Some(r#"{"type":"object"}"#)),
            tool("i", None),
            tool("j", Some(r##"{"$ref":"#/$defs/a"}"##)),
        ],
        tool_choice: Some(ToolChoice::Tool("f".into())),
        output: Output::JsonSchema(JsonSchema {
            name: Some("n".into()),
            description: None,
            schema: Json::parse(r#"{"type":"object"}"#).unwrap(),
            strict: Some(true),
        }),
        max_tokens: Some(9),
        stop: vec!["x".into()],
        temperature: Some(0.5),
        top_p: Some(0.25),
        top_k: Some(3),
        presence_penalty: Some(1.0),
        frequency_penalty: Some(-1.0),
        seed: Some(5),
        choices: Some(2),
        logprobs: Some(Logprobs { top: Some(4) }),
        ..Request::default()
    };
    insta::assert_snapshot!(write(&request, SECOND), @r##"{"contents":[{"role":"user","parts":[{"text":"a"}]}],"tools":[{"functionDeclarations":[{"name":"f","parametersJsonSchema":{"type":"object","properties":{"b":{},"a":{}}}},{"name":"g"},{"name":"h"},{"name":"i"},{"name":"j","parametersJsonSchema":{"$ref":"#/$defs/a"}}]}],"toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["f"]}},"generationConfig":{"maxOutputTokens":9,"temperature":0.5,"topP":0.25,"topK":3,"presencePenalty":1.0,"frequencyPenalty":-1.0,"seed":5,"stopSequences":["x"],"candidateCount":2,"responseLogprobs":true,"logprobs":4,"responseMimeType":"application/json","responseJsonSchema":{"type":"object"}}}"##);
}

#[test]
fn a_choice_among_no_tools_is_not_written() {
    let request = Request {
        tool_choice: Some(ToolChoice::Required),
        ..of(vec![user("a")])
    };
    assert!(!write(&request, SECOND).contains("toolConfig"));
}

#[test]
fn what_gemini_cannot_hold_is_refused_or_cut() {
    let unsayable = |request: &Request| {
        write_body(request, &target(SECOND), &mut Vec::new())
            .unwrap_err()
            .feature
    };
    let stops = Request {
        stop: vec!["x".into(); 6],
        ..Request::default()
    };
    assert_eq!(unsayable(&stops), Feature::Stop);
    let choices = Request {
        choices: Some(9),
        ..Request::default()
    };
    assert_eq!(unsayable(&choices), Feature::Choices);
    let logprobs = Request {
        logprobs: Some(Logprobs { top: Some(21) }),
        ..Request::default()
    };
    assert_eq!(unsayable(&logprobs), Feature::Logprobs);
    let seed = Request {
        seed: Some(i64::MAX),
        ..Request::default()
    };
    let mut cut = Vec::new();
    let body = write_body(&seed, &target(SECOND), &mut cut).unwrap();
    assert!(!String::from_utf8(body).unwrap().contains("seed"));
    assert_eq!(cut, [Feature::Seed]);
}

#[test]
fn a_request_to_count_holds_the_whole_request() {
    let request = of(vec![
        Message::new(Role::System, vec![Part::text("s")]),
        user("a"),
    ]);
    for model in [SECOND, "models/gemini-2.5-flash"] {
        let body = count::write(&request, &target(model), &mut Vec::new()).unwrap();
        assert_eq!(
            String::from_utf8(body).unwrap(),
            r#"{"generateContentRequest":{"model":"models/gemini-2.5-flash","systemInstruction":{"parts":[{"text":"s"}]},"contents":[{"role":"user","parts":[{"text":"a"}]}],"generationConfig":{}}}"#
        );
    }
}
