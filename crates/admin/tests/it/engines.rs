//! What the engines might do differently, on each of them.

use futures_util::future::join_all;
use scratch::Place;
use sea_orm::DbBackend;
use serde_json::json;

use crate::api::{Api, SECRET_KEY};

/// Creates, reads, changes, lists and deletes one of everything.
async fn walk(api: &Api) {
    let (model, provider) = (api.model("m").await, api.provider("p").await);
    let association = json!({"model_id": model, "provider_id": provider, "provider_model": "up"});
    for (path, body) in [
        ("/api/models", json!({"name": "M", "remark": "größer 🚀"})),
        ("/api/providers", json!({"name": "P", "type": "openai"})),
        ("/api/model-providers", association),
        (
            "/api/keys",
            json!({"name": "k", "metadata": {"a": [1, null]}, "allowed_models": ["m"]}),
        ),
    ] {
        let mut created = api.post(path, body).await.ok();
        created.as_object_mut().unwrap().remove("key");
        let one = format!("{path}/{}", created["id"]);
        assert_eq!(api.get(&one).await.ok(), created);
        let changed = api.patch(&one, json!({"enabled": false})).await.ok();
        assert_eq!(api.get(&one).await.ok(), changed);
        assert_eq!(
            api.get(&format!("{path}?limit=1")).await.ok()["data"],
            json!([changed])
        );
    }
    let policy = format!("/api/policies/{model}");
    for strategy in ["sticky", "cheapest"] {
        let body = json!({"strategy": strategy, "connect_timeout": 0.1});
        let set = api.call(http::Method::PUT, &policy, Some(body)).await.ok();
        assert_eq!(api.get(&policy).await.ok(), set);
    }
    assert_eq!(api.delete(&policy).await.status, 204);
    let models = api.get("/api/models").await.ok();
    assert_eq!(
        (
            &models["data"][1]["name"],
            &models["data"][1]["associations"]
        ),
        (&json!("m"), &json!(1))
    );
    let imported = json!({"models": ["m", "n", "N"]});
    let path = format!("/api/providers/{provider}/import-models");
    let report = api.post(&path, imported).await.ok();
    assert_eq!(report["created"].as_array().unwrap().len(), 3);
    for path in [
        "/api/logs",
        "/api/stats",
        "/api/stats/daily",
        "/api/health",
        "/api/route?model=m",
    ] {
        api.get(path).await.ok();
    }
    let forced = format!("/api/providers/{provider}?force=true");
    assert_eq!(api.delete(&forced).await.status, 204);
    assert_eq!(
        api.get("/api/model-providers").await.ok()["data"],
        json!([])
    );
    assert_eq!(api.delete("/api/logs?before=2999-01-01").await.status, 204);
}

/// Two processes create the same names at once; each name is created once.
async fn race(first: &Api) {
    let second = first.another().await;
    let version = first.catalog.current().version;
    let calls = (0..20).map(|number| {
        let api = if number % 2 == 0 { first } else { &second };
        api.post(
            "/api/models",
            json!({"name": format!("race {}", number / 2)}),
        )
    });
    let mut statuses: Vec<u16> = join_all(calls)
        .await
        .iter()
        .map(|one| one.status.as_u16())
        .collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [[201; 10], [409; 10]].concat());
    first.catalog.reload().await.unwrap();
    assert_eq!(first.catalog.current().version, version + 10);
}

async fn check(engine: DbBackend) {
    let place = Place::new(engine).await;
    let api = Api::at(place.url().to_owned(), Some(SECRET_KEY)).await;
    walk(&api).await;
    race(&api).await;
}

#[tokio::test]
async fn on_sqlite() {
    check(DbBackend::Sqlite).await;
}

#[tokio::test]
async fn on_postgres() {
    check(DbBackend::Postgres).await;
}

#[tokio::test]
async fn on_mariadb() {
    check(DbBackend::MySql).await;
}
