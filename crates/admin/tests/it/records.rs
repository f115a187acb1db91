//! Logs and figures.

use chrono::{DateTime, TimeDelta, Utc};
use entities::{key_usage, provider_stats, request_log};
use sea_orm::{ActiveValue::Set, EntityTrait};
use serde_json::{Value, json};

use crate::api::Api;

fn row(number: u32, at: DateTime<Utc>) -> request_log::ActiveModel {
    let is_even = number.is_multiple_of(2);
    request_log::ActiveModel {
        request_id: Set(format!("request-{number}")),
        provider_id: Set(is_even.then_some(7)),
        model: Set(if is_even { "even" } else { "odd" }.to_owned()),
        provider_model: Set(is_even.then(|| "up".to_owned())),
        endpoint: Set("/v1/chat/completions".to_owned()),
        method: Set("POST".to_owned()),
        status_code: Set(if is_even { 200 } else { 502 }),
        latency_ms: Set(10),
        prompt_tokens: Set(is_even.then_some(3)),
        total_tokens: Set(is_even.then_some(5)),
        usage_source: Set("provider".to_owned()),
        cost: Set(is_even.then_some(12_750_000)),
        user_id: Set(if number < 3 { "ci" } else { "dev" }.to_owned()),
        stream: Set(number == 4),
        attempts: Set(json!([
            {"provider_id": 7, "cost": 12_750_000, "ms": 9}, {"provider_id": 8, "cost": null, "ms": 1}
        ])),
        created_at: Set(at),
        ..Default::default()
    }
}

/// Six requests, an hour apart, the last one now.
async fn with_requests() -> (Api, DateTime<Utc>) {
    let api = Api::start().await;
    let now = Utc::now();
    let rows = (1..=6).map(|number| row(number, now - TimeDelta::hours(i64::from(6 - number))));
    request_log::Entity::insert_many(rows)
        .exec(&api.database)
        .await
        .unwrap();
    (api, now)
}

async fn ids(api: &Api, query: &str) -> Vec<i64> {
    let body = api.get(&format!("/api/logs{query}")).await.ok();
    let ids = body["data"].as_array().unwrap().iter();
    ids.map(|one| one["id"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn logs_are_filtered_and_paged() {
    let (api, now) = with_requests().await;
    let stamp = |hours: i64| (now - TimeDelta::hours(hours)).format("%Y-%m-%dT%H:%M:%S%.9fZ");
    for (query, expected) in [
        (String::new(), vec![6, 5, 4, 3, 2, 1]),
        ("?model=odd".to_owned(), vec![5, 3, 1]),
        ("?provider_id=7".to_owned(), vec![6, 4, 2]),
        ("?status_code=502&key=ci".to_owned(), vec![1]),
        ("?stream=true".to_owned(), vec![4]),
        ("?stream=false&model=even".to_owned(), vec![6, 2]),
        ("?request_id=request-3".to_owned(), vec![3]),
        (format!("?from={}", stamp(2)), vec![6, 5, 4]),
        (format!("?from={}&to={}", stamp(4), stamp(2)), vec![3, 2]),
        ("?from=2999-01-01".to_owned(), vec![]),
        ("?model=none".to_owned(), vec![]),
        ("?limit=2".to_owned(), vec![6, 5]),
        ("?limit=2&cursor=5".to_owned(), vec![4, 3]),
    ] {
        assert_eq!(ids(&api, &query).await, expected, "{query}");
    }
    for field in ["provider_id", "status_code", "stream", "from", "to"] {
        api.get(&format!("/api/logs?{field}=x"))
            .await
            .invalid(field);
    }
    api.get("/api/logs?user=ci").await.invalid("user");
}

#[tokio::test]
async fn a_log_is_told_by_either_id_with_money_in_usd() {
    let (api, _) = with_requests().await;
    let log = api.get("/api/logs/request-2").await.ok();
    assert_eq!(log, api.get("/api/logs/2").await.ok());
    let mut names: Vec<_> = log.as_object().unwrap().keys().cloned().collect();
    names.sort();
    let mut columns: Vec<_> = <request_log::Column as sea_orm::Iterable>::iter()
        .map(|column| sea_orm::IdenStatic::as_str(&column).to_owned())
        .collect();
    columns.sort();
    assert_eq!(names, columns);
    assert_eq!(log["cost"], "0.01275");
    assert_eq!(log["attempts"][0]["cost"], "0.01275");
    assert_eq!(log["attempts"][1]["cost"], json!(null));
    assert_eq!(api.get("/api/logs/1").await.ok()["cost"], json!(null));
    for missing in ["99", "request-99", "-1"] {
        api.get(&format!("/api/logs/{missing}"))
            .await
            .error(404, "not_found");
    }
}

#[tokio::test]
async fn old_logs_are_deleted_on_demand() {
    let (api, now) = with_requests().await;
    api.delete("/api/logs").await.invalid("before");
    api.delete("/api/logs?before=yesterday")
        .await
        .invalid("before");
    api.delete("/api/logs?before=").await.invalid("before");
    let before = (now - TimeDelta::minutes(150)).format("%Y-%m-%dT%H:%M:%SZ");
    let deleted = api.delete(&format!("/api/logs?before={before}")).await;
    assert_eq!((deleted.status.as_u16(), deleted.text.as_str()), (204, ""));
    assert_eq!(ids(&api, "").await, [6, 5, 4]);
}

#[tokio::test]
async fn figures_add_up_over_the_last_hours() {
    let (api, _) = with_requests().await;
    let totals = |body: &Value| {
        [
            "requests",
            "successes",
            "total_tokens",
            "cost",
            "avg_latency_ms",
        ]
        .map(|name| body[name].clone())
    };
    let day = api.get("/api/stats").await.ok();
    let expected = [json!(6), json!(3), json!(15), json!("0.03825"), json!(10)];
    assert_eq!(totals(&day), expected);
    assert_eq!(day["hours"], 24);
    assert_eq!(day["success_rate"], 0.5);
    assert_eq!(day["models"].as_array().unwrap().len(), 2);
    assert_eq!(day["providers"][0]["requests"], 3);
    let hours = api.get("/api/stats?hours=2").await.ok();
    assert_eq!(hours["requests"], 2);
    for hours in ["0", "8785", "x", "1.5"] {
        api.get(&format!("/api/stats?hours={hours}"))
            .await
            .invalid("hours");
    }
    let empty = Api::start().await.get("/api/stats").await.ok();
    assert_eq!(
        (&empty["requests"], &empty["cost"]),
        (&json!(0), &json!(null))
    );
}

#[tokio::test]
async fn figures_are_told_per_day() {
    let api = Api::start().await;
    let provider = api.provider("p").await;
    let days = ["2026-01-30", "2026-01-31", "2026-02-01"].map(|day| day.parse().unwrap());
    let rows = days.map(|date| provider_stats::ActiveModel {
        provider_id: Set(provider),
        date: Set(date),
        total_requests: Set(2),
        cost: Set(Some(1_500_000_000)),
        ..Default::default()
    });
    provider_stats::Entity::insert_many(rows)
        .exec(&api.database)
        .await
        .unwrap();
    let used = key_usage::ActiveModel {
        key_name: Set("ci".to_owned()),
        date: Set(days[1]),
        total_requests: Set(4),
        ..Default::default()
    };
    key_usage::Entity::insert(used)
        .exec(&api.database)
        .await
        .unwrap();
    let body = api
        .get("/api/stats/daily?from=2026-01-31&to=2026-02-01")
        .await
        .ok();
    let dates: Vec<_> = body["providers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|day| &day["date"])
        .collect();
    assert_eq!(dates, ["2026-01-31", "2026-02-01"]);
    assert_eq!(body["providers"][0]["cost"], "1.5");
    assert_eq!(body["keys"][0]["total_requests"], 4);
    assert_eq!(body["keys"][0]["cost"], json!(null));
    let month = api.get("/api/stats/daily?to=2026-02-28").await.ok();
    assert_eq!(month["from"], "2026-01-30");
    assert_eq!(month["providers"].as_array().unwrap().len(), 3);
    for (query, field) in [
        ("from=x", "from"),
        ("to=2026-02-30", "to"),
        ("from=2026-02-02&to=2026-02-01", "from"),
        ("from=2024-01-01&to=2026-02-01", "from"),
        ("day=1", "day"),
    ] {
        api.get(&format!("/api/stats/daily?{query}"))
            .await
            .invalid(field);
    }
}

#[tokio::test]
async fn an_association_tells_its_last_outcomes() {
    let api = Api::start().await;
    let (model, provider) = (api.model("m").await, api.provider("p").await);
    let association = api.association(model, provider).await;
    let path = format!("/api/model-providers/{association}/status");
    let fresh = api.get(&path).await.ok();
    assert_eq!((&fresh["data"], &fresh["next"]), (&json!([]), &json!(null)));
    assert_eq!(fresh["health"]["state"], "healthy");
    let now = health::Moment::now().instant;
    let ids = (
        router::CandidateId(association),
        router::ProviderId(provider),
    );
    for (verdict, status) in [
        (router::Verdict::Answered, 200),
        (router::Verdict::Failed, 500),
    ] {
        let attempt = api.health.begin(ids.0, ids.1, now).unwrap();
        attempt.finish(health::Outcome::new(verdict).status(status), now);
    }
    let seen = api.get(&path).await.ok();
    let outcomes: Vec<_> = seen["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (&one["ok"], &one["status"]))
        .collect();
    assert_eq!(
        outcomes,
        [(&json!(false), &json!(500)), (&json!(true), &json!(200))]
    );
    assert_eq!(seen["health"]["error_count"], 1);
    let status = api.get("/api/health").await.ok();
    assert_eq!(status["status"], "healthy");
    assert_eq!(status["providers"][0]["last_status_code"], 500);
    assert_eq!(
        status["providers"][0]["associations"][0]["model_provider_id"],
        association
    );
    let attempt = api.health.begin(ids.0, ids.1, now).unwrap();
    attempt.finish(
        health::Outcome::new(router::Verdict::Misconfigured).status(401),
        now,
    );
    let status = api.get("/api/health").await.ok();
    assert_eq!(status["status"], "unhealthy");
    assert_eq!(status["providers"][0]["reason"], "misconfigured");
    let other = api.provider("q").await;
    assert_eq!(api.get("/api/health").await.ok()["status"], "degraded");
    let off = json!({"enabled": false});
    api.patch(&format!("/api/providers/{other}"), off)
        .await
        .ok();
    assert_eq!(api.get("/api/health").await.ok()["status"], "unhealthy");
    assert_eq!(
        api.get(&format!("/api/providers/{provider}")).await.ok()["health"],
        "unhealthy"
    );
    api.get("/api/model-providers/99/status")
        .await
        .error(404, "not_found");
}
