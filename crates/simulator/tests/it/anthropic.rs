//! The Anthropic dialect: good answers, and refusals in the service's words.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use simulator::{Behaviour, Fault, Simulator};

use crate::support::{Reply, pool, send_with, start, start_failing, with};

const OLD: &str = "2023-06-01";
const NEW: &str = "2026-10-21";

async fn send_to(
    sim: &Simulator,
    method: Method,
    path: &str,
    version: &str,
    body: String,
) -> Reply {
    let headers = [("x-api-key", "sk-ant"), ("anthropic-version", version)];
    send_with(&pool(false), sim, method, path, &headers, body)
        .await
        .unwrap()
}

fn ask(extra: &Value) -> Value {
    let messages = json!([{"role": "user", "content": "hello"}]);
    with(
        json!({"model": "m", "max_tokens": 2048, "messages": messages}),
        extra,
    )
}

async fn post(sim: &Simulator, version: &str, extra: &Value) -> Reply {
    let body = ask(extra).to_string();
    send_to(sim, Method::POST, "/v1/messages", version, body).await
}

async fn good(sim: &Simulator, extra: &Value) -> Value {
    let reply = post(sim, OLD, extra).await;
    assert_eq!(reply.status, StatusCode::OK, "{extra}: {}", reply.text());
    reply.json()
}

#[track_caller]
fn assert_refused(reply: &Reply, extra: &Value, message: &str) {
    let body = reply.json();
    assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{extra}");
    assert_eq!(body["type"], "error");
    assert_eq!(body["error"]["type"], "invalid_request_error");
    let told = body["error"]["message"].as_str().unwrap();
    assert!(told.contains(message), "{extra}: {told}");
    assert_eq!(json!(reply.header("request-id")), body["request_id"]);
}

fn weather() -> Value {
    json!({"name": "weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}})
}

fn called(id: &str) -> Value {
    json!({"role": "assistant", "content": [{"type": "tool_use", "id": id, "name": "weather", "input": {}}]})
}

fn user(content: Value) -> Value {
    json!({"role": "user", "content": content})
}

fn said(messages: &[Value]) -> Value {
    json!({"messages": messages})
}

fn result(id: &str) -> Value {
    json!({"type": "tool_result", "tool_use_id": id, "content": "sunny"})
}

#[tokio::test]
async fn a_message_is_answered_whole_and_as_a_stream_of_the_same_meaning() {
    let sim = start().await;
    let whole = good(&sim, &json!({})).await;
    assert_eq!(whole["type"], "message");
    assert_eq!(whole["stop_reason"], "end_turn");
    assert_eq!(whole["usage"]["output_tokens"], 16);
    let text = whole["content"][0]["text"].as_str().unwrap();
    assert!(text.starts_with("Lorem ipsum dolor"));

    let reply = post(&sim, OLD, &json!({"stream": true})).await;
    let body = reply.text();
    assert!(body.starts_with("event: message_start\ndata: {"), "{body}");
    let events = reply.chunks();
    let kinds: Vec<&str> = events
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .filter(|kind| *kind != "content_block_delta")
        .collect();
    assert_eq!(
        kinds,
        [
            "message_start",
            "content_block_start",
            "ping",
            "content_block_stop",
            "message_delta",
            "message_stop"
        ]
    );
    let start = &events[0]["message"];
    assert_eq!(start["content"], json!([]));
    assert_eq!(start["stop_reason"], Value::Null);
    assert_eq!(
        start["usage"]["input_tokens"],
        whole["usage"]["input_tokens"]
    );
    let told: String = events
        .iter()
        .filter_map(|event| event.pointer("/delta/text")?.as_str())
        .collect();
    assert_eq!(told, text);
    let delta = &events[events.len() - 2];
    assert_eq!(delta["delta"]["stop_reason"], "end_turn");
    assert_eq!(delta["usage"]["output_tokens"], 16);
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table with a line for each rule")]
async fn what_the_service_refuses_is_refused_in_its_words() {
    let sim = start().await;
    let schema = |schema: Value| json!({"output_config": {"format": {"type": "json_schema", "schema": schema}}});
    let blocks = |block: Value| said(&[user(json!([block]))]);
    let image = |media: &str, data: &str| {
        let source = json!({"type": "base64", "media_type": media, "data": data});
        said(&[user(json!([{"type": "image", "source": source}]))])
    };
    let marked = json!({"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}});
    let budget = json!({"type": "enabled", "budget_tokens": 1024});
    let table = [
        (json!({"max_tokens": null}), "max_tokens: Field required"),
        (
            json!({"max_tokens": 0}),
            "max_tokens: Input should be greater than or equal to 1",
        ),
        (
            json!({"max_tokens": "1"}),
            "max_tokens: Input should be a valid integer",
        ),
        (json!({"n": 2}), "n: Extra inputs are not permitted"),
        (
            json!({"temperature": 1.5}),
            "temperature: Input should be less than or equal to 1",
        ),
        (
            json!({"stop_sequences": [" "]}),
            "must contain non-whitespace",
        ),
        (said(&[]), "at least one message is required"),
        (
            said(&[
                json!({"role": "assistant", "content": "a"}),
                user(json!("b")),
            ]),
            "first message must use the \"user\" role",
        ),
        (
            said(&[json!({"role": "tool", "content": "a"})]),
            "messages.0.role: Input should be",
        ),
        (
            said(&[json!({"role": "user", "content": "a", "name": "b"})]),
            "messages.0.name: Extra inputs are not permitted",
        ),
        (said(&[user(json!(""))]), "must have non-empty content"),
        (
            said(&[
                user(json!("a")),
                json!({"role": "assistant", "content": "b "}),
            ]),
            "trailing whitespace",
        ),
        (
            blocks(json!({"type": "text", "text": ""})),
            "messages: text content blocks must be non-empty",
        ),
        (
            blocks(json!({"type": "text", "text": "a", "x": 1})),
            "messages.0.content.0.x: Extra inputs",
        ),
        (
            blocks(json!({"type": "image_url", "image_url": {}})),
            "Input tag 'image_url' found using 'type'",
        ),
        (
            blocks(json!({"type": "tool_use", "id": "a", "name": "b", "input": {}})),
            "`tool_use` blocks are not permitted",
        ),
        (
            image("image/bmp", "AAAA"),
            "media_type: Input should be 'image/jpeg'",
        ),
        (image("image/png", "_-_-"), "Invalid base64 data"),
        (
            blocks(result("t1")),
            "unexpected `tool_use_id` found in `tool_result` blocks: t1",
        ),
        (
            said(&[user(json!("a")), called("t1"), user(json!("b"))]),
            "were found without `tool_result` blocks immediately after: t1",
        ),
        (
            said(&[
                user(json!("a")),
                called("t1"),
                user(json!([{"type": "text", "text": "first"}, result("t1")])),
            ]),
            "without `tool_result`",
        ),
        (
            said(&[
                user(json!("a")),
                called("t1"),
                user(json!([result("t1"), result("t1")])),
            ]),
            "must have a single result",
        ),
        (
            said(&[
                user(json!("a")),
                called("functions.x:0"),
                user(json!([result("functions.x:0")])),
            ]),
            "'^[a-zA-Z0-9_-]+$'",
        ),
        (
            json!({"tools": [{"name": "a"}]}),
            "tools.0.custom.input_schema: Field required",
        ),
        (
            json!({"tools": [{"name": "a", "input_schema": {}}]}),
            "input_schema.type: Field required",
        ),
        (
            json!({"tools": [{"name": "a b", "input_schema": {"type": "object"}}]}),
            "String should match pattern",
        ),
        (
            json!({"tools": [weather(), weather()]}),
            "Tool names must be unique",
        ),
        (
            json!({"tool_choice": {"type": "auto"}}),
            "only be specified while providing tools",
        ),
        (
            json!({"tools": [weather()], "tool_choice": {"type": "tool", "name": "x"}}),
            "Tool 'x' not found",
        ),
        (
            json!({"tools": [weather()], "tool_choice": {"type": "any"}, "thinking": budget}),
            "forces tool use",
        ),
        (
            json!({"thinking": {"type": "enabled", "budget_tokens": 1023}}),
            "greater than or equal to 1024",
        ),
        (
            json!({"thinking": {"type": "enabled", "budget_tokens": 2048}}),
            "greater than `thinking.budget_tokens`",
        ),
        (
            json!({"thinking": budget, "temperature": 0.5}),
            "may only be set to 1 when thinking is enabled",
        ),
        (
            json!({"thinking": budget, "model": "claude-opus-4-7"}),
            "is not supported for this model",
        ),
        (
            json!({"thinking": {"type": "adaptive"}, "model": "claude-sonnet-4-5"}),
            "adaptive thinking is not supported",
        ),
        (
            json!({"temperature": 0.5, "model": "claude-sonnet-5"}),
            "`temperature` is deprecated for this model",
        ),
        (
            said(&[
                user(json!("a")),
                json!({"role": "assistant", "content": "b"}),
            ])
            .as_object()
            .map(|messages| json!({"messages": messages["messages"], "model": "claude-opus-4-7"}))
            .unwrap(),
            "does not support assistant message prefill",
        ),
        (
            schema(json!({"type": "object", "properties": {}})),
            "'additionalProperties' must be explicitly set to false",
        ),
        (
            schema(json!({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}})),
            "Circular reference",
        ),
        (
            json!({"output_config": {"effort": "minimal"}}),
            "output_config.effort: Input should be",
        ),
        (
            blocks(json!({"type": "text", "text": "a", "cache_control": {"type": "forever"}})),
            "cache_control.type",
        ),
        (
            said(&[user(json!([marked, marked, marked, marked, marked]))]),
            "A maximum of 4 blocks with cache_control may be provided. Found 5.",
        ),
    ];
    for (extra, message) in table {
        assert_refused(&post(&sim, OLD, &extra).await, &extra, message);
    }
    for name in ["temperature", "top_p", "top_k"] {
        let extra = json!({name: 1});
        assert_refused(&post(&sim, NEW, &extra).await, &extra, name);
        good(&sim, &extra).await;
    }
    let unversioned = [("x-api-key", "sk-ant")];
    let body = ask(&json!({})).to_string();
    let reply = send_with(
        &pool(false),
        &sim,
        Method::POST,
        "/v1/messages",
        &unversioned,
        body,
    )
    .await
    .unwrap();
    assert_refused(&reply, &json!({}), "anthropic-version: header is required");
    let keyless = [("anthropic-version", OLD)];
    let reply = send_with(
        &pool(false),
        &sim,
        Method::POST,
        "/v1/messages",
        &keyless,
        "{}",
    )
    .await
    .unwrap();
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
    assert_eq!(reply.json()["error"]["type"], "authentication_error");
}

#[tokio::test]
async fn documents_of_the_assistant_belong_to_the_old_version() {
    let sim = start().await;
    let source = json!({"type": "text", "media_type": "text/plain", "data": "a"});
    let document = json!([{"type": "document", "source": source}]);
    let messages = said(&[
        user(json!("a")),
        json!({"role": "assistant", "content": document}),
        user(json!("b")),
    ]);
    good(&sim, &messages).await;
    let reply = post(&sim, NEW, &messages).await;
    assert_refused(&reply, &messages, "`document` blocks are not permitted");
}

#[tokio::test]
async fn tools_are_called_in_fragments_and_their_results_are_quoted() {
    let sim = start().await;
    let marker =
        r#"[[sim:{"tool_calls":[{"arguments":{"city":"Köln"}},{"arguments":{"city":"Bonn"}}]}]]"#;
    let extra = json!({"tools": [weather()], "messages": [user(json!(marker))]});
    let whole = good(&sim, &extra).await;
    assert_eq!(whole["stop_reason"], "tool_use");
    let calls = whole["content"].as_array().unwrap();
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[0]["input"], json!({"city": "Köln"}));
    assert_ne!(calls[0]["id"], calls[1]["id"]);

    let events = post(&sim, OLD, &with(extra.clone(), &json!({"stream": true})))
        .await
        .chunks();
    let fragments = |index: u64| -> String {
        let of_index = events.iter().filter(|event| event["index"] == index);
        of_index
            .filter_map(|event| event.pointer("/delta/partial_json")?.as_str())
            .collect()
    };
    assert_eq!(fragments(0), r#"{"city":"Köln"}"#);
    assert_eq!(fragments(1), r#"{"city":"Bonn"}"#);

    let results: Vec<Value> = calls
        .iter()
        .zip(["sunny", "rainy"])
        .map(|(call, said)| json!({"type": "tool_result", "tool_use_id": call["id"], "content": said}))
        .collect();
    let messages = json!([user(json!(marker)), {"role": "assistant", "content": [
        {"type": "tool_use", "id": calls[0]["id"], "name": "weather", "input": {}},
        {"type": "tool_use", "id": calls[1]["id"], "name": "weather", "input": {}},
    ]}, user(json!(results))]);
    let last = good(&sim, &json!({"tools": [weather()], "messages": messages})).await;
    assert_eq!(last["content"][0]["text"], "The tools say: sunny | rainy");

    let one = json!({"tools": [weather()], "tool_choice": {"type": "auto", "disable_parallel_tool_use": true}});
    let one = good(&sim, &with(extra, &one)).await;
    assert_eq!(one["content"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn thinking_is_signed_and_its_signature_is_checked() {
    let sim = start().await;
    let thinking = json!({"type": "enabled", "budget_tokens": 1024});
    let first = json!({"tools": [weather()], "thinking": thinking});
    let answer = good(&sim, &first).await;
    let blocks = answer["content"].as_array().unwrap();
    assert_eq!(blocks[0]["type"], "thinking");
    assert_eq!(
        answer["usage"]["output_tokens_details"]["thinking_tokens"],
        8
    );
    let call = json!({"type": "tool_use", "id": blocks[1]["id"], "name": "weather", "input": blocks[1]["input"]});
    let results = json!([result(blocks[1]["id"].as_str().unwrap())]);
    let turn = |content: Value| {
        let messages = json!([user(json!("a")), {"role": "assistant", "content": content}, user(results.clone())]);
        with(first.clone(), &json!({"messages": messages}))
    };
    let extra = turn(json!([blocks[0], call]));
    good(&sim, &extra).await;
    let changed = with(blocks[0].clone(), &json!({"thinking": "something else"}));
    let extra = turn(json!([changed, call]));
    assert_refused(
        &post(&sim, OLD, &extra).await,
        &extra,
        "Invalid `signature` in `thinking` block",
    );
    let extra = turn(json!([call]));
    assert_refused(
        &post(&sim, OLD, &extra).await,
        &extra,
        "Expected `thinking` or `redacted_thinking`, but found `tool_use`",
    );

    let events = post(&sim, OLD, &with(first.clone(), &json!({"stream": true})))
        .await
        .chunks();
    let kinds: Vec<&str> = events
        .iter()
        .filter_map(|event| event.pointer("/delta/type")?.as_str())
        .collect();
    assert_eq!(kinds[7..9], ["thinking_delta", "signature_delta"]);

    let omitted = json!({"thinking": {"type": "adaptive", "display": "omitted"}});
    let omitted = good(&sim, &with(first.clone(), &omitted)).await;
    assert_eq!(omitted["content"][0]["thinking"], "");
    let extra = turn(json!([omitted["content"][0], call]));
    good(&sim, &extra).await;

    sim.fail(Behaviour {
        redacted_reasoning: Some(true),
        ..Behaviour::default()
    });
    let redacted = good(&sim, &first).await;
    assert_eq!(redacted["content"][0]["type"], "redacted_thinking");
    let extra = turn(json!([redacted["content"][0], call]));
    good(&sim, &extra).await;
    let extra = turn(json!([{"type": "redacted_thinking", "data": "AAAA"}, call]));
    assert_refused(&post(&sim, OLD, &extra).await, &extra, "Invalid `data`");
}

#[tokio::test]
async fn answers_end_in_every_way() {
    let sim = start().await;
    let marked = |marker: &str| said(&[user(json!(format!("[[sim:{marker}]]")))]);
    let table = [
        (json!({"max_tokens": 2}), "max_tokens", json!("Lorem ipsum")),
        (
            json!({"stop_sequences": [" dolor"]}),
            "stop_sequence",
            json!("Lorem ipsum"),
        ),
        (
            marked(r#"{"finish":"content_filter"}"#),
            "refusal",
            json!("Lorem ipsum dolor"),
        ),
        (marked(r#"{"refusal":"no"}"#), "refusal", Value::Null),
        (marked(r#"{"blocked":true}"#), "refusal", Value::Null),
        (marked(r#"{"text":""}"#), "end_turn", Value::Null),
    ];
    for (extra, reason, text) in table {
        let message = good(&sim, &extra).await;
        assert_eq!(message["stop_reason"], reason, "{extra}");
        let told = &message["content"][0]["text"];
        let begins = told
            .as_str()
            .is_some_and(|told| told.starts_with(text.as_str().unwrap_or("?")));
        assert!(begins || *told == text, "{extra}: {told}");
    }
    let message = good(
        &sim,
        &marked(r#"{"cached_tokens":100,"cache_write_tokens":20}"#),
    )
    .await;
    assert_eq!(message["usage"]["cache_read_input_tokens"], 100);
    assert_eq!(message["usage"]["cache_creation_input_tokens"], 20);
    assert_eq!(message["usage"]["input_tokens"], 0);

    let schema = json!({"type": "object", "properties": {"age": {"type": "integer"}}, "additionalProperties": false});
    let format = json!({"output_config": {"format": {"type": "json_schema", "schema": schema}}});
    assert_eq!(
        good(&sim, &format).await["content"][0]["text"],
        r#"{"age":1}"#
    );
}

#[tokio::test]
async fn tokens_are_counted_and_models_are_listed_in_pages() {
    let sim = start().await;
    let path = "/v1/messages/count_tokens";
    let count = async |body: Value| send_to(&sim, Method::POST, path, OLD, body.to_string()).await;
    let body = ask(&json!({"max_tokens": null}));
    assert_eq!(count(body).await.json(), json!({"input_tokens": 6}));
    let extra = json!({});
    assert_refused(
        &count(ask(&extra)).await,
        &extra,
        "max_tokens: Extra inputs are not permitted",
    );

    let list = async |query: &str| {
        let path = format!("/v1/models{query}");
        send_to(&sim, Method::GET, &path, OLD, String::new()).await
    };
    let all = list("").await.json();
    assert_eq!(all["has_more"], false);
    let first = list("?limit=1").await.json();
    assert_eq!(first["has_more"], true);
    assert_eq!(first["data"][0], all["data"][0]);
    let after = format!("?after_id={}", first["last_id"].as_str().unwrap());
    assert_eq!(list(&after).await.json()["data"][0], all["data"][1]);
    let before = format!("?before_id={}&limit=1", all["last_id"].as_str().unwrap());
    assert_eq!(list(&before).await.json()["data"][0], all["data"][1]);
    assert_eq!(list("?limit=0").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(list("/x").await.json()["type"], "model");
    assert_eq!(
        crate::support::get(&sim, "/v1/models").await.json()["object"],
        "list"
    );
}

#[tokio::test]
async fn faults_speak_the_dialect() {
    for (status, kind) in [
        (429, "rate_limit_error"),
        (529, "overloaded_error"),
        (500, "api_error"),
        (404, "not_found_error"),
    ] {
        let sim = start_failing(Behaviour::status(status)).await;
        let reply = post(&sim, OLD, &json!({})).await;
        assert_eq!(reply.status.as_u16(), status);
        assert_eq!(reply.json()["error"]["type"], kind);
        assert!(!reply.header("request-id").is_empty());
    }
    let sim = start_failing(Behaviour::fault(Fault::ErrorEvent { after_events: 3 })).await;
    let reply = post(&sim, OLD, &json!({"stream": true})).await;
    assert!(reply.text().contains("event: error\ndata: {"));
    assert_eq!(
        reply.chunks().last().unwrap()["error"]["type"],
        "overloaded_error"
    );
    sim.fail(Behaviour::fault(Fault::NoDone));
    let events = post(&sim, OLD, &json!({"stream": true})).await.chunks();
    assert_eq!(events.last().unwrap()["type"], "message_delta");
}
