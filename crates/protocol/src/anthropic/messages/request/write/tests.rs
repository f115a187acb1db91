use serde_json::{Value, json};

use super::write;
use crate::{
    ThinkingStyle,
    anthropic::messages::testing::target,
    canonical::{
        CacheControl, Effort, Family, Json, JsonSchema, Media, Message, Output, Part, Reasoning,
        ReasoningMode, Request, Role, Signature, Source, Summary, Thinking, Tool, ToolCall,
        ToolChoice, ToolResult,
    },
    feature::Feature,
};

fn said(role: Role, text: &str) -> Message {
    Message::new(role, vec![Part::text(text)])
}

fn asking(messages: Vec<Message>) -> Request {
    Request {
        messages,
        ..Request::default()
    }
}

fn hello() -> Request {
    asking(vec![said(Role::User, "hi")])
}

fn json_of(value: &Value) -> Json {
    Json::parse(&value.to_string()).unwrap()
}

fn call(id: &str) -> Part {
    Part::ToolCall(ToolCall {
        id: id.into(),
        name: "f".into(),
        arguments: Json::empty_object(),
        cache: None,
    })
}

fn result(id: &str, content: Vec<Part>) -> ToolResult {
    ToolResult {
        call_id: id.into(),
        name: "f".into(),
        content,
        object: None,
        is_error: false,
        cache: None,
    }
}

fn thinking(family: Family, text: &str, redacted: bool) -> Part {
    Part::Thinking(Thinking {
        text: text.into(),
        signature: Some(Signature {
            family,
            value: "sig".into(),
        }),
        redacted,
    })
}

fn tool(name: &str, parameters: Option<Value>) -> Tool {
    Tool {
        name: name.into(),
        description: None,
        parameters: parameters.as_ref().map(json_of),
        strict: None,
        cache: None,
    }
}

/// What is sent to a model that reasons in this `style`, and what was cut.
#[track_caller]
fn sent_in(style: ThinkingStyle, request: &Request) -> (Value, Vec<Feature>) {
    let mut cut = Vec::new();
    let body = write(request, &target(style), &mut cut).unwrap();
    (serde_json::from_slice(&body).unwrap(), cut)
}

/// What is sent where nothing is to be cut.
#[track_caller]
fn sent(request: &Request) -> Value {
    let (body, cut) = sent_in(ThinkingStyle::Adaptive, request);
    assert_eq!(cut, []);
    body
}

#[track_caller]
fn unsayable(request: &Request, feature: Feature) {
    let found = write(request, &target(ThinkingStyle::Budget), &mut Vec::new()).unwrap_err();
    assert_eq!(found.feature, feature);
}

#[test]
fn a_conversation_is_written() {
    let mut answer = result("call.1", vec![Part::text("22 °C")]);
    answer.is_error = true;
    answer.cache = Some(CacheControl::Default);
    let mut request = asking(vec![
        said(Role::System, "Be brief."),
        said(Role::User, "Weather?"),
        Message::new(
            Role::Assistant,
            vec![
                thinking(Family::Anthropic, "hm", false),
                thinking(Family::Anthropic, "", true),
                thinking(Family::Gemini, "foreign", false),
                Part::text("Let me see."),
                call("call.1"),
            ],
        ),
        Message::new(Role::Tool, vec![Part::ToolResult(answer)]),
    ]);
    request.tools = vec![tool("f", None)];
    request.stop = vec!["END".into()];
    request.user = Some("u1".into());
    request.stream = true;
    request.top_k = Some(5);
    let text = String::from_utf8(
        write(&request, &target(ThinkingStyle::Budget), &mut Vec::new()).unwrap(),
    )
    .unwrap();
    insta::assert_snapshot!(text, @r#"{"model":"claude","max_tokens":64000,"system":"Be brief.","messages":[{"role":"user","content":[{"type":"text","text":"Weather?"}]},{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"sig"},{"type":"redacted_thinking","data":"sig"},{"type":"text","text":"Let me see."},{"type":"tool_use","id":"lo1-call_2e1","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"lo1-call_2e1","content":"22 °C","is_error":true,"cache_control":{"type":"ephemeral"}}]}],"tools":[{"name":"f","input_schema":{"type":"object"}}],"top_k":5,"stop_sequences":["END"],"metadata":{"user_id":"u1"},"stream":true}"#);
}

#[test]
fn instructions_are_joined_at_the_front_and_only_the_user_shows_images() {
    let cached = Part::Text {
        text: "B".into(),
        cache: Some(CacheControl::Hour),
    };
    let body = sent(&asking(vec![
        said(Role::System, "A"),
        said(Role::User, "hi"),
        Message::new(Role::Developer, vec![cached, Part::text(" ")]),
        said(Role::User, "there"),
    ]));
    assert_eq!(
        body["system"],
        json!([
            {"type": "text", "text": "A"},
            {"type": "text", "text": "B", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        ])
    );
    let content = json!([{"type": "text", "text": "hi"}, {"type": "text", "text": "there"}]);
    assert_eq!(
        body["messages"],
        json!([{"role": "user", "content": content}])
    );
    let image = Part::Image {
        media: Media {
            media_type: None,
            source: Source::Url("https://x/".into()),
        },
        detail: None,
        cache: None,
    };
    for role in [Role::System, Role::Assistant] {
        let request = asking(vec![Message::new(role, vec![image.clone()])]);
        unsayable(&request, Feature::OtherContent);
    }
}

#[test]
fn a_conversation_begins_with_the_user_and_ends_in_print() {
    let body = sent(&asking(vec![said(Role::Assistant, "Hello \n")]));
    assert_eq!(
        body["messages"],
        json!([
            {"role": "user", "content": [{"type": "text", "text": "."}]},
            {"role": "assistant", "content": [{"type": "text", "text": "Hello"}]},
        ])
    );
    assert_eq!(
        sent(&asking(vec![said(Role::System, "A")]))["messages"][0]["role"],
        "user"
    );
}

#[test]
fn results_come_first_and_together() {
    let body = sent(&asking(vec![
        said(Role::User, "go"),
        Message::new(Role::Assistant, vec![call("a"), call("b")]),
        Message::new(Role::Tool, vec![Part::ToolResult(result("a", vec![]))]),
        said(Role::User, "and?"),
        Message::new(
            Role::Tool,
            vec![Part::ToolResult(result("b", vec![Part::text(" ")]))],
        ),
    ]));
    assert_eq!(
        body["messages"][2],
        json!({"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "a", "content": ""},
            {"type": "tool_result", "tool_use_id": "b", "content": " "},
            {"type": "text", "text": "and?"},
        ]})
    );
}

#[test]
fn foreign_ids_are_rewritten_on_call_and_result_alike() {
    let body = sent(&asking(vec![
        said(Role::User, "go"),
        Message::new(Role::Assistant, vec![call("functions.f:0")]),
        Message::new(
            Role::Tool,
            vec![Part::ToolResult(result("functions.f:0", vec![]))],
        ),
    ]));
    assert_eq!(
        body["messages"][1]["content"][0]["id"],
        "lo1-functions_2ef_3a0"
    );
    assert_eq!(
        body["messages"][2]["content"][0]["tool_use_id"],
        "lo1-functions_2ef_3a0"
    );
}

#[test]
fn a_refusal_in_the_history_is_text() {
    let refusal = Message::new(Role::Assistant, vec![Part::Refusal("No.".into())]);
    let body = sent(&asking(vec![
        said(Role::User, "x"),
        refusal,
        said(Role::User, "y"),
    ]));
    assert_eq!(
        body["messages"][1]["content"],
        json!([{"type": "text", "text": "No."}])
    );
}

#[track_caller]
fn media(part: Part, expected: Result<Value, Feature>) {
    let request = asking(vec![Message::new(Role::User, vec![part])]);
    match expected {
        Ok(expected) => assert_eq!(sent(&request)["messages"][0]["content"], json!([expected])),
        Err(feature) => unsayable(&request, feature),
    }
}

#[test]
fn media_is_written_in_the_kinds_that_are_taken() {
    let of = |kind: Option<&str>, source| Media {
        media_type: kind.map(str::to_owned),
        source,
    };
    let inline = |data: &str| Source::Inline(data.into());
    let image = |media| Part::Image {
        media,
        detail: None,
        cache: None,
    };
    let file = |media| Part::File {
        media,
        name: Some("n".into()),
        cache: None,
    };
    let url = || Source::Url("https://x/a".into());
    let jpeg = json!({"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": "AAAA"}});
    media(
        image(of(Some("image/jpeg"), inline("AAAA"))),
        Ok(jpeg.clone()),
    );
    media(image(of(Some("image/jpg"), inline("AAAA"))), Ok(jpeg));
    media(
        image(of(Some("image/bmp"), inline("AAAA"))),
        Err(Feature::ImageInline),
    );
    media(
        image(of(None, url())),
        Ok(json!({"type": "image", "source": {"type": "url", "url": "https://x/a"}})),
    );
    media(
        file(of(Some("application/pdf"), inline("AAAA"))),
        Ok(
            json!({"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "AAAA"}, "title": "n"}),
        ),
    );
    let plain = json!({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "hé"}, "title": "n"});
    media(
        file(of(Some("text/csv; charset=utf-8"), inline("aMOp"))),
        Ok(plain.clone()),
    );
    media(file(of(None, Source::Text("hé".into()))), Ok(plain));
    media(
        file(of(Some("text/plain"), inline("/w=="))),
        Err(Feature::FileInline),
    );
    media(
        file(of(Some("application/zip"), inline("AAAA"))),
        Err(Feature::FileInline),
    );
    media(
        file(of(None, url())),
        Ok(
            json!({"type": "document", "source": {"type": "url", "url": "https://x/a"}, "title": "n"}),
        ),
    );
    media(file(of(Some("text/html"), url())), Err(Feature::FileUrl));
}

#[test]
fn tools_have_the_schema_of_an_object() {
    let mut request = hello();
    request.tools = vec![
        tool("none", None),
        tool("typeless", Some(json!({"properties": {"x": {}}}))),
        tool("empty", Some(json!({}))),
    ];
    let body = sent(&request);
    let schemas: Vec<_> = (0..3)
        .map(|at| body["tools"][at]["input_schema"].clone())
        .collect();
    assert_eq!(
        schemas,
        [
            json!({"type": "object"}),
            json!({"type": "object", "properties": {"x": {}}}),
            json!({"type": "object"}),
        ]
    );
    request.tools = vec![tool("odd", Some(json!({"type": "string"})))];
    unsayable(&request, Feature::Tools);
}

#[track_caller]
fn choice(choice: Option<ToolChoice>, parallel: Option<bool>, expected: Value) {
    let mut request = hello();
    request.tools = vec![tool("f", None), tool("g", None)];
    request.tool_choice = choice;
    request.parallel_tool_calls = parallel;
    assert_eq!(sent(&request)["tool_choice"], expected);
}

#[test]
fn the_choice_among_tools_is_written() {
    choice(None, None, Value::Null);
    choice(None, Some(true), Value::Null);
    choice(
        None,
        Some(false),
        json!({"type": "auto", "disable_parallel_tool_use": true}),
    );
    choice(Some(ToolChoice::None), Some(false), json!({"type": "none"}));
    choice(Some(ToolChoice::Required), None, json!({"type": "any"}));
    choice(
        Some(ToolChoice::Tool("g".into())),
        Some(true),
        json!({"type": "tool", "name": "g", "disable_parallel_tool_use": false}),
    );
    choice(
        Some(ToolChoice::Allowed(vec!["g".into()], true)),
        None,
        json!({"type": "any"}),
    );
}

#[test]
fn only_allowed_tools_are_offered() {
    let mut request = hello();
    request.tools = vec![tool("f", None), tool("g", None)];
    request.tool_choice = Some(ToolChoice::Allowed(vec!["g".into()], false));
    let body = sent(&request);
    assert_eq!(
        body["tools"],
        json!([{"name": "g", "input_schema": {"type": "object"}}])
    );
}

#[test]
fn a_choice_needs_tools_and_a_mind_that_is_not_made_up() {
    let mut request = hello();
    request.tool_choice = Some(ToolChoice::Required);
    let (body, cut) = sent_in(ThinkingStyle::Budget, &request);
    assert_eq!(
        (&body["tool_choice"], &cut[..]),
        (&Value::Null, &[Feature::ToolChoice][..])
    );
    request.tools = vec![tool("f", None)];
    request.reasoning.effort = Some(Effort::High);
    let (body, cut) = sent_in(ThinkingStyle::Budget, &request);
    assert_eq!(
        (&body["tool_choice"], &cut[..]),
        (&json!({"type": "auto"}), &[Feature::ToolChoice][..])
    );
    request.reasoning.effort = Some(Effort::None);
    let (body, cut) = sent_in(ThinkingStyle::Budget, &request);
    assert_eq!(
        (&body["tool_choice"], &cut[..]),
        (&json!({"type": "any"}), &[][..])
    );
}

#[track_caller]
fn sampled(set: impl Fn(&mut Request), expected: Value, expected_cut: &[Feature]) {
    let mut request = hello();
    set(&mut request);
    let (body, cut) = sent_in(ThinkingStyle::Budget, &request);
    let found = json!([body["temperature"], body["top_p"], body["top_k"]]);
    assert_eq!((found, &cut[..]), (expected, expected_cut));
}

#[test]
fn sampling_is_cut_to_what_is_taken() {
    use Feature::{Temperature, TopK, TopP};
    sampled(
        |it| it.temperature = Some(0.7),
        json!([0.7, null, null]),
        &[],
    );
    sampled(
        |it| it.temperature = Some(1.5),
        json!([1.0, null, null]),
        &[Temperature],
    );
    sampled(
        |it| (it.temperature, it.top_p, it.top_k) = (Some(0.5), Some(0.9), Some(3)),
        json!([0.5, null, 3]),
        &[TopP],
    );
    sampled(
        |it| {
            it.reasoning.mode = Some(ReasoningMode::Budget(2048));
            (it.temperature, it.top_p, it.top_k) = (Some(0.5), Some(0.9), Some(3));
        },
        json!([null, null, null]),
        &[Temperature, TopK, TopP],
    );
    sampled(
        |it| {
            it.reasoning.mode = Some(ReasoningMode::Budget(2048));
            (it.temperature, it.top_p) = (Some(1.0), Some(0.97));
        },
        json!([null, 0.97, null]),
        &[],
    );
}

#[track_caller]
fn reasons(
    style: ThinkingStyle,
    (mode, effort): (Option<ReasoningMode>, Option<Effort>),
    max_tokens: Option<u64>,
    expected: Value,
    expected_cut: &[Feature],
) {
    let mut request = hello();
    request.reasoning = Reasoning {
        mode,
        effort,
        summary: None,
    };
    request.max_tokens = max_tokens;
    let (body, cut) = sent_in(style, &request);
    let found = json!([body["thinking"], body["output_config"]["effort"]]);
    assert_eq!((found, &cut[..]), (expected, expected_cut));
}

#[test]
fn a_model_that_always_reasons_is_told_neither_not_to_nor_which_tool_to_call() {
    let mut always = target(ThinkingStyle::Adaptive);
    always.traits.always_thinks = true;
    for (mode, effort, expected, expected_cut) in [
        (None, None, json!([null, null]), &[][..]),
        (None, Some(Effort::Max), json!(["adaptive", "max"]), &[]),
        (
            None,
            Some(Effort::None),
            json!(["adaptive", "low"]),
            &[Feature::Effort],
        ),
        (
            Some(ReasoningMode::Off),
            None,
            json!(["adaptive", "low"]),
            &[Feature::ReasoningBudget],
        ),
        (
            Some(ReasoningMode::Budget(8_000)),
            None,
            json!(["adaptive", "medium"]),
            &[],
        ),
    ] {
        let mut request = hello();
        request.reasoning = Reasoning {
            mode,
            effort,
            summary: None,
        };
        request.tools = vec![tool("f", None)];
        request.tool_choice = Some(ToolChoice::Required);
        let mut cut = Vec::new();
        let body = write(&request, &always, &mut cut).unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        let found = json!([body["thinking"]["type"], body["output_config"]["effort"]]);
        assert_eq!(found, expected);
        assert_eq!(body["tool_choice"]["type"], "auto");
        assert_eq!(cut, [expected_cut, &[Feature::ToolChoice]].concat());
    }
}

#[test]
fn reasoning_is_asked_for_by_a_budget() {
    use Effort::{High, Low, Max, Minimal};
    use Feature::{Effort as CutEffort, ReasoningBudget as CutBudget};
    use ReasoningMode::{Adaptive, BetweenTools, Budget, Off};
    use ThinkingStyle as Style;
    let budget = |tokens: u64| json!([{"type": "enabled", "budget_tokens": tokens}, null]);
    let disabled = json!([{"type": "disabled"}, null]);
    for (mode, effort, max, expected, cut) in [
        (None, None, None, json!([null, null]), &[][..]),
        (None, Some(Low), None, budget(4_096), &[]),
        (None, Some(High), Some(20_000), budget(10_000), &[]),
        (None, Some(Max), Some(1_500), budget(1_024), &[]),
        (
            None,
            Some(Max),
            Some(1_024),
            json!([null, null]),
            &[CutEffort],
        ),
        (None, Some(Minimal), None, disabled.clone(), &[]),
        (None, Some(Effort::None), None, disabled.clone(), &[]),
        (Some(Off), None, None, disabled.clone(), &[]),
        (Some(BetweenTools), None, None, disabled.clone(), &[]),
        (Some(Adaptive), None, None, budget(16_384), &[]),
        (Some(Adaptive), Some(Low), None, budget(4_096), &[]),
        (Some(Budget(2_000)), None, Some(4_000), budget(2_000), &[]),
        (
            Some(Budget(9_000)),
            None,
            Some(4_000),
            budget(3_999),
            &[CutBudget],
        ),
        (Some(Budget(100)), None, None, budget(1_024), &[CutBudget]),
        (
            Some(Budget(2_000)),
            Some(High),
            None,
            budget(2_000),
            &[CutEffort],
        ),
        (
            Some(Budget(2_000)),
            None,
            Some(0),
            json!([null, null]),
            &[CutBudget],
        ),
    ] {
        reasons(Style::Budget, (mode, effort), max, expected, cut);
    }
}

#[test]
fn reasoning_without_a_budget_is_asked_for_by_its_effort() {
    use Effort::{High, Low, Max, Minimal};
    use Feature::{Effort as CutEffort, ReasoningBudget as CutBudget};
    use ReasoningMode::{Adaptive, BetweenTools, Budget, Off};
    use ThinkingStyle as Style;
    let disabled = json!([{"type": "disabled"}, null]);
    let adaptive = |effort: Option<&str>| json!([{"type": "adaptive"}, effort]);
    for (mode, effort, expected) in [
        (None, None, json!([null, null])),
        (None, Some(High), adaptive(Some("high"))),
        (None, Some(Effort::None), disabled.clone()),
        (Some(Off), None, disabled),
        (Some(Adaptive), Some(Max), adaptive(Some("max"))),
        (
            Some(BetweenTools),
            None,
            json!([{"type": "between_tools"}, null]),
        ),
        (Some(Budget(1_024)), None, adaptive(Some("low"))),
        (Some(Budget(10_000)), None, adaptive(Some("high"))),
        (Some(Budget(u64::MAX)), None, adaptive(Some("max"))),
        (
            Some(Budget(1_024)),
            Some(Effort::XHigh),
            adaptive(Some("xhigh")),
        ),
    ] {
        reasons(Style::Adaptive, (mode, effort), Some(1), expected, &[]);
    }
    let nothing = || json!([null, null]);
    reasons(
        Style::None,
        (Some(Adaptive), Some(Low)),
        None,
        nothing(),
        &[CutBudget, CutEffort],
    );
    reasons(
        Style::None,
        (Some(Off), Some(Minimal)),
        None,
        nothing(),
        &[],
    );
    reasons(
        Style::Effort,
        (None, Some(Low)),
        None,
        json!([null, "low"]),
        &[],
    );
}

#[test]
fn what_is_shown_of_the_reasoning_is_asked_for() {
    for (summary, display) in [
        (Summary::Omitted, "omitted"),
        (Summary::Auto, "summarized"),
        (Summary::Detailed, "summarized"),
    ] {
        let mut request = hello();
        request.reasoning.mode = Some(ReasoningMode::Adaptive);
        request.reasoning.summary = Some(summary);
        assert_eq!(sent(&request)["thinking"]["display"], display);
        let (body, _) = sent_in(ThinkingStyle::Budget, &request);
        assert_eq!(body["thinking"]["display"], display);
    }
}

#[test]
fn thinking_is_switched_off_where_the_calls_are_not_signed() {
    let looped = |first: Part| {
        let mut request = asking(vec![
            said(Role::User, "go"),
            Message::new(Role::Assistant, vec![first, call("a")]),
            Message::new(Role::Tool, vec![Part::ToolResult(result("a", vec![]))]),
        ]);
        request.reasoning.mode = Some(ReasoningMode::Budget(2_048));
        sent_in(ThinkingStyle::Budget, &request)
    };
    for first in [Part::text("x"), thinking(Family::OpenAi, "x", false)] {
        let (body, cut) = looped(first);
        assert_eq!(body["thinking"], Value::Null);
        assert_eq!(cut, [Feature::ReasoningBudget]);
    }
    for redacted in [false, true] {
        let (body, cut) = looped(thinking(Family::Anthropic, "", redacted));
        assert_eq!(body["thinking"]["type"], "enabled");
        assert_eq!(cut, []);
    }
    let mut prefilled = asking(vec![said(Role::User, "go"), said(Role::Assistant, "So")]);
    prefilled.reasoning.effort = Some(Effort::High);
    let (body, cut) = sent_in(ThinkingStyle::Budget, &prefilled);
    assert_eq!(
        (&body["thinking"], &cut[..]),
        (&Value::Null, &[Feature::Effort][..])
    );
}

#[test]
fn a_limit_is_always_sent() {
    let mut request = hello();
    assert_eq!(sent(&request)["max_tokens"], 64_000);
    request.max_tokens = Some(7);
    assert_eq!(sent(&request)["max_tokens"], 7);
}

#[test]
fn blank_stop_sequences_cannot_be_said() {
    let mut request = hello();
    request.stop = vec!["\n".into()];
    unsayable(&request, Feature::Stop);
}

#[test]
fn a_json_object_is_asked_for_in_words() {
    let mut request = asking(vec![said(Role::System, "A"), said(Role::User, "hi")]);
    request.output = Output::JsonObject;
    let body = sent(&request);
    assert_eq!(body["output_config"], Value::Null);
    assert_eq!(body["system"][0]["text"], "A");
    assert!(
        body["system"][1]["text"]
            .as_str()
            .unwrap()
            .contains("JSON object")
    );
}

fn schema(schema: &Value) -> Request {
    let mut request = hello();
    request.output = Output::JsonSchema(JsonSchema {
        name: Some("n".into()),
        description: None,
        schema: json_of(schema),
        strict: Some(true),
    });
    request
}

#[test]
fn schemas_are_closed_wherever_objects_stand() {
    let text = r##"{"type":"object","properties":{"z":{"type":"object","properties":{"b":{"type":"number"},"a":{"$ref":"#/$defs/d"}}},"m":{"type":"array","items":{"anyOf":[{"type":"null"},{"type":["object","null"],"properties":{},"additionalProperties":true}]}}},"required":["z"],"$defs":{"d":{"type":"object","properties":{"e":{"$ref":"#/$defs/e"}}},"e":{"enum":[1.0]}}}"##;
    let mut request = schema(&json!({}));
    if let Output::JsonSchema(schema) = &mut request.output {
        schema.schema = Json::parse(text).unwrap();
    }
    let body = write(&request, &target(ThinkingStyle::Budget), &mut Vec::new()).unwrap();
    let body = String::from_utf8(body).unwrap();
    let (_, format) = body.split_once(r#""output_config":"#).unwrap();
    insta::assert_snapshot!(format, @r##"{"format":{"type":"json_schema","schema":{"type":"object","properties":{"z":{"type":"object","properties":{"b":{"type":"number"},"a":{"$ref":"#/$defs/d"}},"additionalProperties":false},"m":{"type":"array","items":{"anyOf":[{"type":"null"},{"type":["object","null"],"properties":{},"additionalProperties":false}]}}},"required":["z"],"$defs":{"d":{"type":"object","properties":{"e":{"$ref":"#/$defs/e"}},"additionalProperties":false},"e":{"enum":[1.0]}},"additionalProperties":false}}}}"##);
}

#[test]
fn bounds_are_told_in_the_description() {
    let body = sent(&schema(&json!({"type": "object", "properties": {
        "minimum": {"type": "integer", "minimum": 1, "maximum": 10, "description": "A number"},
        "list": {"type": "array", "minItems": 1, "items": {"type": "string", "maxLength": 5}},
        "pick": {"oneOf": [{"type": "null"}, {"const": 1}]},
    }})));
    assert_eq!(
        body["output_config"]["format"]["schema"]["properties"],
        json!({
            "minimum": {"type": "integer", "description": "A number\n\n{maximum: 10, minimum: 1}"},
            "list": {"type": "array", "minItems": 1, "items": {"type": "string", "description": "{maxLength: 5}"}},
            "pick": {"anyOf": [{"type": "null"}, {"const": 1}]},
        })
    );
}

#[test]
fn schemas_that_have_no_end_are_refused() {
    let endless = [
        json!({"type": "object", "properties": {"x": {"$ref": "#"}}}),
        json!({"$ref": "#/$defs/a", "$defs": {"a": {"properties": {"x": {"$ref": "#/$defs/a"}}}}}),
        json!({"$ref": "#/$defs/a", "$defs": {
            "a": {"items": {"$ref": "#/$defs/b"}},
            "b": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/a"}]},
            "c": {"$ref": "#/$defs/a"},
        }}),
        json!({"$ref": "https://example.com/schema"}),
        json!({"type": "object", "additionalProperties": {"type": "string"}}),
    ];
    for it in endless {
        unsayable(&schema(&it), Feature::JsonSchema);
    }
    let mut deep = json!({"type": "string"});
    for _ in 0..40 {
        deep = json!({"items": deep});
    }
    unsayable(&schema(&deep), Feature::JsonSchema);
}
