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
    Collector, RequestMetrics,
    alerts::{self, AlertMetrics, Watch},
    meters::{self, ExportMetrics},
    traces::{self, TraceMetrics},
};
use upstream::{Clients, TransportSettings};

use super::{STATS_DRAIN, replica_name};
use crate::{
    database::{self, Pool},
    settings::{Collecting, Settings},
};

/// Connections of the writer of rows to a server: one, and another while a write that was given up still holds the first.
const WRITERS: u32 = 2;
/// Those to SQLite. It lets nobody write while another does, and where two take turns, each commit outdates all pages that the
/// other has in memory.
const WRITERS_OF_SQLITE: u32 = 1;

/// Where requests that have ended are written down, and who is told of them.
pub(super) struct Accounts {
    pub(super) registry: Registry,
    pub(super) recorder: Recorder,
    pub(super) worker: stats::Worker,
    /// `None` where there are no traces.
    pub(super) traces: Option<(Arc<TraceMetrics>, traces::Worker)>,
    /// `None` where metrics are not sent anywhere.
    pub(super) meters: Option<(Arc<ExportMetrics>, meters::Worker)>,
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
            connections: match database::is_sqlite(&settings.database_url) {
                true => WRITERS_OF_SQLITE,
                false => WRITERS,
            },
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
            meters: observing.meters,
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
        spool_bytes: settings.spool_max,
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
    /// `None` where metrics are not sent anywhere.
    meters: Option<(Arc<ExportMetrics>, meters::Worker)>,
}

impl Observing {
    fn new(settings: &Settings, catalog: &Catalog) -> anyhow::Result<Self> {
        let mut registry = Registry::with_prefix("gateway");
        let metrics = RequestMetrics::new(&mut registry, catalog.clone());
        let mut observing = Self {
            registry,
            observers: vec![Arc::new(metrics)],
            traces: None,
            meters: None,
        };
        if let Some(given) = &settings.collector {
            observing
                .collect(settings, given, catalog)
                .context("OTEL_EXPORTER_OTLP_ENDPOINT")?;
        }
        Ok(observing)
    }

    fn collect(
        &mut self,
        settings: &Settings,
        given: &Collecting,
        catalog: &Catalog,
    ) -> anyhow::Result<()> {
        let client = clients(settings).get(&TransportSettings::default())?;
        let collector = Collector {
            endpoint: given.endpoint.clone(),
            headers: given.headers.clone(),
            service: given.service.clone(),
            instance: replica_name(settings),
        };
        let (traces, worker, metrics) = traces::start(&collector, catalog.clone(), client.clone())?;
        self.observers.push(Arc::new(traces));
        self.traces = Some((metrics, worker));
        if let Some(interval) = given.interval {
            let (meters, worker, metrics) =
                meters::start(&collector, interval, catalog.clone(), client)?;
            self.observers.push(Arc::new(meters));
            self.meters = Some((metrics, worker));
        }
        Ok(())
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
