//! Routing policies.

use http::Method;
use router::Strategy;
use serde_json::{Value, json};

use crate::api::Api;

impl Api {
    async fn put(&self, path: &str, body: Value) -> crate::api::Answer {
        self.call(Method::PUT, path, Some(body)).await
    }
}

#[tokio::test]
async fn a_policy_replaces_the_one_before() {
    let api = Api::start().await;
    let model = api.model("m").await;
    let path = format!("/api/policies/{model}");
    let defaults = json!({
        "model_id": model, "strategy": "weighted", "connect_timeout": 5.0, "first_content_timeout": 30.0,
        "response_timeout": 300.0, "stream_idle_timeout": 60.0, "total_timeout": null,
        "hedge_after_ms": null, "hedge_percentile": null, "heartbeat_after_ms": null,
        "verified_resume": false, "skip_malformed_events": false, "guards": null, "record_bodies": false,
        "is_default": true, "declared_by": null,
    });
    assert_eq!(api.get(&path).await.ok(), defaults);
    let set = json!({"strategy": "least_busy", "connect_timeout": 0.25, "total_timeout": 90, "skip_malformed_events": true,
        "hedge_after_ms": 300, "hedge_percentile": 95, "heartbeat_after_ms": 2_000});
    let seen = api.put(&path, set).await.ok();
    assert_eq!(seen["strategy"], "least_busy");
    assert_eq!(seen["connect_timeout"], 0.25);
    assert_eq!(seen["total_timeout"], 90.0);
    assert_eq!(seen["is_default"], false);
    assert_eq!(api.get(&path).await.ok(), seen);
    let snapshot = api.catalog.snapshot();
    let (live, route) = snapshot.model("m").unwrap();
    assert_eq!(route.strategy(), Strategy::LeastBusy);
    assert_eq!(live.policy.clocks.connect.as_millis(), 250);
    assert!(live.policy.skip_malformed_events);
    let hedging = live.policy.hedging.unwrap();
    assert_eq!(hedging.percentile, Some(95));
    assert_eq!(hedging.after.unwrap().as_millis(), 300);
    assert_eq!(live.policy.heartbeat.unwrap().as_secs(), 2);
    let told = ["hedge_after_ms", "hedge_percentile", "heartbeat_after_ms"].map(|name| &seen[name]);
    assert_eq!(told, [300, 95, 2_000]);
    let again = api.put(&path, json!({"stream_idle_timeout": 7})).await.ok();
    assert_eq!(again["strategy"], "weighted");
    assert_eq!(again["connect_timeout"], 5.0);
    assert_eq!(again["total_timeout"], json!(null));
    assert_eq!(again["stream_idle_timeout"], 7.0);
    // Defaults follow the model.
    let longer = json!({"timeout": 8});
    api.patch(&format!("/api/models/{model}"), longer)
        .await
        .ok();
    assert_eq!(api.get(&path).await.ok()["response_timeout"], 80.0);
    for _ in 0..2 {
        assert_eq!(api.delete(&path).await.status, 204);
    }
    assert_eq!(api.get(&path).await.ok()["is_default"], true);
    assert_eq!(
        api.catalog.snapshot().model("m").unwrap().1.strategy(),
        Strategy::Weighted
    );
}

#[tokio::test]
async fn bad_policies_are_refused_by_field() {
    let api = Api::start().await;
    let model = api.model("m").await;
    let path = format!("/api/policies/{model}");
    for (body, field) in [
        (json!({"strategy": "fastest"}), "strategy"),
        (json!({"strategy": 1}), "strategy"),
        (json!({"connect_timeout": 0}), "connect_timeout"),
        (
            json!({"first_content_timeout": -1}),
            "first_content_timeout",
        ),
        (json!({"response_timeout": 86_401}), "response_timeout"),
        (json!({"stream_idle_timeout": "60"}), "stream_idle_timeout"),
        (json!({"total_timeout": 1e300}), "total_timeout"),
        (json!({"skip_malformed_events": 1}), "skip_malformed_events"),
        (json!({"hedge_after_ms": 0}), "hedge_after_ms"),
        (json!({"hedge_after_ms": 1.5}), "hedge_after_ms"),
        (json!({"hedge_percentile": 100}), "hedge_percentile"),
        (json!({"heartbeat_after_ms": 99}), "heartbeat_after_ms"),
        (json!({"verified_resume": "yes"}), "verified_resume"),
        (json!({"record_bodies": 1}), "record_bodies"),
        (
            json!({"guards": {"rules": [{"name": "a", "pattern": "(", "action": "deny"}]}}),
            "guards.rules[0].pattern",
        ),
        (
            json!({"guards": {"moderation": {"url": "ftp://m"}}}),
            "guards.moderation.url",
        ),
    ] {
        api.put(&path, body).await.invalid(field);
    }
    assert_eq!(api.get(&path).await.ok()["is_default"], true);
    for missing in ["/api/policies/99", "/api/policies/x"] {
        api.get(missing).await.error(404, "not_found");
        api.put(missing, json!({})).await.error(404, "not_found");
        api.delete(missing).await.error(404, "not_found");
    }
}
