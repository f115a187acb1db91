//! Metrics over OTLP (HTTP, protobuf): what OpenTelemetry's conventions for generative AI count of requests that have
//! ended, and what the gateway's parts count themselves.
//!
//! The first are taken from the records of ended requests, the second are read when they are sent. The SDK sends from a
//! thread of its own, which is there only where a collector is.

mod instruments;
mod sender;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use catalog::Catalog;
use opentelemetry::{
    InstrumentationScope, KeyValue,
    metrics::{AsyncInstrument, MeterProvider as _},
};
use opentelemetry_otlp::{ExporterBuildError, MetricExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider, Temporality};
use stats::{Observer, RequestRecord};
use tokio_util::sync::CancellationToken;
use upstream::Client;

use self::{instruments::Instruments, sender::Sender};
use crate::{Collector, http::Http};

/// How long the last of them may take at the end.
const FINISH: Duration = Duration::from_secs(5);
/// What this program's instruments are of.
const SCOPE: &str = "llm-orchestrator";

/// What a part of the gateway counts.
#[derive(Debug, Clone)]
pub struct Reading {
    /// As in `/metrics`, without the prefix.
    pub name: String,
    /// What it is, in a sentence.
    pub help: String,
    /// What it stands at.
    pub values: Values,
}

/// What something stands at.
#[derive(Debug, Clone)]
pub enum Values {
    /// What only ever grows, by its labels.
    Counts(Vec<(Vec<KeyValue>, u64)>),
    /// What comes and goes, by its labels.
    Levels(Vec<(Vec<KeyValue>, u64)>),
    /// Seconds.
    Seconds(f64),
}

/// Reads what the parts count.
pub trait Source: Send + Sync + 'static {
    /// What they have counted by now: each time the same names.
    fn read(&self) -> Vec<Reading>;
}

/// Counters, to be read at any time.
#[derive(Debug, Default)]
pub struct ExportMetrics {
    exported: AtomicU64,
    failed: AtomicU64,
}

impl ExportMetrics {
    /// Times that the collector has taken what there was.
    pub fn exported(&self) -> u64 {
        self.exported.load(Relaxed)
    }

    /// Times that it has not.
    pub fn failed(&self) -> u64 {
        self.failed.load(Relaxed)
    }
}

/// Counts requests that have ended.
#[derive(Debug)]
pub struct Meters(Instruments);

/// Has them sent, each interval and at the end.
pub struct Worker {
    provider: SdkMeterProvider,
    scope: InstrumentationScope,
}

impl fmt::Debug for Worker {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Worker").finish_non_exhaustive()
    }
}

/// Makes the observer that counts, the worker that has it sent through `client` each `interval`, and what that counts.
///
/// # Errors
/// The exporter cannot be made of these settings.
pub fn start(
    collector: &Collector,
    interval: Duration,
    catalog: Catalog,
    client: Arc<Client>,
) -> Result<(Meters, Worker, Arc<ExportMetrics>), ExporterBuildError> {
    let exporter = MetricExporter::builder()
        .with_temporality(Temporality::Cumulative)
        .with_http()
        .with_http_client(Http::new(client))
        .with_endpoint(format!("{}/v1/metrics", collector.endpoint))
        .with_headers(collector.headers.clone())
        .build()?;
    let metrics = Arc::<ExportMetrics>::default();
    let sender = Sender::new(exporter, metrics.clone());
    let reader = PeriodicReader::builder(sender).with_interval(interval);
    let provider = SdkMeterProvider::builder()
        .with_resource(collector.resource())
        .with_reader(reader.build())
        .build();
    let scope = InstrumentationScope::builder(SCOPE)
        .with_version(env!("CARGO_PKG_VERSION"))
        .build();
    let meter = provider.meter_with_scope(scope.clone());
    let meters = Meters(Instruments::new(&meter, catalog));
    Ok((meters, Worker { provider, scope }, metrics))
}

impl Observer for Meters {
    fn ended(&self, record: &RequestRecord) {
        self.0.record(record);
    }
}

impl Worker {
    /// Sends what `source` reads too.
    pub fn observe(&self, source: &Arc<impl Source>) {
        let meter = self.provider.meter_with_scope(self.scope.clone());
        for reading in source.read() {
            let name = format!("gateway.{}", reading.name);
            let look = Look {
                source: source.clone(),
                name: reading.name,
            };
            match reading.values {
                Values::Counts(_) => {
                    let counter = meter.u64_observable_counter(name);
                    let counter = counter.with_description(reading.help);
                    counter.with_callback(look.at_counts()).build();
                }
                Values::Levels(_) => {
                    let gauge = meter.u64_observable_gauge(name);
                    let gauge = gauge.with_description(reading.help);
                    gauge.with_callback(look.at_counts()).build();
                }
                Values::Seconds(_) => {
                    let gauge = meter.f64_observable_gauge(name).with_unit("s");
                    let gauge = gauge.with_description(reading.help);
                    gauge.with_callback(look.at_seconds()).build();
                }
            }
        }
    }

    /// Lets them be sent until `stop`, then has what is left sent.
    pub async fn run(self, stop: CancellationToken) {
        stop.cancelled().await;
        let provider = self.provider;
        let ending = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(FINISH));
        if !matches!(ending.await, Ok(Ok(()))) {
            tracing::warn!("the last metrics were not taken in time");
        }
    }
}

/// Looks at the values of one name. A source has them only in a look at all, which takes microseconds, once an interval.
struct Look<S> {
    source: Arc<S>,
    name: String,
}

impl<S: Source> Look<S> {
    fn values(&self) -> Option<Values> {
        let mut found = self.source.read().into_iter();
        Some(found.find(|it| it.name == self.name)?.values)
    }

    fn at_counts(self) -> impl Fn(&dyn AsyncInstrument<u64>) {
        move |seen| {
            if let Some(Values::Counts(values) | Values::Levels(values)) = self.values() {
                for (labels, value) in values {
                    seen.observe(value, &labels);
                }
            }
        }
    }

    fn at_seconds(self) -> impl Fn(&dyn AsyncInstrument<f64>) {
        move |seen| {
            if let Some(Values::Seconds(value)) = self.values() {
                seen.observe(value, &[]);
            }
        }
    }
}
