use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rsa::{KeyPair, KeySize},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use http::HeaderMap;
use router::ProviderId;
use serde_json::{Value, json};
use upstream::{Clients, NetworkPolicy};

use super::*;
use crate::{Call, Provider, Way};

fn make(kind: ProviderKind, config: Value) -> Result<Provider, ProviderError> {
    let config: ProviderConfig = serde_json::from_value(config)?;
    let secrets = Secrets::new(None).unwrap();
    let clients = Clients::new(NetworkPolicy::Any);
    Provider::new(ProviderId(1), "p".into(), kind, &config, &secrets, &clients)
}

fn call<'a>(provider: &'a Provider, endpoint: Endpoint, model: &'a str, stream: bool) -> Call<'a> {
    match provider.way(endpoint, model, stream) {
        Way::Call(call) => *call,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn goes_to(provider: &Provider, endpoint: Endpoint, model: &str, stream: bool, url: &str) {
    assert_eq!(call(provider, endpoint, model, stream).url.to_string(), url);
}

fn is_served(provider: &Provider, endpoint: Endpoint, model: &str) -> bool {
    !matches!(provider.way(endpoint, model, false), Way::Unserved)
}

/// A key file whose tokens come from `origin`.
fn key_file(origin: &str) -> String {
    let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der: Pkcs8V1Der<'_> = key.as_der().unwrap();
    let pem = STANDARD.encode(der.as_ref());
    json!({
        "type": "service_account", "client_email": "a@p.iam.gserviceaccount.com", "token_uri": format!("{origin}/token"),
        "private_key": format!("-----BEGIN PRIVATE KEY-----\n{pem}\n-----END PRIVATE KEY-----\n"),
    })
    .to_string()
}

fn vertex(location: &str) -> Provider {
    let key = key_file("https://oauth2.googleapis.com");
    let config =
        json!({"project": "p-1", "location": location, "service_account": format!("plain:{key}")});
    make(ProviderKind::Vertex, config).unwrap()
}

fn bedrock(more: Value) -> Result<Provider, ProviderError> {
    let mut config = json!({"region": "us-east-1"});
    config
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    make(ProviderKind::Bedrock, config)
}

fn keys() -> Value {
    json!({"access_key_id": "AKIDEXAMPLE", "secret_access_key": "plain:wJalrXUtnFEMI"})
}

#[test]
fn azure_s_dated_api_names_the_deployment_in_the_path() {
    for base in [
        "http://h",
        "http://h/",
        "http://h/openai",
        "http://h/openai/",
    ] {
        let config = json!({"base_url": base, "api_version": "2024-10-21"});
        let provider = make(ProviderKind::Azure, config).unwrap();
        let at = "http://h/openai/deployments/my%2Fchat";
        for (endpoint, path) in [
            (Endpoint::ChatCompletions, "chat/completions"),
            (Endpoint::Messages, "chat/completions"),
            (Endpoint::Responses, "chat/completions"),
            (Endpoint::Completions, "completions"),
            (Endpoint::Embeddings, "embeddings"),
            (Endpoint::ImageGenerations, "images/generations"),
            (Endpoint::Speech, "audio/speech"),
        ] {
            let url = format!("{at}/{path}?api-version=2024-10-21");
            goes_to(&provider, endpoint, "my/chat", false, &url);
        }
    }
    let config =
        json!({"base_url": "http://h", "api_version": "2025-04-01-preview", "api": "both"});
    let provider = make(ProviderKind::Azure, config).unwrap();
    let url = "http://h/openai/responses?api-version=2025-04-01-preview";
    goes_to(&provider, Endpoint::Responses, "m", true, url);
    assert_eq!(
        call(&provider, Endpoint::Responses, "m", true)
            .outgoing
            .model,
        Some("m")
    );
}

#[test]
fn azure_s_v1_api_names_it_in_the_body() {
    for base in ["http://h", "http://h/openai", "http://h/openai/v1/"] {
        let provider = make(ProviderKind::Azure, json!({"base_url": base})).unwrap();
        let chat = "http://h/openai/v1/chat/completions";
        goes_to(&provider, Endpoint::GenerateContent, "m", false, chat);
        goes_to(
            &provider,
            Endpoint::Responses,
            "m",
            false,
            "http://h/openai/v1/responses",
        );
        assert_eq!(
            call(&provider, Endpoint::Responses, "m", false)
                .outgoing
                .model,
            Some("m")
        );
        for endpoint in [
            Endpoint::Moderations,
            Endpoint::Rerank,
            Endpoint::ImageVariations,
        ] {
            assert!(!is_served(&provider, endpoint, "m"));
        }
    }
}

#[test]
fn azure_takes_a_key_or_a_token() {
    let headers = |key: &str| {
        let config = json!({"base_url": "http://h", "api_key": format!("plain:{key}")});
        let provider = make(ProviderKind::Azure, config).unwrap();
        call(&provider, Endpoint::Responses, "m", false).headers(&HeaderMap::new(), true)
    };
    assert_eq!(headers("k-0123")["api-key"], "k-0123");
    assert_eq!(headers("k-0123").get("authorization"), None);
    assert_eq!(headers("Bearer ey.J.x")["authorization"], "Bearer ey.J.x");
    assert_eq!(headers("Bearer ey.J.x").get("api-key"), None);
}

#[test]
fn bedrock_names_model_version_and_streaming_outside_of_the_api_s_body() {
    let provider = bedrock(keys()).unwrap();
    let host = "https://bedrock-runtime.us-east-1.amazonaws.com";
    let id = "anthropic.claude-sonnet-4-20250514-v1:0";
    for endpoint in [
        Endpoint::ChatCompletions,
        Endpoint::Messages,
        Endpoint::StreamGenerateContent,
    ] {
        let url = format!("{host}/model/anthropic.claude-sonnet-4-20250514-v1%3A0/invoke");
        goes_to(&provider, endpoint, id, false, &url);
        goes_to(
            &provider,
            endpoint,
            id,
            true,
            &format!("{url}-with-response-stream"),
        );
    }
    let arn = "arn:aws:bedrock:us-east-1:123:application-inference-profile/abc";
    let url = format!(
        "{host}/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123%3Aapplication-inference-profile%2Fabc/invoke"
    );
    goes_to(&provider, Endpoint::Messages, arn, false, &url);
    let call = call(&provider, Endpoint::Messages, id, true);
    let outgoing = call.outgoing;
    assert_eq!((outgoing.model, outgoing.is_stream_in_url), (None, true));
    assert_eq!(outgoing.anthropic_version, Some("bedrock-2023-05-31"));
    assert_eq!(
        (call.framing, call.has_betas_in_body),
        (Framing::AmazonEvents, true)
    );
    assert!(matches!(
        provider.way(Endpoint::CountTokens, id, false),
        Way::Estimate
    ));
    assert!(!is_served(&provider, Endpoint::Embeddings, id));
    let china = bedrock(json!({"region": "cn-north-1", "api_key": "plain:k-0123456"})).unwrap();
    assert_eq!(
        china.base_url.as_str(),
        "https://bedrock-runtime.cn-north-1.amazonaws.com.cn"
    );
    let headers = china.headers();
    assert_eq!(headers["authorization"], "Bearer k-0123456");
}

#[test]
fn bedrock_serves_models_of_anthropic_s() {
    let provider = bedrock(keys()).unwrap();
    for (model, is_ours) in [
        ("anthropic.claude-3-haiku-20240307-v1:0", true),
        ("us.anthropic.claude-sonnet-4-20250514-v1:0", true),
        (
            "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-v2",
            true,
        ),
        (
            "arn:aws:bedrock:us-east-1:1:inference-profile/eu.anthropic.claude-x",
            true,
        ),
        ("arn:aws:bedrock:us-east-1:1:provisioned-model/abc", true),
        (
            "arn:aws:bedrock:us-east-1::foundation-model/meta.llama3",
            false,
        ),
        (
            "arn:aws:bedrock:us-east-1:1:inference-profile/us.meta.llama3",
            false,
        ),
        ("arn:aws:bedrock", false),
        ("amazon.nova-lite-v1:0", false),
        ("notanthropic.claude", false),
    ] {
        assert_eq!(
            ProviderKind::Bedrock.refuses(model).is_none(),
            is_ours,
            "{model}"
        );
        assert_eq!(
            is_served(&provider, Endpoint::Messages, model),
            is_ours,
            "{model}"
        );
    }
}

#[test]
fn vertex_asks_each_publisher_s_models_their_own_way() {
    let provider = vertex("us-east5");
    let at =
        "https://us-east5-aiplatform.googleapis.com/v1/projects/p-1/locations/us-east5/publishers";
    for (endpoint, model, stream, path) in [
        (
            Endpoint::ChatCompletions,
            "gemini-3-pro",
            false,
            "google/models/gemini-3-pro:generateContent",
        ),
        (
            Endpoint::Messages,
            "gemini-3-pro",
            true,
            "google/models/gemini-3-pro:streamGenerateContent?alt=sse",
        ),
        (
            Endpoint::InputTokens,
            "gemini-3-pro",
            false,
            "google/models/gemini-3-pro:countTokens",
        ),
        (
            Endpoint::Messages,
            "claude-opus-4@20250514",
            false,
            "anthropic/models/claude-opus-4%4020250514:rawPredict",
        ),
        (
            Endpoint::Responses,
            "claude-opus-4@20250514",
            true,
            "anthropic/models/claude-opus-4%4020250514:streamRawPredict",
        ),
        (
            Endpoint::CountTokens,
            "claude-opus-4@20250514",
            false,
            "anthropic/models/count-tokens:rawPredict",
        ),
    ] {
        goes_to(&provider, endpoint, model, stream, &format!("{at}/{path}"));
    }
    let outgoing = |endpoint, model| {
        let outgoing = call(&provider, endpoint, model, false).outgoing;
        (
            outgoing.model.map(str::to_owned),
            outgoing.anthropic_version.map(str::to_owned),
        )
    };
    let version = Some("vertex-2023-10-16".to_owned());
    assert_eq!(
        outgoing(Endpoint::Messages, "claude-x"),
        (None, version.clone())
    );
    assert_eq!(
        outgoing(Endpoint::CountTokens, "claude-x"),
        (Some("claude-x".to_owned()), version)
    );
    assert_eq!(outgoing(Endpoint::Messages, "gemini-x"), (None, None));
    assert!(call(&provider, Endpoint::CountTokens, "gemini-x", false).counts_bare);
    for endpoint in [Endpoint::Embeddings, Endpoint::EmbedContent] {
        assert!(!is_served(&provider, endpoint, "gemini-embedding-001"));
    }
    assert_eq!(
        vertex("global").base_url.as_str(),
        "https://aiplatform.googleapis.com"
    );
    assert_eq!(
        vertex("eu").base_url.as_str(),
        "https://aiplatform.eu.rep.googleapis.com"
    );
}

#[test]
fn what_a_type_needs_or_does_not_have_is_refused_by_its_field() {
    let field = |kind, config| make(kind, config).unwrap_err().field();
    use ProviderKind::{Azure, Bedrock, OpenAi, Vertex};
    for (kind, config, expected) in [
        (Azure, json!({}), "config.base_url"),
        (
            Azure,
            json!({"base_url": "http://h", "api_version": "2024&x=1"}),
            "config.api_version",
        ),
        (OpenAi, json!({"region": "us-east-1"}), "config.region"),
        (
            OpenAi,
            json!({"api_version": "2024-10-21"}),
            "config.api_version",
        ),
        (Bedrock, json!({}), "config.region"),
        (Bedrock, json!({"region": "evil.example/"}), "config.region"),
        (
            Bedrock,
            json!({"region": "us-east-1"}),
            "config.access_key_id",
        ),
        (
            Bedrock,
            json!({"region": "us-east-1", "access_key_id": "A"}),
            "config.secret_access_key",
        ),
        (
            Bedrock,
            json!({"region": "r", "access_key_id": "A B", "secret_access_key": "plain:s"}),
            "config.access_key_id",
        ),
        (
            Bedrock,
            json!({"region": "r", "access_key_id": "A", "secret_access_key": "sealed:v1:a:b"}),
            "config.secret_access_key",
        ),
        (
            Bedrock,
            json!({"region": "r", "access_key_id": "A", "api_key": "plain:k"}),
            "config.api_key",
        ),
        (
            Bedrock,
            json!({"region": "r", "api_key": "plain:k", "project": "p"}),
            "config.project",
        ),
        (Vertex, json!({"location": "us"}), "config.project"),
        (Vertex, json!({"project": "p"}), "config.location"),
        (
            Vertex,
            json!({"project": "p", "location": "us"}),
            "config.service_account",
        ),
        (
            Vertex,
            json!({"project": "p/../x", "location": "us", "service_account": "plain:{}"}),
            "config.project",
        ),
        (
            Vertex,
            json!({"project": "p", "location": "us", "service_account": "plain:{}"}),
            "config.service_account",
        ),
        (
            Vertex,
            json!({"project": "p", "location": "us", "service_account": "plain:{}", "api_key": "plain:k"}),
            "config.api_key",
        ),
    ] {
        assert_eq!(field(kind, config.clone()), expected, "{config}");
    }
    let error = make(
        Vertex,
        json!({"project": "p", "location": "us", "service_account": "plain:sec-ret"}),
    )
    .unwrap_err();
    assert!(!error.to_string().contains("sec-ret"), "{error}");
}

#[test]
fn secrets_of_aws_are_replaced_where_a_provider_repeats_them() {
    let mut config = keys();
    config["session_token"] = json!("plain:token-of-mine");
    let provider = bedrock(config).unwrap();
    let echo = "wJalrXUtnFEMI token-of-mine AKIDEXAMPLE";
    assert_eq!(
        provider.redact(echo).as_deref(),
        Some("*** *** AKIDEXAMPLE")
    );
}
