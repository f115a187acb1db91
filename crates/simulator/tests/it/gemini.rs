//! The Gemini dialect: good answers, and refusals in the service's words.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use simulator::{Behaviour, Fault, RetryAfter, Simulator};

use crate::support::{Reply, pool, send_with, start, start_failing, with};

async fn send_to(sim: &Simulator, method: Method, path: &str, body: &Value) -> Reply {
    let headers = [("x-goog-api-key", "AIza")];
    let path = format!("/v1beta/models{path}");
    send_with(&pool(false), sim, method, &path, &headers, body.to_string())
        .await
        .unwrap()
}

fn ask(extra: &Value) -> Value {
    let contents = json!([{"role": "user", "parts": [{"text": "hello"}]}]);
    with(json!({"contents": contents}), extra)
}

async fn generate(sim: &Simulator, model: &str, extra: &Value) -> Reply {
    let path = format!("/{model}:generateContent");
    send_to(sim, Method::POST, &path, &ask(extra)).await
}

async fn stream(sim: &Simulator, model: &str, extra: &Value) -> Reply {
    let path = format!("/{model}:streamGenerateContent?alt=sse");
    send_to(sim, Method::POST, &path, &ask(extra)).await
}

async fn good(sim: &Simulator, model: &str, extra: &Value) -> Value {
    let reply = generate(sim, model, extra).await;
    assert_eq!(reply.status, StatusCode::OK, "{extra}: {}", reply.text());
    reply.json()
}

#[track_caller]
fn assert_refused(reply: &Reply, extra: &Value, message: &str) {
    let error = &reply.json()["error"];
    let told = error["message"].as_str().unwrap();
    assert!(told.contains(message), "{extra}: {told}");
    assert_eq!(error["code"], 400, "{extra}");
    assert_eq!(error["status"], "INVALID_ARGUMENT", "{extra}");
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
}

fn weather() -> Value {
    let parameters = json!({"type": "OBJECT", "properties": {"city": {"type": "STRING"}}});
    json!([{"functionDeclarations": [{"name": "weather", "parameters": parameters}]}])
}

fn declared(declaration: Value) -> Value {
    json!({"tools": [{"functionDeclarations": [declaration]}]})
}

fn parameters(schema: Value) -> Value {
    declared(json!({"name": "f", "parameters": schema}))
}

fn user(part: Value) -> Value {
    json!({"role": "user", "parts": [part]})
}

fn call(extra: &Value) -> Value {
    with(
        json!({"functionCall": {"name": "weather", "args": {}}}),
        extra,
    )
}

fn response(name: &str, result: &str) -> Value {
    json!({"functionResponse": {"name": name, "response": {"result": result}}})
}

fn turns(call: Value, responses: Value) -> Value {
    let model = json!({"role": "model", "parts": [call]});
    let contents = json!([user(json!({"text": "a"})), model, {"role": "user", "parts": responses}]);
    json!({"contents": contents})
}

#[tokio::test]
async fn content_is_told_whole_in_events_and_in_an_array() {
    let sim = start().await;
    let whole = good(&sim, "m", &json!({})).await;
    let candidate = &whole["candidates"][0];
    assert_eq!(candidate["finishReason"], "STOP");
    assert_eq!(whole["usageMetadata"]["candidatesTokenCount"], 16);
    let text = candidate["content"]["parts"][0]["text"].as_str().unwrap();

    let join = |chunks: &[Value]| -> String {
        let parts = chunks.iter();
        parts
            .filter_map(|chunk| {
                chunk
                    .pointer("/candidates/0/content/parts/0/text")?
                    .as_str()
            })
            .collect()
    };
    let reply = stream(&sim, "m", &json!({})).await;
    assert!(reply.text().starts_with("data: {"));
    let chunks = reply.chunks();
    assert_eq!(join(&chunks), text);
    let (last, earlier) = chunks.split_last().unwrap();
    assert_eq!(last["candidates"][0]["finishReason"], "STOP");
    assert!(
        earlier
            .iter()
            .all(|chunk| chunk["candidates"][0].get("finishReason").is_none())
    );
    assert_eq!(last["usageMetadata"], whole["usageMetadata"]);

    let array = send_to(
        &sim,
        Method::POST,
        "/m:streamGenerateContent",
        &ask(&json!({})),
    )
    .await;
    assert_eq!(
        array.header("content-type"),
        "application/json; charset=UTF-8"
    );
    assert_eq!(join(array.json().as_array().unwrap()), text);
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table with a line for each rule")]
async fn what_the_service_refuses_is_refused_in_its_words() {
    let sim = start().await;
    let config = |config: Value| json!({"generationConfig": config});
    let part = |part: Value| json!({"contents": [user(part)]});
    let object = json!({"type": "OBJECT", "properties": {"a": {"type": "STRING"}}});
    let equal = "Please ensure that the number of function response parts is equal";
    let table = [
        (json!({"x": 1}), r#"Unknown name "x": Cannot find field."#),
        (
            part(json!({"txt": "a"})),
            r#"Unknown name "txt" at 'contents[0].parts[0]': Cannot find field."#,
        ),
        (
            part(json!({"text": 1})),
            "Invalid value at 'contents[0].parts[0].text' (TYPE_STRING), 1",
        ),
        (
            json!({"contents": "a"}),
            "Invalid value at 'contents[0]' (type.googleapis.com/google.ai",
        ),
        (json!({"contents": []}), "contents is not specified"),
        (
            json!({"contents": [{"role": "assistant", "parts": [{"text": "a"}]}]}),
            "Please use a valid role: user, model.",
        ),
        (
            json!({"contents": [{"role": "user", "parts": []}]}),
            "contents.parts must not be empty",
        ),
        (
            part(json!({})),
            "required oneof field 'data' must have one initialized field",
        ),
        (
            part(json!({"text": "a", "inlineData": {"mimeType": "image/png", "data": "AAAA"}})),
            "oneof field 'data' is already set",
        ),
        (
            part(json!({"inlineData": {"mimeType": "image/png", "data": "?"}})),
            "Base64 decoding failed",
        ),
        (
            part(response("weather", "sunny")),
            "comes immediately after a function call turn",
        ),
        (turns(call(&json!({})), json!([{"text": "a"}])), equal),
        (
            turns(
                call(&json!({})),
                json!([response("weather", "a"), response("weather", "b")]),
            ),
            equal,
        ),
        (
            turns(call(&json!({})), json!([response("", "a")])),
            "function_response.name: Name cannot be empty",
        ),
        (
            turns(call(&json!({})), json!([response("time", "a")])),
            "names of the function responses",
        ),
        (
            parameters(json!({"type": "OBJECT", "properties": {}})),
            "should be non-empty for OBJECT type",
        ),
        (
            parameters(json!({"type": "OBJECT", "properties": {"a": {"const": 1}}})),
            r#"Unknown name "const" at 'tools[0].function_declarations[0].parameters.properties[a].value'"#,
        ),
        (
            parameters(with(
                object.clone(),
                &json!({"additionalProperties": false}),
            )),
            r#"Unknown name "additionalProperties""#,
        ),
        (
            parameters(with(object.clone(), &json!({"$schema": "a"}))),
            r#"Unknown name "$schema""#,
        ),
        (
            parameters(with(object.clone(), &json!({"required": ["b"]}))),
            "required[0]: property is not defined",
        ),
        (parameters(json!({"type": "ARRAY"})), "items: missing field"),
        (
            declared(json!({"name": "f", "parameters": object, "parametersJsonSchema": {}})),
            "only one of parameters",
        ),
        (declared(json!({"name": "1 f"})), "Invalid function name"),
        (
            json!({"toolConfig": {"functionCallingConfig": {"mode": "ANY"}}}),
            "set without function_declarations",
        ),
        (
            json!({"tools": weather(), "toolConfig": {"functionCallingConfig": {"mode": "AUTO", "allowedFunctionNames": ["weather"]}}}),
            "Allowed function names should only be set",
        ),
        (
            config(json!({"responseSchema": object})),
            "response_mime_type must be `application/json`",
        ),
        (
            config(
                json!({"responseSchema": object, "responseJsonSchema": {}, "responseMimeType": "application/json"}),
            ),
            "only one of response_schema",
        ),
        (
            config(json!({"thinkingConfig": {"thinkingBudget": 1, "thinkingLevel": "LOW"}})),
            "only one of thinking budget and thinking level",
        ),
        (
            config(json!({"stopSequences": ["1", "2", "3", "4", "5", "6"]})),
            "less than or equal to 5",
        ),
        (
            config(json!({"candidateCount": 9})),
            "candidate_count: must be in the range [1, 8]",
        ),
        (
            config(json!({"temperature": 2.5})),
            "temperature: must be in the range [0, 2]",
        ),
        (
            config(json!({"max_tokens": 1})),
            r#"Unknown name "max_tokens" at 'generation_config'"#,
        ),
    ];
    for (extra, message) in table {
        assert_refused(&generate(&sim, "m", &extra).await, &extra, message);
    }
    let level = config(json!({"thinkingConfig": {"thinkingLevel": "low"}}));
    assert_refused(
        &generate(&sim, "gemini-2.5-pro", &level).await,
        &level,
        "Thinking level is not supported",
    );
    good(&sim, "gemini-3-pro", &level).await;
    let both = json!({"system_instruction": {"parts": {"text": "a"}}, "generation_config": {"max_output_tokens": "2"}});
    assert_eq!(
        good(&sim, "m", &both).await["candidates"][0]["finishReason"],
        "MAX_TOKENS"
    );
    let url_safe = part(json!({"inline_data": {"mime_type": "image/png", "data": "-_-_"}}));
    good(&sim, "m", &url_safe).await;
    let reply = send_with(
        &pool(false),
        &sim,
        Method::POST,
        "/v1beta/models/m:generateContent",
        &[],
        "{}",
    )
    .await
    .unwrap();
    assert_eq!(reply.json()["error"]["status"], "PERMISSION_DENIED");
    let keyed = "/v1beta/models/m:generateContent?key=a";
    let reply = send_with(
        &pool(false),
        &sim,
        Method::POST,
        keyed,
        &[],
        ask(&json!({})).to_string(),
    )
    .await
    .unwrap();
    assert_eq!(reply.status, StatusCode::OK);
}

#[tokio::test]
async fn calls_come_whole_and_their_signatures_are_checked() {
    let sim = start().await;
    let marker =
        r#"[[sim:{"tool_calls":[{"arguments":{"city":"Köln"}},{"arguments":{"city":"Bonn"}}]}]]"#;
    let extra = json!({"tools": weather(), "contents": [user(json!({"text": marker}))]});
    let parts =
        good(&sim, "gemini-3-pro", &extra).await["candidates"][0]["content"]["parts"].clone();
    assert_eq!(
        parts[0]["functionCall"],
        json!({"name": "weather", "args": {"city": "Köln"}})
    );
    assert_eq!(parts[1]["functionCall"]["args"]["city"], "Bonn");
    assert!(parts[0]["thoughtSignature"].is_string() && parts[1].get("thoughtSignature").is_none());
    let chunks = stream(&sim, "gemini-3-pro", &extra).await.chunks();
    assert_eq!(
        chunks.last().unwrap()["candidates"][0]["content"]["parts"],
        parts
    );

    let next = |parts: Value, responses: Value| {
        json!({"contents": [user(json!({"text": marker})), {"role": "model", "parts": parts},
            {"role": "user", "parts": responses}], "tools": weather()})
    };
    let both = json!([response("weather", "sunny"), response("weather", "rainy")]);
    let last = good(&sim, "gemini-3-pro", &next(parts.clone(), both)).await;
    assert_eq!(
        last["candidates"][0]["content"]["parts"][0]["text"],
        "The tools say: sunny | rainy"
    );
    let one = json!([response("weather", "sunny")]);
    let table = [
        (call(&json!({})), Some("missing a thought_signature")),
        (
            call(&json!({"thoughtSignature": "AAAA"})),
            Some("Corrupted thought signature"),
        ),
        (
            call(&json!({"thoughtSignature": parts[0]["thoughtSignature"]})),
            None,
        ),
        (
            call(&json!({"thoughtSignature": "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="})),
            None,
        ),
    ];
    for (call, refused) in table {
        let extra = next(json!([call]), one.clone());
        let reply = generate(&sim, "gemini-3-pro", &extra).await;
        match refused {
            Some(message) => assert_refused(&reply, &extra, message),
            None => assert_eq!(reply.status, StatusCode::OK, "{}", reply.text()),
        }
    }
    good(
        &sim,
        "gemini-2.5-pro",
        &next(json!([call(&json!({}))]), one),
    )
    .await;
}

#[tokio::test]
async fn answers_end_in_every_way() {
    let sim = start().await;
    let marked =
        |marker: &str| json!({"contents": [user(json!({"text": format!("[[sim:{marker}]]")}))]});
    let blocked = good(&sim, "m", &marked(r#"{"blocked":true}"#)).await;
    assert_eq!(
        blocked["promptFeedback"]["blockReason"],
        "PROHIBITED_CONTENT"
    );
    assert_eq!(blocked.get("candidates"), None);
    let refused = good(&sim, "m", &marked(r#"{"refusal":"no"}"#)).await;
    assert_eq!(refused["candidates"][0]["finishReason"], "SAFETY");
    assert_eq!(refused["candidates"][0]["finishMessage"], "no");
    let filtered = good(&sim, "m", &marked(r#"{"finish":"content_filter"}"#)).await;
    assert_eq!(filtered["candidates"][0]["finishReason"], "SAFETY");
    let config = json!({"candidateCount": 2, "thinkingConfig": {"includeThoughts": true}});
    let thought = good(&sim, "gemini-2.5-pro", &json!({"generationConfig": config})).await;
    assert_eq!(thought["candidates"].as_array().unwrap().len(), 2);
    assert_eq!(
        thought["candidates"][1]["content"]["parts"][0]["thought"],
        true
    );
    let usage = &thought["usageMetadata"];
    assert_eq!(usage["thoughtsTokenCount"], 16);
    assert_eq!(usage["candidatesTokenCount"], 32);
    let schema = json!({"type": "OBJECT", "properties": {"age": {"type": "INTEGER"}}});
    let format = json!({"generationConfig": {"responseMimeType": "application/json", "responseSchema": schema}});
    let formatted = good(&sim, "m", &format).await;
    assert_eq!(
        formatted["candidates"][0]["content"]["parts"][0]["text"],
        r#"{"age":1}"#
    );
}

#[tokio::test]
async fn tokens_vectors_and_models_are_served() {
    let sim = start().await;
    let post =
        async |path: &str, body: Value| send_to(&sim, Method::POST, path, &body).await.json();
    assert_eq!(
        post("/m:countTokens", ask(&json!({}))).await["totalTokens"],
        6
    );
    let content = json!({"parts": [{"text": "a"}]});
    let one = post(
        "/m:embedContent",
        json!({"content": content, "outputDimensionality": 8}),
    )
    .await;
    assert_eq!(one["embedding"]["values"].as_array().unwrap().len(), 8);
    let request = json!({"model": "models/m", "content": content, "outputDimensionality": 8});
    let batch = post(
        "/m:batchEmbedContents",
        json!({"requests": [request, request]}),
    )
    .await;
    assert_eq!(
        batch["embeddings"],
        json!([one["embedding"], one["embedding"]])
    );
    let foreign = post("/n:batchEmbedContents", json!({"requests": [request]})).await;
    assert_eq!(foreign["error"]["status"], "INVALID_ARGUMENT");
    let get = async |path: &str| send_to(&sim, Method::GET, path, &json!({})).await.json();
    assert_eq!(
        get("").await["models"][0]["name"],
        "models/gemini-2.5-flash"
    );
    assert_eq!(get("/m").await["name"], "models/m");
    // The SDKs from 3 on leave out the "beta".
    let headers = [("x-goog-api-key", "AIza")];
    for (method, path, field) in [
        (Method::GET, "/v1/models", "models"),
        (Method::POST, "/v1/models/m:generateContent", "candidates"),
    ] {
        let body = ask(&json!({})).to_string();
        let reply = send_with(&pool(false), &sim, method, path, &headers, body).await;
        assert!(reply.unwrap().json()[field].is_array(), "{path}");
    }
}

#[tokio::test]
async fn faults_speak_the_dialect() {
    let limited = Behaviour::status(429).retry_after(RetryAfter::Seconds(7));
    let sim = start_failing(limited).await;
    let error = generate(&sim, "m", &json!({})).await.json()["error"].clone();
    assert_eq!(error["status"], "RESOURCE_EXHAUSTED");
    assert_eq!(error["details"][0]["retryDelay"], "7s");
    sim.fail(Behaviour::status(401));
    assert_eq!(
        generate(&sim, "m", &json!({})).await.json()["error"]["status"],
        "UNAUTHENTICATED"
    );
    sim.fail(Behaviour::fault(Fault::ErrorEvent { after_events: 1 }));
    let chunks = stream(&sim, "m", &json!({})).await.chunks();
    assert_eq!(chunks.len(), 2);
    assert_eq!(chunks[1]["error"]["code"], 503);
}
