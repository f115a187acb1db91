//! Writing.

use super::*;

fn user(parts: Vec<Part>) -> Request {
    Request {
        messages: vec![Message::new(Role::User, parts)],
        ..Request::default()
    }
}

#[track_caller]
fn unsayable(request: &Request, feature: Feature) {
    let error = write(request, &target(), &mut Vec::new()).unwrap_err();
    assert_eq!(error.feature, feature);
}

fn media(media_type: &str) -> Media {
    Media {
        media_type: Some(media_type.to_owned()),
        source: Source::Inline("AAAA".to_owned()),
    }
}

fn file(media: Media) -> Part {
    Part::File {
        media,
        name: None,
        cache: None,
    }
}

#[test]
fn a_stream_asks_for_usage_and_limits_have_their_new_name() {
    let request = Request {
        stream: true,
        max_tokens: Some(5),
        choices: Some(2),
        stop: vec!["a".into()],
        parallel_tool_calls: Some(false),
        tool_choice: Some(ToolChoice::Required),
        ..user(vec![Part::text("hi")])
    };
    let body = String::from_utf8(write(&request, &target(), &mut Vec::new()).unwrap()).unwrap();
    insta::assert_snapshot!(body, @r#"{"model":"up","messages":[{"role":"user","content":"hi"}],"max_completion_tokens":5,"stop":["a"],"n":2,"stream":true,"stream_options":{"include_usage":true}}"#);
}

#[test]
fn tools_are_strict_only_where_their_schema_allows_it() {
    let tool = |schema: &str, strict| Tool {
        name: "f".into(),
        description: None,
        parameters: Some(Json::parse(schema).unwrap()),
        strict,
        cache: None,
    };
    let closed = r#"{"type":"object","additionalProperties":false}"#;
    for (schema, strict, expected) in [
        (closed, Some(true), json!(true)),
        (closed, Some(false), json!(false)),
        (closed, None, Value::Null),
        (r#"{"type":"object"}"#, Some(true), json!(false)),
    ] {
        let request = Request {
            tools: vec![tool(schema, strict)],
            ..Request::default()
        };
        assert_eq!(
            written(&request)["tools"][0]["function"]["strict"],
            expected
        );
        let request = Request {
            output: Output::JsonSchema(JsonSchema {
                name: Some("a b/é".into()),
                description: None,
                schema: Json::parse(schema).unwrap(),
                strict,
            }),
            ..Request::default()
        };
        let format = &written(&request)["response_format"]["json_schema"];
        assert_eq!(
            (&format["strict"], &format["name"]),
            (&expected, &json!("a_b__"))
        );
    }
    let request = Request {
        tools: vec![tool(closed, None)],
        tool_choice: Some(ToolChoice::Allowed(vec!["f".into()], true)),
        parallel_tool_calls: Some(false),
        ..Request::default()
    };
    let written = written(&request);
    insta::assert_snapshot!(written["tool_choice"], @r#"{"allowed_tools":{"mode":"required","tools":[{"function":{"name":"f"},"type":"function"}]},"type":"allowed_tools"}"#);
    assert_eq!(written["parallel_tool_calls"], json!(false));
}

#[test]
fn a_schema_without_a_name_is_called_response() {
    let request = Request {
        output: Output::JsonSchema(JsonSchema {
            name: None,
            description: None,
            schema: Json::empty_object(),
            strict: None,
        }),
        ..Request::default()
    };
    insta::assert_snapshot!(written(&request)["response_format"], @r#"{"json_schema":{"name":"response","schema":{}},"type":"json_schema"}"#);
    let request = Request {
        output: Output::JsonObject,
        ..Request::default()
    };
    insta::assert_snapshot!(written(&request)["response_format"], @r#"{"type":"json_object"}"#);
}

#[test]
fn efforts_are_said_in_openais_words() {
    use ReasoningMode::{Adaptive, BetweenTools, Budget, Off};
    for (mode, effort, expected) in [
        (None, None, None),
        (None, Some(Effort::Minimal), Some("minimal")),
        (None, Some(Effort::Max), Some("max")),
        (Some(Off), Some(Effort::High), Some("none")),
        (Some(Adaptive), Some(Effort::XHigh), Some("xhigh")),
        (Some(Adaptive), None, None),
        (Some(BetweenTools), None, None),
        (Some(Budget(0)), None, Some("none")),
        (Some(Budget(512)), None, Some("minimal")),
        (Some(Budget(4_096)), None, Some("low")),
        (Some(Budget(8_192)), None, Some("medium")),
        (Some(Budget(32_000)), None, Some("high")),
        (Some(Budget(u64::MAX)), Some(Effort::Low), Some("low")),
    ] {
        let request = Request {
            reasoning: Reasoning {
                mode,
                effort,
                summary: None,
            },
            ..Request::default()
        };
        assert_eq!(
            written(&request)["reasoning_effort"].as_str(),
            expected,
            "{mode:?} {effort:?}"
        );
        let mut target = target();
        target.traits.thinking = crate::ThinkingStyle::None;
        let mut cut = Vec::new();
        let body = write(&request, &target, &mut cut).unwrap();
        assert!(
            !String::from_utf8(body)
                .unwrap()
                .contains("reasoning_effort")
        );
        assert_eq!(cut.is_empty(), mode.is_none() && effort.is_none());
    }
}

fn call(id: &str) -> Part {
    Part::ToolCall(ToolCall {
        id: id.to_owned(),
        name: "f".to_owned(),
        arguments: Json::empty_object(),
        cache: None,
    })
}

fn result(id: &str, content: Vec<Part>, is_error: bool) -> Part {
    Part::ToolResult(ToolResult {
        call_id: id.to_owned(),
        name: "f".to_owned(),
        content,
        object: None,
        is_error,
        cache: None,
    })
}

#[test]
fn results_are_a_message_each_and_their_pictures_follow() {
    let long = "c".repeat(41);
    let picture = Part::Image {
        media: media("image/png"),
        detail: None,
        cache: None,
    };
    let request = Request {
        messages: vec![
            Message::new(Role::Assistant, vec![call("a"), call(&long)]),
            Message::new(
                Role::Tool,
                vec![
                    result("a", vec![Part::text("boom")], true),
                    result(&long, vec![picture], false),
                    result("a", Vec::new(), true),
                ],
            ),
        ],
        ..Request::default()
    };
    let messages = written(&request)["messages"].clone();
    assert_eq!(
        messages[0]["tool_calls"][1]["id"],
        messages[2]["tool_call_id"]
    );
    let short = messages[2]["tool_call_id"].as_str().unwrap();
    let text = messages.to_string().replace(short, "<short>");
    insta::assert_snapshot!(text, @r##"[{"content":null,"role":"assistant","tool_calls":[{"function":{"arguments":"{}","name":"f"},"id":"a","type":"function"},{"function":{"arguments":"{}","name":"f"},"id":"<short>","type":"function"}]},{"content":"Error: boom","role":"tool","tool_call_id":"a"},{"content":"The result is in the next message of the user.","role":"tool","tool_call_id":"<short>"},{"content":"Error","role":"tool","tool_call_id":"a"},{"content":[{"text":"Result of the call <short> of f:","type":"text"},{"image_url":{"url":"data:image/png;base64,AAAA"},"type":"image_url"}],"role":"user"}]"##);
}

#[test]
fn media_is_written_inline() {
    let request = user(vec![
        Part::Image {
            media: media("image/png"),
            detail: Some(crate::canonical::Detail::Low),
            cache: None,
        },
        Part::Audio(media("audio/x-wav")),
        file(media("application/pdf")),
        file(Media {
            media_type: None,
            source: Source::Text("plain".into()),
        }),
    ]);
    insta::assert_snapshot!(written(&request)["messages"][0]["content"], @r##"[{"image_url":{"detail":"low","url":"data:image/png;base64,AAAA"},"type":"image_url"},{"input_audio":{"data":"AAAA","format":"wav"},"type":"input_audio"},{"file":{"file_data":"data:application/pdf;base64,AAAA","filename":"document.pdf"},"type":"file"},{"text":"plain","type":"text"}]"##);
}

#[test]
fn reasoning_is_left_out_and_silence_is_said() {
    let thinking = Part::Thinking(Thinking {
        text: "hm".into(),
        signature: Some(Signature {
            family: Family::Anthropic,
            value: "s".into(),
        }),
        redacted: false,
    });
    let request = Request {
        messages: vec![Message::new(Role::Assistant, vec![thinking])],
        ..Request::default()
    };
    insta::assert_snapshot!(written(&request)["messages"], @r#"[{"content":"","role":"assistant"}]"#);
}

#[test]
fn what_chat_cannot_say_is_told() {
    unsayable(
        &Request {
            stop: vec!["a".into(); 5],
            ..Request::default()
        },
        Feature::Stop,
    );
    unsayable(&user(vec![Part::Audio(media("audio/ogg"))]), Feature::Audio);
    let url = Media {
        media_type: None,
        source: Source::Url("https://a".into()),
    };
    unsayable(&user(vec![file(url.clone())]), Feature::FileUrl);
    unsayable(&user(vec![Part::Audio(url)]), Feature::Audio);
    let mut request = user(vec![Part::Audio(media("audio/wav"))]);
    request.messages[0].role = Role::Assistant;
    unsayable(&request, Feature::OtherContent);
}
