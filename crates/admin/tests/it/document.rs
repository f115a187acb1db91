//! The OpenAPI document and its page.

use axum::body::Body;
use http::{Method, Request};
use serde_json::Value;

use crate::api::Api;

async fn open(api: &Api, path: &str) -> crate::api::Answer {
    let request = Request::get(path).body(Body::empty()).unwrap();
    api.send(request).await
}

#[tokio::test]
async fn the_document_is_served_as_it_is_checked_in() {
    let api = Api::start().await;
    let document = open(&api, "/openapi.json").await;
    assert_eq!(document.headers["content-type"], "application/json");
    let checked_in = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
    assert_eq!(document.text, std::fs::read_to_string(checked_in).unwrap());
}

/// Every operation below `/api`.
const ROUTES: &str = "
    GET,POST /api/providers
    GET,PATCH,DELETE /api/providers/{id}
    GET /api/providers/{id}/models
    POST /api/providers/{id}/check
    GET /api/providers/{id}/transitions
    POST /api/providers/{id}/import-models
    POST /api/providers/batch
    POST /api/models/batch
    POST /api/model-providers/batch
    POST /api/keys/batch
    GET,POST /api/models
    GET,PATCH,DELETE /api/models/{id}
    GET,POST /api/model-providers
    GET,PATCH,DELETE /api/model-providers/{id}
    GET /api/model-providers/{id}/status
    GET /api/health
    GET /api/stats
    GET /api/stats/daily
    GET /api/stats/series
    GET /api/settings
    GET /api/usage
    GET /api/me
    GET,POST /api/admin-keys
    GET,PATCH,DELETE /api/admin-keys/{id}
    GET /api/audit
    GET,POST /api/prices
    GET,PATCH,DELETE /api/prices/{id}
    GET,DELETE /api/logs
    GET /api/logs/{id}
    GET /api/logs/tail
    GET /api/logs/{id}/bodies
    GET,POST /api/keys
    GET,PATCH,DELETE /api/keys/{id}
    POST /api/keys/{id}/rotate
    GET,PUT,DELETE /api/policies/{model_id}
    GET /api/export
    POST /api/import
    GET /api/import/template.xlsx
    GET /api/route";

#[tokio::test]
async fn every_route_of_the_contract_is_in_the_document_and_served() {
    let api = Api::start().await;
    let document = open(&api, "/openapi.json").await.ok();
    let mut expected: Vec<(String, String)> = Vec::new();
    for line in ROUTES
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
    {
        let (methods, path) = line.split_once(' ').unwrap();
        for method in methods.split(',') {
            expected.push((path.to_owned(), method.to_lowercase()));
        }
    }
    expected.sort();
    let mut documented: Vec<(String, String)> = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if path.starts_with("/api") {
                assert!(operation["security"].is_array(), "{method} {path}");
                let answers = operation["responses"].as_object().unwrap();
                assert!(answers.contains_key("401"), "{method} {path}");
                assert!(!answers.contains_key("default"), "{method} {path}");
                documented.push((path.clone(), method.clone()));
            }
        }
    }
    documented.sort();
    assert_eq!(documented, expected);
    let mut ids: Vec<_> = document["paths"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|item| item.as_object().unwrap().values())
        .filter_map(|operation| operation["operationId"].as_str())
        .collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "each operation has an id of its own");
    assert!(count > documented.len(), "also those that need no key");
    // So that the answer ends that goes on as long as the gateway.
    api.ending.cancel();
    for (path, method) in documented {
        let path = path.replace("{id}", "1").replace("{model_id}", "1");
        let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
        let answer = api.call(method, &path, None).await;
        assert_ne!(answer.status, 405, "{path}");
        assert!(!answer.text.contains("no such path"), "{path}");
    }
    for open in ["/health", "/healthz", "/readyz", "/version", "/metrics"] {
        assert!(document["paths"][open]["get"].is_object(), "{open}");
    }
}

#[tokio::test]
async fn every_reference_in_the_document_resolves() {
    let api = Api::start().await;
    let document = open(&api, "/openapi.json").await.ok();
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(!references.is_empty());
    for reference in references {
        let pointer = reference.strip_prefix('#').expect("a local reference");
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

fn collect<'a>(value: &'a Value, into: &mut Vec<&'a str>) {
    match value {
        Value::Object(fields) => {
            into.extend(fields.get("$ref").and_then(Value::as_str));
            fields.values().for_each(|value| collect(value, into));
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, into)),
        _ => {}
    }
}

#[tokio::test]
async fn the_page_loads_nothing_from_elsewhere() {
    let api = Api::start().await;
    let page = open(&api, "/docs").await;
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self'"));
    for (asset, kind) in [
        ("/docs/page.js", "text/javascript; charset=utf-8"),
        ("/docs/page.css", "text/css; charset=utf-8"),
    ] {
        assert!(page.text.contains(&asset[1..]), "{asset}");
        let asset = open(&api, asset).await;
        assert_eq!(asset.headers["content-type"], kind);
        assert!(!asset.text.contains("://"), "no address of another server");
    }
    assert!(!page.text.contains("://"));
}
