//! Reading requests.

use super::signature;
use crate::{
    Feature, RequestError,
    canonical::{
        Detail, Effort, Family, Json, Logprobs, Media, Output, Part, Reasoning, ReasoningMode,
        Request, Role, Source, Summary, Thinking, ToolChoice, ToolResult,
    },
    gemini::{base64, generate::request::read as read_body},
};

fn read(body: &str) -> Request {
    read_body(body.as_bytes()).unwrap()
}

/// A conversation of these contents.
fn contents(contents: &str) -> Request {
    read(&format!(r#"{{"contents":{contents}}}"#))
}

/// A request with these members besides the conversation.
fn with(members: &str) -> Request {
    read(&format!(r#"{{"contents":[],{members}}}"#))
}

#[track_caller]
fn refuses(body: &str, field: &str) {
    let error = read_body(body.as_bytes()).unwrap_err();
    assert_eq!(error.param(), Some(field), "{body}: {error}");
}

#[track_caller]
fn extra(members: &str, feature: Feature, param: &str) {
    let request = with(members);
    let found: Vec<_> = request
        .extras
        .iter()
        .map(|extra| (extra.feature, extra.param.as_str()))
        .collect();
    assert_eq!(found, [(feature, param)], "{members}");
}

#[test]
fn a_conversation_is_read_in_either_spelling() {
    let request = read(
        r#"{"system_instruction":{"parts":[{"text":"be brief"},{"text":""}]},
            "contents":[{"parts":[{"text":"hi"},{"text":""}]},{"role":"model","parts":[{"text":"hel"},{"text":"lo"}]},{"role":"user"}]}"#,
    );
    let said: Vec<_> = request
        .messages
        .iter()
        .map(|message| (message.role, message.parts.clone()))
        .collect();
    assert_eq!(
        said,
        [
            (Role::System, vec![Part::text("be brief")]),
            (Role::User, vec![Part::text("hi")]),
            (Role::Assistant, vec![Part::text("hello")]),
        ]
    );
    let plain = with(r#""systemInstruction":"be brief""#);
    assert_eq!(plain.messages, request.messages[..1]);
}

#[test]
fn media_is_known_by_its_kind_and_its_base64_is_the_standard_one() {
    let request = contents(
        r#"[{"parts":[{"inline_data":{"mime_type":"image/png","data":"-_8"}},{"inlineData":{"mimeType":"audio/wav","data":"AA=="}},
            {"inlineData":{"mimeType":"application/pdf","data":"AA","displayName":"a.pdf"}},
            {"fileData":{"fileUri":"https://x.example/a.png"},"mediaResolution":{"level":"MEDIA_RESOLUTION_LOW"}},
            {"fileData":{"fileUri":"https://generativelanguage.googleapis.com/v1beta/files/x","mimeType":"application/pdf"}}]}]"#,
    );
    let media = |kind: &str, source| Media {
        media_type: Some(kind.to_owned()),
        source,
    };
    let inline = |data: &str| Source::Inline(data.to_owned());
    let image = |media, detail| Part::Image {
        media,
        detail,
        cache: None,
    };
    let file = |media, name: Option<&str>| Part::File {
        media,
        name: name.map(str::to_owned),
        cache: None,
    };
    let uploaded = "https://generativelanguage.googleapis.com/v1beta/files/x";
    assert_eq!(
        request.messages[0].parts,
        [
            image(media("image/png", inline("+/8=")), None),
            Part::Audio(media("audio/wav", inline("AA=="))),
            file(media("application/pdf", inline("AA==")), Some("a.pdf")),
            image(
                media("image/png", Source::Url("https://x.example/a.png".into())),
                Some(Detail::Low)
            ),
            file(
                media("application/pdf", Source::FileId(uploaded.into())),
                None
            ),
        ]
    );
    assert_eq!(request.extras, []);
}

#[test]
fn calls_without_ids_get_some_and_results_find_them() {
    let request = contents(
        r#"[{"parts":[{"text":"go"}]},
            {"role":"model","parts":[{"functionCall":{"name":"f","args":{"a":1}}},{"functionCall":{"name":"g"}},{"functionCall":{"name":"f","args":{"a":2}}}]},
            {"role":"function","parts":[{"functionResponse":{"name":"f","response":{"result":"one"}}},{"functionResponse":{"name":"f","response":{"n":2}}}]},
            {"parts":[{"text":"and"},{"functionResponse":{"name":"g","response":{"error":"no"}}}]},
            {"role":"model","parts":[{"functionCall":{"name":"f","id":"own"}}]},
            {"role":"user","parts":[{"functionResponse":{"name":"other","id":"own"}}]}]"#,
    );
    let roles: Vec<_> = request
        .messages
        .iter()
        .map(|message| message.role)
        .collect();
    assert_eq!(
        roles,
        [
            Role::User,
            Role::Assistant,
            Role::Tool,
            Role::User,
            Role::Assistant,
            Role::Tool
        ]
    );
    let ids: Vec<_> = request
        .messages
        .iter()
        .flat_map(|message| &message.parts)
        .filter_map(|part| match part {
            Part::ToolCall(call) => Some(call.id.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(ids, ["call_0_1x0", "call_1_1x1", "call_2_1x2", "own"]);
    let result = |id: &str, name: &str, text: &str, object: &str, is_error| {
        Part::ToolResult(ToolResult {
            call_id: id.to_owned(),
            name: name.to_owned(),
            content: vec![Part::text(text)],
            object: Some(Json::parse(object).unwrap()),
            is_error,
            cache: None,
        })
    };
    assert_eq!(
        request.messages[2].parts,
        [
            result("call_0_1x0", "f", "one", r#"{"result":"one"}"#, false),
            result("call_2_1x2", "f", r#"{"n":2}"#, r#"{"n":2}"#, false),
            result("call_1_1x1", "g", "no", r#"{"error":"no"}"#, true),
        ]
    );
    let Part::ToolResult(by_id) = &request.messages[5].parts[0] else {
        panic!("a result");
    };
    assert_eq!((by_id.call_id.as_str(), by_id.name.as_str()), ("own", "f"));
}

#[test]
fn ids_are_unique_also_where_a_clients_are_not() {
    let request = contents(
        r#"[{"role":"model","parts":[{"functionCall":{"name":"f","id":"x"}},{"functionCall":{"name":"f","id":"x"}},{"functionCall":{"name":"f","id":"call_0_0x1"}}]},
            {"parts":[{"functionResponse":{"name":"f","id":"x"}},{"functionResponse":{"name":"f","id":"x"}},{"functionResponse":{"name":"f"}}]}]"#,
    );
    let answered: Vec<_> = request.messages[1]
        .parts
        .iter()
        .map(|part| match part {
            Part::ToolResult(result) => result.call_id.as_str(),
            _ => "",
        })
        .collect();
    assert_eq!(answered, ["x", "call_0_0x1", "call_1_0x2"]);
}

#[test]
fn signatures_stand_after_the_reasoning_they_prove() {
    let own = base64::encode(b"proof");
    let carried = base64::encode(b"lo1.anthropic.abc");
    let request = contents(&format!(
        r#"[{{"role":"model","parts":[{{"text":"let","thought":true}}]}},{{"role":"model","parts":[{{"text":" me","thought":true}},
            {{"functionCall":{{"name":"f"}},"thought_signature":"{own}"}}]}},
            {{"role":"model","parts":[{{"text":"done","thoughtSignature":"{carried}"}},{{"text":"","thoughtSignature":"{own}"}},
            {{"text":"","thought":true,"thoughtSignature":"{carried}"}}]}}]"#
    ));
    let thinking = |text: &str, signature, redacted| {
        Part::Thinking(Thinking {
            text: text.to_owned(),
            signature,
            redacted,
        })
    };
    let parts = &request.messages[0].parts;
    assert_eq!(request.messages.len(), 1);
    assert_eq!(
        parts[0],
        thinking("let me", signature(Family::Gemini, &own), false)
    );
    assert!(matches!(parts[1], Part::ToolCall(_)));
    assert_eq!(
        parts[2..],
        [
            thinking("", signature(Family::Anthropic, "abc"), false),
            Part::text("done"),
            thinking("", signature(Family::Gemini, &own), false),
            thinking("", signature(Family::Anthropic, "abc"), true),
        ]
    );
}

#[test]
fn the_placeholder_proves_nothing() {
    for placeholder in [
        "skip_thought_signature_validator".to_owned(),
        base64::encode(b"skip_thought_signature_validator"),
    ] {
        let request = contents(&format!(
            r#"[{{"role":"model","parts":[{{"functionCall":{{"name":"f"}},"thoughtSignature":"{placeholder}"}}]}}]"#
        ));
        assert_eq!(request.messages[0].parts.len(), 1);
    }
}

#[test]
fn tools_are_read_with_schemas_of_either_kind() {
    let request = with(
        r#""tools":[{"functionDeclarations":[{"name":"f","description":"d","parameters":{"type":"OBJECT","properties":{"a":{"type":"STRING","nullable":true}}}},
            {"name":"g","parameters_json_schema":{"type":"object","x":1}},{"name":"h"}]},{"function_declarations":[{"name":"i"}]}]"#,
    );
    let schemas: Vec<_> = request
        .tools
        .iter()
        .map(|tool| (tool.name.as_str(), tool.parameters.as_ref().map(Json::get)))
        .collect();
    assert_eq!(
        schemas,
        [
            (
                "f",
                Some(r#"{"type":"object","properties":{"a":{"type":["string","null"]}}}"#)
            ),
            ("g", Some(r#"{"type":"object","x":1}"#)),
            ("h", None),
            ("i", None),
        ]
    );
    assert_eq!(request.tools[0].description.as_deref(), Some("d"));
}

#[test]
fn whether_tools_are_to_be_called_is_read() {
    let names = |names: &[&str]| {
        names
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<Vec<_>>()
    };
    for (config, choice) in [
        (r#""mode":"AUTO""#, Some(ToolChoice::Auto)),
        (r#""mode":"VALIDATED""#, Some(ToolChoice::Auto)),
        (r#""mode":"any""#, Some(ToolChoice::Required)),
        (r#""mode":"NONE""#, Some(ToolChoice::None)),
        (r#""mode":"MODE_UNSPECIFIED""#, None),
        ("", None),
        (
            r#""mode":"ANY","allowedFunctionNames":["f"]"#,
            Some(ToolChoice::Tool("f".into())),
        ),
        (
            r#""mode":"ANY","allowed_function_names":["f","g"]"#,
            Some(ToolChoice::Allowed(names(&["f", "g"]), true)),
        ),
        (
            r#""mode":"VALIDATED","allowedFunctionNames":["f"]"#,
            Some(ToolChoice::Allowed(names(&["f"]), false)),
        ),
    ] {
        let request = with(&format!(
            r#""toolConfig":{{"functionCallingConfig":{{{config}}}}}"#
        ));
        assert_eq!(request.tool_choice, choice, "{config}");
    }
}

#[test]
fn settings_are_read() {
    let request = with(
        r#""generationConfig":{"temperature":0.5,"top_p":0.9,"topK":40.0,"candidateCount":2,"maxOutputTokens":"100","stopSequences":["a","b"],
            "presencePenalty":-1,"frequencyPenalty":1.5,"seed":-7,"responseLogprobs":true,"logprobs":3,"responseModalities":["TEXT"],
            "thinkingConfig":{"thinkingBudget":-1,"includeThoughts":true}},"labels":{"b":"2","a":"1"},"serviceTier":"flex""#,
    );
    let expected = Request {
        temperature: Some(0.5),
        top_p: Some(0.9),
        top_k: Some(40),
        choices: Some(2),
        max_tokens: Some(100),
        stop: vec!["a".into(), "b".into()],
        presence_penalty: Some(-1.0),
        frequency_penalty: Some(1.5),
        seed: Some(-7),
        logprobs: Some(Logprobs { top: Some(3) }),
        reasoning: Reasoning {
            mode: Some(ReasoningMode::Adaptive),
            effort: None,
            summary: Some(Summary::Auto),
        },
        metadata: vec![("a".into(), "1".into()), ("b".into(), "2".into())],
        service_tier: Some("flex".into()),
        ..Request::default()
    };
    assert_eq!(request, expected);
}

#[test]
fn reasoning_is_a_budget_or_a_level() {
    let reasoning = |config: &str| {
        with(&format!(
            r#""generationConfig":{{"thinkingConfig":{{{config}}}}}"#
        ))
        .reasoning
    };
    assert_eq!(
        reasoning(r#""thinkingBudget":0"#).mode,
        Some(ReasoningMode::Off)
    );
    assert_eq!(
        reasoning(r#""thinking_budget":512"#).mode,
        Some(ReasoningMode::Budget(512))
    );
    assert_eq!(
        reasoning(r#""thinkingLevel":"HIGH""#).effort,
        Some(Effort::High)
    );
    assert_eq!(
        reasoning(r#""thinkingLevel":"minimal""#).effort,
        Some(Effort::Minimal)
    );
    assert_eq!(
        reasoning(r#""includeThoughts":false"#).summary,
        Some(Summary::Omitted)
    );
}

#[test]
fn the_form_of_the_answer_is_read() {
    let output = |config: &str| with(&format!(r#""generationConfig":{{{config}}}"#)).output;
    assert_eq!(output(r#""responseMimeType":"text/plain""#), Output::Text);
    assert_eq!(
        output(r#""responseMimeType":"application/json""#),
        Output::JsonObject
    );
    for schema in [
        r#""responseSchema":{"type":"STRING"}"#,
        r#""response_json_schema":{"type":"string"}"#,
    ] {
        let Output::JsonSchema(read) = output(&format!(
            r#""responseMimeType":"application/json",{schema}"#
        )) else {
            panic!("a schema");
        };
        assert_eq!(read.schema.get(), r#"{"type":"string"}"#);
    }
}

#[test]
fn the_resolution_of_media_is_the_detail_of_pictures() {
    let request = read(
        r#"{"contents":[{"parts":[{"inlineData":{"mimeType":"image/png","data":""}}]}],"generationConfig":{"mediaResolution":"MEDIA_RESOLUTION_HIGH"}}"#,
    );
    assert!(matches!(
        request.messages[0].parts[0],
        Part::Image {
            detail: Some(Detail::High),
            ..
        }
    ));
}

#[test]
fn what_only_gemini_has_is_named() {
    use Feature::*;
    extra(
        r#""tools":[{"googleSearch":{}}]"#,
        HostedTool,
        "tools[0].googleSearch",
    );
    extra(
        r#""tools":[{"code_execution":{}}]"#,
        HostedTool,
        "tools[0].codeExecution",
    );
    extra(
        r#""tools":[{"mcpServers":[]}]"#,
        McpServers,
        "tools[0].mcpServers",
    );
    extra(r#""tools":[{"newTool":{}}]"#, Other, "tools[0].newTool");
    extra(
        r#""tools":[{"functionDeclarations":[{"name":"f","response":{"type":"STRING"}}]}]"#,
        ToolResponseSchema,
        "tools[0].functionDeclarations[0].response",
    );
    extra(
        r#""cachedContent":"cachedContents/x""#,
        PreviousResponse,
        "cachedContent",
    );
    extra(r#""safetySettings":[{}]"#, SafetySettings, "safetySettings");
    extra(r#""store":true"#, Store, "store");
    extra(r#""newField":1"#, Other, "newField");
    extra(
        r#""toolConfig":{"retrievalConfig":{}}"#,
        HostedTool,
        "toolConfig.retrievalConfig",
    );
    let config = |config: &str, feature, name: &str| {
        extra(
            &format!(r#""generationConfig":{{{config}}}"#),
            feature,
            &format!("generationConfig.{name}"),
        );
    };
    config(
        r#""responseModalities":["TEXT","IMAGE"]"#,
        Modalities,
        "responseModalities",
    );
    config(
        r#""responseMimeType":"text/x.enum""#,
        OtherSampling,
        "responseMimeType",
    );
    config(r#""speech_config":{}"#, OtherSampling, "speechConfig");
    config(r#""new":0"#, Other, "new");
    for silent in [
        r#""safetySettings":[]"#,
        r#""store":false"#,
        r#""generationConfig":{"enableEnhancedCivicAnswers":false,"audioTimestamp":false}"#,
        r#""tools":null,"model":"models/x""#,
    ] {
        assert_eq!(with(silent).extras, [], "{silent}");
    }
}

#[test]
fn parts_that_only_gemini_has_are_named() {
    use Feature::*;
    let part = |part: &str, feature, name: &str| {
        let request = contents(&format!(r#"[{{"role":"model","parts":[{part}]}}]"#));
        assert_eq!(request.extras[0].feature, feature, "{part}");
        assert_eq!(
            request.extras[0].param,
            format!("contents[0].parts[0]{name}")
        );
    };
    part(r#"{"executableCode":{}}"#, OtherContent, ".executableCode");
    part(
        r#"{"text":"a","partMetadata":{}}"#,
        Metadata,
        ".partMetadata",
    );
    part(
        r#"{"inlineData":{"mimeType":"video/mp4","data":""}}"#,
        Video,
        "",
    );
    part(r#"{"new":{}}"#, Other, ".new");
}

#[test]
fn wrong_requests_are_refused_by_their_field() {
    refuses("{}", "contents");
    refuses(r#"{"contents":"hi"}"#, "contents");
    refuses(r#"{"contents":[7]}"#, "contents[0]");
    refuses(r#"{"contents":[{"role":"system"}]}"#, "contents[0].role");
    refuses(r#"{"contents":[{"parts":{}}]}"#, "contents[0].parts");
    refuses(
        r#"{"contents":[{"parts":[{"text":1}]}]}"#,
        "contents[0].parts[0].text",
    );
    refuses(
        r#"{"contents":[{"parts":[{"inlineData":{"mimeType":"image/png","data":"*"}}]}]}"#,
        "contents[0].parts[0].inlineData.data",
    );
    refuses(
        r#"{"contents":[{"parts":[{"inlineData":{"data":""}}]}]}"#,
        "contents[0].parts[0].inlineData.mimeType",
    );
    refuses(
        r#"{"contents":[{"parts":[{"functionResponse":{"name":"f","response":{}}}]}]}"#,
        "contents[0].parts[0].functionResponse",
    );
    refuses(
        r#"{"contents":[{"parts":[{"functionCall":{"name":"f"}}]}]}"#,
        "contents[0].parts[0].functionCall",
    );
    refuses(
        r#"{"contents":[{"role":"model","parts":[{"functionCall":{"name":"f","args":[]}}]}]}"#,
        "contents[0].parts[0].functionCall.args",
    );
    let config = |config: &str, name: &str| {
        refuses(
            &format!(r#"{{"contents":[],"generationConfig":{{{config}}}}}"#),
            &format!("generationConfig.{name}"),
        );
    };
    config(r#""temperature":"hot""#, "temperature");
    config(r#""maxOutputTokens":-1"#, "maxOutputTokens");
    config(r#""seed":0.5"#, "seed");
    config(r#""candidateCount":4294967296"#, "candidateCount");
    config(r#""stopSequences":"x""#, "stopSequences");
    config(r#""logprobs":3"#, "logprobs");
    config(
        r#""responseSchema":{},"responseJsonSchema":{}"#,
        "responseJsonSchema",
    );
    config(r#""responseSchema":7"#, "responseSchema");
    config(
        r#""thinkingConfig":{"thinkingBudget":-2}"#,
        "thinkingConfig.thinkingBudget",
    );
    config(
        r#""thinkingConfig":{"thinkingBudget":1,"thinkingLevel":"low"}"#,
        "thinkingConfig.thinkingLevel",
    );
    refuses(
        r#"{"contents":[],"toolConfig":{"functionCallingConfig":{"mode":"MAYBE"}}}"#,
        "toolConfig.functionCallingConfig.mode",
    );
    refuses(r#"{"contents":[],"top_p":1,"topP":1}"#, "topP");
    assert_eq!(read_body(b"[]"), Err(RequestError::NotAnObject));
    assert!(matches!(read_body(b"{"), Err(RequestError::Syntax(_))));
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(matches!(
        read_body(format!(r#"{{"contents":{deep}}}"#).as_bytes()),
        Err(RequestError::Syntax(_))
    ));
}
