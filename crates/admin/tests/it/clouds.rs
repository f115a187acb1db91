//! Providers at cloud vendors: their own fields, their several secrets, the models that they cannot serve.

use entities::provider;
use sea_orm::EntityTrait;
use serde_json::{Value, json};

use crate::api::Api;

fn bedrock() -> Value {
    json!({
        "region": "us-east-1", "access_key_id": "AKIDEXAMPLE", "secret_access_key": "wJalrXUtnFEMI-0123",
        "session_token": "session-token-4567",
    })
}

async fn stored(api: &Api, id: i64) -> Value {
    let row = provider::Entity::find_by_id(id).one(&api.database).await;
    row.unwrap().unwrap().config
}

async fn create(api: &Api, kind: &str, config: Value) -> i64 {
    let body = json!({"name": kind, "type": kind, "config": config});
    api.post("/api/providers", body).await.id()
}

#[tokio::test]
async fn every_secret_is_sealed_masked_and_kept() {
    let api = Api::start().await;
    let id = create(&api, "bedrock", bedrock()).await;
    let one = format!("/api/providers/{id}");
    let shown = api.get(&one).await.ok();
    let config = &shown["config"];
    assert_eq!(
        (&config["region"], &config["access_key_id"]),
        (&json!("us-east-1"), &json!("AKIDEXAMPLE"))
    );
    assert_eq!(
        (&config["secret_access_key"], &config["session_token"]),
        (&json!("****0123"), &json!("****4567"))
    );
    let before = stored(&api, id).await;
    for field in ["secret_access_key", "session_token"] {
        assert!(
            before[field].as_str().unwrap().starts_with("sealed:v1:"),
            "{before}"
        );
    }
    let change = json!({"config": {"region": "eu-west-1", "secret_access_key": "****0123"}});
    api.patch(&one, change).await.ok();
    let after = stored(&api, id).await;
    assert_eq!(after["region"], "eu-west-1");
    assert_eq!(after["secret_access_key"], before["secret_access_key"]);
    assert_eq!(after["session_token"], before["session_token"]);
    let moved = json!({"config": {"base_url": "http://127.0.0.1:9"}});
    api.patch(&one, moved)
        .await
        .invalid("config.secret_access_key");
    let mask = json!({"config": {"session_token": "****9999"}});
    api.patch(&one, mask).await.invalid("config.session_token");
    let dropped = json!({"config": {"session_token": null}});
    assert_eq!(
        api.patch(&one, dropped).await.ok()["config"]["session_token"],
        Value::Null
    );
}

#[tokio::test]
async fn what_a_type_needs_or_does_not_have_is_named() {
    let api = Api::start().await;
    for (kind, config, field) in [
        ("azure", json!({}), "config.base_url"),
        (
            "azure",
            json!({"base_url": "http://127.0.0.1:9", "region": "us-east-1"}),
            "config.region",
        ),
        (
            "bedrock",
            json!({"region": "us-east-1"}),
            "config.access_key_id",
        ),
        (
            "bedrock",
            json!({"region": "a.example/", "api_key": "k-01234"}),
            "config.region",
        ),
        (
            "vertex",
            json!({"project": "p", "location": "us"}),
            "config.service_account",
        ),
        (
            "vertex",
            json!({"project": "p", "location": "us", "service_account": "sec-ret-text"}),
            "config.service_account",
        ),
        (
            "openai",
            json!({"service_account": "x"}),
            "config.service_account",
        ),
        (
            "bedrock",
            json!({"region": "us-east-1", "secret_access_key": "plain:x"}),
            "config.secret_access_key",
        ),
    ] {
        let body = json!({"name": "p", "type": kind, "config": config});
        let answer = api.post("/api/providers", body).await;
        answer.invalid(field);
        assert!(!answer.text.contains("sec-ret-text"), "{}", answer.text);
    }
}

#[tokio::test]
async fn models_that_bedrock_cannot_serve_are_not_associated() {
    let api = Api::start().await;
    let (id, model) = (
        create(&api, "bedrock", bedrock()).await,
        api.model("m").await,
    );
    let associate =
        |name: &str| json!({"model_id": model, "provider_id": id, "provider_model": name});
    let refused = api
        .post("/api/model-providers", associate("amazon.nova-lite-v1:0"))
        .await;
    refused.invalid("provider_model");
    let claude = "us.anthropic.claude-sonnet-4-20250514-v1:0";
    let made = api
        .post("/api/model-providers", associate(claude))
        .await
        .id();
    let change = json!({"provider_model": "meta.llama3"});
    api.patch(&format!("/api/model-providers/{made}"), change)
        .await
        .invalid("provider_model");
    let import = format!("/api/providers/{id}/import-models");
    let report = api
        .post(
            &import,
            json!({"models": ["meta.llama3", "anthropic.claude-x"]}),
        )
        .await
        .ok();
    assert_eq!(report["created"][0]["model"], "anthropic.claude-x");
    assert_eq!(report["skipped"][0]["model"], "meta.llama3");
    assert!(
        report["skipped"][0]["reason"]
            .as_str()
            .unwrap()
            .contains("anthropic.")
    );
}

#[tokio::test]
async fn clouds_list_no_models() {
    let api = Api::start().await;
    let id = create(
        &api,
        "azure",
        json!({"base_url": "http://127.0.0.1:9", "api_key": "k-0123456789"}),
    )
    .await;
    let listed = api.get(&format!("/api/providers/{id}/models")).await;
    assert!(listed.error(409, "conflict").contains("by their names"));
    let imported = api
        .post(&format!("/api/providers/{id}/import-models"), json!({}))
        .await;
    imported.error(409, "conflict");
}
