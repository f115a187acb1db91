//! Models, associations and keys: what may be written, and what comes back.

use crate::api::Api;
use entities::{budget_lease, key_usage};
use sea_orm::{ActiveValue::Set, EntityTrait};
use serde_json::{Value, json};

/// Every bad input of a resource, and the field its refusal names. `good` is what is otherwise sent.
async fn refuses(api: &Api, path: &str, good: &Value, cases: &[(Value, &str)]) {
    let mut complete = good.clone();
    complete["name"] = json!("kept");
    let created = api.post(path, complete).await;
    let id = created.id();
    let one = format!("{path}/{id}");
    let before = api.get(&one).await.ok();
    for (change, field) in cases {
        let mut body = good.clone();
        for (name, value) in change.as_object().unwrap() {
            body[name] = value.clone();
        }
        let version = api.catalog.current().version;
        api.post(path, body).await.invalid(field);
        api.patch(&one, change.clone()).await.invalid(field);
        assert_eq!(api.catalog.current().version, version, "{change}");
    }
    assert_eq!(api.get(&one).await.ok(), before, "nothing was changed");
}

#[tokio::test]
async fn bad_models_are_refused_by_field() {
    let api = Api::start().await;
    let cases = [
        (json!({"name": null}), "name"),
        (json!({"name": ""}), "name"),
        (json!({"name": "  "}), "name"),
        (json!({"name": "x".repeat(101)}), "name"),
        (json!({"name": "a\u{0}b"}), "name"),
        (json!({"name": 7}), "name"),
        (json!({"remark": "x".repeat(256)}), "remark"),
        (json!({"remark": ["x"]}), "remark"),
        (json!({"max_retry": -1}), "max_retry"),
        (json!({"max_retry": 21}), "max_retry"),
        (json!({"max_retry": 1.5}), "max_retry"),
        (json!({"timeout": 0}), "timeout"),
        (json!({"timeout": 86_401}), "timeout"),
        (json!({"timeout": "30"}), "timeout"),
        (json!({"timeout": 4_294_967_296_i64}), "timeout"),
        (json!({"enabled": 1}), "enabled"),
        (json!({"id": 5}), "id"),
        (json!({"price": null}), "price"),
        (json!({"context_length": 8192}), "context_length"),
    ];
    refuses(&api, "/api/models", &json!({"name": "m"}), &cases).await;
}

#[tokio::test]
async fn a_model_has_its_columns_and_defaults() {
    let api = Api::start().await;
    let created = api.post("/api/models", json!({"name": " gpt "})).await;
    assert_eq!(created.status, 201);
    let mut body = created.ok();
    for stamp in ["created_at", "updated_at"] {
        assert!(body[stamp].as_str().is_some_and(|at| at.ends_with('Z')));
        body.as_object_mut().unwrap().remove(stamp);
    }
    let expected = json!({
        "id": 1, "name": "gpt", "remark": null, "max_retry": 3, "timeout": 30, "enabled": true, "associations": 0,
        "declared_by": null
    });
    assert_eq!(body, expected);
    let changes = json!({"remark": "r", "max_retry": 0, "timeout": 5, "enabled": false});
    let changed = api.patch("/api/models/1", changes).await.ok();
    assert_eq!(changed["max_retry"], 0);
    assert_eq!(changed["name"], "gpt");
    let reset = json!({"remark": null, "max_retry": null, "timeout": null, "enabled": null});
    let mut reset = api.patch("/api/models/1", reset).await.ok();
    for stamp in ["created_at", "updated_at"] {
        reset.as_object_mut().unwrap().remove(stamp);
    }
    assert_eq!(reset, expected);
}

#[tokio::test]
async fn names_are_taken_once() {
    let api = Api::start().await;
    for path in ["/api/models", "/api/keys"] {
        let first = api.post(path, json!({"name": "a"})).await.id();
        api.post(path, json!({"name": "b"})).await.ok();
        let again = api.post(path, json!({"name": " a "})).await;
        again.error(409, "conflict");
        assert_eq!(again.json()["error"]["details"]["field"], "name");
        let one = format!("{path}/{first}");
        let renamed = api.patch(&one, json!({"name": "b"})).await;
        renamed.error(409, "conflict");
        api.patch(&one, json!({"name": "a"})).await.ok();
        api.post(path, json!({"name": "A"})).await.ok();
    }
}

#[tokio::test]
async fn bad_associations_are_refused_by_field() {
    let api = Api::start().await;
    let (model, provider) = (api.model("m").await, api.provider("p").await);
    let good = json!({"model_id": model, "provider_id": provider, "provider_model": "up"});
    let id = api.association(model, provider).await;
    for (change, field) in [
        (json!({"model_id": 99}), "model_id"),
        (json!({"model_id": null}), "model_id"),
        (json!({"model_id": "1"}), "model_id"),
        (json!({"provider_id": 99}), "provider_id"),
        (json!({"provider_id": null}), "provider_id"),
        (json!({"provider_model": ""}), "provider_model"),
        (json!({"provider_model": null}), "provider_model"),
        (json!({"provider_model": "x".repeat(101)}), "provider_model"),
        (json!({"weight": -1}), "weight"),
        (json!({"weight": 1_000_001}), "weight"),
        (json!({"weight": true}), "weight"),
        (json!({"tool_call": "yes"}), "tool_call"),
        (json!({"vision": true}), "vision"),
    ] {
        let mut body = good.clone();
        for (name, value) in change.as_object().unwrap() {
            body[name] = value.clone();
        }
        api.post("/api/model-providers", body).await.invalid(field);
        let one = format!("/api/model-providers/{id}");
        api.patch(&one, change).await.invalid(field);
    }
    let listed = api.get("/api/model-providers").await.ok();
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn associations_are_listed_by_model_and_provider_and_counted() {
    let api = Api::start().await;
    let (m1, m2) = (api.model("m1").await, api.model("m2").await);
    let (p1, p2) = (api.provider("p1").await, api.provider("p2").await);
    let a = api.association(m1, p1).await;
    let b = api.association(m1, p2).await;
    let c = api.association(m2, p1).await;
    for (query, expected) in [
        (String::new(), vec![c, b, a]),
        (format!("?model_id={m1}"), vec![b, a]),
        (format!("?provider_id={p1}"), vec![c, a]),
        (format!("?model_id={m1}&provider_id={p2}"), vec![b]),
        ("?model_id=99".to_owned(), vec![]),
    ] {
        let listed = api.get(&format!("/api/model-providers{query}")).await.ok();
        let ids: Vec<_> = listed["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["id"].as_i64().unwrap())
            .collect();
        assert_eq!(ids, expected, "{query}");
    }
    for query in ["?model_id=x", "?model_id="] {
        api.get(&format!("/api/model-providers{query}"))
            .await
            .invalid("model_id");
    }
    let models = api.get("/api/models").await.ok();
    assert_eq!(models["data"][0]["associations"], 1);
    assert_eq!(models["data"][1]["associations"], 2);
    let change = json!({"weight": 0, "image": true, "tool_call": false});
    let one = format!("/api/model-providers/{a}");
    let changed = api.patch(&one, change).await.ok();
    assert_eq!(
        (
            &changed["weight"],
            &changed["image"],
            &changed["provider_model"]
        ),
        (&json!(0), &json!(true), &json!("up"))
    );
    let reset = api
        .patch(
            &one,
            json!({"weight": null, "image": null, "tool_call": null}),
        )
        .await
        .ok();
    assert_eq!(
        (&reset["weight"], &reset["image"], &reset["tool_call"]),
        (&json!(1), &json!(false), &json!(true))
    );
    assert_eq!(api.delete(&one).await.status, 204);
    api.get(&one).await.error(404, "not_found");
    api.delete(&one).await.error(404, "not_found");
    // A model takes its associations along.
    assert_eq!(api.delete(&format!("/api/models/{m1}")).await.status, 204);
    let left = api.get("/api/model-providers").await.ok();
    assert_eq!(left["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn bad_keys_are_refused_by_field() {
    let api = Api::start().await;
    let cases = [
        (json!({"name": null}), "name"),
        (json!({"name": "env-12345678"}), "name"),
        (json!({"name": "x".repeat(101)}), "name"),
        (json!({"enabled": "no"}), "enabled"),
        (json!({"expires_at": "tomorrow"}), "expires_at"),
        (json!({"expires_at": 1_800_000_000}), "expires_at"),
        (json!({"allowed_models": "gpt"}), "allowed_models"),
        (json!({"allowed_models": [1]}), "allowed_models[0]"),
        (json!({"allowed_models": [""]}), "allowed_models"),
        (json!({"allowed_providers": ["a\nb"]}), "allowed_providers"),
        (
            json!({"allowed_providers": vec!["p"; 1001]}),
            "allowed_providers",
        ),
        (json!({"budgets": 5}), "budgets"),
        (json!({"budgets": {"week": "5"}}), "budgets.week"),
        (json!({"budgets": {"day": 5}}), "budgets.day"),
        (json!({"budgets": {"day": "-5"}}), "budgets.day"),
        (
            json!({"budgets": {"month": "0.0000000001"}}),
            "budgets.month",
        ),
        (json!({"budgets": {"total": "1e3"}}), "budgets.total"),
        (
            json!({"budgets": {"day": "1", "warn_at": 80}}),
            "budgets.warn_at",
        ),
        (json!({"budgets": {"unpriced": "free"}}), "budgets.unpriced"),
        (json!({"metadata": "x"}), "metadata"),
        (json!({"metadata": {"x": "y".repeat(17_000)}}), "metadata"),
        (json!({"key": "sk-mine"}), "key"),
        (json!({"key_hash": null}), "key_hash"),
    ];
    refuses(&api, "/api/keys", &json!({"name": "k"}), &cases).await;
}

#[tokio::test]
async fn a_key_is_told_once_and_works_until_it_does_not() {
    let api = Api::start().await;
    let body = json!({
        "name": "ci", "allowed_models": ["a", "gpt-*", "a"], "expires_at": "2999-01-01T00:00:00Z",
        "metadata": {"team": {"name": "x", "old": null}},
    });
    let created = api.post("/api/keys", body).await;
    assert_eq!(created.status, 201);
    let created = created.ok();
    let key = created["key"].as_str().unwrap().to_owned();
    let one = format!("/api/keys/{}", created["id"]);
    let accepted = || {
        let snapshot = api.catalog.snapshot();
        let found = snapshot.keys.authenticate(Some(&key), chrono::Utc::now());
        found.cloned()
    };
    let known = accepted().unwrap();
    assert!(known.may_use_model("a") && known.may_use_model("gpt-5") && !known.may_use_model("c"));
    let seen = api.get(&one).await;
    let listed = api.get("/api/keys").await;
    assert!(!seen.text.contains(&key) && !listed.text.contains(&key));
    assert!(!seen.text.contains("hash"), "{}", seen.text);
    let seen = seen.ok();
    assert!(key.starts_with(seen["key_prefix"].as_str().unwrap()));
    assert_eq!(seen["allowed_models"], json!(["a", "gpt-*"]));
    assert_eq!(seen["metadata"], json!({"team": {"name": "x"}}));
    api.patch(&one, json!({"enabled": false})).await.ok();
    assert_eq!(accepted(), Err(access::Denied::Disabled));
    let past = json!({"enabled": true, "expires_at": "2020-01-01T00:00:00Z"});
    api.patch(&one, past).await.ok();
    assert_eq!(accepted(), Err(access::Denied::Expired));
    let open =
        json!({"expires_at": null, "allowed_models": null, "metadata": {"team": null, "n": 1}});
    let changed = api.patch(&one, open).await.ok();
    assert_eq!(changed["metadata"], json!({"n": 1}));
    assert_eq!(changed["allowed_models"], json!(null));
    assert!(accepted().unwrap().may_use_model("c"));
    assert_eq!(api.delete(&one).await.status, 204);
    assert_eq!(accepted(), Err(access::Denied::Unknown));
}

#[tokio::test]
async fn budgets_are_merged_kept_and_in_force() {
    let api = Api::start().await;
    let budgets = json!({"day": "10.00", "month": "200", "total": null});
    let created = api
        .post("/api/keys", json!({"name": "ci", "budgets": budgets}))
        .await
        .ok();
    let stored =
        json!({"day": "10", "month": "200", "total": null, "warn_at": 0.8, "unpriced": "allow"});
    assert_eq!(created["budgets"], stored);
    let one = format!("/api/keys/{}", created["id"]);
    let budget = || {
        let snapshot = api.catalog.snapshot();
        let key = snapshot.keys.keys().next().unwrap();
        key.budget.map(|budget| budget.caps)
    };
    assert_eq!(budget().unwrap().day, Some(10_000_000_000));
    // What was read can be written back.
    api.patch(&one, json!({"budgets": stored})).await.ok();
    let less = json!({"budgets": {"day": null, "warn_at": 0.5}});
    let changed = api.patch(&one, less).await.ok();
    assert_eq!(changed["budgets"]["day"], json!(null));
    assert_eq!(changed["budgets"]["month"], "200");
    assert_eq!(budget().unwrap().day, None);
    api.patch(&one, json!({"name": "other"}))
        .await
        .invalid("name");
    let none = json!({"name": "other", "budgets": {"month": null}});
    assert_eq!(api.patch(&one, none).await.ok()["budgets"], json!(null));
    assert_eq!(budget(), None);
}

#[tokio::test]
async fn a_key_tells_what_it_used_and_what_is_left() {
    let api = Api::start().await;
    let budgets = json!({"day": "0.5", "total": "1.5", "warn_at": 0.5});
    let key = api
        .post("/api/keys", json!({"name": "ci", "budgets": budgets}))
        .await
        .ok();
    let today = chrono::Utc::now().date_naive();
    let day = |date, cost| key_usage::ActiveModel {
        key_name: Set("ci".to_owned()),
        date: Set(date),
        total_requests: Set(2),
        prompt_tokens: Set(30),
        completion_tokens: Set(10),
        total_tokens: Set(40),
        cost: Set(Some(cost)),
        last_used_at: Set(date.and_hms_opt(1, 2, 3).map(|at| at.and_utc())),
        ..Default::default()
    };
    let days = [
        day(today, 500_000_001),
        day(today - chrono::Days::new(40), 300_000_000),
    ];
    key_usage::Entity::insert_many(days)
        .exec(&api.database)
        .await
        .unwrap();
    let lease = |holder: &str, seconds| budget_lease::ActiveModel {
        key_id: Set(1),
        holder: Set(holder.to_owned()),
        amount: Set(7_000_000),
        expires_at: Set(chrono::Utc::now() + chrono::TimeDelta::seconds(seconds)),
        ..Default::default()
    };
    budget_lease::Entity::insert_many([lease("a", 60), lease("b", 60), lease("c", -60)])
        .exec(&api.database)
        .await
        .unwrap();
    let told = api.get(&format!("/api/keys/{}", key["id"])).await.ok();
    let usage = json!({"attempts": 4, "prompt_tokens": 60, "completion_tokens": 20, "total_tokens": 80, "cost": "0.800000001"});
    assert_eq!(told["usage"], usage);
    let spending = &told["spending"];
    assert_eq!(spending["leased"], "0.014");
    let state = |period: &str| {
        let one = &spending[period];
        (
            one["spent"].as_str().unwrap(),
            one["remaining"].as_str(),
            one["state"].as_str(),
        )
    };
    assert_eq!(state("day"), ("0.500000001", Some("0"), Some("exhausted")));
    assert_eq!(state("month"), ("0.500000001", None, None));
    assert_eq!(
        state("total"),
        ("0.800000001", Some("0.699999999"), Some("warning"))
    );
    assert!(spending["day"]["resets_at"].is_string());
    assert_eq!(spending["total"]["resets_at"], json!(null));
    assert!(
        told["last_used_at"]
            .as_str()
            .unwrap()
            .starts_with(&today.to_string())
    );
}

#[tokio::test]
async fn a_rotated_key_has_two_secrets_for_a_while() {
    let api = Api::start().await;
    let first = api.post("/api/keys", json!({"name": "ci"})).await.ok();
    let path = format!("/api/keys/{}/rotate", first["id"]);
    let second = api.post(&path, json!({"overlap_seconds": 60})).await;
    assert_eq!(second.status, 200);
    let second = second.ok();
    let accepted = |key: &Value, seconds| {
        let snapshot = api.catalog.snapshot();
        let at = chrono::Utc::now() + chrono::TimeDelta::seconds(seconds);
        snapshot
            .keys
            .authenticate(key["key"].as_str(), at)
            .map(|key| key.name.to_string())
    };
    assert_eq!(accepted(&first, 0), Ok("ci".to_owned()));
    assert_eq!(accepted(&first, 61), Err(access::Denied::Expired));
    assert_eq!(accepted(&second, 61), Ok("ci".to_owned()));
    // The key's own end is also that of the one before.
    let soon = chrono::Utc::now() + chrono::TimeDelta::seconds(30);
    let one = format!("/api/keys/{}", first["id"]);
    api.patch(&one, json!({"expires_at": soon})).await.ok();
    assert_eq!(accepted(&first, 31), Err(access::Denied::Expired));
    let third = api.post(&path, json!({"overlap_seconds": 0})).await.ok();
    assert_eq!(third["previous_expires_at"], json!(null));
    assert_eq!(accepted(&second, 0), Err(access::Denied::Unknown));
    for bad in [json!(-1), json!(2_592_001), json!("60"), json!(1.5)] {
        api.post(&path, json!({"overlap_seconds": bad}))
            .await
            .invalid("overlap_seconds");
    }
    assert_eq!(api.post("/api/keys/9/rotate", json!({})).await.status, 404);
}

#[tokio::test]
async fn what_is_created_is_what_is_read() {
    let api = Api::start().await;
    let (model, provider) = (api.model("m").await, api.provider("p").await);
    for (path, body) in [
        ("/api/models", json!({"name": "n"})),
        ("/api/providers", json!({"name": "q", "type": "openai"})),
        (
            "/api/model-providers",
            json!({"model_id": model, "provider_id": provider, "provider_model": "up"}),
        ),
        ("/api/keys", json!({"name": "k"})),
    ] {
        let mut created = api.post(path, body).await.ok();
        created.as_object_mut().unwrap().remove("key");
        let one = format!("{path}/{}", created["id"]);
        assert_eq!(api.get(&one).await.ok(), created);
        let changed = api.patch(&one, json!({"enabled": false})).await.ok();
        assert_eq!(changed["enabled"], false);
        assert_eq!(api.get(&one).await.ok(), changed);
        assert_eq!(api.get(path).await.ok()["data"][0], changed);
        let same = api.patch(&one, json!({})).await.ok();
        assert_eq!(
            (&same["id"], &same["enabled"]),
            (&created["id"], &json!(false))
        );
    }
}
