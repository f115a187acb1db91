//! Lists, a page at a time.

use entities::model;
use sea_orm::{ActiveValue::Set, EntityTrait};
use serde_json::json;

use crate::api::Api;

#[tokio::test]
async fn pages_hold_everything_once_while_rows_come_and_go() {
    let api = Api::start().await;
    let rows = (1..=1000).map(|number| model::ActiveModel {
        name: Set(format!("m{number}")),
        ..Default::default()
    });
    model::Entity::insert_many(rows)
        .exec(&api.database)
        .await
        .unwrap();
    let mut seen = Vec::new();
    let mut path = "/api/models?limit=99".to_owned();
    loop {
        let page = api.get(&path).await.ok();
        let data = page["data"].as_array().unwrap();
        assert!(data.len() <= 99);
        seen.extend(data.iter().map(|one| one["id"].as_i64().unwrap()));
        let Some(next) = page["next"].as_str() else {
            break;
        };
        path = format!("/api/models?limit=99&cursor={next}");
        // New rows come in front, and the row that the cursor names may go.
        api.model(&format!("new {next}")).await;
        api.delete(&format!("/api/models/{next}")).await;
    }
    let expected: Vec<i64> = (1..=1000).rev().collect();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn limits_and_cursors_are_checked() {
    let api = Api::start().await;
    for _ in 0..2 {
        api.model(&format!("m{}", api.catalog.current().version))
            .await;
    }
    for path in ["models", "providers", "model-providers", "keys", "logs"] {
        for limit in ["0", "1001", "-1", "x", ""] {
            api.get(&format!("/api/{path}?limit={limit}"))
                .await
                .invalid("limit");
        }
        api.get(&format!("/api/{path}?cursor=x"))
            .await
            .invalid("cursor");
        api.get(&format!("/api/{path}?page=2"))
            .await
            .invalid("page");
        api.get(&format!("/api/{path}?limit=1&limit=2"))
            .await
            .invalid("limit");
        api.get(&format!("/api/{path}?limit=1000")).await.ok();
    }
    let first = api.get("/api/models?limit=1").await.ok();
    assert_eq!(first["next"], "2");
    let last = api.get("/api/models?limit=1&cursor=2").await.ok();
    assert_eq!(last["next"], json!(null));
    let none = api.get("/api/models?limit=1&cursor=1").await.ok();
    assert_eq!(none, json!({"data": [], "next": null}));
}
