//! Traces over OTLP (HTTP, protobuf): one span per request, and below it one per attempt.
//!
//! Spans are made of the record of a request that has ended, so that while it runs it carries no more than its ids. They
//! follow OpenTelemetry's conventions for generative AI; what is said there is neither prompt nor answer.

mod spans;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use catalog::Catalog;
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};
use stats::{Observer, RequestRecord};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use upstream::Client;

use self::spans::Spans;
use crate::{Collector, http::Http};

/// Requests whose spans may wait.
const QUEUE: usize = 4096;
/// Requests whose spans are sent together.
const BATCH: usize = 256;
/// How long they are gathered.
const GATHER: Duration = Duration::from_secs(1);
/// How long the last of them may take at the end.
const FINISH: Duration = Duration::from_secs(5);

/// Counters, to be read at any time.
#[derive(Debug, Default)]
pub struct TraceMetrics {
    exported: AtomicU64,
    lost: AtomicU64,
}

impl TraceMetrics {
    /// Spans that the collector has taken.
    pub fn exported(&self) -> u64 {
        self.exported.load(Relaxed)
    }

    /// Spans that it did not take, or that found the queue full.
    pub fn lost(&self) -> u64 {
        self.lost.load(Relaxed)
    }
}

/// Makes spans of ended requests.
#[derive(Debug)]
pub struct Traces {
    spans: Spans,
    queue: mpsc::Sender<Vec<SpanData>>,
    metrics: Arc<TraceMetrics>,
}

/// Sends them.
#[derive(Debug)]
pub struct Worker {
    spans: mpsc::Receiver<Vec<SpanData>>,
    exporter: SpanExporter,
    metrics: Arc<TraceMetrics>,
    is_away: bool,
}

/// Makes the observer that makes spans, the worker that sends them through `client`, and what they count.
///
/// # Errors
/// The exporter cannot be made of these settings.
pub fn start(
    collector: &Collector,
    catalog: Catalog,
    client: Arc<Client>,
) -> Result<(Traces, Worker, Arc<TraceMetrics>), ExporterBuildError> {
    let mut exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(Http::new(client))
        .with_endpoint(format!("{}/v1/traces", collector.endpoint))
        .with_headers(collector.headers.clone())
        .build()?;
    exporter.set_resource(&collector.resource());
    let (queue, waiting) = mpsc::channel(QUEUE);
    let metrics = Arc::<TraceMetrics>::default();
    let traces = Traces {
        spans: Spans::new(catalog),
        queue,
        metrics: metrics.clone(),
    };
    let worker = Worker {
        spans: waiting,
        exporter,
        metrics: metrics.clone(),
        is_away: false,
    };
    Ok((traces, worker, metrics))
}

impl Observer for Traces {
    fn ended(&self, record: &RequestRecord) {
        let Some(trace) = record.trace.as_ref().filter(|trace| trace.is_sampled) else {
            return;
        };
        let spans = self.spans.of(record, trace);
        let count = spans.len() as u64;
        if self.queue.try_send(spans).is_err() {
            self.metrics.lost.fetch_add(count, Relaxed);
        }
    }
}

impl Worker {
    /// Sends until `stop`, then what is left.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut taken = Vec::new();
        while stop
            .run_until_cancelled(self.spans.recv_many(&mut taken, BATCH))
            .await
            .is_some_and(|count| count > 0)
        {
            let gathering = async {
                while taken.len() < BATCH && self.spans.recv_many(&mut taken, BATCH).await > 0 {}
            };
            let gathering = tokio::time::timeout(GATHER, gathering);
            let _ = stop.run_until_cancelled(gathering).await;
            self.send(&mut taken).await;
        }
        while let Ok(spans) = self.spans.try_recv() {
            taken.push(spans);
        }
        let last = self.send(&mut taken);
        if tokio::time::timeout(FINISH, last).await.is_err() {
            tracing::warn!("the last spans were not taken in time");
        }
    }

    async fn send(&mut self, taken: &mut Vec<Vec<SpanData>>) {
        let spans: Vec<_> = taken.drain(..).flatten().collect();
        if spans.is_empty() {
            return;
        }
        let count = spans.len() as u64;
        match self.exporter.export(spans).await {
            Ok(()) => {
                self.metrics.exported.fetch_add(count, Relaxed);
                if std::mem::take(&mut self.is_away) {
                    tracing::info!("the collector takes spans again");
                }
            }
            Err(error) => {
                self.metrics.lost.fetch_add(count, Relaxed);
                if !std::mem::replace(&mut self.is_away, true) {
                    tracing::warn!(%error, spans = count, "the collector does not take spans");
                }
            }
        }
    }
}
