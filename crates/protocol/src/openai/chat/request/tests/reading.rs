//! Reading.

use super::*;

#[track_caller]
fn reads(message: &str, expected: &[Part]) {
    let body = format!(r#"{{"model":"m","messages":[{message}]}}"#);
    let request = read(body.as_bytes()).unwrap();
    assert_eq!(
        request.messages.last().unwrap().parts,
        expected,
        "{message}"
    );
    assert_eq!(request.extras, []);
}

#[track_caller]
fn refuses(body: &str, told: &str) {
    assert_eq!(
        read(body.as_bytes()).unwrap_err().to_string(),
        told,
        "{body}"
    );
}

#[track_caller]
fn notes(members: &str, feature: Feature, param: &str) {
    let body = format!(r#"{{"model":"m","messages":[],{members}}}"#);
    let extra = Extra {
        feature,
        param: param.to_owned(),
    };
    assert_eq!(read(body.as_bytes()).unwrap().extras, [extra], "{members}");
}

fn inline(media_type: &str, data: &str) -> Media {
    Media {
        media_type: Some(media_type.to_owned()),
        source: Source::Inline(data.to_owned()),
    }
}

fn call(id: &str, name: &str, arguments: &str) -> Part {
    Part::ToolCall(ToolCall {
        id: id.to_owned(),
        name: name.to_owned(),
        arguments: Json::parse(arguments).unwrap(),
        cache: None,
    })
}

fn image(source: Source, media_type: Option<&str>) -> Part {
    Part::Image {
        media: Media {
            media_type: media_type.map(str::to_owned),
            source,
        },
        detail: None,
        cache: None,
    }
}

#[test]
fn content_is_a_text_or_parts() {
    let hi = [Part::text("hi")];
    reads(r#"{"role":"system","content":"hi"}"#, &hi);
    reads(
        r#"{"role":"developer","content":[{"type":"text","text":"hi"},{"type":"text","text":""}]}"#,
        &hi,
    );
    reads(r#"{"role":"user","content":"hi"}"#, &hi);
    reads(r#"{"role":"user","content":""}"#, &[]);
    reads(r#"{"role":"assistant","content":null}"#, &[]);
    reads(
        r#"{"role":"assistant","content":null,"refusal":"no","audio":null,"function_call":null,"annotations":[]}"#,
        &[Part::Refusal("no".into())],
    );
    reads(
        r#"{"role":"assistant","content":[{"type":"text","text":"hi"},{"type":"refusal","refusal":"no"}]}"#,
        &[Part::text("hi"), Part::Refusal("no".into())],
    );
}

#[test]
fn media_is_inline_or_elsewhere() {
    reads(
        r#"{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]}"#,
        &[image(Source::Inline("AAAA".into()), Some("image/png"))],
    );
    reads(
        r#"{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://a/b"}}]}"#,
        &[image(Source::Url("https://a/b".into()), None)],
    );
    reads(
        r#"{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"AAAA","format":"mp3"}}]}"#,
        &[Part::Audio(inline("audio/mpeg", "AAAA"))],
    );
    let pdf = Part::File {
        media: inline("application/pdf", "AAAA"),
        name: Some("a.pdf".into()),
        cache: None,
    };
    for data in ["data:application/pdf;base64,AAAA", "AAAA"] {
        reads(
            &format!(
                r#"{{"role":"user","content":[{{"type":"file","file":{{"filename":"a.pdf","file_data":"{data}"}}}}]}}"#
            ),
            std::slice::from_ref(&pdf),
        );
    }
    let by_id = Part::File {
        media: Media {
            media_type: None,
            source: Source::FileId("file-1".into()),
        },
        name: None,
        cache: None,
    };
    reads(
        r#"{"role":"user","content":[{"type":"file","file":{"file_id":"file-1"}}]}"#,
        &[by_id],
    );
    reads(
        r#"{"role":"assistant","content":"","images":[{"index":0,"type":"image_url","image_url":{"url":"https://a/b"}}]}"#,
        &[image(Source::Url("https://a/b".into()), None)],
    );
}

#[test]
fn calls_and_their_results_are_tied() {
    let body = r#"{"messages":[
        {"role":"assistant","content":"","tool_calls":[
            {"id":"a","type":"function","function":{"name":"f","arguments":""}},
            {"id":"b","index":1,"function":{"name":"g","arguments":"{\"x\": 1.0}"}}]},
        {"role":"tool","tool_call_id":"b","name":"other","content":"2"},
        {"role":"tool","tool_call_id":"a","content":[{"type":"text","text":"1"}]},
        {"role":"assistant","content":null,"function_call":{"name":"h","arguments":"{}"}},
        {"role":"function","name":"h","content":""}]}"#;
    let messages = read(body.as_bytes()).unwrap().messages;
    let result = |id: &str, name: &str, text: &str| {
        Part::ToolResult(ToolResult {
            call_id: id.into(),
            name: name.into(),
            content: if text.is_empty() {
                Vec::new()
            } else {
                vec![Part::text(text)]
            },
            object: None,
            is_error: false,
            cache: None,
        })
    };
    let expected = [
        Message::new(
            Role::Assistant,
            vec![call("a", "f", "{}"), call("b", "g", r#"{"x": 1.0}"#)],
        ),
        Message::new(
            Role::Tool,
            vec![result("b", "g", "2"), result("a", "f", "1")],
        ),
        Message::new(Role::Assistant, vec![call("call_2", "h", "{}")]),
        Message::new(Role::Tool, vec![result("call_2", "h", "")]),
    ];
    assert_eq!(messages, expected);
}

#[test]
fn reasoning_stands_where_it_stood() {
    let thinking = |text: &str, signature: Option<(Family, &str)>, redacted| {
        Part::Thinking(Thinking {
            text: text.to_owned(),
            signature: signature.map(|(family, value)| Signature {
                family,
                value: value.to_owned(),
            }),
            redacted,
        })
    };
    let plain = thinking("hm", None, false);
    reads(
        r#"{"role":"assistant","content":"a","reasoning_content":"hm"}"#,
        &[plain.clone(), Part::text("a")],
    );
    reads(
        r#"{"role":"assistant","content":"a","reasoning":"hm"}"#,
        &[plain, Part::text("a")],
    );
    reads(
        r#"{"role":"assistant","content":"a","reasoning_content":"hmho","thinking_blocks":[
            {"type":"thinking","thinking":"hm","signature":"lo1.gemini.AA=="},
            {"type":"redacted_thinking","data":"bare","position":1},
            {"type":"thinking","thinking":"ho","position":9}],
            "tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]}"#,
        &[
            thinking("hm", Some((Family::Gemini, "AA==")), false),
            Part::text("a"),
            thinking("", Some((Family::Anthropic, "bare")), true),
            call("c", "f", "{}"),
            thinking("ho", None, false),
        ],
    );
}

#[test]
fn settings_are_read() {
    let body = r#"{"model":"m","messages":[],"temperature":0.5,"top_p":1,"presence_penalty":-1,"frequency_penalty":2,
        "seed":-3,"n":2,"logprobs":true,"top_logprobs":4,"stop":["a","b"],"max_completion_tokens":7,"verbosity":"low",
        "reasoning_effort":"max","stream":true,"stream_options":{"include_usage":true,"include_obfuscation":false},"user":"u",
        "service_tier":"flex","prompt_cache_key":"k","metadata":{"a":"b"},"modalities":["text"],"store":false,"logit_bias":{},
        "provider":"p","fallback_providers":["q"],"timeout":1.5,"retry_count":5,
        "parallel_tool_calls":false,"tool_choice":"required",
        "response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object"},"strict":true}},
        "tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"},"strict":false}}]}"#;
    let expected = Request {
        tools: vec![Tool {
            name: "f".into(),
            description: Some("d".into()),
            parameters: Some(Json::parse(r#"{"type":"object"}"#).unwrap()),
            strict: Some(false),
            cache: None,
        }],
        tool_choice: Some(ToolChoice::Required),
        parallel_tool_calls: Some(false),
        output: Output::JsonSchema(JsonSchema {
            name: Some("n".into()),
            description: None,
            schema: Json::parse(r#"{"type":"object"}"#).unwrap(),
            strict: Some(true),
        }),
        max_tokens: Some(7),
        stop: vec!["a".into(), "b".into()],
        temperature: Some(0.5),
        top_p: Some(1.0),
        presence_penalty: Some(-1.0),
        frequency_penalty: Some(2.0),
        seed: Some(-3),
        choices: Some(2),
        logprobs: Some(crate::canonical::Logprobs { top: Some(4) }),
        reasoning: Reasoning {
            effort: Some(Effort::Max),
            ..Reasoning::default()
        },
        verbosity: Some("low".into()),
        user: Some("u".into()),
        metadata: vec![("a".into(), "b".into())],
        service_tier: Some("flex".into()),
        cache_key: Some("k".into()),
        stream: true,
        ..Request::default()
    };
    assert_eq!(read(body.as_bytes()).unwrap(), expected);
}

#[test]
fn the_choice_of_tools_has_many_forms() {
    let choice = |members: &str| {
        let body = format!(r#"{{"messages":[],{members}}}"#);
        read(body.as_bytes()).unwrap().tool_choice
    };
    assert_eq!(choice(r#""tool_choice":"auto""#), Some(ToolChoice::Auto));
    assert_eq!(choice(r#""tool_choice":"none""#), Some(ToolChoice::None));
    assert_eq!(choice(r#""tool_choice":null"#), None);
    let f = Some(ToolChoice::Tool("f".into()));
    assert_eq!(
        choice(r#""tool_choice":{"type":"function","function":{"name":"f"}}"#),
        f
    );
    assert_eq!(choice(r#""function_call":{"name":"f"}"#), f);
    assert_eq!(choice(r#""function_call":"none""#), Some(ToolChoice::None));
    assert_eq!(
        choice(
            r#""tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"f"}}]}}"#
        ),
        Some(ToolChoice::Allowed(vec!["f".into()], true))
    );
    let body = br#"{"messages":[],"functions":[{"name":"f"}],"max_tokens":3,"stop":"x"}"#;
    let request = read(body).unwrap();
    assert_eq!(
        (request.tools.len(), request.tools[0].name.as_str()),
        (1, "f")
    );
    assert_eq!(
        (request.max_tokens, request.stop),
        (Some(3), vec!["x".to_owned()])
    );
}

#[test]
fn what_has_no_place_is_noted_with_its_path() {
    notes(r#""audio":{"voice":"a"}"#, Feature::Modalities, "audio");
    notes(
        r#""modalities":["text","audio"]"#,
        Feature::Modalities,
        "modalities",
    );
    notes(
        r#""moderation":{"model":"m"}"#,
        Feature::Moderation,
        "moderation",
    );
    notes(
        r#""prediction":{"type":"content"}"#,
        Feature::Prediction,
        "prediction",
    );
    notes(
        r#""web_search_options":{}"#,
        Feature::WebSearch,
        "web_search_options",
    );
    notes(r#""logit_bias":{"1":2}"#, Feature::LogitBias, "logit_bias");
    notes(
        r#""safety_identifier":"s""#,
        Feature::SafetyIdentifier,
        "safety_identifier",
    );
    notes(
        r#""prompt_cache_retention":"24h""#,
        Feature::CacheRetention,
        "prompt_cache_retention",
    );
    notes(
        r#""prompt_cache_options":{}"#,
        Feature::CacheRetention,
        "prompt_cache_options",
    );
    notes(r#""store":true"#, Feature::Store, "store");
    notes(
        r#""tools":[{"type":"custom","custom":{"name":"c"}}]"#,
        Feature::CustomTool,
        "tools[0]",
    );
    notes(
        r#""tools":[{"type":"web_search"}]"#,
        Feature::HostedTool,
        "tools[0]",
    );
    notes(
        r#""tool_choice":{"type":"custom","custom":{"name":"c"}}"#,
        Feature::CustomTool,
        "tool_choice",
    );
    notes(r#""top_k":5"#, Feature::Other, "top_k");
    notes(r#""retry_count":6"#, Feature::Other, "retry_count");
    notes(r#""provider":{"order":[]}"#, Feature::Other, "provider");
    notes(
        r#""stream_options":{"x":1}"#,
        Feature::Other,
        "stream_options.x",
    );
    notes(
        r#""tools":[{"type":"function","function":{"name":"f","x":1}}]"#,
        Feature::Other,
        "tools[0].function.x",
    );
}

#[test]
fn what_has_no_place_in_a_message_is_noted_too() {
    for (message, feature, param) in [
        (
            r#"{"role":"user","content":[{"type":"video_url"}]}"#,
            Feature::OtherContent,
            "messages[0].content[0]",
        ),
        (
            r#"{"role":"system","content":[{"type":"image_url"}]}"#,
            Feature::OtherContent,
            "messages[0].content[0]",
        ),
        (
            r#"{"role":"user","content":"","x":1}"#,
            Feature::Other,
            "messages[0].x",
        ),
        (
            r#"{"role":"assistant","audio":{"id":"a"}}"#,
            Feature::OtherContent,
            "messages[0].audio",
        ),
        (
            r#"{"role":"assistant","tool_calls":[{"id":"a","type":"custom"}]}"#,
            Feature::CustomTool,
            "messages[0].tool_calls[0]",
        ),
    ] {
        let body = format!(r#"{{"messages":[{message}]}}"#);
        let extra = Extra {
            feature,
            param: param.into(),
        };
        assert_eq!(read(body.as_bytes()).unwrap().extras, [extra], "{message}");
    }
}

#[test]
fn what_is_wrong_is_told_by_its_path() {
    refuses("[]", "the body must be a JSON object");
    refuses("{}", "missing required field: 'messages'");
    refuses(
        r#"{"messages":7}"#,
        "invalid type for 'messages': expected an array",
    );
    refuses(
        r#"{"messages":[7]}"#,
        "invalid type for 'messages[0]': expected an object",
    );
    refuses(
        r#"{"messages":[{}]}"#,
        "invalid type for 'messages[0].role': expected a string",
    );
    refuses(
        r#"{"messages":[{"role":"model","content":""}]}"#,
        "invalid value for 'messages[0].role': it must be system, developer, user, assistant, tool or function",
    );
    refuses(
        r#"{"messages":[{"role":"user"}]}"#,
        "invalid type for 'messages[0].content': expected a string or an array",
    );
    refuses(
        r#"{"messages":[{"role":"user","content":[{"type":7}]}]}"#,
        "invalid type for 'messages[0].content[0].type': expected a string",
    );
    refuses(
        r#"{"messages":[{"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{"}}]}]}"#,
        "invalid value for 'messages[0].tool_calls[0].function.arguments': it is not a JSON object",
    );
    refuses(
        r#"{"messages":[{"role":"tool","tool_call_id":"x","content":""}]}"#,
        "invalid value for 'messages[0].tool_call_id': no call before it has this id",
    );
    refuses(
        r#"{"messages":[{"role":"function","name":"f","content":""}]}"#,
        "invalid value for 'messages[0].name': no call before it is of this function",
    );
    refuses(
        r#"{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:x"}}]}]}"#,
        "invalid value for 'messages[0].content[0].image_url.url': a data URL must have the form data:<media type>;base64,<data>",
    );
    refuses(
        r#"{"messages":[],"max_tokens":1,"max_completion_tokens":1}"#,
        "invalid value for 'max_tokens': it cannot stand beside 'max_completion_tokens'",
    );
    refuses(
        r#"{"messages":[],"n":0}"#,
        "invalid value for 'n': it must be at least 1",
    );
    refuses(
        r#"{"messages":[],"seed":1.5}"#,
        "invalid type for 'seed': expected an integer",
    );
    refuses(
        r#"{"messages":[],"seed":1,"seed":2}"#,
        "duplicate field: 'seed'",
    );
    refuses(
        r#"{"messages":[],"top_logprobs":2}"#,
        "invalid value for 'top_logprobs': it needs 'logprobs': true",
    );
    refuses(
        r#"{"messages":[],"reasoning_effort":"most"}"#,
        "invalid value for 'reasoning_effort': it must be none, minimal, low, medium, high, xhigh or max",
    );
    refuses(
        r#"{"messages":[],"tools":[{"type":"function","function":{"name":"f"}}],"functions":[{"name":"f"}]}"#,
        "invalid value for 'functions': it cannot stand beside 'tools'",
    );
}
