//! Documents of the whole configuration: what they lose (nothing), what they change, and what is wrong with them.

use axum::body::Body;
use http::{Method, Request};
use http_body_util::BodyExt;
use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::{Map, Value, json};
use tower::ServiceExt;

use crate::api::{ADMIN_KEY, Answer, Api};

const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
const WORDS: &str = "correct horse battery staple";
const FORMATS: [(&str, &str); 3] = [
    ("json", "application/json"),
    ("toml", "application/toml"),
    ("xlsx", XLSX),
];

async fn export(api: &Api, query: &str) -> Vec<u8> {
    let request = Request::get(format!("/api/export?{query}"))
        .header("authorization", format!("Bearer {ADMIN_KEY}"))
        .header("x-gateway-passphrase", WORDS)
        .body(Body::empty())
        .unwrap();
    let response = api.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    response
        .into_body()
        .collect()
        .await
        .unwrap()
        .to_bytes()
        .to_vec()
}

async fn import(api: &Api, query: &str, kind: &str, body: impl Into<Body>) -> Answer {
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("/api/import?{query}"))
        .header("authorization", format!("Bearer {ADMIN_KEY}"))
        .header("x-gateway-passphrase", WORDS)
        .header("content-type", kind)
        .body(body.into())
        .unwrap();
    api.send(request).await
}

async fn import_json(api: &Api, query: &str, document: &Value) -> Answer {
    import(api, query, "application/json", document.to_string()).await
}

#[track_caller]
fn summary(answer: &Answer) -> [i64; 4] {
    let body = answer.ok();
    ["create", "update", "delete", "unchanged"].map(|name| body["summary"][name].as_i64().unwrap())
}

fn everything() -> Value {
    json!({
        "version": 1,
        "providers": [
            {"name": "one", "type": "openai", "config": {
                "base_url": "http://127.0.0.1:9/v1", "api_key": "sk-0123456789abcdef", "priority": 7,
                "headers": {"X-Team": "blue-secret-value"},
                "models": {"up.1": {"max_tokens": 5, "headers": {"x-more": "secret too, and long"},
                    "extra_body": {"a": {"b": [1, null]}}}}}},
            {"name": "two", "type": "anthropic", "config": {"api_key": "env:HOME"}, "enabled": false},
        ],
        "models": [{"name": "m", "remark": "größer", "max_retry": 0}, {"name": "n"}],
        "associations": [
            {"model": "m", "provider": "one", "provider_model": "up.1", "weight": 3, "image": true},
            {"model": "m", "provider": "one", "provider_model": "up.1"},
            {"model": "n", "provider": "two", "provider_model": "claude", "enabled": false},
        ],
        "policies": [{"model": "m", "strategy": "sticky", "connect_timeout": 0.5, "hedge_after_ms": 9}],
        "prices": [{"model_pattern": "up*", "input": "1.25", "source_date": "2026-01-31"},
            {"provider": "one", "model_pattern": "up*", "output": "0.000000001"}],
        "keys": [{"name": "ci", "key_hash": "ab".repeat(32), "key_prefix": "sk-lo-Ab3dEf",
            "allowed_models": ["m"], "expires_at": "2030-01-02T03:04:05.678Z",
            "budgets": {"day": "1.5"}, "metadata": {"team": "blue"}}],
    })
}

#[tokio::test]
async fn a_document_makes_a_configuration_that_is_live_at_once() {
    let api = Api::start().await;
    let before = api.catalog.current().version;
    let dry = import_json(&api, "dry_run=true", &everything()).await;
    assert_eq!(summary(&dry), [11, 0, 0, 0]);
    assert_eq!(dry.ok()["dry_run"], true);
    assert_eq!(api.get("/api/models").await.ok()["data"], json!([]));
    assert_eq!(api.catalog.current().version, before);
    let done = import_json(&api, "", &everything()).await;
    assert_eq!(done.ok()["changes"], dry.ok()["changes"]);
    let route = api.get("/api/route?model=m").await.ok();
    assert!(route.to_string().contains("\"one\""), "{route}");
    let again = import_json(&api, "mode=replace&prune=true", &everything()).await;
    assert_eq!(summary(&again), [0, 0, 0, 11], "{again:?}");
    assert_eq!(
        api.catalog.current().version,
        before + 1,
        "no change, no version"
    );
}

#[tokio::test]
async fn every_format_comes_back_as_it_went() {
    let api = Api::start().await;
    import_json(&api, "", &everything()).await.ok();
    for secrets in ["omitted", "sealed"] {
        for (format, kind) in FORMATS {
            let document = export(&api, &format!("format={format}&secrets={secrets}")).await;
            let text = String::from_utf8_lossy(&document);
            for secret in ["0123456789abcdef", "blue-secret", "secret too"] {
                assert!(!text.contains(secret), "{format}");
            }
            for mode in ["merge", "replace"] {
                let query = format!("prune=true&mode={mode}");
                let back = import(&api, &query, kind, document.clone()).await;
                assert_eq!(
                    summary(&back),
                    [0, 0, 0, 11],
                    "{format} {secrets} {mode} {back:?}"
                );
                assert_eq!(back.ok()["warnings"], json!([]), "{format} {secrets}");
            }
        }
    }
}

#[tokio::test]
async fn sealed_secrets_reach_another_gateway_and_open_under_their_passphrase_only() {
    let (from, to) = (Api::start().await, Api::with_secret_key(None).await);
    import_json(&from, "", &everything()).await.ok();
    let document = export(&from, "format=toml&secrets=sealed").await;
    let request = |words: &str| {
        Request::post("/api/import")
            .header("authorization", format!("Bearer {ADMIN_KEY}"))
            .header("content-type", "application/toml")
            .header("x-gateway-passphrase", words)
            .body(Body::from(document.clone()))
            .unwrap()
    };
    let wrong = to.send(request("not the right words")).await;
    wrong.error(422, "invalid_document");
    let faults = wrong.json()["error"]["details"]["faults"].clone();
    assert_eq!(faults[0]["path"], "providers[0].config.api_key");
    to.send(request(WORDS)).await.ok();
    let provider = &to.get("/api/providers").await.ok()["data"][1];
    assert_eq!(provider["config"]["api_key"], "****cdef");
    assert_eq!(provider["config"]["headers"]["x-team"], "****alue");
    let missing = export_status(&from, "secrets=sealed").await;
    missing.invalid("x-gateway-passphrase");
}

async fn export_status(api: &Api, query: &str) -> Answer {
    api.get(&format!("/api/export?{query}")).await
}

#[tokio::test]
async fn omitted_secrets_are_kept_where_they_are_and_told_of_where_they_are_not() {
    let (from, to) = (Api::start().await, Api::start().await);
    import_json(&from, "", &everything()).await.ok();
    let document = export(&from, "").await;
    let told = import(&to, "", "application/json", document).await.ok();
    let places: Vec<_> = told["warnings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|warning| warning["path"].as_str().unwrap())
        .collect();
    assert_eq!(
        places,
        [
            "providers[0].config.api_key",
            "providers[0].config.headers.x-team",
            "providers[0].config.models.up.1.headers.x-more",
        ]
    );
    let moved =
        json!({"providers": [{"name": "one", "config": {"base_url": "http://127.0.0.2:9/v1"}}]});
    let refused = import_json(&from, "", &moved).await;
    refused.error(422, "invalid_document");
    assert_eq!(
        refused.json()["error"]["details"]["faults"][0]["path"],
        "providers[0].config.api_key",
        "a key goes to no other server"
    );
}

#[tokio::test]
async fn what_changes_is_told_field_by_field_without_secrets() {
    let api = Api::start().await;
    import_json(&api, "", &everything()).await.ok();
    let changed = json!({
        "providers": [{"name": "one", "config": {"api_key": "sk-another6789cdef", "priority": 8}}],
        "models": [{"name": "m", "timeout": 31}],
    });
    let told = import_json(&api, "", &changed).await;
    assert!(!told.text.contains("another6789"));
    assert_eq!(
        told.ok()["changes"],
        json!([
            {"action": "update", "kind": "provider", "name": "one", "fields": [
                {"field": "config.api_key", "before": "****cdef", "after": "****cdef (another one)"},
                {"field": "config.priority", "before": 7, "after": 8}]},
            {"action": "update", "kind": "model", "name": "m", "fields": [
                {"field": "timeout", "before": 30, "after": 31}]},
        ])
    );
    let replaced = json!({"models": [{"name": "m"}]});
    let told = import_json(&api, "mode=replace", &replaced).await.ok();
    let fields = told["changes"][0]["fields"].as_array().unwrap();
    let names: Vec<_> = fields
        .iter()
        .map(|field| field["field"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["max_retry", "remark", "timeout"]);
}

#[tokio::test]
async fn pruning_deletes_what_sections_do_not_name_and_what_hangs_on_it() {
    let api = Api::start().await;
    import_json(&api, "", &everything()).await.ok();
    let document = json!({"providers": [{"name": "two", "type": "anthropic"}]});
    let told = import_json(&api, "prune=true", &document).await.ok();
    let gone: Vec<_> = told["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| {
            format!(
                "{} {}",
                change["kind"].as_str().unwrap(),
                change["name"].as_str().unwrap()
            )
        })
        .collect();
    assert_eq!(
        gone,
        [
            "association m -> one/up.1",
            "association m -> one/up.1",
            "price one/up*",
            "provider one"
        ]
    );
    assert_eq!(
        api.get("/api/models").await.ok()["data"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    let dangling = json!({"models": [{"name": "n"}],
        "associations": [{"model": "m", "provider": "two", "provider_model": "x"}]});
    let refused = import_json(&api, "prune=true", &dangling).await;
    refused.error(422, "invalid_document");
    assert_eq!(
        api.get("/api/models").await.ok()["data"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[tokio::test]
async fn everything_that_is_wrong_is_told_at_once_and_nothing_is_changed() {
    let api = Api::start().await;
    let document = json!({
        "providers": [{"name": "p", "type": "openai"}, {"name": "p", "type": "openai"},
            {"name": "q", "type": "nonsense"}, {"name": "r", "type": "openai", "config": {"base_url": "ftp://x"}}],
        "models": [{"name": "m", "timeout": 0}, {"name": ""}, {"name": "o", "oops": 1}],
        "associations": [{"model": "none", "provider": "p", "provider_model": "x"}],
        "policies": [{"model": "o", "strategy": "best"}],
        "prices": [{"model_pattern": "x", "input": "-1"}],
        "keys": [{"name": "k"}, {"name": "l", "key_hash": "xyz"}],
    });
    let answer = import_json(&api, "", &document).await;
    answer.error(422, "invalid_document");
    let body = answer.json();
    let places: Vec<_> = body["error"]["details"]["faults"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fault| fault["path"].as_str().unwrap())
        .collect();
    assert_eq!(
        places,
        [
            "providers[1].name",
            "providers[2].type",
            "providers[3].config.base_url",
            "models[0].timeout",
            "models[1].name",
            "models[2].oops",
            "associations[0].model",
            "policies[0].model",
            "prices[0].input",
            "keys[0].key_hash",
            "keys[1].key_hash",
        ]
    );
    assert_eq!(api.get("/api/providers").await.ok()["data"], json!([]));
    import(&api, "", "text/plain", "x")
        .await
        .error(415, "unsupported_media_type");
    import(&api, "", "application/json", "{")
        .await
        .error(400, "invalid_json");
    import(&api, "", XLSX, "PK")
        .await
        .error(422, "invalid_document");
    import(&api, "mode=other", "application/json", "{}")
        .await
        .invalid("mode");
}

#[tokio::test]
async fn the_template_can_be_imported() {
    let api = Api::start().await;
    let request = Request::get("/api/import/template.xlsx")
        .header("authorization", format!("Bearer {ADMIN_KEY}"))
        .body(Body::empty())
        .unwrap();
    let response = api.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.headers()["content-type"], XLSX);
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    let told = import(&api, "", XLSX, bytes).await;
    assert_eq!(summary(&told), [3, 0, 0, 0]);
    assert_eq!(
        told.ok()["warnings"][0]["column"],
        "api_key",
        "the variable is not set here: {told:?}"
    );
}

/// Names that a person would give, and some that only a tester would.
fn name() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9é_.:*?/@ -]{0,10}[a-z0-9]|_x0041_|true|007|1\\.50|=1|2026-01-31"
        .prop_map(|text: String| text.trim().to_owned())
}

fn text() -> impl Strategy<Value = String> {
    "[\\PC\n\t]{0,20}|_x000D_| "
}

fn free_form() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1e9..1e9).prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    let list = prop::collection::vec(prop_oneof![leaf.clone(), Just(Value::Null)], 0..3);
    let value = prop_oneof![leaf, list.prop_map(Value::from)];
    prop::collection::btree_map("[a-z.]{1,4}", value, 0..4)
        .prop_map(|fields| Value::Object(fields.into_iter().collect()))
}

prop_compose! {
    fn provider()(
        name in name(), enabled: bool, priority: i32, weight in 0..1_000_000_u32, with_key: bool,
        secret in "[!-~]{1,30}", header in "[ -~]{0,20}[!-~]", extra in free_form(), model in "[a-z.]{1,9}",
    ) -> Value {
        let mut config = json!({"priority": priority, "weight": weight, "headers": {"x-a": header},
            "models": {model: {"extra_body": extra, "headers": {"x-b": "v"}}}});
        if with_key {
            config["api_key"] = format!("sk{secret}").into();
        }
        json!({"name": name, "type": "openai", "enabled": enabled, "config": config})
    }
}

prop_compose! {
    fn model()(
        name in name(), remark in prop::option::of(text()), max_retry in 0..20, timeout in 1..86_400,
        enabled: bool,
    ) -> Value {
        json!({"name": name, "remark": remark, "max_retry": max_retry, "timeout": timeout, "enabled": enabled})
    }
}

fn unique(values: Vec<Value>, field: &str) -> Vec<Value> {
    let mut seen = std::collections::HashSet::new();
    let mut values = values;
    values.retain(|value| seen.insert(value[field].to_string()));
    values
}

prop_compose! {
    fn configuration()(
        providers in prop::collection::vec(provider(), 0..4), models in prop::collection::vec(model(), 0..4),
        ties in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), name(),
            0..1_000_000, any::<[bool; 4]>()), 0..6),
        clock in 0.001..86_400.0, amount in 0..1_000_000_000_000_000_i64, hash in "[0-9a-f]{64}",
        metadata in free_form(), pattern in name(),
    ) -> Value {
        let (providers, models) = (unique(providers, "name"), unique(models, "name"));
        let mut associations = Vec::new();
        if !providers.is_empty() && !models.is_empty() {
            for (model, provider, provider_model, weight, [a, b, c, d]) in ties {
                associations.push(json!({"model": model.get(&models)["name"],
                    "provider": provider.get(&providers)["name"], "provider_model": provider_model,
                    "weight": weight, "tool_call": a, "structured_output": b, "image": c, "enabled": d}));
            }
        }
        let policies: Vec<_> = models.iter().take(1).map(|model| {
            json!({"model": model["name"], "strategy": "cheapest", "total_timeout": clock,
                "skip_malformed_events": true})
        }).collect();
        let usd = format!("{}.{:09}", amount / 1_000_000_000, amount % 1_000_000_000);
        let prices = json!([{"model_pattern": pattern, "input": usd, "source": "https://example.com/p"}]);
        let keys = json!([{"name": "k", "key_hash": hash, "metadata": metadata, "allowed_models": []}]);
        json!({"providers": providers, "models": models, "associations": associations,
            "policies": policies, "prices": prices, "keys": keys})
    }
}

fn nothing() -> Value {
    let sections = [
        "providers",
        "models",
        "associations",
        "policies",
        "prices",
        "keys",
    ];
    let empty: Map<_, _> = sections
        .map(|section| (section.to_owned(), json!([])))
        .into_iter()
        .collect();
    Value::Object(empty)
}

async fn round_trips(from: &Api, to: &Api, configuration: &Value) {
    import_json(from, "mode=replace&prune=true", configuration)
        .await
        .ok();
    let expected: Value = serde_json::from_slice(&export(from, "").await).unwrap();
    for (format, kind) in FORMATS {
        import_json(to, "prune=true", &nothing()).await.ok();
        let query = format!("format={format}&secrets=sealed");
        let document = export(from, &query).await;
        let told = import(to, "", kind, document.clone()).await;
        assert_eq!(told.ok()["warnings"], json!([]), "{format}");
        let found: Value = serde_json::from_slice(&export(to, "").await).unwrap();
        assert_eq!(found, expected, "{format}");
        let again = import(to, "mode=replace&prune=true", kind, document).await;
        assert_eq!(summary(&again)[..3], [0, 0, 0], "{format} {again:?}");
    }
}

#[test]
fn a_round_trip_loses_nothing_in_any_format() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (from, to) = runtime.block_on(async { (Api::start().await, Api::start().await) });
    let config = ProptestConfig {
        cases: 12,
        failure_persistence: None,
        max_shrink_iters: 50,
        ..ProptestConfig::default()
    };
    TestRunner::new(config)
        .run(&configuration(), |configuration| {
            runtime.block_on(round_trips(&from, &to, &configuration));
            Ok(())
        })
        .unwrap();
}
