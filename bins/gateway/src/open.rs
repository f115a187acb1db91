//! What anyone may ask: is it alive, is it ready, which version, and the metrics.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::body::Body;
use catalog::Catalog;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use serde_json::{Value, json};

use crate::metrics::Exposition;

/// Whether new requests should be sent here.
#[derive(Debug, Clone, Default)]
pub(crate) struct Draining(Arc<AtomicBool>);

impl Draining {
    pub(crate) fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn has_begun(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Answers the open paths.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) catalog: Catalog,
    pub(crate) draining: Draining,
    pub(crate) metrics: Exposition,
}

impl Open {
    /// The answer, if this is one of the open paths.
    pub(crate) async fn answer<B>(&self, request: &Request<B>) -> Option<Response<Body>> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return None;
        }
        match request.uri().path() {
            "/health" | "/healthz" => Some(json_response(StatusCode::OK, &json!({"status": "ok"}))),
            "/readyz" => Some(self.readiness()),
            "/version" => {
                let version =
                    json!({"name": "llm-orchestrator", "version": env!("CARGO_PKG_VERSION")});
                Some(json_response(StatusCode::OK, &version))
            }
            "/metrics" => Some(self.metrics.answer(request.headers())),
            "/" => Some(redirect("/docs")),
            _ => None,
        }
    }

    fn readiness(&self) -> Response<Body> {
        let database_is_up = self.catalog.is_database_up();
        let (status, word) = match (self.draining.has_begun(), database_is_up) {
            (true, _) => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
            (false, true) => (StatusCode::OK, "ready"),
            (false, false) => (StatusCode::OK, "degraded"),
        };
        json_response(
            status,
            &json!({"status": word, "database": if database_is_up { "up" } else { "down" }}),
        )
    }
}

fn json_response(status: StatusCode, value: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(value.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}

fn redirect(location: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    response
        .headers_mut()
        .insert(header::LOCATION, HeaderValue::from_static(location));
    response
}
