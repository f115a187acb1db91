//! What anyone may ask: is it alive, is it ready, which version, and the metrics.

use std::net::IpAddr;

use axum::body::Body;
use catalog::Catalog;
use cluster::Cluster;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::metrics::Exposition;

/// Whether new requests should be sent here.
#[derive(Debug, Clone, Default)]
pub(crate) struct Draining(CancellationToken);

impl Draining {
    pub(crate) fn begin(&self) {
        self.0.cancel();
    }

    fn has_begun(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Cancelled when it begins.
    pub(crate) fn begun(&self) -> CancellationToken {
        self.0.clone()
    }
}

/// Answers the open paths.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) catalog: Catalog,
    /// Where gateways count together.
    pub(crate) cluster: Option<Cluster>,
    pub(crate) draining: Draining,
    pub(crate) metrics: Exposition,
}

impl Open {
    /// The answer to `peer`, if this is one of the open paths.
    pub(crate) async fn answer<B>(
        &self,
        request: &Request<B>,
        peer: Option<IpAddr>,
    ) -> Option<Response<Body>> {
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
            "/metrics" => Some(self.metrics.answer(request.headers(), peer).await),
            "/" => Some(redirect("/console/")),
            _ => None,
        }
    }

    fn readiness(&self) -> Response<Body> {
        let database_is_up = self.catalog.is_database_up();
        let redis_is_up = self.cluster.as_ref().map(Cluster::is_up);
        let all_is_up = database_is_up && redis_is_up.unwrap_or(true);
        let (status, word) = match (self.draining.has_begun(), all_is_up) {
            (true, _) => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
            (false, true) => (StatusCode::OK, "ready"),
            (false, false) => (StatusCode::OK, "degraded"),
        };
        let told = |is_up: bool| if is_up { "up" } else { "down" };
        let mut body = json!({"status": word, "database": told(database_is_up)});
        if let Some(is_up) = redis_is_up {
            body["redis"] = told(is_up).into();
        }
        json_response(status, &body)
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
