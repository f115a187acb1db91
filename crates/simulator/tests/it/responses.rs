//! The Responses form: good answers, and refusals in the service's words.

use http::StatusCode;
use serde_json::{Value, json};
use simulator::{Behaviour, Fault, Simulator};

use crate::support::{Reply, post, start, start_failing, with};

async fn create(sim: &Simulator, extra: &Value) -> Reply {
    let body = with(json!({"model": "m", "input": "hello"}), extra);
    post(sim, "/v1/responses", &body).await
}

async fn good(sim: &Simulator, extra: &Value) -> Value {
    let reply = create(sim, extra).await;
    assert_eq!(reply.status, StatusCode::OK, "{extra}: {}", reply.text());
    reply.json()
}

fn weather() -> Value {
    let parameters = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    json!([{"type": "function", "name": "weather", "parameters": parameters, "strict": false}])
}

fn call() -> Value {
    json!({"type": "function_call", "call_id": "c1", "name": "weather", "arguments": "{}"})
}

fn output(id: &str) -> Value {
    json!({"type": "function_call_output", "call_id": id, "output": "sunny"})
}

fn input(items: &[Value]) -> Value {
    json!({"input": items})
}

fn said(role: &str, kind: &str) -> Value {
    json!({"role": role, "content": [{"type": kind, "text": "a"}]})
}

/// The kinds of a stream's events, repeated ones once, after a check of what all events share.
#[track_caller]
fn grammar(events: &[Value]) -> Vec<&str> {
    for (index, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], index);
    }
    let mut kinds: Vec<&str> = events
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    kinds.dedup();
    kinds
        .into_iter()
        .map(|kind| kind.strip_prefix("response.").unwrap_or(kind))
        .collect()
}

#[tokio::test]
async fn a_response_is_told_whole_and_as_a_stream() {
    let sim = start().await;
    let whole = good(&sim, &json!({})).await;
    assert_eq!(whole["status"], "completed");
    assert_eq!(whole["usage"]["output_tokens"], 16);
    assert_eq!(
        whole["usage"]["input_tokens_details"]["cache_write_tokens"],
        0
    );
    let reply = create(&sim, &json!({"stream": true})).await;
    assert!(reply.text().starts_with("event: response.created\ndata: {"));
    let events = reply.chunks();
    assert_eq!(
        grammar(&events),
        [
            "created",
            "in_progress",
            "output_item.added",
            "content_part.added",
            "output_text.delta",
            "output_text.done",
            "content_part.done",
            "output_item.done",
            "completed",
        ]
    );
    let told: String = events
        .iter()
        .filter_map(|event| event["delta"].as_str())
        .collect();
    assert_eq!(
        told,
        whole["output"][0]["content"][0]["text"].as_str().unwrap()
    );
    let last = &events.last().unwrap()["response"];
    assert_eq!(last["id"], events[0]["response"]["id"]);
    assert_eq!(last["output"][0]["content"], whole["output"][0]["content"]);
    assert_eq!(events[0]["response"]["output"], json!([]));
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table with a line for each rule")]
async fn what_the_service_refuses_is_refused_in_its_words() {
    let sim = start().await;
    let schema = json!({"type": "object", "properties": {}});
    let table = [
        (
            json!({"messages": []}),
            "messages",
            "Unknown parameter: 'messages'.",
        ),
        (json!({"stop": "a"}), "stop", "Unknown parameter: 'stop'."),
        (
            json!({"max_output_tokens": 15}),
            "max_output_tokens",
            "Expected a value >= 16",
        ),
        (
            json!({"temperature": "1"}),
            "temperature",
            "Invalid type for 'temperature'",
        ),
        (input(&[]), "input", "empty array"),
        (
            input(&[said("user", "text")]),
            "input[0].content[0].type",
            "Invalid value: 'text'. Supported values are: 'input_text'",
        ),
        (
            input(&[said("user", "output_text")]),
            "input[0].content[0].type",
            "Invalid value: 'output_text'",
        ),
        (
            input(&[said("assistant", "input_text")]),
            "input[0].content[0].type",
            "Supported values are: 'output_text', 'refusal'",
        ),
        (
            input(&[json!({"role": "tool", "content": "a"})]),
            "input[0].role",
            "Invalid value: 'tool'",
        ),
        (
            input(&[json!({"role": "user", "content": "a", "x": 1})]),
            "input[0].x",
            "Unknown parameter: 'input[0].x'.",
        ),
        (
            input(&[json!({"type": "message2"})]),
            "input[0].type",
            "Invalid value: 'message2'",
        ),
        (
            input(&[output("c1")]),
            "input",
            "No tool call found for function call output with call_id c1.",
        ),
        (
            input(&[call()]),
            "input",
            "No tool output found for function call c1.",
        ),
        (
            input(&[with(call(), &json!({"id": "call_1"})), output("c1")]),
            "input[0].id",
            "Expected an ID that begins with 'fc'.",
        ),
        (
            input(&[with(call(), &json!({"arguments": {}})), output("c1")]),
            "input[0].arguments",
            "expected a string",
        ),
        (
            input(&[
                json!({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "AAAA"}),
            ]),
            "input[0].encrypted_content",
            "could not be verified",
        ),
        (
            json!({"text": {"format": {"type": "json_schema", "json_schema": {"schema": schema}}}}),
            "text.format.name",
            "Missing required parameter",
        ),
        (
            json!({"text": {"format": {"type": "json_schema", "name": "a", "schema": schema, "x": 1}}}),
            "text.format.x",
            "Unknown parameter",
        ),
        (
            json!({"reasoning": {"effort": "huge"}}),
            "reasoning.effort",
            "Invalid value: 'huge'",
        ),
        (
            json!({"include": ["x"]}),
            "include[0]",
            "Invalid value: 'x'",
        ),
        (
            json!({"tools": [{"type": "function", "function": {"name": "a"}}]}),
            "tools[0].name",
            "Missing required parameter",
        ),
        (
            json!({"tool_choice": {"type": "function", "name": "a"}}),
            "tool_choice",
            "not found in 'tools'",
        ),
        (
            json!({"previous_response_id": "resp_1"}),
            "previous_response_id",
            "Previous response with id 'resp_1' not found.",
        ),
    ];
    for (extra, param, message) in table {
        let reply = create(&sim, &extra).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{extra}");
        let error = &reply.json()["error"];
        assert_eq!(error["param"], param, "{extra}: {error}");
        let told = error["message"].as_str().unwrap();
        assert!(told.contains(message), "{extra}: {told}");
        assert_eq!(error["type"], "invalid_request_error");
    }
}

#[tokio::test]
async fn tools_are_called_and_their_results_are_quoted() {
    let sim = start().await;
    let marker =
        r#"[[sim:{"tool_calls":[{"arguments":{"city":"Köln"}},{"arguments":{"city":"Bonn"}}]}]]"#;
    let extra = json!({"tools": weather(), "input": marker});
    let output = good(&sim, &extra).await["output"].clone();
    assert_eq!(output[0]["arguments"], r#"{"city":"Köln"}"#);
    assert_ne!(output[0]["call_id"], output[1]["call_id"]);
    let events = create(&sim, &with(extra, &json!({"stream": true})))
        .await
        .chunks();
    assert_eq!(
        grammar(&events)[2..6],
        [
            "output_item.added",
            "function_call_arguments.delta",
            "function_call_arguments.done",
            "output_item.done"
        ]
    );
    let answers = json!([{"role": "user", "content": marker}, output[0], output[1],
        {"type": "function_call_output", "call_id": output[1]["call_id"], "output": "rainy"},
        {"type": "function_call_output", "call_id": output[0]["call_id"], "output": [{"type": "input_text", "text": "sunny"}]}]);
    let last = good(&sim, &json!({"tools": weather(), "input": answers})).await;
    assert_eq!(
        last["output"][0]["content"][0]["text"],
        "The tools say: rainy | sunny"
    );
}

#[tokio::test]
async fn reasoning_is_summarized_and_sealed() {
    let sim = start().await;
    let extra = json!({
        "reasoning": {"effort": "low", "summary": "auto"}, "include": ["reasoning.encrypted_content"], "store": false,
    });
    let response = good(&sim, &extra).await;
    let item = &response["output"][0];
    assert_eq!(item["type"], "reasoning");
    assert_eq!(
        response["usage"]["output_tokens_details"]["reasoning_tokens"],
        40
    );
    good(&sim, &input(&[item.clone(), said("user", "input_text")])).await;
    let events = create(&sim, &with(extra, &json!({"stream": true})))
        .await
        .chunks();
    assert_eq!(
        grammar(&events)[2..8],
        [
            "output_item.added",
            "reasoning_summary_part.added",
            "reasoning_summary_text.delta",
            "reasoning_summary_text.done",
            "reasoning_summary_part.done",
            "output_item.done",
        ]
    );
}

#[tokio::test]
async fn answers_end_in_every_way() {
    let sim = start().await;
    let marked = |marker: &str| json!({"input": format!("[[sim:{marker}]]"), "stream": true});
    let table = [
        (
            marked(r#"{"finish":"length"}"#),
            "incomplete",
            "max_output_tokens",
        ),
        (
            marked(r#"{"finish":"content_filter"}"#),
            "incomplete",
            "content_filter",
        ),
        (
            marked(r#"{"blocked":true}"#),
            "incomplete",
            "content_filter",
        ),
        (
            with(
                marked(r#"{"tokens":40}"#),
                &json!({"max_output_tokens": 16}),
            ),
            "incomplete",
            "max_output_tokens",
        ),
    ];
    for (extra, status, reason) in table {
        let events = create(&sim, &extra).await.chunks();
        assert_eq!(grammar(&events).last(), Some(&status), "{extra}");
        let response = &events.last().unwrap()["response"];
        assert_eq!(response["incomplete_details"]["reason"], reason, "{extra}");
    }
    let events = create(&sim, &marked(r#"{"refusal":"I will not"}"#))
        .await
        .chunks();
    assert_eq!(
        grammar(&events)[2..],
        [
            "output_item.added",
            "content_part.added",
            "refusal.delta",
            "refusal.done",
            "content_part.done",
            "output_item.done",
            "completed",
        ]
    );
    let schema = json!({"type": "object", "properties": {"age": {"type": "integer"}}});
    let text = json!({"text": {"format": {"type": "json_schema", "name": "a", "schema": schema}}});
    assert_eq!(
        good(&sim, &text).await["output"][0]["content"][0]["text"],
        r#"{"age":1}"#
    );
    let counted = post(
        &sim,
        "/v1/responses/input_tokens",
        &json!({"model": "m", "input": "hello"}),
    )
    .await;
    assert_eq!(
        counted.json(),
        json!({"object": "response.input_tokens", "input_tokens": 6})
    );
}

#[tokio::test]
async fn faults_speak_the_dialect() {
    let sim = start_failing(Behaviour::fault(Fault::ErrorEvent { after_events: 5 })).await;
    let reply = create(&sim, &json!({"stream": true})).await;
    assert!(reply.text().contains("event: error\ndata: {"));
    assert_eq!(reply.chunks().last().unwrap()["code"], "server_error");
    sim.fail(Behaviour::fault(Fault::NoDone));
    let events = create(&sim, &json!({"stream": true})).await.chunks();
    assert_eq!(grammar(&events).last(), Some(&"output_item.done"));
    sim.fail(Behaviour::status(429));
    assert_eq!(
        create(&sim, &json!({})).await.json()["error"]["code"],
        "rate_limit_exceeded"
    );
}
