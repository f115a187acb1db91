//! What the data path counts. Labels are bounded: no text of a client's becomes one.

use std::{sync::Arc, time::Duration};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};
use stats::RequestRecord;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    endpoint: &'static str,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AttemptLabels {
    provider: Arc<str>,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndpointLabels {
    endpoint: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TokenLabels {
    kind: &'static str,
}

/// Counters, gauges and histograms of requests and attempts.
#[derive(Debug)]
pub struct Metrics {
    requests: Family<RequestLabels, Counter>,
    attempts: Family<AttemptLabels, Counter>,
    durations: Family<EndpointLabels, Histogram, fn() -> Histogram>,
    first_content: Histogram,
    tokens: Family<TokenLabels, Counter>,
    panics: Counter,
    pub(crate) in_flight: Gauge,
}

/// From a millisecond to about nine minutes, doubling.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 20))
}

impl Metrics {
    /// Makes them, and registers them.
    pub fn new(registry: &mut Registry) -> Self {
        let metrics = Self {
            requests: Family::default(),
            attempts: Family::default(),
            durations: Family::new_with_constructor(seconds),
            first_content: seconds(),
            tokens: Family::default(),
            panics: Counter::default(),
            in_flight: Gauge::default(),
        };
        registry.register(
            "requests",
            "Client requests that ended, by endpoint and status",
            metrics.requests.clone(),
        );
        registry.register(
            "attempts",
            "Attempts at providers, by provider and outcome",
            metrics.attempts.clone(),
        );
        registry.register_with_unit(
            "request_duration",
            "From arrival to the end of the answer",
            Unit::Seconds,
            metrics.durations.clone(),
        );
        registry.register_with_unit(
            "time_to_first_content",
            "From arrival to the first content of a stream",
            Unit::Seconds,
            metrics.first_content.clone(),
        );
        registry.register("tokens", "Tokens used, by kind", metrics.tokens.clone());
        registry.register(
            "panics",
            "Faults of the gateway that a request met",
            metrics.panics.clone(),
        );
        registry.register(
            "requests_in_flight",
            "Client requests that run now",
            metrics.in_flight.clone(),
        );
        metrics
    }

    pub(crate) fn attempt(&self, provider: &Arc<str>, class: Option<&'static str>) {
        let labels = AttemptLabels {
            provider: provider.clone(),
            outcome: class.unwrap_or("answered"),
        };
        self.attempts.get_or_create(&labels).inc();
    }

    pub(crate) fn panicked(&self) {
        self.panics.inc();
    }

    pub(crate) fn first_content(&self, ttft: Duration) {
        self.first_content.observe(ttft.as_secs_f64());
    }

    pub(crate) fn request(&self, record: &RequestRecord) {
        let labels = RequestLabels {
            endpoint: record.endpoint,
            status: record.status_code,
        };
        self.requests.get_or_create(&labels).inc();
        let labels = EndpointLabels {
            endpoint: record.endpoint,
        };
        self.durations
            .get_or_create(&labels)
            .observe(record.latency.as_secs_f64());
        for usage in record.attempts.iter().filter_map(|attempt| attempt.usage) {
            for (kind, count) in [("prompt", usage.prompt), ("completion", usage.completion)] {
                self.tokens
                    .get_or_create(&TokenLabels { kind })
                    .inc_by(count);
            }
        }
    }
}
