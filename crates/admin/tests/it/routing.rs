//! The explanation of routes.

use serde_json::{Value, json};

use crate::api::Api;

/// Who would be tried, and why the others would not.
fn outcome(body: &Value) -> Vec<(String, String)> {
    body["candidates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            let fate = match &one["included"] {
                Value::Bool(true) => format!("tier {} at {}", one["tier"], one["share_percent"]),
                _ => one["reason"]["code"].as_str().unwrap().to_owned(),
            };
            (one["provider"].as_str().unwrap().to_owned(), fate)
        })
        .collect()
}

/// A model "m" on five providers.
async fn five_providers() -> Api {
    let api = Api::start().await;
    let model = api.model("m").await;
    for (name, config, association) in [
        ("first", json!({"priority": 200, "weight": 3}), json!({})),
        (
            "beside",
            json!({"priority": 200, "weight": 1}),
            json!({"image": true}),
        ),
        (
            "below",
            json!({"priority": 50}),
            json!({"tool_call": false, "structured_output": false}),
        ),
        ("spare", json!({"weight": 0}), json!({})),
        ("off", json!({}), json!({"enabled": false})),
    ] {
        let mut config = config;
        config["base_url"] = json!("http://127.0.0.1:9/v1");
        let body = json!({"name": name, "type": "openai", "config": config});
        let provider = api.post("/api/providers", body).await.id();
        let mut body = association;
        body["model_id"] = model.into();
        body["provider_id"] = provider.into();
        body["provider_model"] = "up".into();
        api.post("/api/model-providers", body).await.ok();
    }
    api
}

const ALL: [(&str, &str); 5] = [
    ("first", "tier 1 at 75.0"),
    ("beside", "tier 1 at 25.0"),
    ("below", "tier 2 at 100.0"),
    ("spare", "tier 3 at 100.0"),
    ("off", "association_disabled"),
];

async fn check(api: &Api, query: &str, expected: &[(&str, &str)]) -> Value {
    let body = api.get(&format!("/api/route?model=m{query}")).await.ok();
    let expected: Vec<_> = expected
        .iter()
        .map(|(name, fate)| ((*name).to_owned(), (*fate).to_owned()))
        .collect();
    assert_eq!(outcome(&body), expected, "{query}: {body:#}");
    body
}

#[tokio::test]
async fn a_route_is_explained() {
    let api = five_providers().await;
    let body = check(&api, "", &ALL).await;
    assert_eq!(body["refusal"], json!(null));
    assert_eq!(body["strategy"], "weighted");
    check(&api, "&tools=false&image=0", &ALL).await;
    let tools = [
        ("first", "tier 1 at 75.0"),
        ("beside", "tier 1 at 25.0"),
        ("spare", "tier 2 at 100.0"),
        ("off", "association_disabled"),
        ("below", "missing_capability"),
    ];
    check(&api, "&tools=true", &tools).await;
    check(&api, "&structured=1", &tools).await;
    let image = [
        ("beside", "tier 1 at 100.0"),
        ("first", "missing_capability"),
        ("off", "association_disabled"),
        ("below", "missing_capability"),
        ("spare", "missing_capability"),
    ];
    let body = check(&api, "&image=true", &image).await;
    assert_eq!(body["forced"], true, "the only one left is never held back");
}

#[tokio::test]
async fn a_route_depends_on_the_key() {
    let api = five_providers().await;
    let key = json!({"name": "k", "allowed_providers": ["below"], "allowed_models": ["m"]});
    api.post("/api/keys", key).await.ok();
    let restricted = [
        ("below", "tier 1 at 100.0"),
        ("first", "not_allowed"),
        ("beside", "not_allowed"),
        ("off", "not_allowed"),
        ("spare", "not_allowed"),
    ];
    check(&api, "&key=k", &restricted).await;
    check(&api, "&key=env-01234567", &ALL).await;
    let refused = api.get("/api/route?model=m&key=k&image=true").await.ok();
    assert_eq!(refused["refusal"]["code"], "missing_capability");
    api.patch("/api/keys/1", json!({"allowed_models": []}))
        .await
        .ok();
    let refused = api.get("/api/route?model=m&key=k").await.ok();
    assert_eq!(refused["refusal"]["code"], "model_not_allowed");
    api.patch("/api/models/1", json!({"enabled": false}))
        .await
        .ok();
    let disabled = api.get("/api/route?model=m").await.ok();
    assert_eq!(disabled["refusal"]["code"], "model_disabled");
    assert_eq!(disabled["enabled"], false);
}

#[tokio::test]
async fn a_route_needs_a_known_model_and_key() {
    let api = Api::start().await;
    api.model("m").await;
    api.get("/api/route").await.invalid("model");
    api.get("/api/route?model=other")
        .await
        .error(404, "not_found");
    api.get("/api/route?model=m&tools=yes")
        .await
        .invalid("tools");
    api.get("/api/route?model=m&key=nobody")
        .await
        .invalid("key");
    api.get("/api/route?model=m&modle=n").await.invalid("modle");
    let lonely = api.get("/api/route?model=m").await.ok();
    assert_eq!(lonely["refusal"]["code"], "nothing_enabled");
    assert_eq!(lonely["candidates"], json!([]));
}
