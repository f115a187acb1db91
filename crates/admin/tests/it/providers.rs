//! Providers: addresses, secrets and masks.

use entities::provider;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, EntityTrait, IntoActiveModel};
use serde_json::{Value, json};

use crate::api::Api;

const KEY: &str = "sk-0123456789abcdef";

async fn stored(api: &Api, id: i64) -> Value {
    let row = provider::Entity::find_by_id(id).one(&api.database).await;
    row.unwrap().unwrap().config
}

fn authorization(api: &Api, id: i64) -> Option<String> {
    let snapshot = api.catalog.snapshot();
    let provider = snapshot.provider(router::ProviderId(id)).unwrap();
    let headers = provider.headers();
    let value = headers.get("authorization")?;
    Some(value.to_str().unwrap().to_owned())
}

/// Sends each change alone to a new provider and to an existing one; neither takes it.
async fn refuses(cases: &[(Value, &str)]) {
    let api = Api::start().await;
    let id = api.provider("p").await;
    let before = stored(&api, id).await;
    for (change, field) in cases {
        let mut body = json!({"name": "q", "type": "openai", "config": {}});
        for (name, value) in change.as_object().unwrap() {
            body[name] = value.clone();
        }
        let version = api.catalog.current().version;
        api.post("/api/providers", body).await.invalid(field);
        api.patch(&format!("/api/providers/{id}"), change.clone())
            .await
            .invalid(field);
        assert_eq!(api.catalog.current().version, version, "{change}");
    }
    assert_eq!(stored(&api, id).await, before);
}

fn config(field: &str, value: impl Into<Value>) -> Value {
    json!({"config": {field: value.into()}})
}

#[tokio::test]
async fn bad_providers_are_refused_by_field() {
    refuses(&[
        (json!({"name": null}), "name"),
        (json!({"name": "\t"}), "name"),
        (json!({"type": null}), "type"),
        (json!({"type": "cohere"}), "type"),
        (json!({"type": 1}), "type"),
        (json!({"enabled": "yes"}), "enabled"),
        (json!({"base_url": "http://x"}), "base_url"),
        (json!({"priority": null}), "priority"),
    ])
    .await;
    let api = Api::start().await;
    let id = api.provider("p").await;
    api.post("/api/providers", json!({"type": "openai"}))
        .await
        .invalid("name");
    api.post("/api/providers", json!({"name": "x"}))
        .await
        .invalid("type");
    let taken = json!({"name": "p", "type": "openai"});
    api.post("/api/providers", taken)
        .await
        .error(409, "conflict");
    api.provider("q").await;
    let renamed = api
        .patch(&format!("/api/providers/{id}"), json!({"name": "q"}))
        .await;
    renamed.error(409, "conflict");
}

#[tokio::test]
async fn bad_addresses_are_refused() {
    let url = |url: &str| config("base_url", url);
    refuses(&[
        (json!({"config": []}), "config"),
        (json!({"config": "x"}), "config"),
        (config("base_uri", json!("http://x")), "config.base_uri"),
        (config("zone", json!(null)), "config.zone"),
        (url(""), "config.base_url"),
        (url("nowhere"), "config.base_url"),
        (url("ftp://host/"), "config.base_url"),
        (url("http://user:pw@host/v1"), "config.base_url"),
        (url("http://host/v1?key=x"), "config.base_url"),
        (url("http://169.254.169.254/latest"), "config.base_url"),
        (url("http://2852039166/"), "config.base_url"),
        (url("http://[fe80::1]/"), "config.base_url"),
        (url("http://[::ffff:a9fe:a9fe]/"), "config.base_url"),
        (url("http://0.0.0.0:8000/"), "config.base_url"),
        (url("http://224.0.0.1/"), "config.base_url"),
        (url("http://metadata.google.internal/"), "config.base_url"),
        (config("base_url", json!(7)), "config.base_url"),
    ])
    .await;
}

#[tokio::test]
async fn bad_keys_headers_and_transports_are_refused() {
    let key = |key: &str| config("api_key", key);
    let header = |name: &str, value: &str| config("headers", json!({name: value}));
    refuses(&[
        (key(""), "config.api_key"),
        (key("plain:sk-1"), "config.api_key"),
        (key("sealed:v1:a:b"), "config.api_key"),
        (key("****"), "config.api_key"),
        (key("****9999"), "config.api_key"),
        (key("env:"), "config.api_key"),
        (key("env:NO_SUCH_VARIABLE_HERE"), "config.api_key"),
        (key("file:relative"), "config.api_key"),
        (key("file:/no/such/file"), "config.api_key"),
        (key("sk\u{1}x"), "config.api_key"),
        (config("priority", json!("high")), "config.priority"),
        (
            config("priority", json!(3_000_000_000_u32)),
            "config.priority",
        ),
        (config("weight", json!(-1)), "config.weight"),
        (config("weight", json!(1_000_001)), "config.weight"),
        (header("a b", "x"), "config.headers.a b"),
        (header("Host", "x"), "config.headers.host"),
        (header("x-a", "a\nb"), "config.headers.x-a"),
        (header("x-a", "****"), "config.headers.x-a"),
        (config("headers", json!({"x-a": 1})), "config.headers.x-a"),
        (
            config("headers", json!({"X-A": "1", "x-a": "2"})),
            "config.headers.x-a",
        ),
        (config("headers", json!([])), "config.headers"),
        (config("proxy", json!("socks5://x")), "config.proxy"),
        (config("proxy", json!("http://u:p@proxy:1")), "config.proxy"),
        (config("ca_file", json!("/no/such/file")), "config.ca_file"),
    ])
    .await;
}

#[tokio::test]
async fn a_provider_is_shown_with_its_defaults() {
    let api = Api::start().await;
    let body = json!({"name": "p", "type": "openai"});
    let mut created = api.post("/api/providers", body).await.ok();
    for stamp in ["created_at", "updated_at"] {
        assert!(created.as_object_mut().unwrap().remove(stamp).is_some());
    }
    let expected = json!({
        "id": 1, "name": "p", "type": "openai", "enabled": true, "problem": null, "health": "healthy",
        "declared_by": null,
        "config": {
            "base_url": null, "api_key": null, "priority": 100, "weight": 100, "headers": {}, "proxy": null,
            "ca_file": null, "api": null, "urls": null, "models": {}, "max_concurrent": null, "rpm": null, "tpm": null,
        },
    });
    assert_eq!(created, expected);
    let config = json!({"base_url": "http://127.0.0.1:9/v1/", "priority": -5, "weight": 0});
    let changed = api
        .patch("/api/providers/1", json!({"config": config}))
        .await
        .ok();
    assert_eq!(changed["config"]["base_url"], "http://127.0.0.1:9/v1");
    assert_eq!(changed["config"]["priority"], -5);
    let reset = api
        .patch("/api/providers/1", json!({"config": null}))
        .await
        .ok();
    assert_eq!(reset["config"], expected["config"]);
}

#[tokio::test]
async fn keys_go_in_and_do_not_come_out() {
    let api = Api::start().await;
    let id = api.provider("p").await;
    let one = format!("/api/providers/{id}");
    let header = json!({"config": {"headers": {"X-Secret": "header-0123456789"}}});
    api.patch(&one, header).await.ok();
    let raw = stored(&api, id).await;
    for sealed in [&raw["api_key"], &raw["headers"]["x-secret"]] {
        assert!(sealed.as_str().unwrap().starts_with("sealed:v1:"), "{raw}");
    }
    for answer in [
        api.get(&one).await,
        api.get("/api/providers").await,
        api.patch(&one, json!({"name": "p2"})).await,
    ] {
        assert!(!answer.text.contains("0123456789"), "{}", answer.text);
        assert!(!answer.text.contains("sealed:"), "{}", answer.text);
    }
    let seen = api.get(&one).await.ok();
    assert_eq!(seen["config"]["api_key"], "****cdef");
    assert_eq!(seen["config"]["headers"], json!({"x-secret": "****6789"}));
    assert_eq!(authorization(&api, id).unwrap(), format!("Bearer {KEY}"));
}

#[tokio::test]
async fn a_header_can_be_a_reference() {
    let api = Api::start().await;
    let id = api.provider("p").await;
    let one = format!("/api/providers/{id}");
    let set = |value: &str| json!({"config": {"headers": {"x-home": value}}});
    let seen = api.patch(&one, set("env:HOME")).await.ok();
    assert_eq!(seen["config"]["headers"]["x-home"], "env:HOME");
    let headers = {
        let snapshot = api.catalog.current();
        snapshot.provider(router::ProviderId(id)).unwrap().headers()
    };
    assert_eq!(
        headers["x-home"].to_str().unwrap(),
        std::env::var("HOME").unwrap()
    );
    for bad in ["env:", "file:relative"] {
        let answer = api.patch(&one, set(bad)).await;
        answer.invalid("config.headers.x-home");
    }
    let missing = api.patch(&one, set("env:NO_SUCH_VARIABLE")).await;
    missing.invalid("config.headers");
    // Where the provider moves, a reference that the call itself gives is meant for the new place.
    let moved = |config: Value| api.patch(&one, json!({ "config": config }));
    let elsewhere = "http://127.0.0.1:10/v1";
    let kept = json!({"base_url": elsewhere, "api_key": "sk-another-key-12"});
    moved(kept).await.invalid("config.headers.x-home");
    let given = json!({
        "base_url": elsewhere, "api_key": "sk-another-key-12", "headers": {"x-home": "env:HOME"},
    });
    moved(given).await.ok();
}

#[tokio::test]
async fn a_mask_keeps_what_it_hides() {
    let api = Api::start().await;
    let id = api.provider("p").await;
    let one = format!("/api/providers/{id}");
    let headers = json!({"config": {"headers": {"x-secret": "header-0123456789", "x-two": "2"}}});
    api.patch(&one, headers).await.ok();
    // What was read can be written back as it is.
    let seen = api.get(&one).await.ok();
    let before = stored(&api, id).await;
    let back = json!({"name": seen["name"], "type": seen["type"], "config": seen["config"], "enabled": true});
    assert_eq!(api.patch(&one, back).await.ok()["config"], seen["config"]);
    assert_eq!(stored(&api, id).await, before);
    let headers = json!({"config": {"headers": {"X-Secret": "****6789", "X-TWO": null}}});
    api.patch(&one, headers).await.ok();
    let kept = stored(&api, id).await["headers"].clone();
    assert_eq!(kept["x-secret"], before["headers"]["x-secret"]);
    assert_eq!(kept.as_object().unwrap().len(), 1);
    let other = json!({"config": {"api_key": "sk-another-key-12"}});
    api.patch(&one, other).await.ok();
    assert_eq!(authorization(&api, id).unwrap(), "Bearer sk-another-key-12");
    api.patch(&one, json!({"config": {"api_key": null}}))
        .await
        .ok();
    assert_eq!(authorization(&api, id), None);
    // The mask of one provider is no key for another.
    let copied = json!({"name": "q", "type": "openai", "config": seen["config"]});
    api.post("/api/providers", copied)
        .await
        .invalid("config.api_key");
}

#[tokio::test]
async fn secrets_stay_with_their_origin() {
    let api = Api::start().await;
    let id = api.provider("p").await;
    let one = format!("/api/providers/{id}");
    let to = |url: Value| json!({"config": {"base_url": url}});
    for moved in [
        "http://127.0.0.1:10/v1",
        "https://127.0.0.1:9/v1",
        "http://127.0.0.2:9/v1",
    ] {
        api.patch(&one, to(json!(moved)))
            .await
            .invalid("config.api_key");
        let with_mask = json!({"config": {"base_url": moved, "api_key": "****cdef"}});
        api.patch(&one, with_mask).await.invalid("config.api_key");
    }
    api.patch(&one, to(json!(null)))
        .await
        .invalid("config.api_key");
    // Another path of the same server is no other origin.
    api.patch(&one, to(json!("http://127.0.0.1:9/v2")))
        .await
        .ok();
    assert_eq!(authorization(&api, id).unwrap(), format!("Bearer {KEY}"));
    let header = json!({"config": {"headers": {"x-secret": "header-0123456789"}}});
    api.patch(&one, header).await.ok();
    let moved = json!({"config": {"base_url": "http://127.0.0.1:10/v1", "api_key": "sk-new"}});
    api.patch(&one, moved)
        .await
        .invalid("config.headers.x-secret");
    let whole = json!({"config": {
        "base_url": "http://127.0.0.1:10/v1", "api_key": "sk-new", "headers": {"x-secret": "new"},
    }});
    api.patch(&one, whole).await.ok();
    assert_eq!(authorization(&api, id).unwrap(), "Bearer sk-new");
    // Without secrets there is nothing to protect, and a key may also be dropped on the way.
    let bare =
        json!({"config": {"base_url": "http://127.0.0.1:11/v1", "api_key": null, "headers": null}});
    api.patch(&one, bare).await.ok();
    api.patch(&one, to(json!("http://127.0.0.1:12/v1")))
        .await
        .ok();
}

#[tokio::test]
async fn references_are_shown_and_may_be_named_again_elsewhere() {
    let api = Api::start().await;
    let config = json!({"base_url": "http://127.0.0.1:9/v1", "api_key": "env:PATH"});
    let body = json!({"name": "p", "type": "openai", "config": config});
    let created = api.post("/api/providers", body).await.ok();
    assert_eq!(created["config"]["api_key"], "env:PATH");
    let moved = json!({"config": {"base_url": "http://127.0.0.1:10/v1"}});
    api.patch("/api/providers/1", moved)
        .await
        .invalid("config.api_key");
    let named = json!({"config": {"base_url": "http://127.0.0.1:10/v1", "api_key": "env:PATH"}});
    api.patch("/api/providers/1", named).await.ok();
    assert_eq!(stored(&api, 1).await["api_key"], "env:PATH");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    std::fs::write(&file, "sk-from-a-file\n").unwrap();
    let reference = format!("file:{}", file.display());
    let change = json!({"config": {"api_key": reference}});
    let changed = api.patch("/api/providers/1", change).await.ok();
    assert_eq!(changed["config"]["api_key"], json!(reference));
    assert_eq!(authorization(&api, 1).unwrap(), "Bearer sk-from-a-file");
}

#[tokio::test]
async fn without_a_secret_key_keys_are_plain_and_masked_all_the_same() {
    let api = Api::with_secret_key(None).await;
    let id = api.provider("p").await;
    assert_eq!(stored(&api, id).await["api_key"], format!("plain:{KEY}"));
    let answer = api.get(&format!("/api/providers/{id}")).await;
    assert_eq!(answer.ok()["config"]["api_key"], "****cdef");
    assert!(!answer.text.contains("plain:"));
}

#[tokio::test]
async fn a_provider_with_associations_is_deleted_by_force_only() {
    let api = Api::start().await;
    let (model, id) = (api.model("m").await, api.provider("p").await);
    api.association(model, id).await;
    let one = format!("/api/providers/{id}");
    for kept in ["", "?force=false", "?force=0"] {
        let refused = api.delete(&format!("{one}{kept}")).await;
        refused.error(409, "conflict");
    }
    api.delete(&format!("{one}?force=maybe"))
        .await
        .invalid("force");
    api.delete(&format!("{one}?farce=true"))
        .await
        .invalid("farce");
    assert_eq!(api.delete(&format!("{one}?force=true")).await.status, 204);
    api.get(&one).await.error(404, "not_found");
    assert_eq!(
        api.get(&format!("/api/models/{model}")).await.ok()["associations"],
        0
    );
    let bare = api.provider("q").await;
    assert!(bare > id, "ids are not used again");
    assert_eq!(
        api.delete(&format!("/api/providers/{bare}")).await.status,
        204
    );
}

#[tokio::test]
async fn a_provider_with_a_problem_can_be_seen_disabled_and_mended() {
    let api = Api::start().await;
    let id = api.provider("p").await;
    let one = format!("/api/providers/{id}");
    let row = provider::Entity::find_by_id(id).one(&api.database).await;
    let mut row = row.unwrap().unwrap().into_active_model();
    row.config = Set(json!({"api_key": "env:NO_SUCH_VARIABLE_HERE"}));
    row.update(&api.database).await.unwrap();
    api.catalog.reload().await.unwrap();
    let seen = api.get(&one).await.ok();
    assert!(
        seen["problem"]
            .as_str()
            .unwrap()
            .contains("NO_SUCH_VARIABLE_HERE")
    );
    let status = api.get("/api/health").await.ok();
    assert_eq!(status["status"], "unhealthy");
    let asked = api.get(&format!("{one}/models")).await;
    assert!(
        asked
            .error(409, "conflict")
            .contains("NO_SUCH_VARIABLE_HERE")
    );
    api.patch(&one, json!({"enabled": false})).await.ok();
    api.patch(&one, json!({"enabled": true}))
        .await
        .invalid("config.api_key");
    let mended = api
        .patch(
            &one,
            json!({"enabled": true, "config": {"api_key": "sk-new"}}),
        )
        .await
        .ok();
    assert_eq!(mended["problem"], json!(null));
    // One whose configuration cannot even be read is shown, renamed and deleted, but not rewritten.
    let row = provider::Entity::find_by_id(id).one(&api.database).await;
    let mut row = row.unwrap().unwrap().into_active_model();
    row.config = Set(json!({"from_the_future": 1}));
    row.update(&api.database).await.unwrap();
    api.catalog.reload().await.unwrap();
    let seen = api.get(&one).await.ok();
    assert!(
        seen["problem"]
            .as_str()
            .unwrap()
            .contains("from_the_future")
    );
    api.patch(&one, json!({"name": "renamed", "enabled": false}))
        .await
        .ok();
    assert_eq!(stored(&api, id).await, json!({"from_the_future": 1}));
    api.patch(&one, json!({"config": {"weight": 1}}))
        .await
        .invalid("config");
    assert_eq!(api.delete(&one).await.status, 204);
}
