//! `/metrics`: everything that is counted, in the OpenMetrics text format or the older one of Prometheus.

mod classic;
mod gathered;
mod page;

use std::net::IpAddr;

use admin::Gate;
use axum::body::Body;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use prometheus_client::{encoding::text::encode, registry::Registry};

pub(crate) use self::gathered::{Gathered, Shown};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const CLASSIC: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Writes the registry.
#[derive(Debug)]
pub(crate) struct Exposition {
    registry: Registry,
    /// Who may read it; `None` is anyone.
    guard: Option<Gate>,
}

impl Exposition {
    pub(crate) fn new(registry: Registry, guard: Option<Gate>) -> Self {
        Self { registry, guard }
    }

    pub(crate) async fn answer(&self, headers: &HeaderMap, peer: Option<IpAddr>) -> Response<Body> {
        if let Some(gate) = &self.guard
            && let Err(refused) = gate.check(headers, peer).await
        {
            return refused;
        }
        let mut text = String::new();
        match encode(&mut text, &self.registry) {
            Ok(()) if takes_open_metrics(headers) => told(StatusCode::OK, text, OPEN_METRICS),
            Ok(()) => told(StatusCode::OK, classic::classic(&text), CLASSIC),
            Err(_) => told(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the metrics could not be written\n".to_owned(),
                CLASSIC,
            ),
        }
    }
}

/// Prometheus names what it takes; others, which name nothing or anything, may know the older format only.
fn takes_open_metrics(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter();
    accepted
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.contains("application/openmetrics-text"))
}

fn told(status: StatusCode, text: String, format: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(format));
    response
}
