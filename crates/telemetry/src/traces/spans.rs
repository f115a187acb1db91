//! The spans of a request.
//!
//! Names and attributes are those of <https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/>; what has no name
//! there begins with `gateway.`.

use std::time::{Duration, SystemTime};

use catalog::{Catalog, Provider, Snapshot};
use opentelemetry::{
    InstrumentationScope, KeyValue, SpanId, TraceFlags, TraceId,
    trace::{SpanContext, SpanKind, Status, TraceState},
};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use router::ProviderId;
use stats::{AttemptRecord, RequestRecord, Trace, Usage};

use crate::conventions::{operation, server, vendor};

/// USD of one nano-USD.
const NANO: f64 = 1e-9;

/// Makes them.
#[derive(Debug)]
pub(super) struct Spans {
    catalog: Catalog,
    scope: InstrumentationScope,
}

/// What differs between spans.
struct Of {
    id: u64,
    parent: u64,
    is_parent_remote: bool,
    kind: SpanKind,
    name: String,
    begins: SystemTime,
    took: Duration,
    attributes: Vec<KeyValue>,
    error: Option<&'static str>,
    /// Whether that is a fault of the side that the span is of.
    is_fault: bool,
}

impl Spans {
    pub(super) fn new(catalog: Catalog) -> Self {
        let scope = InstrumentationScope::builder("llm-orchestrator");
        Self {
            catalog,
            scope: scope.with_version(env!("CARGO_PKG_VERSION")).build(),
        }
    }

    /// The request's span, and after it those of its attempts.
    pub(super) fn of(&self, record: &RequestRecord, trace: &Trace) -> Vec<SpanData> {
        let snapshot = self.catalog.current();
        let operation = operation(record.endpoint);
        let mut spans = vec![self.request(record, trace, operation, &snapshot)];
        for (attempt, span) in record.attempts.iter().zip(&trace.attempts) {
            let provider = snapshot.provider(ProviderId(attempt.provider_id));
            let of = Of {
                id: span.id,
                parent: trace.span_id,
                is_parent_remote: false,
                kind: SpanKind::Client,
                name: format!("{operation} {}", attempt.provider_model),
                begins: SystemTime::from(record.arrived_at) + span.after,
                took: attempt.elapsed,
                attributes: of_attempt(attempt, operation, provider.map(|it| &**it)),
                error: attempt.error_class,
                is_fault: true,
            };
            spans.push(self.span(trace, of));
        }
        spans
    }

    fn request(
        &self,
        record: &RequestRecord,
        trace: &Trace,
        operation: &'static str,
        snapshot: &Snapshot,
    ) -> SpanData {
        let answered = record.answered_by.and_then(|it| record.attempts.get(it));
        let attempt = answered.or(record.attempts.last());
        let provider =
            attempt.and_then(|attempt| snapshot.provider(ProviderId(attempt.provider_id)));
        let mut attributes = vec![
            KeyValue::new("gen_ai.operation.name", operation),
            KeyValue::new("gen_ai.request.model", record.model.clone()),
            KeyValue::new("http.request.method", record.method),
            KeyValue::new("http.route", record.endpoint),
            KeyValue::new("http.response.status_code", i64::from(record.status_code)),
            KeyValue::new("gateway.request.id", record.request_id.to_string()),
            KeyValue::new("gateway.key.name", record.key_name.to_string()),
            KeyValue::new("gateway.stream", record.stream),
            KeyValue::new("gateway.attempts", count(record.attempts.len() as u64)),
        ];
        let usages = record.attempts.iter().filter_map(|attempt| attempt.usage);
        if let Some((prompt, completion)) = usages
            .map(|usage| (usage.prompt, usage.completion))
            .reduce(|a, b| (a.0.saturating_add(b.0), a.1.saturating_add(b.1)))
        {
            attributes.push(KeyValue::new("gen_ai.usage.input_tokens", count(prompt)));
            attributes.push(KeyValue::new(
                "gen_ai.usage.output_tokens",
                count(completion),
            ));
        }
        if let Some(attempt) = answered {
            let model = attempt.provider_model.to_string();
            attributes.push(KeyValue::new("gen_ai.response.model", model));
        }
        if let Some(provider) = provider {
            attributes.push(KeyValue::new("gen_ai.provider.name", vendor(provider.kind)));
            attributes.push(KeyValue::new(
                "gateway.provider.name",
                provider.name.to_string(),
            ));
        }
        if let Some(ip) = record.ip {
            attributes.push(KeyValue::new(
                "client.address",
                ip.to_canonical().to_string(),
            ));
        }
        if let Some(ttft) = record.ttft {
            attributes.push(KeyValue::new(
                "gateway.time_to_first_content",
                ttft.as_secs_f64(),
            ));
        }
        if let Some(cost) = record.cost() {
            attributes.push(KeyValue::new("gateway.cost_usd", cost as f64 * NANO));
        }
        let of = Of {
            id: trace.span_id,
            parent: trace.parent_id.unwrap_or(0),
            is_parent_remote: trace.parent_id.is_some(),
            kind: SpanKind::Server,
            name: format!("{operation} {}", record.model),
            begins: record.arrived_at.into(),
            took: record.latency,
            attributes,
            error: record.error_class,
            // A server is not at fault for what its client did wrong.
            is_fault: !(400..500).contains(&record.status_code),
        };
        self.span(trace, of)
    }

    fn span(&self, trace: &Trace, of: Of) -> SpanData {
        let state = trace.state.as_deref().and_then(|text| text.parse().ok());
        let mut attributes = of.attributes;
        attributes.extend(of.error.map(|class| KeyValue::new("error.type", class)));
        let status = match of.error {
            Some(class) if of.is_fault => Status::error(class),
            _ => Status::Unset,
        };
        SpanData {
            span_context: SpanContext::new(
                TraceId::from_bytes(trace.trace_id.to_be_bytes()),
                SpanId::from_bytes(of.id.to_be_bytes()),
                TraceFlags::SAMPLED,
                false,
                state.unwrap_or(TraceState::NONE),
            ),
            parent_span_id: SpanId::from_bytes(of.parent.to_be_bytes()),
            parent_span_is_remote: of.is_parent_remote,
            span_kind: of.kind,
            name: of.name.into(),
            start_time: of.begins,
            end_time: of.begins + of.took,
            attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status,
            instrumentation_scope: self.scope.clone(),
        }
    }
}

fn of_attempt(
    attempt: &AttemptRecord,
    operation: &'static str,
    provider: Option<&Provider>,
) -> Vec<KeyValue> {
    let model = attempt.provider_model.to_string();
    let mut attributes = vec![
        KeyValue::new("gen_ai.operation.name", operation),
        KeyValue::new("gen_ai.request.model", model),
    ];
    if let Some(provider) = provider {
        attributes.push(KeyValue::new("gen_ai.provider.name", vendor(provider.kind)));
        attributes.push(KeyValue::new(
            "gateway.provider.name",
            provider.name.to_string(),
        ));
        attributes.extend(server(provider));
    }
    if let Some(status) = attempt.status {
        attributes.push(KeyValue::new(
            "http.response.status_code",
            i64::from(status),
        ));
    }
    if let Some(usage) = attempt.usage {
        attributes.extend(of_usage(&usage));
    }
    if let Some(cost) = attempt.cost {
        attributes.push(KeyValue::new("gateway.cost_usd", cost as f64 * NANO));
    }
    attributes
}

fn of_usage(usage: &Usage) -> impl Iterator<Item = KeyValue> {
    let all = [
        ("gen_ai.usage.input_tokens", usage.prompt),
        ("gen_ai.usage.output_tokens", usage.completion),
    ];
    let some = [
        ("gen_ai.usage.cache_read.input_tokens", usage.cached),
        (
            "gen_ai.usage.cache_creation.input_tokens",
            usage.cache_write,
        ),
        ("gen_ai.usage.reasoning.output_tokens", usage.reasoning),
    ];
    let some = some.into_iter().filter(|(_, tokens)| *tokens > 0);
    all.into_iter()
        .chain(some)
        .map(|(name, tokens)| KeyValue::new(name, count(tokens)))
}

fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
