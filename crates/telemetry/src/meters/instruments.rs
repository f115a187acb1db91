//! What is counted of requests that have ended.
//!
//! Names, attributes and boundaries are those of <https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics/> and
//! <https://opentelemetry.io/docs/specs/semconv/http/http-metrics/>. Towards
//! a provider the gateway is the client, towards its own clients the server. Attributes are bounded: models are named as
//! they are configured, never as a client wrote them.

use catalog::{Catalog, Snapshot};
use opentelemetry::{
    KeyValue,
    metrics::{Counter, Histogram, Meter},
};
use router::ProviderId;
use stats::{AttemptRecord, RequestRecord};

use crate::{
    conventions::{operation, server, vendor},
    pace::Pace,
    requests::kinds,
};

/// Stands for a model that is not configured (any more).
const OTHER: &str = "other";
/// USD of one nano-USD.
const NANO: f64 = 1e-9;
/// Seconds of an operation.
const DURATIONS: [f64; 14] = [
    0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
];
/// Seconds of a request, as of any server.
const HTTP: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];
/// Tokens.
const TOKENS: [f64; 14] = [
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1024.0,
    4096.0,
    16384.0,
    65536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];
/// Seconds until the first token.
const FIRST: [f64; 16] = [
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];
/// Seconds between two tokens.
const EACH: [f64; 13] = [
    0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5,
];

#[derive(Debug)]
pub(super) struct Instruments {
    catalog: Catalog,
    operations: Histogram<f64>,
    tokens: Histogram<u64>,
    kinds: Counter<u64>,
    requests: Histogram<f64>,
    http: Histogram<f64>,
    first_token: Histogram<f64>,
    each_token: Histogram<f64>,
    cost: Counter<f64>,
}

impl Instruments {
    pub(super) fn new(meter: &Meter, catalog: Catalog) -> Self {
        let seconds = |name, help, boundaries: &[f64]| {
            let histogram = meter.f64_histogram(name).with_description(help);
            let histogram = histogram.with_unit("s");
            histogram.with_boundaries(boundaries.to_vec()).build()
        };
        Self {
            catalog,
            operations: seconds(
                "gen_ai.client.operation.duration",
                "From sending to the end of an attempt at a provider",
                &DURATIONS,
            ),
            tokens: meter
                .u64_histogram("gen_ai.client.token.usage")
                .with_description("Tokens that an attempt at a provider used")
                .with_unit("{token}")
                .with_boundaries(TOKENS.to_vec())
                .build(),
            kinds: meter
                .u64_counter("gateway.tokens")
                .with_description(
                    "Tokens used, by kind; cached and cache_write are among prompt, reasoning among completion",
                )
                .with_unit("{token}")
                .build(),
            http: seconds(
                "http.server.request.duration",
                "From the arrival of a request to the end of its answer",
                &HTTP,
            ),
            requests: seconds(
                "gen_ai.server.request.duration",
                "From the arrival of a request to the end of its answer",
                &DURATIONS,
            ),
            first_token: seconds(
                "gen_ai.server.time_to_first_token",
                "From the arrival of a request to the first content of its stream",
                &FIRST,
            ),
            each_token: seconds(
                "gen_ai.server.time_per_output_token",
                "Mean time between two tokens of a stream",
                &EACH,
            ),
            cost: meter
                .f64_counter("gateway.cost")
                .with_description("What attempts cost that have a price")
                .with_unit("{USD}")
                .build(),
        }
    }

    pub(super) fn record(&self, record: &RequestRecord) {
        let snapshot = self.catalog.current();
        let operation = operation(record.endpoint);
        for attempt in &record.attempts {
            self.attempt(attempt, &of_attempt(attempt, operation, &snapshot));
        }
        let attributes = of_request(record, operation, &snapshot);
        let error = record.error_class.map(failure);
        let ended: Vec<_> = attributes.iter().cloned().chain(error).collect();
        let took = record.latency.as_secs_f64();
        self.requests.record(took, &ended);
        self.http.record(took, &of_http(record));
        if let Some(pace) = Pace::of(record) {
            self.first_token
                .record(pace.first.as_secs_f64(), &attributes);
            if let Some(each) = pace.each {
                self.each_token.record(each, &attributes);
            }
        }
    }

    fn attempt(&self, attempt: &AttemptRecord, attributes: &[KeyValue]) {
        let with = |further: Option<KeyValue>| -> Vec<_> {
            attributes.iter().cloned().chain(further).collect()
        };
        let ended = with(attempt.error_class.map(failure));
        self.operations
            .record(attempt.elapsed.as_secs_f64(), &ended);
        if let Some(usage) = attempt.usage {
            for (kind, tokens) in [("input", usage.prompt), ("output", usage.completion)] {
                let counted = with(Some(KeyValue::new("gen_ai.token.type", kind)));
                self.tokens.record(tokens, &counted);
            }
            for (kind, tokens) in kinds(&usage) {
                let counted = with(Some(KeyValue::new("gateway.token.kind", kind)));
                self.kinds.add(tokens, &counted);
            }
        }
        if let Some(cost) = attempt.cost {
            // A counter never falls.
            self.cost.add(cost.max(0) as f64 * NANO, attributes);
        }
    }
}

fn of_attempt(
    attempt: &AttemptRecord,
    operation: &'static str,
    snapshot: &Snapshot,
) -> Vec<KeyValue> {
    let mut attributes = vec![
        KeyValue::new("gen_ai.operation.name", operation),
        KeyValue::new("gen_ai.request.model", attempt.provider_model.clone()),
    ];
    attributes.extend(of_provider(attempt, snapshot));
    if let Some(provider) = snapshot.provider(ProviderId(attempt.provider_id)) {
        attributes.extend(server(provider));
    }
    attributes
}

fn of_request(
    record: &RequestRecord,
    operation: &'static str,
    snapshot: &Snapshot,
) -> Vec<KeyValue> {
    let model = match snapshot.model(&record.model) {
        Some(_) => record.model.clone(),
        None => OTHER.to_owned(),
    };
    let mut attributes = vec![
        KeyValue::new("gen_ai.operation.name", operation),
        KeyValue::new("gen_ai.request.model", model),
    ];
    let answered = record.answered_by.and_then(|it| record.attempts.get(it));
    if let Some(attempt) = answered.or(record.attempts.last()) {
        attributes.extend(of_provider(attempt, snapshot));
    }
    attributes
}

/// What any HTTP server tells of a request. TLS may end before the gateway, so the scheme is not its to tell.
fn of_http(record: &RequestRecord) -> Vec<KeyValue> {
    let status = i64::from(record.status_code);
    let mut attributes = vec![
        KeyValue::new("http.request.method", record.method),
        KeyValue::new("http.route", record.endpoint),
        KeyValue::new("http.response.status_code", status),
    ];
    attributes.extend(record.error_class.map(failure));
    attributes
}

fn of_provider(attempt: &AttemptRecord, snapshot: &Snapshot) -> Vec<KeyValue> {
    let provider = snapshot.provider(ProviderId(attempt.provider_id));
    provider.map_or_else(Vec::new, |provider| {
        vec![
            KeyValue::new("gen_ai.provider.name", vendor(provider.kind)),
            KeyValue::new("gateway.provider.name", provider.name.clone()),
        ]
    })
}

fn failure(class: &'static str) -> KeyValue {
    KeyValue::new("error.type", class)
}
