//! Changes of many objects at once: all or none, each audited, and the one at fault named.

use serde_json::{Value, json};

use crate::api::Api;

async fn names(api: &Api, path: &str, enabled: bool) -> Vec<String> {
    let rows = api.get(path).await.ok()["data"].as_array().unwrap().clone();
    let is_so = |row: &&Value| row["enabled"] == enabled;
    let mut names: Vec<_> = rows
        .iter()
        .filter(is_so)
        .map(|row| row["name"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn many_are_changed_in_one_call_and_each_is_audited() {
    let api = Api::start().await;
    let (a, b, c) = (
        api.provider("a").await,
        api.provider("b").await,
        api.provider("c").await,
    );
    let version = api.catalog.current().version;
    let done = api
        .post(
            "/api/providers/batch",
            json!({"ids": [a, c], "action": "disable"}),
        )
        .await
        .ok();
    assert_eq!(done, json!({"action": "disable", "ids": [a, c]}));
    assert_eq!(names(&api, "/api/providers", false).await, ["a", "c"]);
    assert_eq!(
        api.catalog.current().version,
        version + 1,
        "one change, live at once"
    );
    let audit = api.get("/api/audit?limit=2").await.ok();
    for (entry, id) in audit["data"].as_array().unwrap().iter().zip([c, a]) {
        assert_eq!(
            (&entry["action"], &entry["object_id"]),
            (&json!("update"), &json!(id))
        );
        assert_eq!(
            (&entry["before"]["enabled"], &entry["after"]["enabled"]),
            (&json!(true), &json!(false))
        );
    }
    api.post(
        "/api/providers/batch",
        json!({"ids": [a, b], "action": "set_weight", "weight": 7}),
    )
    .await
    .ok();
    for (id, weight) in [(a, 7), (b, 7), (c, 100)] {
        assert_eq!(
            api.get(&format!("/api/providers/{id}")).await.ok()["config"]["weight"],
            weight
        );
    }
}

#[tokio::test]
async fn models_associations_and_keys_have_it_too() {
    let api = Api::start().await;
    let (a, b) = (api.provider("a").await, api.provider("b").await);
    let (m, n) = (api.model("m").await, api.model("n").await);
    let ties = [
        api.association(m, a).await,
        api.association(m, b).await,
        api.association(n, a).await,
    ];
    api.post(
        "/api/model-providers/batch",
        json!({"ids": ties, "action": "set_weight", "weight": 0}),
    )
    .await
    .ok();
    api.post(
        "/api/model-providers/batch",
        json!({"ids": ties[..2], "action": "delete"}),
    )
    .await
    .ok();
    let left = api.get("/api/model-providers").await.ok()["data"].clone();
    assert_eq!(
        (
            left[0]["id"].clone(),
            left[0]["weight"].clone(),
            left[1].clone()
        ),
        (json!(ties[2]), json!(0), Value::Null)
    );
    api.post(
        "/api/models/batch",
        json!({"ids": [m, n], "action": "disable"}),
    )
    .await
    .ok();
    assert_eq!(names(&api, "/api/models", false).await, ["m", "n"]);
    api.post("/api/models/batch", json!({"ids": [m], "action": "enable"}))
        .await
        .ok();
    assert_eq!(names(&api, "/api/models", true).await, ["m"]);
    let mut keys = Vec::new();
    for name in ["x", "y", "z"] {
        keys.push(api.post("/api/keys", json!({"name": name})).await.id());
    }
    api.post(
        "/api/keys/batch",
        json!({"ids": keys[..2], "action": "disable"}),
    )
    .await
    .ok();
    assert_eq!(names(&api, "/api/keys", true).await, ["z"]);
    api.post("/api/keys/batch", json!({"ids": keys, "action": "delete"}))
        .await
        .ok();
    assert_eq!(api.get("/api/keys").await.ok()["data"], json!([]));
}

#[tokio::test]
async fn none_is_changed_where_one_cannot_be_and_that_one_is_named() {
    let api = Api::start().await;
    let (a, b) = (api.provider("a").await, api.provider("b").await);
    let model = api.model("m").await;
    api.association(model, b).await;
    let before = api.get("/api/audit").await.ok();
    let used = api
        .post(
            "/api/providers/batch",
            json!({"ids": [a, b], "action": "delete"}),
        )
        .await;
    used.error(409, "conflict");
    assert_eq!(used.json()["error"]["details"]["id"], b);
    let message = used.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with(&format!("id {b}: ")), "{message}");
    let missing = api
        .post(
            "/api/models/batch",
            json!({"ids": [model, 999], "action": "disable"}),
        )
        .await;
    missing.error(404, "not_found");
    assert_eq!(missing.json()["error"]["details"]["id"], 999);
    let heavy = api
        .post(
            "/api/providers/batch",
            json!({"ids": [a], "action": "set_weight", "weight": 1_000_001}),
        )
        .await;
    heavy.error(422, "invalid_value");
    assert_eq!(
        heavy.json()["error"]["details"],
        json!({"id": a, "field": "config.weight"})
    );
    assert_eq!(names(&api, "/api/providers", true).await, ["a", "b"]);
    assert_eq!(api.get("/api/audit").await.ok(), before);
    api.post(
        "/api/providers/batch",
        json!({"ids": [a, b], "action": "delete", "force": true}),
    )
    .await
    .ok();
    assert_eq!(api.get("/api/providers").await.ok()["data"], json!([]));
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_by_its_field() {
    let api = Api::start().await;
    let many: Vec<i64> = (1..=1001).collect();
    for (path, body, field) in [
        ("providers", json!({"action": "enable"}), "ids"),
        ("providers", json!({"ids": [], "action": "enable"}), "ids"),
        (
            "providers",
            json!({"ids": [1, 2, 1], "action": "enable"}),
            "ids",
        ),
        ("providers", json!({"ids": many, "action": "enable"}), "ids"),
        ("providers", json!({"ids": [1]}), "action"),
        (
            "providers",
            json!({"ids": [1], "action": "paint"}),
            "action",
        ),
        (
            "keys",
            json!({"ids": [1], "action": "set_weight", "weight": 1}),
            "action",
        ),
        (
            "models",
            json!({"ids": [1], "action": "set_weight", "weight": 1}),
            "action",
        ),
        (
            "providers",
            json!({"ids": [1], "action": "set_weight"}),
            "weight",
        ),
        (
            "providers",
            json!({"ids": [1], "action": "enable", "weight": 1}),
            "weight",
        ),
        (
            "models",
            json!({"ids": [1], "action": "delete", "force": true}),
            "force",
        ),
        (
            "models",
            json!({"ids": [1], "action": "delete", "colour": "blue"}),
            "colour",
        ),
    ] {
        api.post(&format!("/api/{path}/batch"), body)
            .await
            .invalid(field);
    }
}
