//! Every client protocol before every type of provider: answers, streams, tools, errors, counts, embeddings.

use http::StatusCode;
use protocol::UsageSource;
use serde_json::{Value, json};
use simulator::{Behaviour, ErrorKind, Fault, Point, Simulator};

use crate::gateway::{Gateway, PROVIDER_KEY, Reply, Setup, post, simulator};

/// The formats clients ask for text in.
pub(crate) const CLIENTS: [Client; 4] = [
    Client::Chat,
    Client::Responses,
    Client::Messages,
    Client::Gemini,
];
pub(crate) const KINDS: [&str; 3] = ["openai", "anthropic", "gemini"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Client {
    Chat,
    Responses,
    Messages,
    Gemini,
}

impl Client {
    pub(crate) fn path(self, stream: bool) -> &'static str {
        match (self, stream) {
            (Self::Chat, _) => "/v1/chat/completions",
            (Self::Responses, _) => "/v1/responses",
            (Self::Messages, _) => "/v1/messages",
            (Self::Gemini, false) => "/v1beta/models/m:generateContent",
            (Self::Gemini, true) => "/v1beta/models/m:streamGenerateContent?alt=sse",
        }
    }

    pub(crate) fn body(self, stream: bool, tools: bool) -> Value {
        let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
        let mut body = match self {
            Self::Chat => json!({"model": "m", "messages": [{"role": "user", "content": "hello"}]}),
            Self::Responses => json!({"model": "m", "input": "hello", "store": false}),
            Self::Messages => {
                json!({"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "hello"}]})
            }
            Self::Gemini => json!({"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}),
        };
        if stream && self != Self::Gemini {
            body["stream"] = true.into();
        }
        if tools {
            body["tools"] = match self {
                Self::Chat => {
                    json!([{"type": "function", "function": {"name": "look", "parameters": schema}}])
                }
                Self::Responses => {
                    json!([{"type": "function", "name": "look", "parameters": schema, "strict": false}])
                }
                Self::Messages => json!([{"name": "look", "input_schema": schema}]),
                Self::Gemini => {
                    json!([{"functionDeclarations": [{"name": "look", "parametersJsonSchema": schema}]}])
                }
            };
        }
        body
    }

    /// The text of a whole answer.
    pub(crate) fn text(self, answer: &Value) -> String {
        let pointer = match self {
            Self::Chat => "/choices/0/message/content",
            Self::Responses => "/output/0/content/0/text",
            Self::Messages => "/content/0/text",
            Self::Gemini => "/candidates/0/content/parts/0/text",
        };
        answer
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_else(|| panic!("{self:?}: {answer}"))
            .to_owned()
    }

    /// The text that the events of a stream tell.
    pub(crate) fn streamed(self, reply: &Reply) -> String {
        let pointer = match self {
            Self::Chat => "/choices/0/delta/content",
            Self::Responses => "/delta",
            Self::Messages => "/delta/text",
            Self::Gemini => "/candidates/0/content/parts/0/text",
        };
        let events = reply.events().into_iter();
        let parsed = events.filter_map(|data| serde_json::from_str::<Value>(data).ok());
        parsed
            .filter_map(|event| Some(event.pointer(pointer)?.as_str()?.to_owned()))
            .collect()
    }

    pub(crate) fn end_marker(self) -> &'static str {
        match self {
            Self::Chat => "data: [DONE]",
            Self::Responses => "response.completed",
            Self::Messages => "message_stop",
            Self::Gemini => "\"STOP\"",
        }
    }

    /// The name of the tool that a whole answer calls.
    pub(crate) fn called(self, answer: &Value) -> &Value {
        let pointer = match self {
            Self::Chat => "/choices/0/message/tool_calls/0/function/name",
            Self::Responses => "/output/0/name",
            Self::Messages => "/content/0/name",
            Self::Gemini => "/candidates/0/content/parts/0/functionCall/name",
        };
        answer.pointer(pointer).unwrap_or(&Value::Null)
    }

    pub(crate) fn prompt_tokens(self, answer: &Value) -> u64 {
        let pointer = match self {
            Self::Chat => "/usage/prompt_tokens",
            Self::Responses | Self::Messages => "/usage/input_tokens",
            Self::Gemini => "/usageMetadata/promptTokenCount",
        };
        answer
            .pointer(pointer)
            .and_then(Value::as_u64)
            .unwrap_or_default()
    }

    /// The sentence of an error in this format, with its status where that stands in it.
    #[track_caller]
    pub(crate) fn error(self, reply: &Reply) -> String {
        let body = reply.json();
        let status = reply.status.as_u16();
        match self {
            Self::Chat | Self::Responses => assert!(body["error"]["type"].is_string(), "{body}"),
            Self::Messages => {
                assert_eq!(body["type"], "error", "{body}");
                assert!(body["error"]["type"].is_string(), "{body}");
                assert_eq!(reply.header("request-id"), reply.header("x-request-id"));
            }
            Self::Gemini => {
                assert_eq!(body["error"]["code"], status, "{body}");
                assert!(body["error"]["status"].is_string(), "{body}");
            }
        }
        body["error"]["message"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn ask(self, gateway: &Gateway, stream: bool, tools: bool) -> Reply {
        let body = self.body(stream, tools).to_string();
        send(gateway, self.path(stream), body).await
    }
}

pub(crate) async fn send(gateway: &Gateway, path: &str, body: impl Into<bytes::Bytes>) -> Reply {
    Reply::of(gateway.serve(post(path, body, &[])).await).await
}

/// The configuration of a provider of that type at the simulator, the `index`th to be tried.
pub(crate) fn config(kind: &str, simulator: &Simulator, index: usize) -> Value {
    let base_url = match kind {
        "openai" => simulator.base_url(),
        _ => simulator.origin(),
    };
    let mut config = json!({"base_url": base_url, "priority": 100 - index});
    if kind == "openai" {
        config["api"] = "chat".into();
    }
    config
}

async fn gateway(kind: &'static str, simulator: &Simulator) -> Gateway {
    Setup::new()
        .provider_of(kind, &config(kind, simulator, 0))
        .start()
        .await
}

#[tokio::test]
async fn every_client_gets_answers_of_every_type_of_provider() {
    for kind in KINDS {
        for client in CLIENTS {
            let simulator = simulator().await;
            let mut gateway = gateway(kind, &simulator).await;
            let reply = client.ask(&gateway, false, false).await;
            assert_eq!(
                reply.status,
                StatusCode::OK,
                "{kind} {client:?}: {}",
                reply.text()
            );
            assert_eq!(reply.header("content-type"), "application/json");
            let answer = reply.json();
            assert!(!client.text(&answer).is_empty());
            assert!(
                client.prompt_tokens(&answer) > 0,
                "{kind} {client:?}: {answer}"
            );
            assert_eq!(reply.header("x-gateway-attempts"), "1");
            let record = gateway.record();
            let usage = record.attempts[0].usage.unwrap();
            assert_eq!(usage.source, protocol::UsageSource::Provider);
            assert_eq!(
                usage.prompt,
                client.prompt_tokens(&answer),
                "{kind} {client:?}"
            );
        }
    }
}

#[tokio::test]
async fn every_client_gets_streams_of_every_type_of_provider() {
    for kind in KINDS {
        for client in CLIENTS {
            let simulator = simulator().await;
            let mut gateway = gateway(kind, &simulator).await;
            let whole = client.ask(&gateway, false, false).await.json();
            gateway.record();
            let reply = client.ask(&gateway, true, false).await;
            assert_eq!(
                reply.status,
                StatusCode::OK,
                "{kind} {client:?}: {}",
                reply.text()
            );
            assert!(
                reply
                    .header("content-type")
                    .starts_with("text/event-stream")
            );
            assert!(
                client.streamed(&reply).starts_with(&client.text(&whole)),
                "{kind} {client:?}: {}",
                reply.text()
            );
            assert!(
                reply.text().contains(client.end_marker()),
                "{kind} {client:?}: {}",
                reply.text()
            );
            let record = gateway.record();
            assert_eq!((record.status_code, record.error_class), (200, None));
            let usage = record.attempts[0].usage.unwrap();
            assert_eq!(
                usage.source,
                protocol::UsageSource::Provider,
                "{kind} {client:?}"
            );
        }
    }
}

#[tokio::test]
async fn every_client_calls_tools_by_every_type_of_provider() {
    for kind in KINDS {
        for client in CLIENTS {
            let simulator = simulator().await;
            let gateway = gateway(kind, &simulator).await;
            let reply = client.ask(&gateway, false, true).await;
            assert_eq!(
                reply.status,
                StatusCode::OK,
                "{kind} {client:?}: {}",
                reply.text()
            );
            let answer = reply.json();
            assert_eq!(
                client.called(&answer),
                "look",
                "{kind} {client:?}: {answer}"
            );
            let stream = client.ask(&gateway, true, true).await;
            assert!(
                stream.text().contains("look"),
                "{kind} {client:?}: {}",
                stream.text()
            );
        }
    }
}

#[tokio::test]
async fn errors_are_told_in_the_clients_format() {
    for kind in KINDS {
        for client in CLIENTS {
            let simulator = simulator().await;
            let mut gateway = gateway(kind, &simulator).await;
            simulator.fail(Behaviour::status(422));
            let reply = client.ask(&gateway, false, false).await;
            assert_eq!(
                reply.status.as_u16(),
                422,
                "{kind} {client:?}: {}",
                reply.text()
            );
            assert!(!client.error(&reply).is_empty());
            assert_eq!(gateway.record().error_class, Some("client_error"));
            simulator.fail(Behaviour::status(500));
            let reply = client.ask(&gateway, false, false).await;
            assert_eq!(
                reply.status.as_u16(),
                502,
                "{kind} {client:?}: {}",
                reply.text()
            );
            assert!(client.error(&reply).contains("every provider failed"));
            simulator.fail(Behaviour::status(529));
            let reply = client.ask(&gateway, true, false).await;
            let overloaded = if client == Client::Messages { 529 } else { 503 };
            assert_eq!(
                reply.status.as_u16(),
                overloaded,
                "{kind} {client:?}: {}",
                reply.text()
            );
            assert!(!reply.text().contains(PROVIDER_KEY));
        }
    }
}

#[tokio::test]
async fn a_stream_that_breaks_ends_in_the_clients_own_error_event() {
    for kind in KINDS {
        for client in CLIENTS {
            let simulator = simulator().await;
            let gateway = gateway(kind, &simulator).await;
            simulator.fail(Behaviour::fault(Fault::Close { at: Point::MidBody }));
            let reply = client.ask(&gateway, true, false).await;
            let text = reply.text();
            assert!(
                !text.contains(client.end_marker()),
                "{kind} {client:?}: {text}"
            );
            assert!(text.contains("error"), "{kind} {client:?}: {text}");
        }
    }
}

#[tokio::test]
async fn a_provider_of_another_type_answers_where_one_fails() {
    for client in CLIENTS {
        let (first, second) = (simulator().await, simulator().await);
        let mut gateway = Setup::new()
            .max_retry(1)
            .provider_of("anthropic", &config("anthropic", &first, 0))
            .provider_of("gemini", &config("gemini", &second, 1))
            .start()
            .await;
        first.fail(Behaviour::fault(Fault::Close {
            at: Point::AfterHeaders,
        }));
        let reply = client.ask(&gateway, true, false).await;
        assert_eq!(reply.status, StatusCode::OK, "{client:?}: {}", reply.text());
        assert!(
            reply.text().contains(client.end_marker()),
            "{client:?}: {}",
            reply.text()
        );
        assert_eq!(reply.header("x-gateway-provider"), "b");
        assert_eq!(reply.header("x-gateway-attempts"), "2");
        assert_eq!(gateway.record().attempts.len(), 2);
    }
}

#[tokio::test]
async fn a_candidate_that_cannot_be_asked_is_passed_over_uncounted() {
    let (first, second) = (simulator().await, simulator().await);
    let mut gateway = Setup::new()
        .provider_of("anthropic", &config("anthropic", &first, 0))
        .provider_of("openai", &config("openai", &second, 1))
        .start()
        .await;
    let mut body = Client::Chat.body(false, false);
    body["n"] = 2.into();
    let reply = send(&gateway, "/v1/chat/completions", body.to_string()).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
    assert_eq!(reply.header("x-gateway-provider"), "b");
    assert_eq!(reply.header("x-gateway-attempts"), "1");
    assert!(first.requests().is_empty());
    assert_eq!(gateway.record().attempts.len(), 1);

    let lone = gateway_of_anthropic(&first).await;
    let reply = send(&lone, "/v1/chat/completions", body.to_string()).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    assert_eq!(reply.json()["error"]["param"], "n", "{}", reply.text());
    assert!(first.requests().is_empty());
}

async fn gateway_of_anthropic(simulator: &Simulator) -> Gateway {
    gateway("anthropic", simulator).await
}

#[tokio::test]
async fn what_was_left_out_is_named() {
    let simulator = simulator().await;
    let gateway = gateway_of_anthropic(&simulator).await;
    let mut body = Client::Chat.body(false, false);
    body["seed"] = 7.into();
    body["presence_penalty"] = 0.5.into();
    let reply = send(&gateway, "/v1/chat/completions", body.to_string()).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
    let dropped: Vec<&str> = reply.header("x-gateway-dropped").split(',').collect();
    assert!(
        dropped.contains(&"seed") && dropped.contains(&"presence_penalty"),
        "{dropped:?}"
    );
    let sent = simulator.requests()[0].json();
    assert_eq!(
        (&sent["seed"], &sent["model"]),
        (&Value::Null, &json!("up-a"))
    );
}

#[tokio::test]
async fn reasoning_of_another_family_does_not_pass_unnamed() {
    let simulator = simulator().await;
    let gateway = gateway("openai", &simulator).await;
    let block = json!({"type": "thinking", "thinking": "hm", "signature": "lo1.anthropic.c2ln"});
    let mut body = Client::Chat.body(false, false);
    body["messages"] = json!([
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hi", "reasoning_content": "hm", "thinking_blocks": [block]},
        {"role": "user", "content": "And now?"},
    ]);
    let reply = send(&gateway, "/v1/chat/completions", body.to_string()).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
    assert_eq!(
        reply.header("x-gateway-dropped"),
        "messages.thinking_blocks"
    );
}

#[tokio::test]
async fn a_request_that_is_wrong_for_its_own_format_is_refused_at_once() {
    let simulator = simulator().await;
    let gateway = gateway_of_anthropic(&simulator).await;
    let mut body = Client::Chat.body(false, false);
    body["temperature"] = "hot".into();
    let reply = send(&gateway, "/v1/chat/completions", body.to_string()).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    assert_eq!(
        reply.json()["error"]["param"],
        "temperature",
        "{}",
        reply.text()
    );
    assert!(simulator.requests().is_empty());
}

#[tokio::test]
async fn a_gemini_client_without_events_reads_an_array() {
    for kind in KINDS {
        let simulator = simulator().await;
        let gateway = gateway(kind, &simulator).await;
        let body = Client::Gemini.body(true, false).to_string();
        let reply = send(&gateway, "/v1beta/models/m:streamGenerateContent", body).await;
        assert_eq!(reply.header("content-type"), "application/json");
        let chunks = reply.json();
        let chunks = chunks
            .as_array()
            .unwrap_or_else(|| panic!("{kind}: {}", reply.text()));
        assert!(chunks.len() > 1, "{kind}: {}", reply.text());
        let last = chunks.last().unwrap();
        assert_eq!(
            last["candidates"][0]["finishReason"], "STOP",
            "{kind}: {last}"
        );
        if kind == "gemini" {
            assert!(simulator.requests()[0].path.ends_with("alt=sse"));
        }
    }
}

#[tokio::test]
async fn each_type_is_called_by_its_own_path_and_key() {
    for (kind, path, header) in [
        ("openai", "/v1/chat/completions", "authorization"),
        ("anthropic", "/v1/messages", "x-api-key"),
        (
            "gemini",
            "/v1beta/models/up-a:generateContent",
            "x-goog-api-key",
        ),
    ] {
        let simulator = simulator().await;
        let gateway = gateway(kind, &simulator).await;
        Client::Chat.ask(&gateway, false, false).await;
        let sent = simulator.requests().pop().unwrap();
        assert_eq!(sent.path, path);
        assert!(
            sent.headers[header]
                .to_str()
                .unwrap()
                .ends_with(PROVIDER_KEY),
            "{kind}"
        );
    }
}

#[tokio::test]
async fn tokens_are_counted_by_the_provider_or_else_here() {
    let counts = [
        (
            "/v1/responses/input_tokens",
            Client::Responses,
            "input_tokens",
        ),
        (
            "/v1/messages/count_tokens",
            Client::Messages,
            "input_tokens",
        ),
        (
            "/v1beta/models/m:countTokens",
            Client::Gemini,
            "totalTokens",
        ),
    ];
    for kind in KINDS {
        for (path, client, field) in counts {
            let simulator = simulator().await;
            let mut gateway = gateway(kind, &simulator).await;
            // In the bare form of its request Gemini counts contents only.
            let mut body = client.body(false, client != Client::Gemini);
            if let Some(body) = body.as_object_mut() {
                body.remove("max_tokens");
                body.remove("store");
            }
            let reply = send(&gateway, path, body.to_string()).await;
            assert_eq!(
                reply.status,
                StatusCode::OK,
                "{kind} {client:?}: {}",
                reply.text()
            );
            assert!(
                reply.json()[field].as_u64().unwrap() > 0,
                "{kind} {client:?}: {}",
                reply.text()
            );
            let is_estimated = kind == "openai";
            assert_eq!(
                reply.header("x-gateway-estimated") == "true",
                is_estimated,
                "{kind} {client:?}"
            );
            assert_eq!(simulator.requests().is_empty(), is_estimated);
            let record = gateway.record();
            assert_eq!(
                (record.status_code, record.endpoint.contains("oken")),
                (200, true)
            );
        }
    }
}

#[tokio::test]
async fn a_legacy_completion_reaches_every_type_of_provider() {
    for kind in KINDS {
        for stream in [false, true] {
            let simulator = simulator().await;
            let mut gateway = gateway(kind, &simulator).await;
            let mut body =
                json!({"model": "m", "prompt": "Once", "max_tokens": 9, "stream": stream});
            if stream {
                body["stream_options"] = json!({"include_usage": true});
            }
            let reply = send(&gateway, "/v1/completions", body.to_string()).await;
            assert_eq!(reply.status, StatusCode::OK, "{kind}: {}", reply.text());
            let text = if stream {
                reply.assert_is_complete_stream();
                let events = reply.events();
                let (_, chunks) = events.split_last().unwrap();
                let chunks: Vec<Value> = chunks
                    .iter()
                    .map(|chunk| serde_json::from_str(chunk).unwrap())
                    .collect();
                assert!(chunks.iter().all(|it| it["object"] == "text_completion"));
                let (usage, chunks) = chunks.split_last().unwrap();
                assert!(usage["usage"]["total_tokens"].is_u64(), "{kind}: {usage}");
                let last = &chunks.last().unwrap()["choices"][0];
                assert!(last["finish_reason"].is_string(), "{kind}: {last}");
                let texts = chunks.iter().map(|it| it["choices"][0]["text"].as_str());
                texts.collect::<Option<String>>().unwrap()
            } else {
                let answer = reply.json();
                assert_eq!(answer["object"], "text_completion");
                assert!(answer["usage"]["total_tokens"].is_u64(), "{kind}: {answer}");
                answer["choices"][0]["text"].as_str().unwrap().to_owned()
            };
            assert!(!text.is_empty(), "{kind}");
            let record = gateway.record();
            assert_eq!(
                (record.endpoint, record.stream),
                ("/v1/completions", stream)
            );
            let usage = record.attempts[0].usage.unwrap();
            assert_eq!(usage.source, UsageSource::Provider, "{kind}");
        }
    }
}

#[tokio::test]
async fn what_only_a_completion_can_give_is_asked_of_those_that_have_it() {
    let (anthropic, openai) = (simulator().await, simulator().await);
    let first = config("anthropic", &anthropic, 0);
    let alone = Setup::new().provider_of("anthropic", &first).start().await;
    let body = json!({"model": "m", "prompt": "Once", "echo": true}).to_string();
    let refused = send(&alone, "/v1/completions", body.clone()).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert_eq!(refused.json()["error"]["param"], "echo");
    let both = Setup::new()
        .provider_of("anthropic", &first)
        .provider(&config("openai", &openai, 1))
        .max_retry(1)
        .start()
        .await;
    let echoed = send(&both, "/v1/completions", body).await;
    assert_eq!(
        echoed.header("x-gateway-provider"),
        "b",
        "{}",
        echoed.text()
    );
    assert!(anthropic.requests().is_empty());
}

#[tokio::test]
async fn geminis_clients_may_write_the_version_v1() {
    let simulator = simulator().await;
    let mut gateway = gateway("gemini", &simulator).await;
    let body = Client::Gemini.body(false, false).to_string();
    for prefix in ["", "/gemini"] {
        let path = format!("{prefix}/v1/models/m:generateContent");
        let reply = send(&gateway, &path, body.clone()).await;
        assert!(reply.json()["candidates"].is_array(), "{}", reply.text());
        let record = gateway.record();
        assert_eq!(record.endpoint, "/v1beta/models/{model}:generateContent");
    }
    let key = [("x-goog-api-key", "ignored beside the authorization")];
    let list = gateway.get("/v1/models?pageSize=5", &key).await.json();
    assert_eq!(list["models"][0]["name"], "models/m");
    let one = gateway.get("/gemini/v1/models/m", &[]).await.json();
    assert_eq!(one["name"], "models/m");
    let missing = gateway.get("/v1/models/none", &key).await.json();
    assert_eq!(missing["error"]["status"], "NOT_FOUND");
}

#[tokio::test]
async fn embeddings_cross_over() {
    let simulator = simulator().await;
    let of_gemini = gateway("gemini", &simulator).await;
    let body = json!({"model": "m", "input": ["a", "b"]}).to_string();
    let reply = send(&of_gemini, "/v1/embeddings", body).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
    assert_eq!(reply.json()["data"].as_array().unwrap().len(), 2);

    let of_openai = gateway("openai", &simulator).await;
    let content = json!({"parts": [{"text": "a"}]});
    let one = json!({"content": content}).to_string();
    let reply = send(&of_openai, "/v1beta/models/m:embedContent", one).await;
    assert!(
        reply.json()["embedding"]["values"].is_array(),
        "{}",
        reply.text()
    );
    let batch = json!({"requests": [{"model": "models/m", "content": content}, {"model": "models/m", "content": content}]});
    let reply = send(
        &of_openai,
        "/v1beta/models/m:batchEmbedContents",
        batch.to_string(),
    )
    .await;
    assert_eq!(
        reply.json()["embeddings"].as_array().unwrap().len(),
        2,
        "{}",
        reply.text()
    );

    let of_anthropic = gateway_of_anthropic(&simulator).await;
    let body = json!({"model": "m", "input": "a"}).to_string();
    let reply = send(&of_anthropic, "/v1/embeddings", body).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    assert!(
        reply.text().contains("serves this endpoint"),
        "{}",
        reply.text()
    );
}

#[tokio::test]
async fn models_are_listed_in_the_form_of_each_protocol() {
    let simulator = simulator().await;
    let gateway = gateway("openai", &simulator).await;
    let openai = gateway.get("/v1/models", &[]).await.json();
    assert_eq!(openai["data"][0]["object"], "model");
    let version = [("anthropic-version", "2023-06-01")];
    let anthropic = gateway.get("/v1/models?limit=1", &version).await.json();
    assert_eq!(
        (&anthropic["data"][0]["id"], &anthropic["has_more"]),
        (&json!("m"), &json!(false))
    );
    assert_eq!(
        gateway.get("/anthropic/v1/models/m", &[]).await.json()["type"],
        "model"
    );
    let after = gateway.get("/v1/models?after_id=m", &version).await.json();
    assert_eq!(after["data"], json!([]));
    let wrong = gateway.get("/v1/models?limit=0", &version).await;
    assert_eq!(
        (wrong.status.as_u16(), wrong.json()["type"].clone()),
        (400, json!("error"))
    );
    let gemini = gateway.get("/v1beta/models?pageSize=10", &[]).await.json();
    assert_eq!(gemini["models"][0]["name"], "models/m");
    assert_eq!(
        gateway.get("/v1beta/models/m", &[]).await.json()["name"],
        "models/m"
    );
    let missing = gateway.get("/v1beta/models/none", &[]).await;
    assert_eq!(
        missing.json()["error"]["status"],
        "NOT_FOUND",
        "{}",
        missing.text()
    );
}

#[tokio::test]
async fn what_comes_before_authentication_is_told_in_the_clients_format_too() {
    let simulator = simulator().await;
    let gateway = gateway("openai", &simulator).await;
    for client in CLIENTS {
        let mut request = post(client.path(false), "{}", &[]);
        request.headers_mut().remove("authorization");
        let reply = Reply::of(gateway.serve(request).await).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
        assert!(client.error(&reply).contains("API key"), "{}", reply.text());
    }
}

#[tokio::test]
async fn rate_limits_of_a_foreign_protocol_do_not_reach_the_client() {
    let simulator = simulator().await;
    let gateway = gateway_of_anthropic(&simulator).await;
    simulator.fail(Behaviour::error(ErrorKind::RateLimit));
    let reply = Client::Chat.ask(&gateway, false, false).await;
    assert_eq!(reply.status.as_u16(), 429);
    let foreign = reply
        .headers
        .keys()
        .filter(|name| name.as_str().starts_with("anthropic-"));
    assert_eq!(foreign.count(), 0);
}
