//! Requests as they end.

use std::{sync::Arc, time::Duration};

use admin::{AdminKey, AdminState, Gate};
use axum::{Router, body::Body};
use chrono::Utc;
use http::Request;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use stats::{Recorder, RequestRecord};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use uuid::Uuid;

use crate::api::{ADMIN_KEY, Api};

/// An admin API that shows what a recorder records.
struct Watched {
    api: Api,
    router: Router,
    recorder: Recorder,
    ending: CancellationToken,
    _spool: tempfile::TempDir,
}

impl Watched {
    async fn start() -> Self {
        let api = Api::start().await;
        let spool = tempfile::tempdir().unwrap();
        let settings = stats::Settings::new(spool.path());
        let (pool, writer) = (api.database.clone(), api.database.clone());
        let (recorder, worker) = stats::start(settings, pool, writer).await.unwrap();
        let ending = CancellationToken::new();
        tokio::spawn(worker.run(ending.clone()));
        let router = admin::router(AdminState {
            database: api.database.clone(),
            catalog: api.catalog.clone(),
            health: api.health.clone(),
            gate: Gate::new(AdminKey::new(&ADMIN_KEY.into()), api.database.clone()),
            tail: recorder.tail().clone(),
            ending: ending.clone(),
            settings: [].into(),
            scratch: std::env::temp_dir().into(),
        });
        Self {
            api,
            router,
            recorder,
            ending,
            _spool: spool,
        }
    }

    async fn open(&self, query: &str) -> (u16, Body) {
        let request = Request::get(format!("/api/logs/tail{query}"))
            .header("authorization", format!("Bearer {ADMIN_KEY}"))
            .body(Body::empty());
        let response = self.router.clone().oneshot(request.unwrap()).await.unwrap();
        (response.status().as_u16(), response.into_body())
    }

    /// A list of requests that has begun.
    async fn watch(&self, query: &str) -> Body {
        let (status, mut body) = self.open(query).await;
        assert_eq!(status, 200);
        assert_eq!(next(&mut body).await.as_deref(), Some(": watching\n\n"));
        body
    }

    fn end_request(&self, model: &str) {
        self.recorder.record(RequestRecord {
            request_id: Uuid::now_v7(),
            arrived_at: Utc::now(),
            endpoint: "/v1/chat/completions",
            method: "POST",
            model: model.to_owned(),
            stream: false,
            key_name: Arc::from("ci"),
            ip: None,
            status_code: 404,
            error_class: Some("model_not_found"),
            error_message: None,
            latency: Duration::from_millis(7),
            ttft: None,
            attempts: Vec::new(),
            answered_by: None,
            charged_to: None,
            trace: None,
        });
    }
}

/// What comes next; none at the end.
async fn next(body: &mut Body) -> Option<String> {
    let frame = tokio::time::timeout(Duration::from_secs(30), body.frame());
    let data = frame.await.expect("something comes")?.unwrap().into_data();
    Some(String::from_utf8(data.unwrap().to_vec()).unwrap())
}

async fn request(body: &mut Body) -> Value {
    let event = next(body).await.unwrap();
    let data = event.strip_prefix("event: request\ndata: ");
    serde_json::from_str(data.unwrap_or_else(|| panic!("{event}"))).unwrap()
}

#[tokio::test]
async fn requests_are_told_as_they_end() {
    let watched = Watched::start().await;
    let mut all = watched.watch("").await;
    let mut some = watched.watch("?model=b&status_code=404&text=CI").await;
    watched.end_request("a");
    watched.end_request("b");
    let told = request(&mut all).await;
    assert_eq!(told["model"], "a");
    assert_eq!(told["id"], json!(null), "it has no row yet");
    assert_eq!(request(&mut all).await["model"], "b");
    let told = request(&mut some).await;
    assert_eq!(told["model"], "b");
    // It is found by its other id as soon as it is written.
    let path = format!("/api/logs/{}", told["request_id"].as_str().unwrap());
    let row = loop {
        let answer = watched.api.get(&path).await;
        if answer.status == 200 {
            break answer.ok();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    for (name, value) in told.as_object().unwrap() {
        assert_eq!(&row[name], value, "{name}");
    }
    watched.ending.cancel();
    assert_eq!(next(&mut all).await, None, "it ends with the gateway");
}

#[tokio::test]
async fn lists_are_few() {
    let watched = Watched::start().await;
    let mut lists = Vec::new();
    for _ in 0..32 {
        lists.push(watched.watch("").await);
    }
    assert_eq!(watched.open("").await.0, 503);
    lists.pop();
    assert_eq!(watched.open("").await.0, 200);
}

#[tokio::test]
async fn filters_are_checked() {
    let api = Api::start().await;
    for field in ["provider_id", "status_code", "stream"] {
        api.get(&format!("/api/logs/tail?{field}=x"))
            .await
            .invalid(field);
    }
    api.get("/api/logs/tail?from=2026-01-01")
        .await
        .invalid("from");
    let long = "x".repeat(101);
    for path in ["/api/logs/tail", "/api/logs"] {
        api.get(&format!("{path}?text={long}"))
            .await
            .invalid("text");
        api.get(&format!("{path}?text=%00")).await.invalid("text");
    }
}
