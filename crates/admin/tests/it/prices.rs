//! Prices: what may be written, what comes back, and what is in force.

use router::CandidateId;
use serde_json::{Value, json};

use crate::api::Api;

/// What a snapshot has of an association: input and output in nano-USD.
fn in_force(api: &Api, association: i64) -> Option<(Option<i64>, Option<i64>)> {
    let snapshot = api.catalog.snapshot();
    let price = snapshot.price(CandidateId(association));
    price.map(|price| (price.input, price.output))
}

#[tokio::test]
async fn a_price_is_kept_exactly_and_is_live_at_once() {
    let api = Api::start().await;
    let provider = api.provider("p").await;
    let model = api.model("m").await;
    let association = api.association(model, provider).await;
    assert_eq!(in_force(&api, association), None);
    let general = json!({"model_pattern": "u*", "input": "1"});
    api.post("/api/prices", general).await.ok();
    assert_eq!(
        in_force(&api, association),
        Some((Some(1_000_000_000), None))
    );

    let body = json!({
        "provider_id": provider, "model_pattern": " up ", "input": "2.5", "output": "10.000000001",
        "cache_read": "0", "source": "https://example.com/pricing", "source_date": "2026-01-31",
    });
    let created = api.post("/api/prices", body).await;
    assert_eq!(created.status, 201);
    let mut shown = created.ok();
    let path = format!("/api/prices/{}", created.id());
    assert_eq!(api.get(&path).await.ok(), shown);
    for name in ["id", "created_at", "updated_at"] {
        assert!(
            shown
                .as_object_mut()
                .unwrap()
                .remove(name)
                .is_some_and(|it| !it.is_null())
        );
    }
    let expected = json!({
        "builtin": false, "provider_type": null, "provider_id": provider, "model_pattern": "up",
        "input": "2.5", "output": "10.000000001", "cache_read": "0", "cache_write": null, "reasoning": null,
        "per_request": null, "per_image": null, "per_second": null,
        "source": "https://example.com/pricing", "source_date": "2026-01-31", "declared_by": null,
    });
    assert_eq!(shown, expected);
    assert_eq!(
        in_force(&api, association),
        Some((Some(2_500_000_000), Some(10_000_000_001)))
    );

    let patch = json!({"input": "3", "output": null, "per_request": "0.000001"});
    let patched = api.patch(&path, patch).await.ok();
    assert_eq!(
        (&patched["input"], &patched["output"]),
        (&json!("3"), &json!(null))
    );
    assert_eq!(patched["per_request"], "0.000001");
    assert_eq!(patched["cache_read"], "0");
    assert_eq!(patched["source_date"], "2026-01-31");
    assert_eq!(
        in_force(&api, association),
        Some((Some(3_000_000_000), None))
    );

    assert_eq!(api.delete(&path).await.status, 204);
    api.get(&path).await.error(404, "not_found");
    assert_eq!(
        in_force(&api, association),
        Some((Some(1_000_000_000), None))
    );
}

#[tokio::test]
async fn bad_prices_are_refused_by_field() {
    let api = Api::start().await;
    let good = json!({"model_pattern": "kept", "input": "1"});
    let path = format!("/api/prices/{}", api.post("/api/prices", good).await.id());
    let before = api.get(&path).await.ok();
    for (change, field) in [
        (json!({"model_pattern": null}), "model_pattern"),
        (json!({"model_pattern": " "}), "model_pattern"),
        (json!({"model_pattern": "x".repeat(101)}), "model_pattern"),
        (json!({"provider_id": 99}), "provider_id"),
        (json!({"provider_id": "p"}), "provider_id"),
        (json!({"input": 2.5}), "input"),
        (json!({"input": 2}), "input"),
        (json!({"input": "-1"}), "input"),
        (json!({"output": "1e3"}), "output"),
        (json!({"output": ""}), "output"),
        (json!({"cache_read": "0.0000000001"}), "cache_read"),
        (json!({"cache_write": "1000000.1"}), "cache_write"),
        (json!({"reasoning": "99999999999999999999"}), "reasoning"),
        (json!({"per_request": true}), "per_request"),
        (json!({"per_image": "1,5"}), "per_image"),
        (json!({"per_second": "$1"}), "per_second"),
        (json!({"source": "the web"}), "source"),
        (json!({"source": "file:///etc/passwd"}), "source"),
        (
            json!({"source": format!("https://{}", "x".repeat(255))}),
            "source",
        ),
        (json!({"source_date": "yesterday"}), "source_date"),
        (json!({"builtin": true}), "builtin"),
        (json!({"price": "1"}), "price"),
    ] {
        let version = api.catalog.current().version;
        let mut body = json!({"model_pattern": "new", "input": "1"});
        for (name, value) in change.as_object().unwrap() {
            body[name] = value.clone();
        }
        api.post("/api/prices", body).await.invalid(field);
        api.patch(&path, change.clone()).await.invalid(field);
        assert_eq!(api.catalog.current().version, version, "{change}");
    }
    assert_eq!(api.get(&path).await.ok(), before);
    for missing in ["/api/prices/99", "/api/prices/x"] {
        api.get(missing).await.error(404, "not_found");
        api.patch(missing, json!({})).await.error(404, "not_found");
        api.delete(missing).await.error(404, "not_found");
    }
}

#[tokio::test]
async fn a_pattern_has_one_price_per_provider_and_one_for_all() {
    let api = Api::start().await;
    let (one, other) = (api.provider("one").await, api.provider("other").await);
    for provider in [json!(null), json!(one), json!(other)] {
        let body = json!({"provider_id": provider, "model_pattern": "m"});
        api.post("/api/prices", body.clone()).await.ok();
        let again = api.post("/api/prices", body).await;
        again.error(409, "conflict");
        assert_eq!(again.json()["error"]["details"]["field"], "model_pattern");
    }
    let spare = api
        .post("/api/prices", json!({"model_pattern": "M"}))
        .await
        .id();
    let path = format!("/api/prices/{spare}");
    for taken in [
        json!({"model_pattern": "m"}),
        json!({"model_pattern": "m", "provider_id": one}),
    ] {
        api.patch(&path, taken).await.error(409, "conflict");
    }
    api.patch(&path, json!({"model_pattern": "M"})).await.ok();
    let of_one = api
        .get(&format!("/api/prices?provider_id={one}"))
        .await
        .ok();
    assert_eq!(of_one["data"].as_array().unwrap().len(), 1);
    // What was a provider's own goes with it.
    api.delete(&format!("/api/providers/{one}")).await;
    let left = api.get("/api/prices").await.ok();
    assert_eq!(left["data"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn built_in_prices_are_shown_with_their_source_and_give_way_to_rows() {
    let api = Api::start().await;
    let list = api.get("/api/prices?builtin=true").await.ok();
    assert_eq!(list["next"], Value::Null);
    for row in list["data"].as_array().unwrap() {
        assert_eq!(
            (&row["id"], &row["builtin"]),
            (&Value::Null, &json!(true)),
            "{row}"
        );
        assert!(
            row["source"].as_str().unwrap().starts_with("https://"),
            "{row}"
        );
        assert!(
            row["source_date"].is_string() && row["input"].is_string(),
            "{row}"
        );
    }
    assert_eq!(api.get("/api/prices").await.ok()["data"], json!([]));

    let model = api.model("m").await;
    let mut associations = Vec::new();
    // The vendor's own, and a server that only speaks as it does and calls its model alike.
    for (name, base_url) in [
        ("vendor", json!(null)),
        ("local", json!("http://127.0.0.1:9")),
    ] {
        let config = json!({"base_url": base_url, "api_key": "sk-0123456789abcdef"});
        let body = json!({"name": name, "type": "anthropic", "config": config});
        let provider = api.post("/api/providers", body).await.id();
        let body = json!({"model_id": model, "provider_id": provider, "provider_model": "claude-opus-4-5-20251101"});
        associations.push(api.post("/api/model-providers", body).await.id());
    }
    assert_eq!(
        in_force(&api, associations[0]),
        Some((Some(5_000_000_000), Some(25_000_000_000)))
    );
    assert_eq!(in_force(&api, associations[1]), None);
    let unpriced = json!({"model_pattern": "claude-*"});
    api.post("/api/prices", unpriced).await.ok();
    assert_eq!(in_force(&api, associations[0]), Some((None, None)));
}
