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
        ("?text=ODD".to_owned(), vec![5, 3, 1]),
        ("?text=quest-4&model=even".to_owned(), vec![4]),
        ("?text=dev&limit=2&cursor=0-5".to_owned(), vec![4, 3]),
        ("?text=".to_owned(), vec![6, 5, 4, 3, 2, 1]),
        ("?limit=2".to_owned(), vec![6, 5]),
    ] {
        assert_eq!(ids(&api, &query).await, expected, "{query}");
    }
    let first = api.get("/api/logs?limit=2&provider_id=7").await.ok();
    let next = first["next"].as_str().unwrap();
    let rest = format!("?limit=2&provider_id=7&cursor={next}");
    assert_eq!(ids(&api, &rest).await, [2]);
    assert_eq!(
        ids(&api, &format!("?limit=9&cursor={next}")).await,
        [3, 2, 1]
    );
    for field in [
        "provider_id",
        "status_code",
        "stream",
        "from",
        "to",
        "cursor",
    ] {
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

/// Two days of two providers and of two keys; and logged requests.
async fn with_usage() -> (Api, [i64; 2]) {
    let api = Api::start().await;
    let provider = api.provider("p, the first").await;
    let other = api.provider("other").await;
    let day = |day: &str| Set(day.parse().unwrap());
    let days = [
        ("2026-01-30", provider, 2, Some(1_500_000_000)),
        ("2026-01-31", provider, 3, None),
        ("2026-01-31", other, 9, Some(1)),
    ];
    let rows = days.map(
        |(date, provider_id, count, cost)| provider_stats::ActiveModel {
            provider_id: Set(provider_id),
            date: day(date),
            total_requests: Set(count),
            total_tokens: Set(10 * count),
            cost: Set(cost),
            ..Default::default()
        },
    );
    let insert = provider_stats::Entity::insert_many(rows);
    insert.exec(&api.database).await.unwrap();
    let days = [
        ("2026-01-30", "ci", 2, Some(1_500_000_000)),
        ("2026-01-31", "ci", 5, Some(i64::from(u32::MAX))),
        ("2026-01-31", "dev", 1, None),
    ];
    let keys = days.map(|(date, name, count, cost)| key_usage::ActiveModel {
        key_name: Set(name.to_owned()),
        date: day(date),
        total_requests: Set(count),
        prompt_tokens: Set(4),
        cost: Set(cost),
        ..Default::default()
    });
    let insert = key_usage::Entity::insert_many(keys);
    insert.exec(&api.database).await.unwrap();
    let times = [
        "2026-01-29T23:59:59.9Z",
        "2026-01-30T00:00:00Z",
        "2026-01-31T23:59:59.9Z",
        "2026-02-01T00:00:00Z",
    ];
    let logged = times
        .iter()
        .zip(1..)
        .map(|(at, number)| request_log::ActiveModel {
            model: Set("=even".to_owned()),
            cost: Set((number == 2).then_some(5)),
            ..row(number, at.parse().unwrap())
        });
    let insert = request_log::Entity::insert_many(logged);
    insert.exec(&api.database).await.unwrap();
    (api, [provider, other])
}

/// A group of a report, with what is not given at 0.
fn group(given: Value, count: (&str, i64), total: i64, cost: Value) -> Value {
    let mut group =
        json!({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": total, "cost": cost});
    group[count.0] = count.1.into();
    for (name, value) in given.as_object().unwrap() {
        group[name] = value.clone();
    }
    group
}

#[tokio::test]
async fn usage_is_reported_by_group() {
    let (api, [provider, other]) = with_usage().await;
    let named = json!({"provider_id": provider, "provider": "p, the first"});
    for (by, expected) in [
        (
            "provider",
            vec![
                group(
                    json!({"provider_id": other, "provider": "other"}),
                    ("attempts", 9),
                    90,
                    json!("0.000000001"),
                ),
                group(named, ("attempts", 5), 50, json!("1.5")),
            ],
        ),
        (
            "day",
            vec![
                group(
                    json!({"date": "2026-01-30", "prompt_tokens": 4}),
                    ("attempts", 2),
                    0,
                    json!("1.5"),
                ),
                group(
                    json!({"date": "2026-01-31", "prompt_tokens": 8}),
                    ("attempts", 6),
                    0,
                    json!("4.294967295"),
                ),
            ],
        ),
        (
            "key",
            vec![
                group(
                    json!({"key": "ci", "prompt_tokens": 8}),
                    ("attempts", 7),
                    0,
                    json!("5.794967295"),
                ),
                group(
                    json!({"key": "dev", "prompt_tokens": 4}),
                    ("attempts", 1),
                    0,
                    json!(null),
                ),
            ],
        ),
        (
            "model",
            vec![group(
                json!({"model": "=even", "prompt_tokens": 3}),
                ("requests", 2),
                5,
                json!("0.000000005"),
            )],
        ),
    ] {
        let body = api
            .get(&format!(
                "/api/usage?group_by={by}&from=2026-01-30&to=2026-01-31"
            ))
            .await
            .ok();
        let whole =
            json!({"group_by": by, "from": "2026-01-30", "to": "2026-01-31", "data": expected});
        assert_eq!(body, whole);
    }
    let unpriced = api
        .get("/api/usage?group_by=provider&from=2026-01-31&to=2026-01-31")
        .await
        .ok();
    assert_eq!(unpriced["data"][1]["cost"], json!(null));
}

#[tokio::test]
async fn bad_reports_are_refused_by_parameter() {
    let api = Api::start().await;
    for (query, field) in [
        ("", "."),
        ("group_by=user", "group_by"),
        ("group_by=key&format=xml", "format"),
        ("group_by=key&from=2026-02-02&to=2026-02-01", "from"),
        ("group_by=key&from=2024-01-01&to=2026-02-01", "from"),
        ("group_by=key&hours=1", "hours"),
    ] {
        let refused = api.get(&format!("/api/usage?{query}")).await;
        assert_eq!(
            refused.json()["error"]["details"]["field"],
            field,
            "{query}"
        );
        refused.error(422, "invalid_value");
    }
}

#[tokio::test]
async fn usage_is_reported_as_csv() {
    let (api, [provider, other]) = with_usage().await;
    for (by, expected) in [
        (
            "provider",
            format!("provider_id,provider,attempts,prompt_tokens,completion_tokens,total_tokens,cost\r\n\
                     {other},other,9,0,0,90,0.000000001\r\n{provider},\"p, the first\",3,0,0,30,\r\n"),
        ),
        (
            "model",
            "model,requests,prompt_tokens,completion_tokens,total_tokens,cost\r\n\"'=even\",1,0,0,0,\r\n".to_owned(),
        ),
        (
            "day",
            "date,attempts,prompt_tokens,completion_tokens,total_tokens,cost\r\n2026-01-31,6,8,0,0,4.294967295\r\n"
                .to_owned(),
        ),
    ] {
        let path = format!("/api/usage?group_by={by}&from=2026-01-31&to=2026-01-31&format=csv");
        let answer = api.get(&path).await;
        assert_eq!(answer.status, 200);
        assert!(answer.headers["content-type"].to_str().unwrap().starts_with("text/csv"));
        assert_eq!(answer.text, expected);
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
    assert_eq!(
        api.get("/api/providers/1/transitions").await.ok()["data"],
        json!([])
    );
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
    let changes = api.get("/api/providers/1/transitions").await.ok();
    let change = &changes["data"][0];
    assert_eq!(change["from"], "healthy");
    assert_eq!(change["to"], "unhealthy");
    assert_eq!(change["reason"], "misconfigured");
    assert_eq!(change["status_code"], 401);
    api.get("/api/providers/99/transitions")
        .await
        .error(404, "not_found");
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

#[tokio::test]
async fn figures_over_time_have_every_step() {
    let (api, _) = with_requests().await;
    let body = api.get("/api/stats/series?hours=3").await.ok();
    assert_eq!(
        (body["hours"].clone(), body["step"].clone()),
        (json!(3), json!(300))
    );
    let points = body["points"].as_array().unwrap();
    assert!((36..=37).contains(&points.len()), "{}", points.len());
    let requests: i64 = points
        .iter()
        .map(|one| one["requests"].as_i64().unwrap())
        .sum();
    assert_eq!(
        (requests, body["totals"]["requests"].clone()),
        (3, json!(3))
    );
    assert_eq!(
        body["totals"]["latency_ms"],
        json!({"p50": 10, "p95": 10, "p99": 10})
    );
    assert_eq!(body["totals"]["ttft_ms"], Value::Null);
    let one = api
        .get("/api/stats/series?model=even&provider_id=7")
        .await
        .ok();
    assert_eq!(one["totals"]["requests"], 3);
    for hours in [0, 745] {
        api.get(&format!("/api/stats/series?hours={hours}"))
            .await
            .invalid("hours");
    }
}

#[tokio::test]
async fn settings_are_told() {
    let api = Api::start().await;
    let body = api.get("/api/settings").await.ok();
    assert_eq!(body["data"][0]["name"], "GATEWAY_LISTEN");
    assert_eq!(body["data"][0]["source"], "default");
}
