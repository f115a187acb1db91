//! What is counted of requests that have ended. Labels are bounded: providers and models are named as they are configured,
//! never as a client wrote them.

mod providers;

use std::sync::Arc;

use catalog::{Catalog, Snapshot};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};
use router::ProviderId;
use stats::{AttemptRecord, Observer, RequestRecord, Usage};

use self::providers::Attempts;
use crate::pace::Pace;

/// Stands for whatever is not configured (any more).
const OTHER: &str = "other";
/// USD of one nano-USD.
const NANO: f64 = 1e-9;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByEndpoint {
    endpoint: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByStatus {
    endpoint: &'static str,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByModel {
    model: Arc<str>,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByProvider {
    provider: Arc<str>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByOutcome {
    provider: Arc<str>,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByKind {
    provider: Arc<str>,
    kind: &'static str,
}

type Dollars = Counter<f64, std::sync::atomic::AtomicU64>;
type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// Counts ended requests and their attempts.
#[derive(Debug)]
pub struct RequestMetrics {
    catalog: Catalog,
    other: Arc<str>,
    requests: Family<ByStatus, Counter>,
    of_models: Family<ByModel, Counter>,
    durations: Histograms<ByEndpoint>,
    first_content: Histograms<ByProvider>,
    inter_token: Histograms<ByProvider>,
    of_providers: Attempts,
}

/// From a millisecond to about nine minutes, doubling.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 20))
}

/// From a millisecond to about two seconds, doubling.
fn moments() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 12))
}

impl RequestMetrics {
    /// Makes them, and registers them.
    pub fn new(registry: &mut Registry, catalog: Catalog) -> Self {
        let metrics = Self {
            catalog,
            other: Arc::from(OTHER),
            requests: Family::default(),
            of_models: Family::default(),
            durations: Family::new_with_constructor(seconds),
            first_content: Family::new_with_constructor(seconds),
            inter_token: Family::new_with_constructor(moments),
            of_providers: Attempts::default(),
        };
        registry.register(
            "requests",
            "Client requests that ended, by endpoint and status",
            metrics.requests.clone(),
        );
        registry.register(
            "model_requests",
            "Client requests that ended, by configured model and what became of them",
            metrics.of_models.clone(),
        );
        let mut timed = |name, help, histograms: &Histograms<ByProvider>| {
            registry.register_with_unit(name, help, Unit::Seconds, histograms.clone());
        };
        timed(
            "time_to_first_content",
            "From arrival to the first content of a stream, by the provider that answered",
            &metrics.first_content,
        );
        timed(
            "inter_token",
            "Mean time between two tokens of a stream, by the provider that answered",
            &metrics.inter_token,
        );
        timed(
            "attempt_duration",
            "From sending to the end of an attempt, by provider",
            &metrics.of_providers.durations,
        );
        registry.register_with_unit(
            "request_duration",
            "From arrival to the end of the answer",
            Unit::Seconds,
            metrics.durations.clone(),
        );
        registry.register(
            "attempts",
            "Attempts at providers, by provider and outcome",
            metrics.of_providers.attempts.clone(),
        );
        registry.register(
            "tokens",
            "Tokens used, by provider and kind; cached and cache_write are among prompt, reasoning among completion",
            metrics.of_providers.tokens.clone(),
        );
        registry.register(
            "cost_usd",
            "What attempts cost that have a price, by provider",
            metrics.of_providers.cost.clone(),
        );
        metrics
    }

    fn provider(&self, snapshot: &Snapshot, attempt: &AttemptRecord) -> Arc<str> {
        let provider = snapshot.provider(ProviderId(attempt.provider_id));
        provider.map_or_else(|| self.other.clone(), |provider| provider.name.clone())
    }

    fn pace(&self, snapshot: &Snapshot, pace: &Pace<'_>) {
        let labels = ByProvider {
            provider: self.provider(snapshot, pace.attempt),
        };
        self.first_content
            .get_or_create(&labels)
            .observe(pace.first.as_secs_f64());
        if let Some(each) = pace.each {
            self.inter_token.get_or_create(&labels).observe(each);
        }
    }
}

impl Observer for RequestMetrics {
    fn ended(&self, record: &RequestRecord) {
        let endpoint = record.endpoint;
        let labels = ByStatus {
            endpoint,
            status: record.status_code,
        };
        self.requests.get_or_create(&labels).inc();
        self.durations
            .get_or_create(&ByEndpoint { endpoint })
            .observe(record.latency.as_secs_f64());
        let snapshot = self.catalog.current();
        let model = match snapshot.model(&record.model) {
            Some((model, _)) => model.name.clone(),
            None => self.other.clone(),
        };
        let outcome = outcome(record.status_code, record.error_class.is_some());
        self.of_models
            .get_or_create(&ByModel { model, outcome })
            .inc();
        for attempt in &record.attempts {
            let provider = self.provider(&snapshot, attempt);
            self.of_providers.count(&provider, attempt);
        }
        if let Some(pace) = Pace::of(record) {
            self.pace(&snapshot, &pace);
        }
    }
}

/// Tokens by what they are.
pub(crate) fn kinds(usage: &Usage) -> [(&'static str, u64); 5] {
    [
        ("prompt", usage.prompt),
        ("completion", usage.completion),
        ("cached", usage.cached),
        ("cache_write", usage.cache_write),
        ("reasoning", usage.reasoning),
    ]
}

/// What became of a request. A stream that broke had a status of success.
fn outcome(status: u16, has_failed: bool) -> &'static str {
    match status {
        499 => "left",
        400..=499 => "refused",
        0..=399 if !has_failed => "answered",
        _ => "failed",
    }
}

#[cfg(test)]
mod tests {
    use super::outcome;

    #[test]
    fn outcomes_are_few() {
        assert_eq!(outcome(200, false), "answered");
        assert_eq!(outcome(200, true), "failed");
        assert_eq!(outcome(404, true), "refused");
        assert_eq!(outcome(429, true), "refused");
        assert_eq!(outcome(499, true), "left");
        assert_eq!(outcome(502, true), "failed");
    }
}
