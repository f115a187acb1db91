//! Counts and tells what becomes of metrics that are sent.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use opentelemetry_otlp::MetricExporter;
use opentelemetry_sdk::{
    error::OTelSdkResult,
    metrics::{Temporality, data::ResourceMetrics, exporter::PushMetricExporter},
};

use super::ExportMetrics;

pub(super) struct Sender {
    exporter: MetricExporter,
    metrics: Arc<ExportMetrics>,
    is_away: AtomicBool,
}

impl Sender {
    pub(super) fn new(exporter: MetricExporter, metrics: Arc<ExportMetrics>) -> Self {
        Self {
            exporter,
            metrics,
            is_away: AtomicBool::new(false),
        }
    }
}

impl PushMetricExporter for Sender {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let sent = self.exporter.export(metrics).await;
        match &sent {
            Ok(()) => {
                self.metrics.exported.fetch_add(1, Relaxed);
                if self.is_away.swap(false, Relaxed) {
                    tracing::info!("the collector takes metrics again");
                }
            }
            Err(error) => {
                self.metrics.failed.fetch_add(1, Relaxed);
                if !self.is_away.swap(true, Relaxed) {
                    tracing::warn!(%error, "the collector does not take metrics");
                }
            }
        }
        sent
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn temporality(&self) -> Temporality {
        self.exporter.temporality()
    }
}
