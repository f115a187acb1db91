//! The protocol: good answers, and refusals in the service's words.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use simulator::{Behaviour, Content, Simulator, SimulatorSettings};

use crate::support::{chat, get, pool, post, post_chat, send, start, start_failing};

#[tokio::test]
async fn a_chat_is_answered_whole() {
    let sim = start().await;
    let reply = post_chat(&sim, json!({})).await;
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(reply.header("x-request-id"), "req_sim_00000001");
    assert!(!reply.header("openai-processing-ms").is_empty());
    let body = reply.json();
    assert_eq!(body["object"], "chat.completion");
    assert_eq!(body["model"], "m");
    let choice = &body["choices"][0];
    assert_eq!(choice["message"]["role"], "assistant");
    assert!(
        choice["message"]["content"]
            .as_str()
            .unwrap()
            .starts_with("Lorem ipsum dolor")
    );
    assert_eq!(choice["finish_reason"], "stop");
    let usage = &body["usage"];
    assert_eq!(usage["completion_tokens"], 16);
    assert_eq!(
        usage["total_tokens"].as_u64().unwrap(),
        usage["prompt_tokens"].as_u64().unwrap() + usage["completion_tokens"].as_u64().unwrap()
    );
    assert_eq!(usage["prompt_tokens_details"]["cached_tokens"], 0);
}

#[tokio::test]
async fn a_stream_tells_the_same_text_in_proper_chunks() {
    let sim = start().await;
    let whole = post_chat(&sim, json!({})).await.json();
    let reply = post_chat(&sim, json!({"stream": true})).await;
    assert_eq!(
        reply.header("content-type"),
        "text/event-stream; charset=utf-8"
    );
    assert_eq!(
        json!(reply.content()),
        whole["choices"][0]["message"]["content"]
    );
    assert_eq!(reply.events().last().unwrap(), "[DONE]");
    let chunks = reply.chunks();
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    assert_eq!(
        chunks.last().unwrap()["choices"][0]["finish_reason"],
        "stop"
    );
    assert!(
        chunks
            .iter()
            .all(|chunk| chunk["id"] == chunks[0]["id"] && chunk.get("usage").is_none())
    );
}

#[tokio::test]
async fn usage_comes_at_the_end_of_a_stream_only_when_asked() {
    let sim = start().await;
    let options = json!({"stream": true, "stream_options": {"include_usage": true}});
    let chunks = post_chat(&sim, options.clone()).await.chunks();
    let (last, earlier) = chunks.split_last().unwrap();
    assert_eq!(last["choices"], json!([]));
    assert_eq!(last["usage"]["completion_tokens"], 16);
    assert!(
        earlier
            .iter()
            .all(|chunk| chunk["usage"].is_null() && chunk.get("usage").is_some())
    );

    sim.fail(Behaviour {
        usage: Some(false),
        ..Behaviour::default()
    });
    assert!(
        post_chat(&sim, options)
            .await
            .chunks()
            .iter()
            .all(|chunk| chunk.get("usage").is_none())
    );
    assert!(
        post_chat(&sim, json!({}))
            .await
            .json()
            .get("usage")
            .is_none()
    );
}

#[tokio::test]
async fn caps_stops_and_counts_shape_the_answer() {
    let sim = start().await;
    let table = [
        (json!({"max_tokens": 2}), "Lorem ipsum", "length", 1),
        (json!({"max_completion_tokens": 1}), "Lorem", "length", 1),
        (json!({"stop": ["sit", " dolor"]}), "Lorem ipsum", "stop", 1),
        (json!({"max_tokens": 1, "n": 3}), "Lorem", "length", 3),
    ];
    for (extra, text, finish, choices) in table {
        let body = post_chat(&sim, extra.clone()).await.json();
        assert_eq!(
            body["choices"].as_array().unwrap().len(),
            choices,
            "{extra}"
        );
        assert_eq!(body["choices"][0]["message"]["content"], text, "{extra}");
        assert_eq!(body["choices"][0]["finish_reason"], finish, "{extra}");
    }
    let heedless = r#"[[sim:{"tokens":50,"heeds_no_cap":true}]]"#;
    let body = json!({"messages": [{"role": "user", "content": heedless}], "max_tokens": 10});
    let body = post_chat(&sim, body).await.json();
    assert_eq!(body["usage"]["completion_tokens"], 50);
    assert_eq!(body["choices"][0]["finish_reason"], "stop");
    let usage = post_chat(&sim, json!({"reasoning_effort": "low"}))
        .await
        .json()["usage"]
        .clone();
    assert_eq!(usage["completion_tokens_details"]["reasoning_tokens"], 32);
    assert_eq!(usage["completion_tokens"], 48);
    let long = json!({"messages": [{"role": "user", "content": "x".repeat(10_000)}]});
    let usage = post_chat(&sim, long).await.json()["usage"].clone();
    assert_eq!(usage["prompt_tokens_details"]["cached_tokens"], 1152);
}

fn tool(name: &str) -> Value {
    let parameters = json!({"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}});
    json!({"type": "function", "function": {"name": name, "parameters": parameters}})
}

#[tokio::test]
async fn tools_are_called_and_their_results_are_answered() {
    let sim = start().await;
    let body = post_chat(&sim, json!({"tools": [tool("weather"), tool("time")]}))
        .await
        .json();
    let choice = &body["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls");
    assert_eq!(choice["message"]["content"], Value::Null);
    let calls = choice["message"]["tool_calls"].as_array().unwrap();
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0]["function"]["name"], "weather");
    let arguments: Value =
        serde_json::from_str(calls[0]["function"]["arguments"].as_str().unwrap()).unwrap();
    assert_eq!(arguments, json!({"city": "lorem ipsum", "days": 1}));

    let messages = json!([
        {"role": "user", "content": "weather?"},
        choice["message"].as_object().map(|message| json!({
            "role": "assistant", "content": null, "tool_calls": message["tool_calls"],
        })),
        {"role": "tool", "tool_call_id": calls[0]["id"], "content": "sunny"},
    ]);
    let body = post_chat(
        &sim,
        json!({"tools": [tool("weather")], "messages": messages}),
    )
    .await
    .json();
    assert_eq!(body["choices"][0]["finish_reason"], "stop");

    let named = json!({"type": "function", "function": {"name": "time"}});
    let table = [
        (
            json!({"parallel_tool_calls": true}),
            vec!["weather", "time"],
        ),
        (json!({"tool_choice": named}), vec!["time"]),
        (json!({"tool_choice": "none"}), vec![]),
    ];
    for (extra, expected) in table {
        let mut request = json!({"tools": [tool("weather"), tool("time")], "stream": true});
        request
            .as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        let chunks = post_chat(&sim, request).await.chunks();
        let name = |chunk: &Value| {
            let call = chunk.pointer("/choices/0/delta/tool_calls/0/function/name")?;
            call.as_str().map(str::to_owned)
        };
        assert_eq!(
            chunks.iter().filter_map(name).collect::<Vec<_>>(),
            expected,
            "{extra}"
        );
        let index_0 = |chunk: &Value| {
            let call = chunk
                .pointer("/choices/0/delta/tool_calls/0")
                .filter(|call| call["index"] == 0)?;
            call["function"]["arguments"].as_str().map(str::to_owned)
        };
        let arguments: String = chunks.iter().filter_map(index_0).collect();
        assert!(
            expected.is_empty()
                || serde_json::from_str::<Value>(&arguments)
                    .unwrap()
                    .is_object()
        );
    }
}

#[tokio::test]
async fn json_formats_and_images_are_served() {
    let sim = start().await;
    let schema =
        json!({"type": "object", "properties": {"age": {"type": "integer", "minimum": 3}}});
    let format = json!({"type": "json_schema", "json_schema": {"name": "p", "schema": schema, "strict": true}});
    let reply = post_chat(&sim, json!({"response_format": format, "stream": true})).await;
    assert_eq!(reply.content(), r#"{"age":3}"#);

    let url = json!({"url": "data:image/png;base64,AAAA"});
    let parts = json!([{"type": "text", "text": "what?"}, {"type": "image_url", "image_url": url}]);
    let reply = post_chat(
        &sim,
        json!({"messages": [{"role": "user", "content": parts}]}),
    )
    .await;
    assert_eq!(reply.status, StatusCode::OK);
}

#[tokio::test]
async fn content_can_be_unicode_echo_or_given() {
    let settings = SimulatorSettings {
        content: Content::Unicode,
        ..SimulatorSettings::default()
    };
    let sim = Simulator::start(settings).await.unwrap();
    let text = post_chat(&sim, json!({"stream": true})).await.content();
    assert!(
        text.contains('🌍') && text.contains('\u{2028}') && text.contains("back\\slash"),
        "{text}"
    );

    let ask = |marker: &str| json!({"messages": [{"role": "user", "content": format!("a b [[sim:{marker}]]")}]});
    let body = post_chat(&sim, ask(r#"{"content":"echo","tokens":2}"#))
        .await
        .json();
    assert_eq!(body["choices"][0]["message"]["content"], "a b ");
    let body = post_chat(&sim, ask(r#"{"text":""}"#)).await.json();
    assert_eq!(body["choices"][0]["message"]["content"], "");
    let body = post_chat(
        &sim,
        ask(r#"{"refusal":"no","finish_reason":"content_filter"}"#),
    )
    .await
    .json();
    assert_eq!(body["choices"][0]["message"]["refusal"], "no");
    assert_eq!(body["choices"][0]["finish_reason"], "content_filter");
    let body = post_chat(&sim, ask(r#"{"reasoning_tokens":2,"content":"lorem"}"#))
        .await
        .json();
    assert_eq!(
        body["choices"][0]["message"]["reasoning_content"],
        "Lorem ipsum"
    );
    assert_eq!(
        body["usage"]["completion_tokens_details"]["reasoning_tokens"],
        2
    );
}

/// Sends each request and expects a 400 whose message contains the text beside it.
async fn expect_refusals(table: &[(Value, &str)]) {
    let sim = start().await;
    for (extra, expected) in table {
        let reply = post_chat(&sim, extra.clone()).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{extra}");
        let error = &reply.json()["error"];
        assert_eq!(error["type"], "invalid_request_error", "{extra}");
        let message = error["message"].as_str().unwrap_or_default();
        assert!(message.contains(expected), "{extra}: {message}");
    }
}

#[tokio::test]
async fn wrong_fields_are_refused() {
    expect_refusals(&[
        (
            json!({"provider": "a"}),
            "Unrecognized request argument supplied: provider",
        ),
        (
            json!({"b": 1, "a": 1}),
            "Unrecognized request arguments supplied: a, b",
        ),
        (
            json!({"temperature": "hot"}),
            "Invalid type for 'temperature': expected a decimal, but got a string",
        ),
        (
            json!({"temperature": 3}),
            "Expected a value <= 2, but got 3",
        ),
        (json!({"max_tokens": 0}), "integer below minimum value"),
        (
            json!({"max_tokens": 1.5}),
            "expected an integer, but got a decimal",
        ),
        (json!({"tools": []}), "Invalid 'tools': empty array"),
        (
            json!({"tools": [{"type": "function"}]}),
            "Missing required parameter: 'tools[0].function'",
        ),
        (
            json!({"tool_choice": "auto"}),
            "only allowed when 'tools' are specified",
        ),
        (
            json!({"max_tokens": 1, "max_completion_tokens": 1}),
            "at the same time is not supported",
        ),
        (
            json!({"stream_options": {}}),
            "only allowed when 'stream' is enabled",
        ),
        (
            json!({"stream": true, "stream_options": {"x": 1}}),
            "Unknown parameter: 'stream_options.x'",
        ),
        (
            json!({"response_format": {"type": "json_object"}}),
            "must contain the word 'json'",
        ),
        (
            json!({"response_format": {"type": "json_schema"}}),
            "response_format.json_schema.name",
        ),
        (json!({"model": null}), "you must provide a model parameter"),
    ])
    .await;
    let sim = start().await;
    let reply = send(
        &pool(false),
        &sim,
        Method::POST,
        "/v1/chat/completions",
        "{",
    )
    .await
    .unwrap();
    assert!(reply.text().contains("We could not parse the JSON body"));
}

#[tokio::test]
async fn wrong_messages_are_refused() {
    let user = json!({"role": "user", "content": "hi"});
    let call =
        json!({"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let assistant = json!({"role": "assistant", "content": null, "tool_calls": [call]});
    let with = |message: Value| json!({"messages": [message]});
    let extra_key = json!({"role": "user", "content": "x", "cache_control": {}});
    expect_refusals(&[
        (json!({"messages": "hi"}), "Invalid type for 'messages'"),
        (json!({"messages": []}), "Invalid 'messages': empty array"),
        (
            with(json!("hi")),
            "Invalid type for 'messages[0]': expected an object",
        ),
        (
            with(json!({"role": "user"})),
            "Missing required parameter: 'messages[0].content'",
        ),
        (
            with(json!({"role": "robot", "content": ""})),
            "Invalid value: 'robot'",
        ),
        (
            with(json!({"role": "user", "content": [{"type": "video"}]})),
            "Invalid value: 'video'",
        ),
        (
            with(extra_key),
            "Unknown parameter: 'messages[0].cache_control'",
        ),
        (
            json!({"messages": [user, {"role": "tool", "tool_call_id": "c1", "content": ""}]}),
            "must be a response to a preceeding message",
        ),
        (
            json!({"messages": [user, assistant]}),
            "did not have response messages: c1",
        ),
        (
            json!({"messages": [user, assistant, user]}),
            "did not have response messages: c1",
        ),
    ])
    .await;
}

#[tokio::test]
async fn keys_models_paths_and_methods_are_checked() {
    let settings = SimulatorSettings {
        api_key: Some("sk-right".to_owned()),
        models: vec!["m".to_owned()],
        ..SimulatorSettings::default()
    };
    let sim = Simulator::start(settings).await.unwrap();
    let reply = post_chat(&sim, json!({})).await;
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
    assert_eq!(reply.json()["error"]["code"], "invalid_api_key");
    assert!(
        !reply.text().contains("sk-test-0123456789"),
        "the key is masked"
    );

    let request = http::Request::post(format!("{}/chat/completions", sim.base_url()));
    let reply = pool(false)
        .request(request.body(chat(json!({})).to_string().into()).unwrap())
        .await
        .unwrap();
    assert_eq!(reply.status(), StatusCode::UNAUTHORIZED);

    let sim = Simulator::start(SimulatorSettings {
        models: vec!["m".to_owned()],
        ..SimulatorSettings::default()
    });
    let sim = sim.await.unwrap();
    let reply = post_chat(&sim, json!({"model": "other"})).await;
    assert_eq!(reply.status, StatusCode::NOT_FOUND);
    assert_eq!(reply.json()["error"]["code"], "model_not_found");
    assert_eq!(get(&sim, "/v1/models").await.json()["data"][0]["id"], "m");
    assert_eq!(get(&sim, "/v1/models/m").await.json()["object"], "model");
    assert_eq!(
        get(&sim, "/v1/models/x").await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(get(&sim, "/v1/nothing").await.status, StatusCode::NOT_FOUND);
    assert_eq!(
        get(&sim, "/v1/chat/completions").await.status,
        StatusCode::METHOD_NOT_ALLOWED
    );
}

#[tokio::test]
async fn older_completions_are_served() {
    let sim = start().await;
    let body = post(
        &sim,
        "/v1/completions",
        &json!({"model": "m", "prompt": "hello", "max_tokens": 2}),
    )
    .await
    .json();
    assert_eq!(body["object"], "text_completion");
    assert_eq!(body["choices"][0]["text"], "Lorem ipsum");
    assert_eq!(body["choices"][0]["finish_reason"], "length");
    assert_eq!(body["usage"]["prompt_tokens"], 2);
    let body = json!({"model": "m", "prompt": ["a", "b"], "echo": true, "max_tokens": 1});
    let choices = post(&sim, "/v1/completions", &body).await.json()["choices"].clone();
    assert_eq!(
        (&choices[0]["text"], &choices[1]["text"]),
        (&json!("aLorem"), &json!("bLorem"))
    );
    let stream = json!({"model": "m", "prompt": [1, 2, 3], "stream": true, "stream_options": {"include_usage": true}});
    let chunks = post(&sim, "/v1/completions", &stream).await.chunks();
    assert_eq!(chunks[0]["choices"][0]["text"], "Lorem");
    assert_eq!(chunks.last().unwrap()["usage"]["prompt_tokens"], 3);
    let wrong = post(
        &sim,
        "/v1/completions",
        &json!({"model": "m", "prompt": "x", "messages": []}),
    )
    .await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn embeddings_come_as_floats_and_packed() {
    use base64::Engine as _;
    let sim = start().await;
    let ask = |extra: Value| {
        let mut body = json!({"model": "e", "input": ["one", "two"], "dimensions": 8});
        body.as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        body
    };
    let floats = post(&sim, "/v1/embeddings", &ask(json!({}))).await.json();
    let packed = post(
        &sim,
        "/v1/embeddings",
        &ask(json!({"encoding_format": "base64"})),
    )
    .await
    .json();
    assert_eq!(floats["data"].as_array().unwrap().len(), 2);
    assert_ne!(
        floats["data"][0]["embedding"],
        floats["data"][1]["embedding"]
    );
    let bytes = base64::prelude::BASE64_STANDARD
        .decode(packed["data"][1]["embedding"].as_str().unwrap())
        .unwrap();
    let unpacked: Vec<f32> = bytes
        .chunks_exact(4)
        .map(|four| f32::from_le_bytes(four.try_into().unwrap()))
        .collect();
    let given: Vec<f32> = serde_json::from_value(floats["data"][1]["embedding"].clone()).unwrap();
    assert_eq!(unpacked, given);
    let length: f32 = given.iter().map(|value| value * value).sum();
    assert!((length - 1.0).abs() < 1e-5);
    let tokens = post(
        &sim,
        "/v1/embeddings",
        &ask(json!({"input": [[1, 2], [3]]})),
    )
    .await
    .json();
    assert_eq!(tokens["usage"]["prompt_tokens"], 3);
    for input in [
        json!(""),
        json!([]),
        json!([""]),
        json!(null),
        json!({}),
        json!([1, "a"]),
    ] {
        let reply = post(&sim, "/v1/embeddings", &ask(json!({"input": input}))).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{input}");
    }
}

#[tokio::test]
async fn http2_without_tls_is_served() {
    let sim = start().await;
    let body = chat(json!({"stream": true})).to_string();
    let reply = send(
        &pool(true),
        &sim,
        Method::POST,
        "/v1/chat/completions",
        body,
    )
    .await
    .unwrap();
    assert!(reply.content().starts_with("Lorem"));
    assert_eq!(sim.requests()[0].version, http::Version::HTTP_2);
}

#[tokio::test]
async fn fixed_answers_differ_by_stream_and_usage_only() {
    let settings = SimulatorSettings {
        fixed_answers: true,
        tokens: 64,
        ..SimulatorSettings::default()
    };
    let sim = Simulator::start(settings).await.unwrap();
    let fake =
        json!({"messages": [{"role": "user", "content": r#""stream":true"#}], "anything": 1});
    assert_eq!(
        post_chat(&sim, fake).await.json()["object"],
        "chat.completion"
    );
    let chunks = post_chat(&sim, json!({"stream": true})).await.chunks();
    assert_eq!(chunks.len(), 66, "role, 64 tokens, finish reason");
    let usage = json!({"stream": true, "stream_options": {"include_usage": true}});
    assert_eq!(
        post_chat(&sim, usage).await.chunks().last().unwrap()["usage"]["completion_tokens"],
        64
    );
    let much = post(&sim, "/v1/embeddings", &json!({"input": "unread"})).await;
    assert_eq!(much.json()["data"].as_array().unwrap().len(), 16);
    assert!(much.text().len() > 250_000, "{}", much.text().len());
    assert_eq!(sim.counts().answered, 4);
    assert!(sim.requests().is_empty());
    assert_eq!(get(&sim, "/v1/models").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_marker_that_cannot_be_read_is_told() {
    let sim = start_failing(Behaviour::status(500)).await;
    let ask = json!({"messages": [{"role": "user", "content": "[[sim:{\"stauts\":1}]]"}]});
    let reply = post_chat(&sim, ask).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    assert!(
        reply
            .text()
            .contains("simulator marker: unknown field `stauts`")
    );
}

#[tokio::test]
async fn ids_and_members_of_messages_are_checked() {
    let sim = start().await;
    let call = |id: &str| json!([{"id": id, "type": "function", "function": {"name": "a", "arguments": "{}"}}]);
    let turn = |assistant: Value, id: &str| {
        let result = json!({"role": "tool", "tool_call_id": id, "content": "b"});
        json!({"messages": [{"role": "user", "content": "a"}, assistant, result]})
    };
    let long = "x".repeat(41);
    let calls = |id: &str| json!({"role": "assistant", "tool_calls": call(id)});
    let mut thinking = calls("c");
    thinking["thinking_blocks"] = json!([]);
    let table = [
        (turn(calls(&long), &long), "maximum length 40"),
        (
            turn(thinking, "c"),
            "Unknown parameter: 'messages[1].thinking_blocks'.",
        ),
        (
            turn(calls("c"), "d"),
            "must be a response to a preceeding message",
        ),
    ];
    for (extra, message) in table {
        let error = post_chat(&sim, extra.clone()).await.json()["error"].clone();
        let told = error["message"].as_str().unwrap();
        assert!(told.contains(message), "{extra}: {told}");
    }
    let good = post_chat(&sim, turn(calls("c"), "c")).await;
    assert_eq!(good.status, StatusCode::OK);
}

#[tokio::test]
async fn media_tell_what_arrived() {
    let sim = start().await;
    let speech = json!({"model": "m", "input": "hello", "voice": "v"});
    let speech = post(&sim, "/v1/audio/speech", &speech).await;
    assert_eq!(speech.header("content-type"), "audio/mpeg");
    assert!(speech.body.ends_with(b"hello"));

    let form = |file: &str| {
        format!(
            "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n--b\r\nContent-Disposition: form-data; \
             name=\"{file}\"; filename=\"a\"\r\n\r\n12345\r\n--b--\r\n"
        )
    };
    let headers = [
        ("authorization", "Bearer sk-test"),
        ("content-type", "multipart/form-data; boundary=b"),
    ];
    let upload = async |path: &str, body: String| {
        let pool = pool(false);
        crate::support::send_with(&pool, &sim, Method::POST, path, &headers, body)
            .await
            .unwrap()
            .json()
    };
    let heard = upload("/v1/audio/transcriptions", form("file")).await;
    assert_eq!(heard["text"], "5 bytes heard by m");
    let missing = upload("/v1/audio/transcriptions", form("other")).await;
    assert_eq!(missing["error"]["param"], "file");
    let edited = upload("/v1/images/edits", form("image")).await;
    assert_eq!(edited["data"][0]["b64_json"], "MTIzNDU=");

    let image = json!({"model": "m", "prompt": "a cat", "n": 2});
    let image = post(&sim, "/v1/images/generations", &image).await.json();
    assert_eq!(image["data"].as_array().unwrap().len(), 2);
    let judged = json!({"input": ["peace", "violence"]});
    let judged = post(&sim, "/v1/moderations", &judged).await.json();
    assert_eq!(judged["results"][0]["flagged"], false);
    assert_eq!(judged["results"][1]["flagged"], true);
    let ranked = json!({"model": "m", "query": "red cat", "documents": ["dog", "red cat", "cat"], "top_n": 2});
    let ranked = post(&sim, "/v1/rerank", &ranked).await.json();
    assert_eq!(ranked["results"][0]["index"], 1);
    assert_eq!(ranked["results"].as_array().unwrap().len(), 2);
}
