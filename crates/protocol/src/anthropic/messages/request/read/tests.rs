use serde_json::{Value, json};

use super::{read, read_count};
use crate::{
    RequestError,
    canonical::{
        CacheControl, Effort, Extra, Family, Media, Output, Part, ReasoningMode, Request, Role,
        Source, Summary, ToolChoice,
    },
    feature::Feature,
};

/// A request with these fields beside the ones that must be there.
fn body(fields: Value) -> Value {
    let mut body =
        json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]});
    for (name, value) in fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

#[track_caller]
fn request(fields: Value) -> Request {
    read(body(fields).to_string().as_bytes()).unwrap()
}

#[track_caller]
fn fails(body: &Value, message: &str) {
    let error = read(body.to_string().as_bytes()).unwrap_err();
    assert_eq!(error.to_string(), message);
}

/// The parts of the only message.
#[track_caller]
fn parts(content: Value) -> Vec<Part> {
    let mut request = request(json!({"messages": [{"role": "user", "content": content}]}));
    assert_eq!(request.extras, []);
    request.messages.remove(0).parts
}

#[test]
fn every_setting_is_read() {
    let schema = json!({"type": "object", "properties": {}});
    let found = request(json!({
        "temperature": 0.5, "top_p": 0.9, "top_k": 4, "stop_sequences": ["a", "b"], "stream": true,
        "metadata": {"user_id": "u"}, "service_tier": "auto", "speed": "standard", "container": null,
        "thinking": {"type": "adaptive", "display": "omitted"},
        "output_config": {"effort": "xhigh", "format": {"type": "json_schema", "schema": schema}},
    }));
    assert_eq!(found.extras, []);
    assert_eq!(
        (found.temperature, found.top_p, found.top_k),
        (Some(0.5), Some(0.9), Some(4))
    );
    assert_eq!(
        (found.max_tokens, &found.stop[..]),
        (Some(9), &["a".to_owned(), "b".to_owned()][..])
    );
    assert!(found.stream);
    assert_eq!(
        (found.user.as_deref(), found.service_tier.as_deref()),
        (Some("u"), Some("auto"))
    );
    assert_eq!(found.reasoning.mode, Some(ReasoningMode::Adaptive));
    assert_eq!(found.reasoning.effort, Some(Effort::XHigh));
    assert_eq!(found.reasoning.summary, Some(Summary::Omitted));
    let Output::JsonSchema(format) = found.output else {
        panic!("a schema");
    };
    assert_eq!(format.schema.get(), schema.to_string());
    let old = request(json!({"output_format": {"type": "json_schema", "schema": {}}}));
    assert!(matches!(old.output, Output::JsonSchema(_)));
}

#[test]
fn every_kind_of_thinking_is_read() {
    for (thinking, mode) in [
        (
            json!({"type": "enabled", "budget_tokens": 2000}),
            ReasoningMode::Budget(2000),
        ),
        (
            json!({"type": "adaptive", "display": "summarized"}),
            ReasoningMode::Adaptive,
        ),
        (
            json!({"type": "between_tools"}),
            ReasoningMode::BetweenTools,
        ),
        (json!({"type": "disabled"}), ReasoningMode::Off),
    ] {
        assert_eq!(
            request(json!({"thinking": thinking})).reasoning.mode,
            Some(mode)
        );
    }
}

#[test]
fn what_has_no_place_is_noted_by_its_field() {
    let found = request(json!({
        "container": "c", "context_management": {"edits": []}, "diagnostics": {}, "inference_geo": "us",
        "mcp_servers": [{}], "speed": "fast", "user_profile_id": "p", "metadata": {"other": 1}, "novel": 1,
        "tools": [
            {"name": "f", "input_schema": {"type": "object"}, "defer_loading": true, "allowed_callers": ["direct", "code_execution_20260120"], "input_examples": []},
            {"type": "web_search_20260318", "name": "web_search"},
        ],
        "messages": [
            {"role": "user", "novel": 1, "content": [
                {"type": "text", "text": "x", "citations": [{}]},
                {"type": "document", "source": {"type": "text", "data": "d"}, "citations": {"enabled": true}},
                {"type": "novel"},
                {"type": "container_upload", "file_id": "f"},
            ]},
            {"role": "assistant", "content": [
                {"type": "server_tool_use", "id": "s"},
                {"type": "image", "source": {"type": "url", "url": "u"}},
            ]},
        ],
    }));
    let noted: Vec<(Feature, &str)> = found
        .extras
        .iter()
        .map(|Extra { feature, param }| (*feature, &**param))
        .collect();
    let expected = [
        (Feature::Citations, "messages[0].content[0].citations"),
        (Feature::Citations, "messages[0].content[1].citations"),
        (Feature::OtherContent, "messages[0].content[2]"),
        (Feature::HostedTool, "messages[0].content[3]"),
        (Feature::Other, "messages[0].novel"),
        (Feature::HostedTool, "messages[1].content[0]"),
        (Feature::OtherContent, "messages[1].content[1]"),
        (Feature::HostedTool, "tools[0].allowed_callers[1]"),
        (Feature::HostedTool, "tools[0].defer_loading"),
        (Feature::ToolHints, "tools[0].input_examples"),
        (Feature::HostedTool, "tools[1]"),
        (Feature::McpServers, "mcp_servers"),
        (Feature::ServiceTier, "speed"),
        (Feature::Other, "metadata.other"),
        (Feature::Container, "container"),
        (Feature::Truncation, "context_management"),
        (Feature::Include, "diagnostics"),
        (Feature::Region, "inference_geo"),
        (Feature::Metadata, "user_profile_id"),
        (Feature::Other, "novel"),
    ];
    assert_eq!(noted, expected);
    assert_eq!(found.tools.len(), 1);
}

#[test]
fn results_become_a_message_of_their_own() {
    let found = request(json!({
        "system": [{"type": "text", "text": "S", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
        "messages": [
            {"role": "user", "content": "go"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1.0}, "caller": {"type": "direct"}}]},
            {"role": "user", "content": [
                {"type": "text", "text": "and"},
                {"type": "tool_result", "tool_use_id": "a", "is_error": true, "content": [
                    {"type": "text", "text": "t"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
                    {"type": "document", "source": {"type": "file", "file_id": "file_1"}},
                ]},
            ]},
            {"role": "system", "content": "late"},
        ],
    }));
    let roles: Vec<_> = found.messages.iter().map(|message| message.role).collect();
    let expected = [
        Role::System,
        Role::User,
        Role::Assistant,
        Role::Tool,
        Role::User,
        Role::System,
    ];
    assert_eq!(roles, expected);
    let hour = Part::Text {
        text: "S".into(),
        cache: Some(CacheControl::Hour),
    };
    assert_eq!(found.messages[0].parts, [hour]);
    let [Part::ToolCall(call)] = &found.messages[2].parts[..] else {
        panic!("a call");
    };
    assert_eq!(call.arguments.get(), r#"{"x":1.0}"#);
    let [Part::ToolResult(result)] = &found.messages[3].parts[..] else {
        panic!("a result");
    };
    assert_eq!(
        (&*result.name, result.is_error, result.content.len()),
        ("f", true, 3)
    );
    assert_eq!(found.messages[4].parts, [Part::text("and")]);
}

#[test]
fn reasoning_is_read_with_its_maker() {
    let found = request(json!({"messages": [{"role": "assistant", "content": [
        {"type": "thinking", "thinking": "a", "signature": "own"},
        {"type": "thinking", "thinking": "b", "signature": "lo1.openai.rs:x"},
        {"type": "thinking", "thinking": "c", "signature": ""},
        {"type": "redacted_thinking", "data": "own"},
        {"type": "redacted_thinking", "data": "lo1.gemini.Zm9v"},
    ]}]}));
    let read: Vec<_> = found.messages[0]
        .parts
        .iter()
        .map(|part| match part {
            Part::Thinking(it) => {
                let signature = it.signature.as_ref();
                (
                    &*it.text,
                    signature.map(|it| (it.family, &*it.value)),
                    it.redacted,
                )
            }
            other => panic!("{other:?}"),
        })
        .collect();
    let expected = [
        ("a", Some((Family::Anthropic, "own")), false),
        ("b", Some((Family::OpenAi, "rs:x")), false),
        ("c", None, false),
        ("", Some((Family::Anthropic, "own")), true),
        ("", Some((Family::Gemini, "Zm9v")), false),
    ];
    assert_eq!(read, expected);
}

#[test]
fn documents_are_read_wherever_they_are() {
    let file = |media_type: Option<&str>, source, name: Option<&str>| Part::File {
        media: Media {
            media_type: media_type.map(str::to_owned),
            source,
        },
        name: name.map(str::to_owned),
        cache: None,
    };
    let pdf = Some("application/pdf");
    let plain = Some("text/plain");
    let document = |source: Value| json!([{"type": "document", "title": "T", "source": source}]);
    for (source, expected) in [
        (
            json!({"type": "base64", "media_type": "application/pdf", "data": "AAAA"}),
            file(pdf, Source::Inline("AAAA".into()), Some("T")),
        ),
        (
            json!({"type": "url", "url": "u"}),
            file(pdf, Source::Url("u".into()), Some("T")),
        ),
        (
            json!({"type": "text", "media_type": "text/plain", "data": "d"}),
            file(plain, Source::Text("d".into()), Some("T")),
        ),
        (
            json!({"type": "file", "file_id": "f"}),
            file(None, Source::FileId("f".into()), Some("T")),
        ),
        (
            json!({"type": "content", "content": "d"}),
            file(plain, Source::Text("d".into()), Some("T")),
        ),
    ] {
        assert_eq!(parts(document(source)), [expected]);
    }
    let made_up = json!({"type": "content", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]});
    assert_eq!(
        parts(document(made_up)),
        [Part::text("T"), Part::text("a"), Part::text("b")]
    );
    let context =
        json!([{"type": "document", "context": "C", "source": {"type": "text", "data": "d"}}]);
    assert_eq!(
        parts(context),
        [Part::text("C"), file(plain, Source::Text("d".into()), None)]
    );
    let search = json!([{"type": "search_result", "source": "s", "title": "T", "citations": {"enabled": false},
        "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}]);
    assert_eq!(
        parts(search),
        [file(plain, Source::Text("a\n\nb".into()), Some("T (s)"))]
    );
}

#[test]
fn tools_and_the_choice_among_them_are_read() {
    let tool = |schema: Value| json!([{"type": "custom", "name": "f", "description": "d", "strict": true, "input_schema": schema}]);
    let found = request(json!({"tools": tool(json!({"type": "object"}))}));
    assert_eq!(
        (&found.tools[0].parameters, found.tools[0].strict),
        (&None, Some(true))
    );
    let found = request(json!({"tools": tool(json!({"type": "object", "required": []}))}));
    let schema = found.tools[0].parameters.as_ref().unwrap();
    assert_eq!(schema.get(), r#"{"required":[],"type":"object"}"#);
    for (choice, expected, parallel) in [
        (json!({"type": "auto"}), ToolChoice::Auto, None),
        (
            json!({"type": "any", "disable_parallel_tool_use": true}),
            ToolChoice::Required,
            Some(false),
        ),
        (json!({"type": "none"}), ToolChoice::None, None),
        (
            json!({"type": "tool", "name": "f", "disable_parallel_tool_use": false}),
            ToolChoice::Tool("f".into()),
            Some(true),
        ),
    ] {
        let found = request(json!({"tool_choice": choice}));
        assert_eq!(
            (found.tool_choice, found.parallel_tool_calls),
            (Some(expected), parallel)
        );
    }
}

#[test]
fn the_mark_for_all_marks_the_last_block() {
    let found = request(json!({"cache_control": {"type": "ephemeral"}}));
    let marked = Part::Text {
        text: "hi".into(),
        cache: Some(CacheControl::Default),
    };
    assert_eq!(found.messages[0].parts, [marked]);
}

#[test]
fn errors_name_the_field() {
    let with = |content: Value| body(json!({"messages": [{"role": "user", "content": content}]}));
    fails(&json!([]), "the body must be a JSON object");
    fails(
        &json!({"max_tokens": 1}),
        "missing required field: 'messages'",
    );
    fails(
        &json!({"messages": []}),
        "missing required field: 'max_tokens'",
    );
    fails(
        &body(json!({"max_tokens": -1})),
        "invalid type for 'max_tokens': expected an integer that is not negative",
    );
    fails(
        &body(json!({"messages": {}})),
        "invalid type for 'messages': expected an array",
    );
    fails(
        &body(json!({"messages": [7]})),
        "invalid type for 'messages[0]': expected an object",
    );
    fails(
        &with(json!([{"text": "x"}])),
        "invalid value for 'messages[0].content[0].type': it is required",
    );
    fails(
        &with(json!([{"type": 7}])),
        "invalid type for 'messages[0].content[0].type': expected a string",
    );
    fails(
        &with(json!([{"type": "text", "text": 7}])),
        "invalid type for 'messages[0].content[0].text': expected a string",
    );
    fails(
        &with(json!([{"type": "tool_result", "tool_use_id": "x"}])),
        "invalid value for 'messages[0].content[0].tool_use_id': no earlier turn of the assistant's has a tool_use with this id",
    );
    fails(
        &with(json!([{"type": "tool_use", "id": "x", "name": "f", "input": []}])),
        "invalid type for 'messages[0].content[0].input': expected an object",
    );
    fails(
        &with(json!([{"type": "thinking", "thinking": "x"}])),
        "invalid value for 'messages[0].content[0]': only the assistant's turns hold such a block",
    );
    fails(
        &body(json!({"messages": [{"role": "tool", "content": ""}]})),
        "invalid value for 'messages[0].role': it must be 'user', 'assistant' or 'system'",
    );
    let twice = br#"{"max_tokens":1,"messages":[{"role":"user","role":"user","content":""}]}"#;
    assert_eq!(
        read(twice),
        Err(RequestError::Duplicate("messages[0].role".into()))
    );
    assert!(matches!(read(b"{"), Err(RequestError::Syntax(_))));
}

#[test]
fn a_request_to_count_needs_no_limit() {
    let body = br#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;
    assert_eq!(read_count(body).unwrap().messages.len(), 1);
}
