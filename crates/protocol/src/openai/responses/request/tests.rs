use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{
    Format, RequestError, Target, Traits,
    canonical::{
        CacheControl, Detail, Effort, Extra, Family, Json, JsonSchema, Logprobs, Media, Message,
        Output, Part, Reasoning, ReasoningMode, Request, Role, Signature, Source, Summary,
        Thinking, Tool, ToolCall, ToolChoice, ToolResult, arbitrary,
    },
    feature::Feature,
    openai::responses::count,
    traits::ThinkingStyle,
};

fn target() -> Target<'static> {
    Target {
        model: "gpt-5",
        traits: Traits::of(Format::Responses, "gpt-5"),
    }
}

/// Reads a request with these fields beside a plain input.
fn with(fields: Value) -> Result<Request, RequestError> {
    let mut body = json!({"model": "m", "input": "hi"});
    let object = body.as_object_mut().unwrap();
    object.extend(fields.as_object().unwrap().clone());
    read(body.to_string().as_bytes())
}

/// Reads the messages of these items.
#[track_caller]
fn messages(items: Value) -> Vec<Message> {
    let request = with(json!({"input": items})).unwrap();
    assert_eq!(request.extras, []);
    request.messages
}

/// Reads the content of a user message with this part.
#[track_caller]
fn part(part: Value) -> Part {
    let mut messages = messages(json!([{"role": "user", "content": [part]}]));
    messages.pop().unwrap().parts.pop().unwrap()
}

#[track_caller]
fn extras(fields: Value, expected: &[(Feature, &str)]) {
    let request = with(fields).unwrap();
    let found: Vec<(Feature, &str)> = request
        .extras
        .iter()
        .map(|Extra { feature, param }| (*feature, param.as_str()))
        .collect();
    assert_eq!(found, expected);
}

#[track_caller]
fn refuses(fields: Value, message: &str) {
    assert_eq!(with(fields).unwrap_err().to_string(), message);
}

fn call(id: &str, name: &str, arguments: &str) -> Part {
    Part::ToolCall(ToolCall {
        id: id.to_owned(),
        name: name.to_owned(),
        arguments: Json::parse(arguments).unwrap(),
        cache: None,
    })
}

fn result(call_id: &str, name: &str, content: Vec<Part>) -> Part {
    Part::ToolResult(ToolResult {
        call_id: call_id.to_owned(),
        name: name.to_owned(),
        content,
        object: None,
        is_error: false,
        cache: None,
    })
}

fn thinking(text: &str, family: Family, value: &str) -> Part {
    Part::Thinking(Thinking {
        text: text.to_owned(),
        signature: Some(Signature {
            family,
            value: value.to_owned(),
        }),
        redacted: false,
    })
}

fn said(role: Role, text: &str) -> Message {
    Message::new(role, vec![Part::text(text)])
}

#[test]
fn messages_are_read_in_both_of_their_forms() {
    let read = messages(json!([
        {"role": "system", "content": "a"},
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "b"}], "status": "completed"},
        {"role": "user", "content": ""},
        {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "phase": "commentary", "content": [
            {"type": "output_text", "text": "c", "annotations": [{"type": "url_citation"}], "logprobs": []},
            {"type": "refusal", "refusal": "d"}]},
        {"role": "assistant", "content": "e"},
        {"role": "user", "content": "f"},
    ]));
    let parts = vec![
        Part::text("c"),
        Part::Refusal("d".to_owned()),
        Part::text("e"),
    ];
    let expected = [
        said(Role::System, "a"),
        said(Role::Developer, "b"),
        Message::new(Role::User, vec![]),
        Message::new(Role::Assistant, parts),
        said(Role::User, "f"),
    ];
    assert_eq!(read, expected);
}

#[test]
fn instructions_come_first() {
    let read = with(json!({"instructions": "be brief", "stream": true})).unwrap();
    assert!(read.stream);
    let expected = [said(Role::System, "be brief"), said(Role::User, "hi")];
    assert_eq!(read.messages, expected);
}

#[test]
fn calls_and_results_are_tied_by_name() {
    let read = messages(json!([
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}], "encrypted_content": "x"},
        {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": " {\"a\": 1} ", "status": "completed"},
        {"type": "function_call", "call_id": "c2", "name": "g", "arguments": "", "caller": {"type": "direct"}},
        {"type": "function_call_output", "call_id": "c2", "output": ""},
        {"type": "function_call_output", "call_id": "c1", "output": [{"type": "input_text", "text": "r"}, {"type": "input_image", "image_url": "https://x.test/a.png"}]},
        {"type": "reasoning", "id": "rs_2", "summary": []},
        {"type": "function_call_output", "call_id": "c9", "name": "h", "output": "late"},
    ]));
    let image = Part::Image {
        media: Media {
            media_type: None,
            source: Source::Url("https://x.test/a.png".to_owned()),
        },
        detail: None,
        cache: None,
    };
    let calls = vec![
        thinking("a\n\nb", Family::OpenAi, "rs_1:x"),
        call("c1", "f", "{\"a\": 1}"),
        call("c2", "g", "{}"),
    ];
    let results = vec![
        result("c2", "g", vec![]),
        result("c1", "f", vec![Part::text("r"), image]),
        result("c9", "h", vec![Part::text("late")]),
    ];
    let expected = [
        Message::new(Role::Assistant, calls),
        Message::new(Role::Tool, results),
    ];
    assert_eq!(read, expected);
}

#[test]
fn foreign_signatures_are_read_from_reasoning_items() {
    let item = |encrypted: &str| json!([{"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": encrypted}]);
    let read = |encrypted| messages(item(encrypted)).pop().unwrap().parts;
    assert_eq!(
        read("lo1.gemini.c2ln"),
        [thinking("", Family::Gemini, "c2ln")]
    );
    let redacted = Part::Thinking(Thinking {
        text: String::new(),
        signature: Some(Signature {
            family: Family::Anthropic,
            value: "data".to_owned(),
        }),
        redacted: true,
    });
    assert_eq!(read("lo1.anthropic.redacted:data"), [redacted]);
}

#[test]
fn media_is_read_wherever_it_is() {
    let image = |media, detail, cache| Part::Image {
        media,
        detail,
        cache,
    };
    let inline = |media_type: &str, data: &str| Media {
        media_type: Some(media_type.to_owned()),
        source: Source::Inline(data.to_owned()),
    };
    let at = |source| Media {
        media_type: None,
        source,
    };
    let file = |media, name: Option<&str>| Part::File {
        media,
        name: name.map(str::to_owned),
        cache: None,
    };
    let cases = [
        (
            json!({"type": "input_image", "image_url": "data:image/png;base64,_-8=", "detail": "high"}),
            image(inline("image/png", "/+8="), Some(Detail::High), None),
        ),
        (
            json!({"type": "input_image", "file_id": "file-1", "detail": "auto", "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "12h"}}),
            image(
                at(Source::FileId("file-1".to_owned())),
                None,
                Some(CacheControl::Hour),
            ),
        ),
        (
            json!({"type": "input_file", "file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"}),
            file(inline("application/pdf", "AAAA"), Some("a.pdf")),
        ),
        (
            json!({"type": "input_file", "file_data": "AAA", "filename": "a.TXT", "detail": "auto"}),
            file(inline("text/plain", "AAA="), Some("a.TXT")),
        ),
        (
            json!({"type": "input_file", "file_data": "AA"}),
            file(inline("application/octet-stream", "AA=="), None),
        ),
        (
            json!({"type": "input_file", "file_url": "https://x.test/a.pdf", "file_id": null}),
            file(at(Source::Url("https://x.test/a.pdf".to_owned())), None),
        ),
        (
            json!({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}}),
            Part::Audio(inline("audio/mpeg", "AAAA")),
        ),
        (
            json!({"type": "input_text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit"}}),
            Part::Text {
                text: "a".to_owned(),
                cache: Some(CacheControl::Default),
            },
        ),
    ];
    for (json, expected) in cases {
        assert_eq!(part(json), expected);
    }
}

#[test]
fn every_setting_has_its_place() {
    let read = with(json!({
        "max_output_tokens": 100, "temperature": 0.5, "top_p": 1, "parallel_tool_calls": false, "user": "u",
        "metadata": {"a": "b"}, "service_tier": "flex", "prompt_cache_key": "k", "store": false, "background": false,
        "truncation": "disabled", "stream_options": {"include_obfuscation": false}, "max_tool_calls": 3,
        "include": ["reasoning.encrypted_content", "message.output_text.logprobs"], "top_logprobs": 3, "timeout": 5,
        "reasoning": {"effort": "xhigh", "generate_summary": "concise", "context": "auto", "mode": "standard"},
        "text": {"verbosity": "low", "format": {"type": "json_schema", "name": "n", "description": "d", "schema": {"x": 1.0}, "strict": true}},
        "tools": [{"type": "function", "name": "f", "description": "d", "parameters": {"$x": 1}, "strict": true, "defer_loading": false},
                  {"type": "function", "name": "g", "parameters": null, "allowed_callers": ["direct"]}],
        "tool_choice": {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}]},
    }))
    .unwrap();
    let tool = |name: &str, parameters: Option<&str>, strict| Tool {
        name: name.to_owned(),
        description: parameters.map(|_| "d".to_owned()),
        parameters: parameters.map(|text| Json::parse(text).unwrap()),
        strict,
        cache: None,
    };
    let expected = Request {
        messages: vec![said(Role::User, "hi")],
        tools: vec![
            tool("f", Some("{\"$x\":1}"), Some(true)),
            tool("g", None, None),
        ],
        tool_choice: Some(ToolChoice::Allowed(vec!["f".to_owned()], true)),
        parallel_tool_calls: Some(false),
        output: Output::JsonSchema(JsonSchema {
            name: Some("n".to_owned()),
            description: Some("d".to_owned()),
            schema: Json::parse("{\"x\":1.0}").unwrap(),
            strict: Some(true),
        }),
        max_tokens: Some(100),
        temperature: Some(0.5),
        top_p: Some(1.0),
        logprobs: Some(Logprobs { top: Some(3) }),
        reasoning: Reasoning {
            mode: None,
            effort: Some(Effort::XHigh),
            summary: Some(Summary::Concise),
        },
        verbosity: Some("low".to_owned()),
        user: Some("u".to_owned()),
        metadata: vec![("a".to_owned(), "b".to_owned())],
        service_tier: Some("flex".to_owned()),
        cache_key: Some("k".to_owned()),
        ..Request::default()
    };
    assert_eq!(read, expected);
}

#[test]
fn each_choice_of_tools_is_read() {
    let choice = |json| with(json!({"tool_choice": json})).unwrap().tool_choice;
    assert_eq!(choice(json!("auto")), Some(ToolChoice::Auto));
    assert_eq!(choice(json!("none")), Some(ToolChoice::None));
    assert_eq!(choice(json!("required")), Some(ToolChoice::Required));
    let one = json!({"type": "function", "name": "f"});
    assert_eq!(choice(one), Some(ToolChoice::Tool("f".to_owned())));
    assert_eq!(choice(json!(null)), None);
    let object = with(json!({"text": {"format": {"type": "json_object"}}}));
    assert_eq!(object.unwrap().output, Output::JsonObject);
    let top = |fields| with(fields).unwrap().logprobs;
    assert_eq!(top(json!({"top_logprobs": 0})), None);
    let included = json!({"include": ["message.output_text.logprobs"]});
    assert_eq!(top(included), Some(Logprobs { top: None }));
}

/// Fields, and what is noted of them.
const NOTED: &[(&str, Feature, &str)] = &[
    (r#"{"store": true}"#, Feature::Store, "store"),
    (r#"{"background": true}"#, Feature::Background, "background"),
    (
        r#"{"background_options": {}}"#,
        Feature::Background,
        "background_options",
    ),
    (
        r#"{"previous_response_id": "r"}"#,
        Feature::PreviousResponse,
        "previous_response_id",
    ),
    (
        r#"{"conversation": {"id": "c"}}"#,
        Feature::PreviousResponse,
        "conversation",
    ),
    (
        r#"{"prompt": {"id": "p"}}"#,
        Feature::StoredPrompt,
        "prompt",
    ),
    (
        r#"{"truncation": "auto"}"#,
        Feature::Truncation,
        "truncation",
    ),
    (
        r#"{"context_management": [{"type": "compaction"}]}"#,
        Feature::Truncation,
        "context_management",
    ),
    (
        r#"{"prompt_cache_retention": "24h"}"#,
        Feature::CacheRetention,
        "prompt_cache_retention",
    ),
    (
        r#"{"prompt_cache_options": {"mode": "explicit"}}"#,
        Feature::CacheRetention,
        "prompt_cache_options",
    ),
    (
        r#"{"safety_identifier": "s"}"#,
        Feature::SafetyIdentifier,
        "safety_identifier",
    ),
    (
        r#"{"include": ["file_search_call.results"]}"#,
        Feature::Include,
        "include[0]",
    ),
    (
        r#"{"reasoning": {"mode": "pro"}}"#,
        Feature::Other,
        "reasoning.mode",
    ),
    (
        r#"{"moderation": {"model": "m"}}"#,
        Feature::Moderation,
        "moderation",
    ),
    (r#"{"text": {"new": 1}}"#, Feature::Other, "text.new"),
    (
        r#"{"stream_options": {"new": 1}}"#,
        Feature::Other,
        "stream_options.new",
    ),
    (
        r#"{"tools": [{"type": "web_search"}]}"#,
        Feature::HostedTool,
        "tools[0]",
    ),
    (
        r#"{"tools": [{"type": "custom", "name": "c"}]}"#,
        Feature::CustomTool,
        "tools[0]",
    ),
    (
        r#"{"tools": [{"type": "mcp", "server_label": "s"}]}"#,
        Feature::McpServers,
        "tools[0]",
    ),
    (
        r#"{"tools": [{"type": "function", "name": "f", "defer_loading": true}]}"#,
        Feature::HostedTool,
        "tools[0].defer_loading",
    ),
    (
        r#"{"tools": [{"type": "function", "name": "f", "allowed_callers": ["programmatic"]}]}"#,
        Feature::HostedTool,
        "tools[0].allowed_callers",
    ),
    (
        r#"{"tool_choice": {"type": "file_search"}}"#,
        Feature::HostedTool,
        "tool_choice",
    ),
    (
        r#"{"tool_choice": {"type": "custom", "name": "c"}}"#,
        Feature::CustomTool,
        "tool_choice",
    ),
    (
        r#"{"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "mcp"}]}}"#,
        Feature::HostedTool,
        "tool_choice.tools[0]",
    ),
    (
        r#"{"input": [{"id": "msg_1"}]}"#,
        Feature::PreviousResponse,
        "input[0]",
    ),
    (
        r#"{"input": [{"type": "item_reference", "id": "x"}]}"#,
        Feature::PreviousResponse,
        "input[0]",
    ),
    (
        r#"{"input": [{"type": "compaction", "encrypted_content": "x"}]}"#,
        Feature::Truncation,
        "input[0]",
    ),
    (
        r#"{"input": [{"type": "mcp_call"}]}"#,
        Feature::McpServers,
        "input[0]",
    ),
    (
        r#"{"input": [{"type": "custom_tool_call"}]}"#,
        Feature::CustomTool,
        "input[0]",
    ),
    (
        r#"{"input": [{"type": "computer_call"}]}"#,
        Feature::HostedTool,
        "input[0]",
    ),
    (
        r#"{"input": [{"type": "new"}]}"#,
        Feature::OtherContent,
        "input[0]",
    ),
    (
        r#"{"input": [{"role": "user", "content": [{"type": "new"}]}]}"#,
        Feature::OtherContent,
        "input[0].content[0]",
    ),
    (
        r#"{"input": [{"role": "user", "content": "a", "new": 1}]}"#,
        Feature::Other,
        "input[0].new",
    ),
    (
        r#"{"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "f", "detail": "low"}]}]}"#,
        Feature::FileDetail,
        "input[0].content[0].detail",
    ),
    (r#"{"unheard_of": {}}"#, Feature::Other, "unheard_of"),
];

#[test]
fn what_has_no_place_is_noted_by_its_field() {
    for &(fields, feature, param) in NOTED {
        extras(serde_json::from_str(fields).unwrap(), &[(feature, param)]);
    }
    extras(json!({"unheard_of": null, "store": null}), &[]);
}

#[test]
fn a_stored_input_need_not_be_told() {
    let read = |body: &str| read(body.as_bytes());
    let error = read(r#"{"model":"m"}"#).unwrap_err();
    assert_eq!(error, RequestError::Missing("input"));
    let request = read(r#"{"model":"m","previous_response_id":"r"}"#).unwrap();
    assert_eq!(request.messages, []);
}

/// Fields, and what is said of them.
const WRONG: &[(&str, &str)] = &[
    (
        r#"{"input": 7}"#,
        "invalid type for 'input': expected a string or an array",
    ),
    (
        r#"{"input": {}}"#,
        "invalid type for 'input': expected a string or an array",
    ),
    (
        r#"{"input": [7]}"#,
        "invalid type for 'input[0]': expected an object",
    ),
    (
        r#"{"input": [{}]}"#,
        "invalid value for 'input[0].type': it is required",
    ),
    (
        r#"{"input": [{"role": "tool", "content": ""}]}"#,
        "invalid value for 'input[0].role': it must be user, assistant, system or developer",
    ),
    (
        r#"{"input": [{"role": "user"}]}"#,
        "invalid value for 'input[0].content': it is required",
    ),
    (
        r#"{"input": [{"role": "user", "content": {}}]}"#,
        "invalid type for 'input[0].content': expected a string or an array",
    ),
    (
        r#"{"input": [{"role": "user", "content": [{"type": 7}]}]}"#,
        "invalid type for 'input[0].content[0].type': expected a string",
    ),
    (
        r#"{"input": [{"role": "user", "content": [{"type": "input_image"}]}]}"#,
        "invalid value for 'input[0].content[0]': one of image_url and file_id is required",
    ),
    (
        r#"{"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "data:image/png,x"}]}]}"#,
        "invalid value for 'input[0].content[0].image_url': a data URL must have the form data:<media type>;base64,<data>",
    ),
    (
        r#"{"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "data:image/png;base64,é"}]}]}"#,
        "invalid value for 'input[0].content[0].image_url': a data URL must have the form data:<media type>;base64,<data>",
    ),
    (
        r#"{"input": [{"role": "user", "content": [{"type": "input_file", "file_data": "A"}]}]}"#,
        "invalid value for 'input[0].content[0].file_data': it is not base64",
    ),
    (
        r#"{"input": [{"type": "function_call", "call_id": "c", "name": "f", "arguments": "{"}]}"#,
        "invalid value for 'input[0].arguments': it is not a JSON object",
    ),
    (
        r#"{"input": [{"type": "function_call", "call_id": "c", "name": "f", "arguments": "[]"}]}"#,
        "invalid value for 'input[0].arguments': it is not a JSON object",
    ),
    (
        r#"{"input": [{"type": "function_call_output", "output": ""}]}"#,
        "invalid value for 'input[0].call_id': it is required",
    ),
    (
        r#"{"max_output_tokens": -1}"#,
        "invalid type for 'max_output_tokens': expected a whole number",
    ),
    (
        r#"{"max_output_tokens": 1.5}"#,
        "invalid type for 'max_output_tokens': expected a whole number",
    ),
    (
        r#"{"temperature": "1"}"#,
        "invalid type for 'temperature': expected a number",
    ),
    (
        r#"{"stream": 1}"#,
        "invalid type for 'stream': expected a boolean",
    ),
    (
        r#"{"metadata": {"a": 1}}"#,
        "invalid type for 'metadata.a': expected a string",
    ),
    (
        r#"{"include": [1]}"#,
        "invalid type for 'include[0]': expected a string",
    ),
    (
        r#"{"tools": {}}"#,
        "invalid type for 'tools': expected an array",
    ),
    (
        r#"{"tools": [{"type": "function"}]}"#,
        "invalid value for 'tools[0].name': it is required",
    ),
    (
        r#"{"tools": [{"type": "function", "name": "f", "parameters": []}]}"#,
        "invalid type for 'tools[0].parameters': expected an object",
    ),
    (
        r#"{"tool_choice": "any"}"#,
        "invalid value for 'tool_choice': it must be auto, none or required",
    ),
    (
        r#"{"tool_choice": []}"#,
        "invalid type for 'tool_choice': expected a string or an object",
    ),
    (
        r#"{"reasoning": {"effort": "huge"}}"#,
        "invalid value for 'reasoning.effort': it must be none, minimal, low, medium, high, xhigh or max",
    ),
    (
        r#"{"reasoning": {"summary": "long"}}"#,
        "invalid value for 'reasoning.summary': it must be auto, concise or detailed",
    ),
    (
        r#"{"text": {"format": {"type": "json_schema", "name": "n"}}}"#,
        "invalid value for 'text.format.schema': it is required",
    ),
    (
        r#"{"top_logprobs": 5000000000}"#,
        "invalid type for 'top_logprobs': expected a whole number from 0 to 20",
    ),
];

#[test]
fn what_is_wrong_is_named() {
    for &(fields, message) in WRONG {
        refuses(serde_json::from_str(fields).unwrap(), message);
    }
    assert_eq!(read(b"[]"), Err(RequestError::NotAnObject));
    assert!(matches!(read(b"{"), Err(RequestError::Syntax(_))));
    let twice = read(br#"{"input":[{"role":"user","role":"user"}]}"#);
    assert_eq!(twice, Err(RequestError::Duplicate("input[0].role".into())));
    let huge = read(br#"{"input":"","temperature":1e999}"#);
    assert!(matches!(huge, Err(RequestError::Type { .. })));
}

fn body_of(request: &Request) -> Value {
    serde_json::from_slice(&write(request, &target(), &mut Vec::new()).unwrap()).unwrap()
}

#[test]
fn a_conversation_is_written_as_items() {
    let long = "functions.look:0".to_owned();
    let request = Request {
        messages: vec![
            said(Role::System, "one"),
            said(Role::System, "two"),
            said(Role::Developer, "three"),
            said(Role::User, "hi"),
            Message::new(
                Role::Assistant,
                vec![
                    thinking("Hm.", Family::OpenAi, "rs_1:ab:c"),
                    thinking("Foreign.", Family::Anthropic, "sig"),
                    Part::text("a"),
                    Part::Refusal("b".to_owned()),
                    call(&long, "look", "{\"a\": 1.0}"),
                    call("call_1", "look", "{}"),
                    thinking("Trailing.", Family::OpenAi, "rs_2:x"),
                ],
            ),
            Message::new(
                Role::Tool,
                vec![
                    Part::ToolResult(ToolResult {
                        call_id: long,
                        name: "look".to_owned(),
                        content: vec![Part::text("gone")],
                        object: None,
                        is_error: true,
                        cache: None,
                    }),
                    result("call_1", "look", vec![]),
                ],
            ),
            said(Role::System, "late"),
        ],
        tools: vec![Tool {
            name: "look".to_owned(),
            description: None,
            parameters: None,
            strict: None,
            cache: None,
        }],
        tool_choice: Some(ToolChoice::Tool("look".to_owned())),
        parallel_tool_calls: Some(true),
        max_tokens: Some(5),
        stream: true,
        ..Request::default()
    };
    let mut cut = Vec::new();
    let body = write(&request, &target(), &mut cut).unwrap();
    assert_eq!(cut, [Feature::MaxTokens]);
    insta::assert_snapshot!("conversation", String::from_utf8(body).unwrap());
    let mut cut = Vec::new();
    let body = count::write(&request, &target(), &mut cut).unwrap();
    assert_eq!(cut, []);
    insta::assert_snapshot!("count", String::from_utf8(body).unwrap());
}

#[test]
fn media_is_written_as_its_format_has_it() {
    let media = |media_type: Option<&str>, source| Media {
        media_type: media_type.map(str::to_owned),
        source,
    };
    let file = |media, name: Option<&str>| Part::File {
        media,
        name: name.map(str::to_owned),
        cache: None,
    };
    let image = |media| Part::Image {
        media,
        detail: None,
        cache: None,
    };
    let inline = || Source::Inline("AAAA".to_owned());
    let url = || Source::Url("https://x.test/a".to_owned());
    let parts = vec![
        image(media(Some("image/gif"), inline())),
        image(media(None, url())),
        file(media(Some("application/pdf"), inline()), None),
        file(media(Some("text/csv"), inline()), Some("a.csv")),
        file(media(None, url()), None),
        file(media(None, Source::Text("words".to_owned())), Some("b")),
    ];
    let request = Request {
        messages: vec![
            Message::new(Role::User, parts),
            Message::new(
                Role::Tool,
                vec![result("c", "f", vec![image(media(None, url()))])],
            ),
        ],
        ..Request::default()
    };
    insta::assert_snapshot!("media", body_of(&request)["input"].to_string());
    for (role, part) in [
        (Role::User, Part::Audio(media(None, inline()))),
        (Role::User, image(media(None, Source::FileId("f".into())))),
        (
            Role::User,
            file(media(None, Source::FileId("f".into())), None),
        ),
        (Role::Assistant, image(media(None, inline()))),
    ] {
        let request = Request {
            messages: vec![Message::new(role, vec![part])],
            ..Request::default()
        };
        assert!(write(&request, &target(), &mut Vec::new()).is_err());
    }
}

#[test]
fn instructions_alone_stay_an_item() {
    let request = Request {
        messages: vec![said(Role::System, "one")],
        ..Request::default()
    };
    let body = body_of(&request);
    assert_eq!(body["instructions"], Value::Null);
    assert_eq!(body["input"][0]["role"], "system");
}

#[track_caller]
fn reasons(asked: Reasoning, expected: Value, is_encrypted: bool) {
    let request = Request {
        reasoning: asked,
        ..Request::default()
    };
    let body = body_of(&request);
    assert_eq!(body["reasoning"], expected);
    assert_eq!(body["include"].is_array(), is_encrypted);
    assert_eq!(body["store"], false);
}

#[test]
fn reasoning_is_asked_for_by_an_effort() {
    let mode = |mode| Reasoning {
        mode: Some(mode),
        ..Reasoning::default()
    };
    reasons(Reasoning::default(), Value::Null, false);
    reasons(mode(ReasoningMode::Off), json!({"effort": "none"}), false);
    reasons(mode(ReasoningMode::Adaptive), json!({}), true);
    reasons(
        mode(ReasoningMode::Budget(1024)),
        json!({"effort": "low"}),
        true,
    );
    reasons(
        mode(ReasoningMode::Budget(8192)),
        json!({"effort": "medium"}),
        true,
    );
    reasons(
        mode(ReasoningMode::Budget(32_000)),
        json!({"effort": "high"}),
        true,
    );
    let both = Reasoning {
        mode: Some(ReasoningMode::Budget(1024)),
        effort: Some(Effort::Max),
        summary: Some(Summary::Detailed),
    };
    reasons(
        both.clone(),
        json!({"effort": "max", "summary": "detailed"}),
        true,
    );
    let mut target = target();
    target.traits.thinking = ThinkingStyle::None;
    let request = Request {
        reasoning: both,
        ..Request::default()
    };
    let mut cut = Vec::new();
    let body = write(&request, &target, &mut cut).unwrap();
    assert!(!String::from_utf8(body).unwrap().contains("reasoning"));
    let expected = [
        Feature::Effort,
        Feature::ReasoningBudget,
        Feature::ReasoningSummary,
    ];
    assert_eq!(cut, expected);
}

/// A schema that may be strict.
const CLOSED: &str =
    r#"{"type":"object","properties":{},"required":[],"additionalProperties":false}"#;

#[test]
fn what_is_strict_stays_so_only_where_its_schema_allows_it() {
    let strict = |schema: &str| {
        let request = Request {
            tools: vec![Tool {
                name: "f".to_owned(),
                description: None,
                parameters: Some(Json::parse(schema).unwrap()),
                strict: Some(true),
                cache: None,
            }],
            output: Output::JsonSchema(JsonSchema {
                name: None,
                description: None,
                schema: Json::parse(schema).unwrap(),
                strict: Some(true),
            }),
            ..Request::default()
        };
        let body = body_of(&request);
        (
            body["tools"][0]["strict"].clone(),
            body["text"]["format"]["strict"].clone(),
        )
    };
    assert_eq!(strict(CLOSED), (json!(true), json!(true)));
    let open = r#"{"type":"object","properties":{"a":{"type":"string"}}}"#;
    assert_eq!(strict(open), (json!(false), json!(false)));
}

/// A request as the format can say it.
fn sayable() -> impl Strategy<Value = Request> {
    let tool = (arbitrary::tool(), any::<bool>()).prop_map(|(tool, strict)| Tool {
        strict: Some(strict),
        ..tool
    });
    let output = prop_oneof![
        Just(Output::Text),
        Just(Output::JsonObject),
        (arbitrary::name(), prop::option::of(any::<bool>())).prop_map(|(name, strict)| {
            Output::JsonSchema(JsonSchema {
                name: Some(name),
                description: None,
                schema: Json::parse(CLOSED).unwrap(),
                strict,
            })
        }),
    ];
    let reasoning = prop::sample::select(vec![None, Some(Effort::None), Some(Effort::High)])
        .prop_map(|effort| Reasoning {
            mode: None,
            effort,
            summary: effort.map(|_| Summary::Auto),
        });
    let choice = prop::sample::select(vec![
        None,
        Some(ToolChoice::Auto),
        Some(ToolChoice::Required),
        Some(ToolChoice::Tool("f".to_owned())),
        Some(ToolChoice::Allowed(vec!["f".to_owned()], false)),
    ]);
    let numbers = (
        prop::option::of(16_u64..1 << 40),
        prop::option::of(0.0..2.0_f64),
        prop::option::of(0.0..1.0_f64),
        prop::option::of(prop::option::of(0_u32..20)),
    );
    let words = (
        prop::option::of(arbitrary::text()),
        prop::option::of(arbitrary::text()),
        any::<bool>(),
    );
    (
        arbitrary::conversation(),
        prop::collection::vec(tool, 1..3),
        (choice, prop::option::of(any::<bool>())),
        output,
        reasoning,
        numbers,
        words,
    )
        .prop_map(
            |(messages, tools, (tool_choice, parallel), output, reasoning, numbers, words)| {
                let (max_tokens, temperature, top_p, logprobs) = numbers;
                let (user, cache_key, stream) = words;
                Request {
                    messages,
                    tools,
                    tool_choice,
                    parallel_tool_calls: parallel,
                    output,
                    max_tokens,
                    temperature,
                    top_p,
                    logprobs: logprobs.map(|top| Logprobs { top }),
                    reasoning,
                    user,
                    cache_key,
                    stream,
                    ..Request::default()
                }
            },
        )
}

proptest! {
    #[test]
    fn what_the_format_can_say_comes_back(request in sayable()) {
        let mut cut = Vec::new();
        let body = write(&request, &target(), &mut cut).unwrap();
        prop_assert_eq!(cut, vec![]);
        prop_assert_eq!(read(&body), Ok(request));
    }

    #[test]
    fn hostile_requests_never_panic(
        field in prop::sample::select(vec![
            "input", "tools", "tool_choice", "text", "reasoning", "include", "metadata", "max_output_tokens", "temperature",
            "prompt_cache_options", "stream_options", "context_management", "top_logprobs", "instructions",
        ]),
        value in prop::sample::select(vec![
            "null", "7", "-1", "1e999", "\"\"", "\"\\ud800\"", "[]", "{}", "[{}]", "[[]]", "{\"\\ud800\":1}", "{\"type\":\"function\"}",
            "[{\"type\":\"reasoning\",\"summary\":[{}]}]", "[{\"type\":\"function_call_output\",\"call_id\":\"\",\"output\":[{}]}]",
            "[{\"role\":\"user\",\"content\":[{\"type\":\"input_image\",\"image_url\":\"data:;base64,\"}]}]",
            "[{\"role\":\"user\",\"content\":[{\"type\":\"input_image\",\"image_url\":\"data:a;base64,=\"}]}]",
        ]),
        noise in prop::collection::vec(any::<u8>(), 0..32),
    ) {
        let _ = read(format!("{{\"{field}\":{value}}}").as_bytes());
        let _ = read(&noise);
    }

    #[test]
    fn ids_that_do_not_fit_are_renamed_alike_and_apart(ids in prop::collection::vec("[a-z.:]{0,3}|call_[12]|x{60,70}", 1..6)) {
        let calls = ids.iter().map(|id| call(id, "f", "{}")).collect();
        let results = ids.iter().map(|id| result(id, "f", vec![])).collect();
        let request = Request {
            messages: vec![Message::new(Role::Assistant, calls), Message::new(Role::Tool, results)],
            ..Request::default()
        };
        let body = body_of(&request);
        let items = body["input"].as_array().unwrap();
        let (calls, results) = items.split_at(ids.len());
        let mut seen = std::collections::HashMap::new();
        for ((id, call), result) in ids.iter().zip(calls).zip(results) {
            let written = call["call_id"].as_str().unwrap();
            prop_assert_eq!(&call["call_id"], &result["call_id"]);
            prop_assert!(!written.is_empty() && written.len() <= 64);
            prop_assert!(written.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)));
            prop_assert_eq!(seen.entry(written.to_owned()).or_insert(id), &id);
        }
    }
}
