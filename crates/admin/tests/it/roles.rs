//! Admin keys of several roles, and guesses at them.

use http::Method;
use serde_json::{Value, json};

use crate::api::{ADMIN_KEY, Answer, Api};

async fn key(api: &Api, role: &str) -> (i64, String) {
    let made = api.post("/api/admin-keys", json!({"name": role, "role": role}));
    let made = made.await.ok();
    let text = made["key"].as_str().unwrap().to_owned();
    assert!(text.starts_with("lo-admin-"), "{text}");
    (made["id"].as_i64().unwrap(), text)
}

async fn call(api: &Api, key: &str, method: &str, path: &str, body: Option<Value>) -> Answer {
    let method = method.parse::<Method>().unwrap();
    api.call_as((key, None), (method, path), body).await
}

#[tokio::test]
async fn each_role_may_do_what_its_name_says() {
    let api = Api::start().await;
    let (_, reader) = key(&api, "read-only").await;
    let (_, operator) = key(&api, "operator").await;
    let (_, admin) = key(&api, "admin").await;
    let config = json!({"base_url": "http://127.0.0.1:9/v1", "api_key": "sk-of-the-provider"});
    let provider = json!({"name": "p", "type": "openai", "config": config});
    api.post("/api/providers", provider).await.ok();

    let named = |name: &str| Some(json!({"name": name}));
    let config = |config: Value| Some(json!({ "config": config }));
    let steal = config(json!({"base_url": "http://127.0.0.1:6/v1", "api_key": "sk-another-one"}));
    let through = config(json!({"proxy": "http://127.0.0.1:6"}));
    let file = config(json!({"api_key": "file:/etc/passwd"}));
    let other_type = Some(json!({"type": "anthropic"}));
    let moved = config(json!({"region": "eu-west-1"}));
    let header = config(json!({"headers": {"x-a": "b"}}));
    let of_model = config(json!({"models": {"m": {"headers": {"x-a": "env:HOME"}}}}));
    let new = json!({"name": "q", "type": "openai", "config": {"api_key": "sk-12345678"}});
    let unwatched = Some(json!({"name": "g", "guards": {"rules": []}}));
    let moderated = json!({"moderation": {"url": "http://127.0.0.1:6/"}});
    let watched = Some(json!({"name": "w", "guards": moderated}));
    let policy = Some(json!({"guards": moderated}));
    let unguarded = Some(json!({"guards": null}));
    let by_role = Some(json!({"name": "n", "role": "admin"}));
    let patch = "/api/providers/1";
    // What is asked, and the least role that may.
    let asked: Vec<(&str, &str, Option<Value>, &str)> = vec![
        ("GET", "/api/providers", None, "read-only"),
        ("GET", "/api/audit", None, "read-only"),
        ("GET", "/api/me", None, "read-only"),
        ("POST", "/api/models", named("m"), "operator"),
        ("PATCH", "/api/models/1", named("n"), "operator"),
        ("POST", "/api/keys", named("k"), "operator"),
        ("DELETE", "/api/keys/1", None, "operator"),
        ("PATCH", patch, Some(json!({"enabled": false})), "operator"),
        ("PATCH", patch, config(json!({"weight": 7})), "operator"),
        ("PATCH", patch, steal, "admin"),
        ("PATCH", patch, through, "admin"),
        ("PATCH", patch, file, "admin"),
        ("PATCH", patch, header, "admin"),
        ("PATCH", patch, of_model, "admin"),
        ("PATCH", patch, other_type, "admin"),
        ("PATCH", patch, moved, "admin"),
        ("POST", "/api/providers", Some(new), "admin"),
        ("POST", "/api/keys", unwatched, "operator"),
        ("POST", "/api/keys", watched, "admin"),
        ("PATCH", "/api/keys/3", unguarded.clone(), "admin"),
        ("PUT", "/api/policies/1", policy, "admin"),
        ("PUT", "/api/policies/1", unguarded, "admin"),
        ("GET", "/api/logs/1/bodies", None, "operator"),
        ("DELETE", "/api/logs?before=2020-01-01", None, "admin"),
        ("GET", "/api/admin-keys", None, "admin"),
        ("GET", "/api/admin-keys/1", None, "admin"),
        ("POST", "/api/admin-keys", by_role, "admin"),
        ("PATCH", "/api/admin-keys/1", named("r"), "admin"),
        ("DELETE", "/api/admin-keys/99", None, "admin"),
    ];
    let roles = ["read-only", "operator", "admin"];
    for (method, path, body, least) in asked {
        for (role, key) in roles.iter().zip([&reader, &operator, &admin]) {
            let answer = call(&api, key, method, path, body.clone()).await;
            let rank = |name: &str| roles.iter().position(|role| *role == name);
            if rank(role) >= rank(least) {
                assert_ne!(answer.status, 403, "{role} {method} {path}: {answer:?}");
                assert_ne!(answer.status, 401, "{role} {method} {path}: {answer:?}");
            } else {
                // Who may change nothing is told so before what he asks is looked at.
                let is_told_first = *role == "read-only" && method != "GET";
                let needed = if is_told_first { "operator" } else { least };
                let message = answer.error(403, "forbidden");
                assert!(message.contains(&format!("'{needed}'")), "{message}");
                assert_eq!(answer.json()["error"]["details"]["needed_role"], needed);
            }
        }
    }
    let stored = api.get("/api/models/1").await.ok();
    assert_eq!(stored["name"], "n", "an operator's change was made");
}

#[tokio::test]
async fn an_admin_key_is_shown_once_and_ends_when_it_is_told_to() {
    let api = Api::start().await;
    let (id, text) = key(&api, "operator").await;
    let me = call(&api, &text, "GET", "/api/me", None).await.ok();
    assert_eq!(me, json!({"name": "operator", "role": "operator"}));
    let me = api.get("/api/me").await.ok();
    assert_eq!(me, json!({"name": "env", "role": "admin"}));

    let listed = api.get("/api/admin-keys").await;
    assert!(!listed.text.contains(&text) && listed.text.contains(&text[..15]));
    let audit = api.get("/api/audit").await;
    assert!(!audit.text.contains(&text), "{}", audit.text);
    assert!(audit.text.contains("\"admin_key\""));

    let made = call(
        &api,
        &text,
        "POST",
        "/api/models",
        Some(json!({"name": "m"})),
    )
    .await;
    made.ok();
    let by = api.get("/api/audit?actor=operator").await.ok();
    assert_eq!(by["data"][0]["object_name"], "m");

    let path = format!("/api/admin-keys/{id}");
    for (field, off, on) in [
        ("enabled", json!(false), json!(true)),
        ("expires_at", json!("2020-01-01T00:00:00Z"), Value::Null),
    ] {
        for (value, opens) in [(off, false), (on, true)] {
            let patch = json!({ field: value });
            api.call(Method::PATCH, &path, Some(patch)).await.ok();
            let answer = call(&api, &text, "GET", "/api/me", None).await;
            assert_eq!(answer.status == 200, opens, "{answer:?}");
        }
    }
    api.call(Method::DELETE, &path, None).await;
    let gone = call(&api, &text, "GET", "/api/me", None).await;
    gone.error(401, "unauthorized");
}

#[tokio::test]
async fn the_fields_of_an_admin_key_are_checked() {
    let api = Api::start().await;
    let post = |body| api.post("/api/admin-keys", body);
    post(json!({"role": "admin"})).await.invalid("name");
    post(json!({"name": "a"})).await.invalid("role");
    let unknown = post(json!({"name": "a", "role": "root"})).await;
    unknown.invalid("role");
    let taken = post(json!({"name": "env", "role": "admin"})).await;
    taken.invalid("name");
    post(json!({"name": "a", "role": "admin"})).await.ok();
    let twice = post(json!({"name": "a", "role": "operator"})).await;
    twice.error(409, "conflict");
}

#[tokio::test]
async fn client_keys_and_admin_keys_do_not_pass_for_each_other() {
    let api = Api::start().await;
    let (_, admin) = key(&api, "admin").await;
    let client = api.post("/api/keys", json!({"name": "c"})).await.ok();
    let client = client["key"].as_str().unwrap();
    let answer = call(&api, client, "GET", "/api/me", None).await;
    answer.error(401, "unauthorized");
    let snapshot = api.catalog.current();
    let now = chrono::Utc::now();
    assert!(snapshot.keys.authenticate(Some(client), now).is_ok());
    for key in [&*admin, ADMIN_KEY] {
        assert!(snapshot.keys.authenticate(Some(key), now).is_err());
    }
}

#[tokio::test]
async fn who_guesses_waits_and_nobody_else() {
    let api = Api::start().await;
    let me = (Method::GET, "/api/me");
    let (guesser, other) = (Some("192.0.2.1"), Some("192.0.2.2"));
    for _ in 0..6 {
        let answer = api.call_as(("guess", guesser), me.clone(), None).await;
        answer.error(401, "unauthorized");
    }
    for key in ["guess", ADMIN_KEY] {
        let answer = api.call_as((key, guesser), me.clone(), None).await;
        answer.error(429, "too_many_attempts");
        assert_eq!(answer.headers["retry-after"], "1");
    }
    api.call_as((ADMIN_KEY, other), me, None).await.ok();
}
