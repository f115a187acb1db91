//! Who gets in, and what everybody may see.

use admin::{AdminKey, AdminState, Gate};
use axum::body::Body;
use http::{Method, Request};
use serde_json::json;
use tower::ServiceExt;

use crate::api::{ADMIN_KEY, Api};

fn request(path: &str, authorization: Option<&str>) -> Request<Body> {
    let mut request = Request::builder().uri(path);
    if let Some(value) = authorization {
        request = request.header("authorization", value);
    }
    request.body(Body::empty()).unwrap()
}

#[tokio::test]
async fn only_the_admin_key_opens() {
    let api = Api::start().await;
    let client = api.post("/api/keys", json!({"name": "c"})).await.ok();
    let client_key = format!("Bearer {}", client["key"].as_str().unwrap());
    for path in ["/api/providers", "/api/keys/1", "/api/nothing", "/api"] {
        for wrong in [None, Some(ADMIN_KEY), Some("Bearer "), Some("Basic eA==")] {
            let answer = api.send(request(path, wrong)).await;
            assert!(answer.error(401, "unauthorized").contains("missing"));
            assert_eq!(answer.headers["www-authenticate"], "Bearer realm=\"admin\"");
        }
        for wrong in ["Bearer guess", &client_key, &format!("Bearer {ADMIN_KEY}x")] {
            let answer = api.send(request(path, Some(wrong))).await;
            assert!(
                answer
                    .error(401, "unauthorized")
                    .contains("not an admin key")
            );
            assert!(answer.headers.contains_key("www-authenticate"));
        }
    }
    let right = format!("bearer {ADMIN_KEY}");
    let answer = api.send(request("/api/providers", Some(&right))).await;
    assert_eq!(answer.ok(), json!({"data": [], "next": null}));
    assert_eq!(answer.headers["cache-control"], "no-store");
}

#[tokio::test]
async fn without_an_admin_key_the_api_is_closed() {
    let api = Api::start().await;
    assert_eq!(AdminKey::new(&"".into()), None);
    let closed = admin::router(AdminState {
        database: api.database.clone(),
        catalog: api.catalog.clone(),
        health: api.health.clone(),
        gate: Gate::new(None, api.database.clone()),
        tail: api.tail.clone(),
        ending: api.ending.clone(),
        settings: [].into(),
        scratch: std::env::temp_dir().into(),
    });
    for header in [None, Some("Bearer "), Some("Bearer x")] {
        let response = closed.clone().oneshot(request("/api/models", header)).await;
        let response = response.unwrap();
        assert_eq!(response.status(), 403);
        let body = axum::body::to_bytes(response.into_body(), 1000).await;
        let text = String::from_utf8(body.unwrap().to_vec()).unwrap();
        assert!(text.contains("\"admin_key_not_set\""), "{text}");
    }
    let open = closed.oneshot(request("/docs", None)).await.unwrap();
    assert_eq!(open.status(), 200);
}

#[tokio::test]
async fn what_is_not_there_is_told_in_the_same_format() {
    let api = Api::start().await;
    for path in [
        "/api",
        "/api/",
        "/api/nothing",
        "/api/providers/",
        "/api/providers/1/nothing",
        "/api/providers/1",
        "/api/providers/x",
        "/api/models/0",
        "/api/models/99999999999999999999",
        "/api/keys/-1",
        "/api/model-providers/7",
    ] {
        api.get(path).await.error(404, "not_found");
    }
    for (method, path) in [
        (Method::DELETE, "/api/providers"),
        (Method::PUT, "/api/models/1"),
        (Method::POST, "/api/keys/1"),
    ] {
        let answer = api.call(method, path, None).await;
        answer.error(405, "method_not_allowed");
        assert!(answer.headers.contains_key("allow"), "{answer:?}");
    }
}

#[tokio::test]
async fn a_body_is_json_labelled_as_such_and_small() {
    let api = Api::start().await;
    let post = |kind: Option<&str>, body: String| {
        let mut request =
            Request::post("/api/models").header("authorization", format!("Bearer {ADMIN_KEY}"));
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        api.send(request.body(Body::from(body)).unwrap())
    };
    let json = Some("application/json; charset=utf-8");
    for broken in [
        "",
        "{",
        "{\"name\":}",
        "nul",
        "\u{feff}{}",
        &"[".repeat(10_000),
    ] {
        let answer = post(json, broken.to_owned()).await;
        answer.error(400, "invalid_json");
    }
    for kind in [
        None,
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
    ] {
        let answer = post(kind, "{\"name\":\"m\"}".into()).await;
        answer.error(415, "unsupported_media_type");
    }
    for other in ["[]", "1", "\"name\"", "null"] {
        post(json, other.to_owned()).await.invalid("body");
    }
    let large = format!("{{\"name\":\"{}\"}}", "x".repeat(1 << 20));
    post(json, large).await.error(413, "body_too_large");
    assert_eq!(post(json, "{\"name\":\"m\"}".into()).await.status, 201);
}

#[tokio::test]
async fn a_body_that_never_ends_is_given_up() {
    let api = Api::start().await;
    let silence = futures_util::stream::pending::<Result<bytes::Bytes, std::io::Error>>();
    let request = Request::post("/api/models")
        .header("authorization", format!("Bearer {ADMIN_KEY}"))
        .header("content-type", "application/json")
        .body(Body::from_stream(silence));
    tokio::time::pause();
    let answer = api.send(request.unwrap()).await;
    answer.error(408, "request_timeout");
}
