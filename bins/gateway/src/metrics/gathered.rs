//! What the parts count themselves, read when somebody asks.

use std::{fmt, sync::Arc, time::Duration};

use access::limit::Shared;
use budgets::BudgetMetrics;
use catalog::Catalog;
use cluster::Cluster;
use health::{Health, Moment, ProviderReport, State};
use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};
use proxy::Proxy;
use router::ProviderId;
use sea_orm::{DatabaseConnection, DbBackend};
use stats::{StatsMetrics, Tail};
use telemetry::{
    alerts::AlertMetrics,
    meters::{ExportMetrics, Reading, Source},
    traces::TraceMetrics,
};
use tokio::runtime::Handle;
use upstream::Connections;

use super::page::{Label, Page};

/// The parts that are asked.
pub(crate) struct Gathered {
    pub(crate) catalog: Catalog,
    pub(crate) health: Health,
    pub(crate) stats: Arc<StatsMetrics>,
    pub(crate) tail: Tail,
    pub(crate) budgets: Arc<BudgetMetrics>,
    /// `None` where limits are this gateway's alone.
    pub(crate) cluster: Option<Cluster>,
    pub(crate) proxy: Proxy,
    pub(crate) connections: Arc<Connections>,
    pub(crate) database: DatabaseConnection,
    /// `None` where nobody is alerted.
    pub(crate) alerts: Option<Arc<AlertMetrics>>,
    /// `None` where there are no traces.
    pub(crate) traces: Option<Arc<TraceMetrics>>,
    /// `None` where metrics are not sent anywhere.
    pub(crate) meters: Option<Arc<ExportMetrics>>,
    /// What it all runs on.
    pub(crate) runtime: Handle,
}

/// The same, written for whoever reads `/metrics`.
#[derive(Debug)]
pub(crate) struct Shown(pub(crate) Arc<Gathered>);

impl fmt::Debug for Gathered {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Gathered").finish_non_exhaustive()
    }
}

impl Collector for Shown {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.0.write(&mut Page::Text(encoder))
    }
}

impl Source for Gathered {
    fn read(&self) -> Vec<Reading> {
        let mut readings = Vec::new();
        match self.write(&mut Page::Readings(&mut readings)) {
            Ok(()) => readings,
            // Only text can fail to be written.
            Err(fmt::Error) => Vec::new(),
        }
    }
}

const STATES: [State; 3] = [State::Healthy, State::Degraded, State::Unhealthy];

impl Gathered {
    fn write(&self, page: &mut Page<'_>) -> fmt::Result {
        self.process(page)?;
        self.proxy(page)?;
        self.providers(page)?;
        self.records(page)?;
        self.budgets(page)?;
        if let Some(cluster) = &self.cluster {
            shared(cluster, page)?;
        }
        self.receivers(page)
    }

    fn process(&self, page: &mut Page<'_>) -> fmt::Result {
        let version = [("version", Arc::from(env!("CARGO_PKG_VERSION")))];
        page.gauges(
            "build_info",
            "The program that runs; always 1",
            [(version, 1)],
        )?;
        let tasks = self.runtime.metrics().num_alive_tasks() as u64;
        page.gauge("tasks", "Tasks of the runtime that have not ended", tasks)?;
        page.gauge(
            "config_version",
            "The configuration in force",
            u64::try_from(self.catalog.current().version).unwrap_or(0),
        )?;
        page.gauge(
            "database_up",
            "Whether the configuration can be read from the database",
            self.catalog.is_database_up().into(),
        )?;
        let (size, idle) = pool(&self.database);
        let connections = [("idle", idle), ("used", size.saturating_sub(idle))];
        page.gauges(
            "database_connections",
            "Connections to the database, by state",
            by("state", connections),
        )
    }

    fn proxy(&self, page: &mut Page<'_>) -> fmt::Result {
        for figure in self.proxy.metrics().figures() {
            let values = figure.values.into_iter().map(|(labels, value)| {
                let labels = labels.into_iter();
                let labels: Vec<Label> = labels.map(|(of, it)| (of, Arc::from(it))).collect();
                (labels, value)
            });
            if figure.is_counter {
                page.counters(figure.name, figure.help, values)?;
            } else {
                page.gauges(figure.name, figure.help, values)?;
            }
        }
        let budget = self.proxy.retry_budget();
        let waiting = self.proxy.waiting() as u64;
        page.gauge(
            "requests_waiting",
            "Client requests that wait to begin, for the processor or for a place among those that run",
            waiting,
        )?;
        page.gauge(
            "retry_budget_requests",
            "Client requests of the last 10 seconds, of which a fifth may be tried again",
            budget.requests,
        )?;
        page.gauge(
            "retry_budget_draws",
            "Further attempts and hedges of the last 10 seconds",
            budget.draws,
        )?;
        page.counter(
            "retry_budget_refusals",
            "Further attempts and hedges that the retry budget did not allow",
            budget.refused,
        )?;
        page.gauge(
            "upstream_connections",
            "Connections to providers that are open, used or idle",
            self.connections.open(),
        )?;
        page.counter(
            "upstream_connections_opened",
            "Connections to providers that were made",
            self.connections.opened(),
        )
    }

    fn providers(&self, page: &mut Page<'_>) -> fmt::Result {
        let reports = self.health.report(Moment::now());
        let snapshot = self.catalog.current();
        let named: Vec<(Arc<str>, ProviderReport)> = reports
            .into_iter()
            .filter_map(|report| {
                let provider = snapshot.provider(ProviderId(report.provider_id))?;
                Some((provider.name.clone(), report))
            })
            .collect();
        let by_state = |count: fn(&ProviderReport, State) -> u64| {
            named.iter().flat_map(move |(provider, report)| {
                STATES.map(|state| {
                    let state_of = ("state", Arc::from(state.as_str()));
                    let labels = [("provider", provider.clone()), state_of];
                    (labels, count(report, state))
                })
            })
        };
        page.gauges(
            "provider_state",
            "Whether a provider is in this state, 1 or 0",
            by_state(|report, state| u64::from(report.state == state)),
        )?;
        page.gauges(
            "provider_associations",
            "Associations of a provider with models, by their own state",
            by_state(|report, state| {
                let associations = report.associations.iter();
                associations.filter(|it| it.state == state).count() as u64
            }),
        )?;
        let each = |count: fn(&ProviderReport) -> u64| {
            named
                .iter()
                .map(move |(provider, report)| ([("provider", provider.clone())], count(report)))
        };
        page.gauges(
            "provider_associations_cooling",
            "Associations of a provider that pause, rate limited or overloaded",
            each(|report| {
                let associations = report.associations.iter();
                associations.filter(|it| it.cooling_until.is_some()).count() as u64
            }),
        )?;
        page.gauges(
            "provider_attempts_in_flight",
            "Attempts at a provider that run now",
            each(|report| report.in_flight.into()),
        )?;
        let entered = self.health.transitions().providers;
        let entered = [
            (State::Healthy.as_str(), entered.healthy),
            (State::Degraded.as_str(), entered.degraded),
            (State::Unhealthy.as_str(), entered.unhealthy),
        ];
        page.counters(
            "provider_transitions",
            "Providers that came into a state, by that state",
            by("state", entered),
        )
    }

    fn records(&self, page: &mut Page<'_>) -> fmt::Result {
        let stats = &self.stats;
        let counters = [
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
            (
                "records_expired",
                "Request records deleted for their age",
                stats.expired(),
            ),
            (
                "record_batches",
                "Batches of request records committed",
                stats.batches(),
            ),
            (
                "record_write_failures",
                "Writes of request records that failed and are repeated",
                stats.failures(),
            ),
            (
                "bodies_written",
                "Requests whose bodies were recorded",
                stats.bodies_written(),
            ),
            (
                "bodies_dropped",
                "Requests whose bodies were to be recorded and were not",
                stats.bodies_dropped(),
            ),
            (
                "record_writer_panics",
                "Panics that the writer of request records went on from",
                stats.panics(),
            ),
        ];
        for (name, help, value) in counters {
            page.counter(name, help, value)?;
        }
        page.gauge(
            "records_queued",
            "Request records that wait in memory",
            stats.queued(),
        )?;
        page.gauge(
            "records_spooled",
            "Request records that wait in the spool",
            stats.spooled(),
        )?;
        page.seconds(
            "record_write_lag",
            "Age of the oldest record of the last write",
            Duration::from_millis(stats.last_write_lag_ms()),
        )?;
        page.gauge(
            "log_watchers",
            "Who watches requests as they end",
            self.tail.watchers() as u64,
        )
    }

    fn budgets(&self, page: &mut Page<'_>) -> fmt::Result {
        let budgets = &self.budgets;
        let [exceeded, unavailable, unpriced] = budgets.refused();
        let [day, month, total] = budgets.warnings();
        let counters = [
            (
                "budget_turns",
                "Rounds of budgets with the database that succeeded",
                budgets.turns(),
            ),
            (
                "budget_turn_failures",
                "Rounds of budgets with the database that failed",
                budgets.failures(),
            ),
            (
                "budget_credits",
                "Requests served on credit, as budgets could not be looked at",
                budgets.credits(),
            ),
        ];
        for (name, help, value) in counters {
            page.counter(name, help, value)?;
        }
        page.counters(
            "budget_refusals",
            "Requests refused since their key's budget is spent or could not be looked at, or their model has no price",
            by(
                "reason",
                [
                    ("exceeded", exceeded),
                    ("unavailable", unavailable),
                    ("unpriced", unpriced),
                ],
            ),
        )?;
        page.counters(
            "budget_warnings",
            "Budgets that were running out, by the period that they are for",
            by("period", [("day", day), ("month", month), ("total", total)]),
        )
    }

    fn receivers(&self, page: &mut Page<'_>) -> fmt::Result {
        if let Some(alerts) = &self.alerts {
            page.counter(
                "alerts_delivered",
                "Alerts that a receiver has taken",
                alerts.delivered(),
            )?;
            page.counter(
                "alerts_failed",
                "Alerts that a receiver never took",
                alerts.failed(),
            )?;
        }
        if let Some(traces) = &self.traces {
            page.counter(
                "spans_exported",
                "Spans that the collector has taken",
                traces.exported(),
            )?;
            page.counter(
                "spans_lost",
                "Spans that the collector did not take",
                traces.lost(),
            )?;
        }
        if let Some(meters) = &self.meters {
            page.counter(
                "metric_exports",
                "Times that the collector has taken metrics",
                meters.exported(),
            )?;
            page.counter(
                "metric_export_failures",
                "Times that the collector did not take metrics",
                meters.failed(),
            )?;
        }
        Ok(())
    }
}

/// Values by one label.
fn by<const N: usize>(
    label: &'static str,
    values: [(&'static str, u64); N],
) -> [([Label; 1], u64); N] {
    values.map(|(of, value)| ([(label, Arc::from(of))], value))
}

/// Connections of the pool, and how many of them are idle.
fn pool(database: &DatabaseConnection) -> (u64, u64) {
    let (size, idle) = match database.get_database_backend() {
        DbBackend::Postgres => {
            let pool = database.get_postgres_connection_pool();
            (pool.size(), pool.num_idle())
        }
        DbBackend::MySql => {
            let pool = database.get_mysql_connection_pool();
            (pool.size(), pool.num_idle())
        }
        _ => {
            let pool = database.get_sqlite_connection_pool();
            (pool.size(), pool.num_idle())
        }
    };
    (size.into(), idle as u64)
}

/// What is counted together with other gateways.
fn shared(cluster: &Cluster, page: &mut Page<'_>) -> fmt::Result {
    let metrics = cluster.metrics();
    let counters = [
        ("redis_calls", "Calls that Redis answered", metrics.calls()),
        (
            "redis_failures",
            "Connections to Redis, and calls, that failed",
            metrics.failures(),
        ),
        (
            "redis_outages",
            "Times that Redis was given up until it answers quickly again",
            metrics.outages(),
        ),
        (
            "limits_decided_alone",
            "Decisions on limits by this gateway's part of them, without Redis",
            metrics.alone(),
        ),
    ];
    for (name, help, value) in counters {
        page.counter(name, help, value)?;
    }
    page.gauge(
        "redis_up",
        "Whether limits are counted together on Redis",
        u64::from(cluster.is_up()),
    )?;
    page.gauge(
        "replicas",
        "Gateways on this database, this one included",
        cluster.gateways(),
    )
}
