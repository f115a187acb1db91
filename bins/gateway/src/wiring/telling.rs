//! Who is told what becomes of requests and parts: the books, metrics, a collector of traces, receivers of alerts.

use std::sync::Arc;

use anyhow::Context;
use budgets::Budgets;
use bytes::Bytes;
use catalog::Catalog;
use health::Health;
use prometheus_client::registry::Registry;
use sea_orm::DatabaseConnection;
use secrecy::ExposeSecret;
use stats::{Observer, Recorder};
use telemetry::{
    RequestMetrics,
    alerts::{self, AlertMetrics, Watch},
    traces::{self, TraceMetrics},
};
use upstream::{Clients, TransportSettings};

use super::{STATS_DRAIN, replica_name};
use crate::{
    database::{self, Pool},
    settings::Settings,
};

/// Connections of the writer of rows: one, and another while a write that was given up still holds the first.
const WRITERS: u32 = 2;

/// Where requests that have ended are written down, and who is told of them.
pub(super) struct Accounts {
    pub(super) registry: Registry,
    pub(super) recorder: Recorder,
    pub(super) worker: stats::Worker,
    /// `None` where there are no traces.
    pub(super) traces: Option<(Arc<TraceMetrics>, traces::Worker)>,
    /// `None` where nobody is alerted.
    pub(super) alerts: Option<(Arc<AlertMetrics>, alerts::Worker)>,
}

impl Accounts {
    pub(super) async fn start(
        settings: &Settings,
        catalog: &Catalog,
        health: &Health,
        budgets: &Budgets,
        database: &DatabaseConnection,
    ) -> anyhow::Result<Self> {
        let observing = Observing::new(settings, catalog)?;
        let written = stats_settings(settings, budgets, observing.observers);
        let writers = Pool {
            connections: WRITERS,
            ..settings.database_pool
        };
        let writer = database::open_later(&settings.database_url, writers)
            .await
            .context("DATABASE_URL")?;
        let (recorder, worker) = stats::start(written, database.clone(), writer)
            .await
            .context("GATEWAY_SPOOL_DIR")?;
        let watch = Watch::new(catalog, health, budgets.metrics(), recorder.metrics());
        Ok(Self {
            registry: observing.registry,
            worker,
            traces: observing.traces,
            alerts: alerts(settings, watch)?,
            recorder,
        })
    }
}

fn stats_settings(
    settings: &Settings,
    budgets: &Budgets,
    observers: Vec<Arc<dyn Observer>>,
) -> stats::Settings {
    stats::Settings {
        observers,
        bookings: Some(Arc::new(budgets.clone())),
        retention: settings.retention,
        bodies: settings.bodies.clone(),
        drain_timeout: STATS_DRAIN,
        ..stats::Settings::new(&settings.spool_dir)
    }
}

/// Those who look at every request that has ended.
struct Observing {
    /// With what is counted of such requests.
    registry: Registry,
    observers: Vec<Arc<dyn Observer>>,
    /// `None` where there are no traces.
    traces: Option<(Arc<TraceMetrics>, traces::Worker)>,
}

impl Observing {
    fn new(settings: &Settings, catalog: &Catalog) -> anyhow::Result<Self> {
        let mut registry = Registry::with_prefix("gateway");
        let metrics = RequestMetrics::new(&mut registry, catalog.clone());
        let mut observing = Self {
            registry,
            observers: vec![Arc::new(metrics)],
            traces: None,
        };
        if let Some(given) = &settings.traces {
            let client = clients(settings).get(&TransportSettings::default())?;
            let exported = traces::Settings {
                endpoint: given.endpoint.clone(),
                headers: given.headers.clone(),
                service: given.service.clone(),
                instance: replica_name(settings),
            };
            let (traces, worker, metrics) = traces::start(exported, catalog.clone(), client)
                .context("OTEL_EXPORTER_OTLP_ENDPOINT")?;
            observing.observers.push(Arc::new(traces));
            observing.traces = Some((metrics, worker));
        }
        Ok(observing)
    }
}

/// Who alerts; `None` where nobody is to be alerted.
fn alerts(
    settings: &Settings,
    watch: Watch,
) -> anyhow::Result<Option<(Arc<AlertMetrics>, alerts::Worker)>> {
    let Some(given) = &settings.alerts else {
        return Ok(None);
    };
    let client = clients(settings).get(&TransportSettings::default())?;
    let secret = given.secret.as_ref().map(|secret| secret.expose_secret());
    let alerted = alerts::Settings {
        receivers: given.receivers.clone(),
        secret: secret.map(|secret| Bytes::copy_from_slice(secret.as_bytes())),
        gateway: replica_name(settings),
    };
    Ok(Some(alerts::start(alerted, watch, client)))
}

/// Others than providers', so that their connections are not counted among those.
fn clients(settings: &Settings) -> Clients {
    Clients::new(settings.provider_networks)
}
