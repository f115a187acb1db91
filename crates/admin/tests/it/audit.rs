//! What is remembered of changes.

use http::Method;
use serde_json::{Value, json};

use crate::api::{ADMIN_KEY, Api};

async fn entries(api: &Api, query: &str) -> Vec<Value> {
    let page = api.get(&format!("/api/audit{query}")).await.ok();
    page["data"].as_array().unwrap().clone()
}

/// Each as `action object_type object_name`, oldest first.
async fn told(api: &Api, query: &str) -> Vec<String> {
    let mut entries = entries(api, query).await;
    entries.reverse();
    let word = |entry: &Value, field: &str| entry[field].as_str().unwrap().to_owned();
    entries
        .iter()
        .map(|it| ["action", "object_type", "object_name"].map(|field| word(it, field)))
        .map(|words| words.join(" "))
        .collect()
}

#[tokio::test]
async fn every_kind_of_change_is_recorded() {
    let api = Api::start().await;
    let config = json!({"base_url": "http://127.0.0.1:9/v1", "api_key": "sk-planted-secret-1234"});
    let provider = json!({"name": "p", "type": "openai", "config": config});
    let provider = api.post("/api/providers", provider).await.id();
    let model = api.post("/api/models", json!({"name": "m"})).await.id();
    let tie = json!({"model_id": model, "provider_id": provider, "provider_model": "pm"});
    let tie = api.post("/api/model-providers", tie).await.id();
    let price = json!({"model_pattern": "gpt*", "input": "1"});
    let price = api.post("/api/prices", price).await.id();
    let key = api.post("/api/keys", json!({"name": "k"})).await.id();
    let policy = format!("/api/policies/{model}");
    let put = json!({"strategy": "sticky"});
    api.call(Method::PUT, &policy, Some(put)).await.ok();
    let import = json!({"models": ["i"]});
    let path = format!("/api/providers/{provider}/import-models");
    api.post(&path, import).await.ok();
    for (path, id) in [
        ("providers", provider),
        ("models", model),
        ("model-providers", tie),
        ("keys", key),
    ] {
        let path = format!("/api/{path}/{id}");
        let patch = json!({"enabled": false});
        api.call(Method::PATCH, &path, Some(patch)).await.ok();
    }
    let patch = json!({"input": "2"});
    let path = format!("/api/prices/{price}");
    api.call(Method::PATCH, &path, Some(patch)).await.ok();
    for path in [
        policy,
        format!("/api/keys/{key}"),
        format!("/api/prices/{price}"),
        format!("/api/model-providers/{tie}"),
        format!("/api/models/{model}"),
        format!("/api/providers/{provider}?force=true"),
        "/api/logs?before=2020-01-01".to_owned(),
    ] {
        let answer = api.call(Method::DELETE, &path, None).await;
        assert_eq!(answer.status, 204, "{answer:?}");
    }
    let expected = [
        "create provider p",
        "create model m",
        "create model_provider pm",
        "create price gpt*",
        "create key k",
        "update policy m",
        "import provider p",
        "update provider p",
        "update model m",
        "update model_provider pm",
        "update key k",
        "update price gpt*",
        "delete policy m",
        "delete key k",
        "delete price gpt*",
        "delete model_provider pm",
        "delete model m",
        "delete provider p",
        "delete request_logs request_logs",
    ];
    assert_eq!(told(&api, "").await, expected);
}

#[tokio::test]
async fn an_entry_tells_who_did_what_and_no_secret() {
    let api = Api::start().await;
    let config = json!({
        "base_url": "http://127.0.0.1:9/v1", "api_key": "sk-planted-secret-1234",
        "headers": {"x-secret": "planted-header-value"},
    });
    let body = json!({"name": "p", "type": "openai", "config": config});
    let create = (Method::POST, "/api/providers");
    let from = (ADMIN_KEY, Some("192.0.2.7"));
    let id = api.call_as(from, create, Some(body)).await.id();
    let patch = json!({"config": {"api_key": "sk-planted-secret-5678"}, "enabled": false});
    let path = format!("/api/providers/{id}");
    let patch = api.call_as(from, (Method::PATCH, &path), Some(patch));
    patch.await.ok();

    let answer = api.get("/api/audit").await;
    assert!(!answer.text.contains("planted"), "{}", answer.text);
    let [changed, created] = &entries(&api, "").await[..] else {
        panic!("two changes were made");
    };
    assert_eq!(changed["actor"], "env");
    assert_eq!(changed["object_id"], id);
    assert_eq!(changed["ip_address"], "192.0.2.7");
    assert_eq!(changed["request_id"], "the-request");
    assert_eq!(changed["before"]["config"]["api_key"], "****1234");
    assert_eq!(changed["after"]["config"]["api_key"], "****5678");
    assert_eq!(changed["before"]["enabled"], true);
    assert_eq!(changed["after"]["enabled"], false);
    assert_eq!(created["before"], Value::Null);
    assert_eq!(created["after"], changed["before"]);
}

#[tokio::test]
async fn what_is_refused_leaves_no_entry() {
    let api = Api::start().await;
    api.post("/api/models", json!({"name": "m"})).await.ok();
    let again = api.post("/api/models", json!({"name": "m"})).await;
    again.error(409, "conflict");
    let wrong = api.post("/api/models", json!({"name": "n", "timeout": 0}));
    wrong.await.invalid("timeout");
    api.get("/api/models").await.ok();
    assert_eq!(told(&api, "").await, ["create model m"]);
}

#[tokio::test]
async fn entries_are_found_by_what_they_say_a_page_at_a_time() {
    let api = Api::start().await;
    for name in ["a", "b", "c"] {
        api.post("/api/models", json!({"name": name})).await.ok();
    }
    api.post("/api/keys", json!({"name": "k"})).await.ok();
    for (query, expected) in [
        ("?object_type=key", 1),
        ("?object_type=model", 3),
        ("?object_type=model&object_id=2", 1),
        ("?action=delete", 0),
        ("?actor=env", 4),
        ("?actor=somebody", 0),
        ("?from=2020-01-01", 4),
        ("?to=2020-01-01", 0),
        ("?request_id=x", 0),
    ] {
        assert_eq!(entries(&api, query).await.len(), expected, "{query}");
    }
    let first = api.get("/api/audit?limit=3").await.ok();
    let next = first["next"].as_str().unwrap();
    let path = format!("/api/audit?limit=3&cursor={next}");
    let second = api.get(&path).await.ok();
    assert_eq!(second["data"].as_array().unwrap().len(), 1);
    assert_eq!(second["data"][0]["object_name"], "a");
    assert_eq!(second["next"], Value::Null);
    api.get("/api/audit?from=x").await.invalid("from");
    api.get("/api/audit?who=x").await.invalid("who");
}
