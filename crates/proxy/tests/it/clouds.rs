//! Every client protocol before the cloud vendors' types of provider, each with its own proof of who asks.

use std::sync::LazyLock;

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rsa::{KeyPair, KeySize},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use entities::model_provider;
use http::StatusCode;
use sea_orm::ActiveValue::Set;
use serde_json::{Value, json};
use simulator::{AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, Behaviour, Fault, Point, Simulator};

use crate::{
    gateway::{Gateway, PROVIDER_KEY, Reply, Setup, post, simulator},
    protocols::{CLIENTS, Client, send},
};

const CLOUDS: [Cloud; 6] = [
    Cloud::AzureDated,
    Cloud::AzureV1,
    Cloud::Bedrock,
    Cloud::BedrockKey,
    Cloud::VertexGemini,
    Cloud::VertexClaude,
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cloud {
    AzureDated,
    AzureV1,
    /// With an access key, which signs.
    Bedrock,
    /// With an API key.
    BedrockKey,
    VertexGemini,
    VertexClaude,
}

/// A service account's private key in PEM form.
static PRIVATE_KEY: LazyLock<String> = LazyLock::new(|| {
    let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der: Pkcs8V1Der<'_> = key.as_der().unwrap();
    let text = STANDARD.encode(der.as_ref());
    format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n")
});

impl Cloud {
    fn kind(self) -> &'static str {
        match self {
            Self::AzureDated | Self::AzureV1 => "azure",
            Self::Bedrock | Self::BedrockKey => "bedrock",
            Self::VertexGemini | Self::VertexClaude => "vertex",
        }
    }

    fn config(self, origin: &str) -> Value {
        let own = match self {
            Self::AzureDated => json!({"api_version": "2024-10-21"}),
            Self::AzureV1 => json!({}),
            Self::BedrockKey => json!({"region": "us-east-1"}),
            Self::Bedrock => json!({
                "region": "us-east-1", "api_key": null, "access_key_id": AWS_ACCESS_KEY_ID,
                "secret_access_key": format!("plain:{AWS_SECRET_ACCESS_KEY}"), "session_token": "plain:session-0123456",
            }),
            Self::VertexGemini | Self::VertexClaude => {
                let key = json!({
                    "type": "service_account", "client_email": "gateway@p-1.iam.gserviceaccount.com",
                    "private_key": &*PRIVATE_KEY, "private_key_id": "k1", "token_uri": format!("{origin}/token"),
                });
                json!({"project": "p-1", "location": "global", "api_key": null, "service_account": format!("plain:{key}")})
            }
        };
        let mut config = json!({"base_url": origin});
        config
            .as_object_mut()
            .unwrap()
            .extend(own.as_object().unwrap().clone());
        config
    }

    /// Names the association's model as the vendor does.
    fn names(self) -> fn(usize, &mut model_provider::ActiveModel) {
        match self {
            Self::AzureDated | Self::AzureV1 => {
                |_, row| row.provider_model = Set("my-deployment".into())
            }
            Self::Bedrock | Self::BedrockKey => |_, row| {
                row.provider_model = Set("us.anthropic.claude-sonnet-4-20250514-v1:0".into())
            },
            Self::VertexGemini => |_, row| row.provider_model = Set("gemini-2.5-flash".into()),
            Self::VertexClaude => {
                |_, row| row.provider_model = Set("claude-sonnet-4@20250514".into())
            }
        }
    }

    /// Path and query of a call that generates text.
    fn path(self, client: Client, stream: bool) -> String {
        let vertex = "/v1/projects/p-1/locations/global/publishers";
        match self {
            Self::AzureDated => {
                "/openai/deployments/my-deployment/chat/completions?api-version=2024-10-21"
                    .to_owned()
            }
            Self::AzureV1 if client == Client::Responses => "/openai/v1/responses".to_owned(),
            Self::AzureV1 => "/openai/v1/chat/completions".to_owned(),
            Self::Bedrock | Self::BedrockKey => {
                let verb = if stream {
                    "invoke-with-response-stream"
                } else {
                    "invoke"
                };
                format!("/model/us.anthropic.claude-sonnet-4-20250514-v1%3A0/{verb}")
            }
            Self::VertexGemini => {
                let verb = if stream {
                    "streamGenerateContent?alt=sse"
                } else {
                    "generateContent"
                };
                format!("{vertex}/google/models/gemini-2.5-flash:{verb}")
            }
            Self::VertexClaude => {
                let verb = if stream {
                    "streamRawPredict"
                } else {
                    "rawPredict"
                };
                format!("{vertex}/anthropic/models/claude-sonnet-4%4020250514:{verb}")
            }
        }
    }

    async fn gateway(self, simulator: &Simulator) -> Gateway {
        Setup::new()
            .provider_of(self.kind(), &self.config(&simulator.origin()))
            .association(self.names())
            .start()
            .await
    }
}

/// The last request that the simulator saw.
fn last(simulator: &Simulator) -> simulator::Recorded {
    simulator.requests().pop().unwrap()
}

#[tokio::test]
async fn every_client_gets_answers_of_every_cloud() {
    for cloud in CLOUDS {
        let simulator = simulator().await;
        let mut gateway = cloud.gateway(&simulator).await;
        for client in CLIENTS {
            let reply = client.ask(&gateway, false, false).await;
            assert_eq!(
                reply.status,
                StatusCode::OK,
                "{cloud:?} {client:?}: {}",
                reply.text()
            );
            let answer = reply.json();
            assert!(!client.text(&answer).is_empty(), "{cloud:?} {client:?}");
            assert_eq!(
                last(&simulator).path,
                cloud.path(client, false),
                "{client:?}"
            );
            let usage = gateway.record().attempts[0].usage.unwrap();
            assert_eq!(
                usage.source,
                protocol::UsageSource::Provider,
                "{cloud:?} {client:?}"
            );
            assert_eq!(
                usage.prompt,
                client.prompt_tokens(&answer),
                "{cloud:?} {client:?}"
            );
        }
    }
}

#[tokio::test]
async fn every_client_gets_streams_of_every_cloud() {
    for cloud in CLOUDS {
        let simulator = simulator().await;
        let mut gateway = cloud.gateway(&simulator).await;
        for client in CLIENTS {
            let whole = client.ask(&gateway, false, false).await.json();
            gateway.record();
            let reply = client.ask(&gateway, true, false).await;
            let text = reply.text();
            assert_eq!(reply.status, StatusCode::OK, "{cloud:?} {client:?}: {text}");
            assert!(
                reply
                    .header("content-type")
                    .starts_with("text/event-stream"),
                "{cloud:?} {client:?}"
            );
            assert!(
                client.streamed(&reply).starts_with(&client.text(&whole)),
                "{cloud:?} {client:?}: {text}"
            );
            assert!(
                text.contains(client.end_marker()),
                "{cloud:?} {client:?}: {text}"
            );
            assert_eq!(
                last(&simulator).path,
                cloud.path(client, true),
                "{client:?}"
            );
            let record = gateway.record();
            assert_eq!((record.status_code, record.error_class), (200, None));
            let usage = record.attempts[0].usage.unwrap();
            assert_eq!(
                usage.source,
                protocol::UsageSource::Provider,
                "{cloud:?} {client:?}"
            );
        }
    }
}

#[tokio::test]
async fn every_client_calls_tools_by_every_cloud() {
    for cloud in CLOUDS {
        let simulator = simulator().await;
        let gateway = cloud.gateway(&simulator).await;
        for client in CLIENTS {
            let reply = client.ask(&gateway, false, true).await;
            assert_eq!(
                client.called(&reply.json()),
                "look",
                "{cloud:?} {client:?}: {}",
                reply.text()
            );
            let stream = client.ask(&gateway, true, true).await;
            assert!(
                stream.text().contains("look"),
                "{cloud:?} {client:?}: {}",
                stream.text()
            );
        }
    }
}

#[tokio::test]
async fn errors_of_clouds_are_told_in_the_clients_format() {
    for cloud in CLOUDS {
        let simulator = simulator().await;
        let mut gateway = cloud.gateway(&simulator).await;
        for client in CLIENTS {
            simulator.fail(Behaviour::status(422));
            let reply = client.ask(&gateway, false, false).await;
            assert_eq!(
                reply.status.as_u16(),
                422,
                "{cloud:?} {client:?}: {}",
                reply.text()
            );
            assert!(!client.error(&reply).is_empty());
            assert_eq!(gateway.record().error_class, Some("client_error"));
            simulator.fail(Behaviour::status(500));
            let reply = client.ask(&gateway, true, false).await;
            assert_eq!(
                reply.status.as_u16(),
                502,
                "{cloud:?} {client:?}: {}",
                reply.text()
            );
            assert!(client.error(&reply).contains("every provider failed"));
            assert!(!reply.text().contains(PROVIDER_KEY));
            gateway.record();
        }
    }
}

#[tokio::test]
async fn a_stream_of_a_cloud_that_breaks_ends_in_the_clients_own_error_event() {
    for cloud in CLOUDS {
        let simulator = simulator().await;
        let gateway = cloud.gateway(&simulator).await;
        for fault in [
            Fault::Close { at: Point::MidBody },
            Fault::ErrorEvent { after_events: 8 },
        ] {
            for client in CLIENTS {
                simulator.fail(Behaviour::fault(fault.clone()));
                let reply = client.ask(&gateway, true, false).await;
                let text = reply.text();
                assert!(
                    !text.contains(client.end_marker()),
                    "{cloud:?} {client:?}: {text}"
                );
                assert!(text.contains("error"), "{cloud:?} {client:?}: {text}");
            }
        }
    }
}

#[tokio::test]
async fn an_exception_before_the_first_content_counts_as_the_answer_it_stands_for() {
    let simulator = simulator().await;
    let mut gateway = Cloud::Bedrock.gateway(&simulator).await;
    simulator.fail(Behaviour::fault(Fault::ErrorEvent { after_events: 1 }));
    let reply = Client::Messages.ask(&gateway, true, false).await;
    assert_eq!(
        reply.status,
        StatusCode::TOO_MANY_REQUESTS,
        "{}",
        reply.text()
    );
    assert_eq!(reply.json()["error"]["type"], "rate_limit_error");
    assert_eq!(gateway.record().error_class, Some("rate_limited"));
}

#[tokio::test]
async fn requests_signed_with_another_secret_are_a_mistake_of_the_configuration() {
    let simulator = simulator().await;
    let mut config = Cloud::Bedrock.config(&simulator.origin());
    config["secret_access_key"] = json!("plain:another-secret");
    let setup = Setup::new().provider_of("bedrock", &config);
    let mut gateway = setup.association(Cloud::Bedrock.names()).start().await;
    let reply = Client::Chat.ask(&gateway, false, false).await;
    assert_eq!(reply.status, StatusCode::BAD_GATEWAY);
    assert_eq!(
        gateway.record().attempts[0].error_class,
        Some("misconfigured")
    );
    assert_eq!(last(&simulator).status, Some(StatusCode::FORBIDDEN));
}

#[tokio::test]
async fn one_token_serves_many_requests() {
    let simulator = simulator().await;
    let gateway = Cloud::VertexGemini.gateway(&simulator).await;
    for client in CLIENTS {
        client.ask(&gateway, false, false).await;
    }
    let requests = simulator.requests();
    let exchanges = requests.iter().filter(|it| it.path == "/token").count();
    assert_eq!((exchanges, requests.len()), (1, 5));
}

#[tokio::test]
async fn without_a_token_nothing_is_sent() {
    let simulator = simulator().await;
    let mut config = Cloud::VertexClaude.config(&simulator.origin());
    let key = config["service_account"]
        .as_str()
        .unwrap()
        .replace("/token", "/v1/nowhere");
    config["service_account"] = key.into();
    let setup = Setup::new().provider_of("vertex", &config);
    let mut gateway = setup.association(Cloud::VertexClaude.names()).start().await;
    let reply = Client::Chat.ask(&gateway, false, false).await;
    assert_eq!(reply.status, StatusCode::BAD_GATEWAY, "{}", reply.text());
    let record = gateway.record();
    assert_eq!(record.attempts[0].error_class, Some("auth_error"));
    assert!(!reply.text().contains("127.0.0.1"), "{}", reply.text());
    assert_eq!(
        simulator.requests().len(),
        1,
        "only the token was asked for"
    );
}

#[tokio::test]
async fn tokens_are_counted_by_the_cloud_or_estimated() {
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "hello there"}], "system": "Be brief."}).to_string();
    for (cloud, asked) in [
        (
            Cloud::VertexClaude,
            Some("anthropic/models/count-tokens:rawPredict"),
        ),
        (
            Cloud::VertexGemini,
            Some("google/models/gemini-2.5-flash:countTokens"),
        ),
        (Cloud::Bedrock, None),
    ] {
        let simulator = simulator().await;
        let gateway = cloud.gateway(&simulator).await;
        let reply = send(&gateway, "/v1/messages/count_tokens", body.clone()).await;
        assert_eq!(reply.status, StatusCode::OK, "{cloud:?}: {}", reply.text());
        assert!(
            reply.json()["input_tokens"].as_u64().unwrap() > 0,
            "{cloud:?}"
        );
        let path = simulator.requests().pop().map(|it| it.path);
        match asked {
            Some(end) => assert!(path.unwrap().ends_with(end), "{cloud:?}"),
            None => assert_eq!(path, None),
        }
    }
}

#[tokio::test]
async fn gemini_s_own_count_goes_without_the_wrapper_that_vertex_does_not_know() {
    let simulator = simulator().await;
    let gateway = Cloud::VertexGemini.gateway(&simulator).await;
    let contents = json!([{"role": "user", "parts": [{"text": "hello"}]}]);
    for body in [
        json!({"contents": contents}),
        json!({"generateContentRequest": {"model": "models/m", "contents": contents}}),
    ] {
        let reply = send(&gateway, "/v1beta/models/m:countTokens", body.to_string()).await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
        assert!(reply.json()["totalTokens"].as_u64().unwrap() > 0);
        assert_eq!(last(&simulator).json(), json!({"contents": contents}));
    }
}

#[tokio::test]
async fn what_bedrock_does_not_take_in_headers_stands_in_the_body() {
    let simulator = simulator().await;
    let gateway = Cloud::Bedrock.gateway(&simulator).await;
    let body = Client::Messages.body(true, false).to_string();
    let headers = [
        ("anthropic-beta", "context-1m-2025-08-07, other"),
        ("anthropic-version", "2026-10-21"),
    ];
    let request = post("/v1/messages", body, &headers);
    let reply = Reply::of(gateway.serve(request).await).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
    let sent = last(&simulator);
    let body = sent.json();
    assert_eq!(
        body["anthropic_beta"],
        json!(["context-1m-2025-08-07", "other"])
    );
    assert_eq!(body["anthropic_version"], "bedrock-2023-05-31");
    assert_eq!((body.get("model"), body.get("stream")), (None, None));
    assert_eq!(sent.headers.get("anthropic-beta"), None);
    assert_eq!(sent.headers["x-amz-security-token"], "session-0123456");
}

#[tokio::test]
async fn azure_s_content_filter_passes_untouched() {
    for cloud in [Cloud::AzureDated, Cloud::AzureV1] {
        let simulator = simulator().await;
        let gateway = cloud.gateway(&simulator).await;
        let whole = Client::Chat.ask(&gateway, false, false).await.json();
        let found = json!({"hate": {"filtered": false, "severity": "safe"}});
        assert_eq!(whole["choices"][0]["content_filter_results"], found);
        assert_eq!(
            whole["prompt_filter_results"][0]["content_filter_results"],
            found
        );
        let stream = Client::Chat.ask(&gateway, true, false).await;
        assert!(
            stream.text().contains("prompt_filter_results"),
            "{}",
            stream.text()
        );
        assert_eq!(last(&simulator).headers["api-key"], PROVIDER_KEY);
        assert_eq!(last(&simulator).headers.get("authorization"), None);
    }
}

#[tokio::test]
async fn what_a_cloud_does_not_serve_is_refused() {
    for (cloud, path, body) in [
        (
            Cloud::VertexGemini,
            "/v1/embeddings",
            json!({"model": "m", "input": "a"}),
        ),
        (
            Cloud::Bedrock,
            "/v1/embeddings",
            json!({"model": "m", "input": "a"}),
        ),
        (
            Cloud::AzureV1,
            "/v1/moderations",
            json!({"model": "m", "input": "a"}),
        ),
    ] {
        let simulator = simulator().await;
        let gateway = cloud.gateway(&simulator).await;
        let reply = send(&gateway, path, body.to_string()).await;
        assert!(
            reply.status.is_client_error(),
            "{cloud:?}: {} {}",
            reply.status,
            reply.text()
        );
        assert!(simulator.requests().is_empty());
    }
}
