//! What a provider offers, asked live.

use std::time::Duration;

use serde_json::{Value, json};
use simulator::{Behaviour, Fault, Point, Simulator, SimulatorSettings};

use crate::api::Api;

const KEY: &str = "sk-0123456789abcdef";

async fn simulator(models: &[&str]) -> Simulator {
    let settings = SimulatorSettings {
        models: models.iter().map(|name| (*name).to_owned()).collect(),
        api_key: Some(KEY.to_owned()),
        ..SimulatorSettings::default()
    };
    Simulator::start(settings).await.unwrap()
}

/// An answer of status 200 with this body.
fn text(body: &str) -> Behaviour {
    Behaviour {
        body: Some(body.into()),
        ..Behaviour::default()
    }
}

async fn provider(api: &Api, base_url: &str, key: &str) -> String {
    let config = json!({"base_url": base_url, "api_key": key});
    let body = json!({"name": base_url, "type": "openai", "config": config});
    let id = api.post("/api/providers", body).await.id();
    format!("/api/providers/{id}")
}

#[tokio::test]
async fn what_a_provider_offers_is_asked_now() {
    let api = Api::start().await;
    let upstream = simulator(&["b", "a"]).await;
    let one = provider(&api, &upstream.base_url(), KEY).await;
    let offered = api.get(&format!("{one}/models")).await.ok();
    let ids: Vec<_> = offered["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| &model["id"])
        .collect();
    assert_eq!(ids, ["b", "a"]);
    assert_eq!(offered["next"], json!(null));
    api.get("/api/providers/99/models")
        .await
        .error(404, "not_found");
}

#[tokio::test]
async fn a_long_list_is_read_to_its_end_or_for_ten_pages() {
    let api = Api::start().await;
    let of_gemini = |name: &str, next: &str| {
        let model = json!({"name": format!("models/{name}")});
        text(&json!({"models": [model], "nextPageToken": next}).to_string())
    };
    let of_anthropic = |name: &str, has_more: bool| {
        text(&json!({"data": [{"id": name}], "has_more": has_more, "last_id": name}).to_string())
    };
    for (kind, first, last, endless, second_page) in [
        (
            "gemini",
            of_gemini("a", "x&y"),
            of_gemini("b", ""),
            of_gemini("a", "a"),
            "/v1beta/models?pageSize=1000&pageToken=x%26y",
        ),
        (
            "anthropic",
            of_anthropic("a", true),
            of_anthropic("b", false),
            of_anthropic("a", true),
            "/v1/models?limit=1000&after_id=a",
        ),
    ] {
        let upstream = simulator(&[]).await;
        let config = json!({"base_url": upstream.origin(), "api_key": KEY});
        let body = json!({"name": kind, "type": kind, "config": config});
        let id = api.post("/api/providers", body).await.id();
        let path = format!("/api/providers/{id}/models");
        // What is said last is done first.
        upstream.fail_next(1, last);
        upstream.fail_next(1, first);
        let offered = api.get(&path).await.ok();
        let models = offered["data"].as_array().unwrap();
        let ids: Vec<_> = models.iter().map(|model| &model["id"]).collect();
        assert_eq!(ids, ["a", "b"], "{kind}");
        assert_eq!(upstream.requests().pop().unwrap().path, second_page);
        upstream.fail_next(20, endless);
        let offered = api.get(&path).await.ok();
        assert_eq!(offered["data"].as_array().unwrap().len(), 10, "{kind}");
    }
}

#[tokio::test]
async fn a_provider_that_does_not_help_is_told_without_secrets() {
    let api = Api::start().await;
    let upstream = simulator(&["a"]).await;
    let one = provider(&api, &upstream.base_url(), KEY).await;
    let check = async |path: &str, says: &str| {
        let answer = api.get(&format!("{path}/models")).await;
        let message = answer.error(502, "upstream_error");
        assert!(message.contains(says), "{message}");
        for secret in ["127.0.0.1", "http", "0123456789"] {
            assert!(!answer.text.contains(secret), "{}", answer.text);
        }
        answer.json()["error"]["details"].clone()
    };
    for (behaviour, says) in [
        (Behaviour::status(500), "status 500"),
        (Behaviour::status(302), "status 302"),
        (
            Behaviour::fault(Fault::Reset {
                at: Point::BeforeHeaders,
            }),
            "did not answer",
        ),
        (
            Behaviour::fault(Fault::Close { at: Point::MidBody }),
            "broke off",
        ),
        (text("<html>"), "no list of models"),
        (
            text(&format!("{{\"data\":\"{KEY}\"}}")),
            "no list of models",
        ),
        (text(&" ".repeat(9 << 20)), "too large"),
    ] {
        upstream.fail_next(1, behaviour);
        check(&one, says).await;
    }
    upstream.fail_next(1, Behaviour::status(503));
    assert_eq!(check(&one, "status 503").await, json!({"status": 503}));
    api.get(&format!("{one}/models")).await.ok();
    let wrong = json!({"config": {"api_key": "sk-0123456789-wrong"}});
    api.patch(&one, wrong).await.ok();
    assert_eq!(check(&one, "status 401").await, json!({"status": 401}));
    upstream.shutdown().await;
    check(&one, "could not connect").await;
}

#[tokio::test]
async fn a_provider_that_says_nothing_is_not_waited_for_long() {
    let api = Api::start().await;
    let upstream = simulator(&["a"]).await;
    let one = provider(&api, &upstream.base_url(), KEY).await;
    upstream.fail(Behaviour::fault(Fault::Hang {
        at: Point::BeforeHeaders,
    }));
    let path = format!("{one}/models");
    let answer = api.get(&path);
    tokio::pin!(answer);
    // Until the request has arrived time is real, then it is skipped.
    while upstream.requests().is_empty() {
        let pause = tokio::time::sleep(Duration::from_millis(1));
        tokio::select! {
            early = &mut answer => panic!("{early:?}"),
            () = pause => {}
        }
    }
    tokio::time::pause();
    let message = answer.await.error(502, "upstream_error");
    assert!(message.contains("within 10 seconds"), "{message}");
}

#[tokio::test]
async fn what_a_provider_offers_can_be_imported() {
    let api = Api::start().await;
    let long = "x".repeat(101);
    let upstream = simulator(&["a", "b", &long]).await;
    let one = provider(&api, &upstream.base_url(), KEY).await;
    let path = format!("{one}/import-models");
    let known = api.model("b").await;
    let version = api.catalog.current().version;
    let report = api.call(http::Method::POST, &path, None).await.ok();
    let created: Vec<(&Value, &Value)> = report["created"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (&one["model"], &one["model_created"]))
        .collect();
    assert_eq!(
        created,
        [(&json!("a"), &json!(true)), (&json!("b"), &json!(false))]
    );
    assert_eq!(report["created"][1]["model_id"], known);
    assert_eq!(report["skipped"][0]["model"], json!(long));
    assert_eq!(
        api.catalog.current().version,
        version + 1,
        "one transaction"
    );
    let snapshot = api.catalog.snapshot();
    let (_, route) = snapshot.model("a").unwrap();
    assert_eq!(&**route.candidates()[0].provider_model(), "a");
    let again = api.post(&path, json!({})).await.ok();
    assert_eq!(again["created"], json!([]));
    assert_eq!(again["skipped"].as_array().unwrap().len(), 3);
    // Named ones are taken over as they are, also where the provider cannot be asked.
    upstream.shutdown().await;
    let named = api
        .post(&path, json!({"models": ["c", "c", " a "]}))
        .await
        .ok();
    assert_eq!(named["created"].as_array().unwrap().len(), 1);
    assert_eq!(named["created"][0]["model"], "c");
    assert_eq!(
        named["skipped"],
        json!([{"model": "a", "reason": "it is associated already"}])
    );
    api.post(&path, json!({}))
        .await
        .error(502, "upstream_error");
    api.post(&path, json!({"models": [long]}))
        .await
        .invalid("models");
    api.post(&path, json!({"models": "a"}))
        .await
        .invalid("models");
    api.post(&path, json!({"model": ["a"]}))
        .await
        .invalid("model");
    api.post("/api/providers/99/import-models", json!({"models": ["a"]}))
        .await
        .error(404, "not_found");
}

#[tokio::test]
async fn a_check_needs_a_worker_and_a_provider() {
    let api = Api::start().await;
    let one = provider(&api, "http://127.0.0.1:9/v1", KEY).await;
    let check = format!("{one}/check");
    let answer = api.call(http::Method::POST, &check, None).await;
    answer.error(503, "unavailable");
    api.call(http::Method::POST, "/api/providers/99/check", None)
        .await
        .error(404, "not_found");
}
