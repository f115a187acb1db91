//! `/metrics`: everything that is counted, in the OpenMetrics text format.

mod gathered;
mod page;

use std::net::IpAddr;

use admin::Gate;
use axum::body::Body;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use prometheus_client::{encoding::text::encode, registry::Registry};

pub(crate) use self::gathered::{Gathered, Shown};

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
            Ok(()) => plain(StatusCode::OK, text),
            Err(_) => plain(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the metrics could not be written\n".to_owned(),
            ),
        }
    }
}

fn plain(status: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let format = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(format));
    response
}
