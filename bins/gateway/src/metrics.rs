//! `/metrics`: everything that is counted, in the OpenMetrics text format.

use std::{fmt, sync::Arc};

use admin::AdminKey;
use axum::body::Body;
use health::Health;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, text::encode},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
    registry::Registry,
};
use stats::StatsMetrics;

/// Writes the registry.
#[derive(Debug)]
pub(crate) struct Exposition {
    registry: Registry,
    /// Who may read it; `None` is anyone.
    guard: Option<AdminKey>,
}

impl Exposition {
    pub(crate) fn new(registry: Registry, guard: Option<AdminKey>) -> Self {
        Self { registry, guard }
    }

    pub(crate) fn answer(&self, headers: &HeaderMap) -> Response<Body> {
        if self.guard.as_ref().is_some_and(|key| !key.is_in(headers)) {
            return plain(
                StatusCode::UNAUTHORIZED,
                "the admin key is needed\n".to_owned(),
            );
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

/// Reads what health and the record writer count themselves.
pub(crate) struct Gathered {
    pub(crate) health: Health,
    pub(crate) stats: Arc<StatsMetrics>,
}

impl fmt::Debug for Gathered {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Gathered").finish_non_exhaustive()
    }
}

impl Collector for Gathered {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let transitions = self.health.transitions();
        let stats = &self.stats;
        let counters = [
            (
                "provider_transitions_healthy",
                "Providers that became healthy",
                transitions.providers.healthy,
            ),
            (
                "provider_transitions_degraded",
                "Providers that became degraded",
                transitions.providers.degraded,
            ),
            (
                "provider_transitions_unhealthy",
                "Providers that became unhealthy",
                transitions.providers.unhealthy,
            ),
            (
                "records_written",
                "Request records committed to the database",
                stats.written(),
            ),
            (
                "records_lost",
                "Request records lost for want of room",
                stats.lost(),
            ),
            (
                "records_set_aside",
                "Request records that the database refused",
                stats.set_aside(),
            ),
        ];
        for (name, help, value) in counters {
            let counter = ConstCounter::new(value);
            counter.encode(encoder.encode_descriptor(
                name,
                help,
                None,
                counter.metric_type(),
            )?)?;
        }
        let gauges = [
            (
                "records_queued",
                "Request records that wait in memory",
                stats.queued(),
            ),
            (
                "records_spooled",
                "Request records that wait in the spool",
                stats.spooled(),
            ),
        ];
        for (name, help, value) in gauges {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        Ok(())
    }
}
