//! Putting the parts together.

mod telling;

use std::{
    panic::AssertUnwindSafe,
    path::Path,
    pin::Pin,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use access::{ClientKey, limit::Limiter};
use admin::{AdminKey, AdminState, Gate};
use anyhow::{Context, bail};
use axum::Router;
use budgets::Budgets;
use catalog::{Catalog, CatalogSettings, Heartbeat, Poller, Snapshot};
use cluster::Cluster;
use futures_util::FutureExt;
use guards::Guards;
use health::{Health, Moment, WatchedAssociation, WatchedProvider};
use prometheus_client::registry::Registry;
use proxy::{Metrics, Parts, Prober, Proxy, Tokenizer};
use sea_orm::DatabaseConnection;
use secrecy::ExposeSecret;
use stats::Tail;
use telemetry::{alerts, meters, traces};
use tokio::{runtime::Handle, task::JoinSet};
use tokio_util::sync::CancellationToken;
use upstream::{Clients, Connections};

use self::telling::Accounts;
use crate::{
    apply,
    database::{self, Unusable},
    metrics::{Exposition, Gathered, Shown},
    open::{Draining, Open},
    service::{Served, Service, Surroundings},
    settings::Settings,
};

/// Longest that rows may take to reach the database at the end before they are left in the spool.
const STATS_DRAIN: Duration = Duration::from_secs(5);

/// A gateway that is ready to serve.
#[derive(Debug)]
pub(crate) struct Gateway {
    /// Answers requests.
    pub(crate) service: Service,
    /// What runs beside the requests.
    pub(crate) workers: Workers,
    /// Told when new requests should go elsewhere.
    pub(crate) draining: Draining,
    /// Cancelled when streams that still run have to end.
    pub(crate) cut: CancellationToken,
}

/// Polls the configuration, probes providers, writes rows.
#[derive(Debug)]
pub(crate) struct Workers {
    /// Whose backlog is watched, and how late is too late.
    watched: Option<(Proxy, Duration)>,
    poller: Poller,
    heartbeat: Heartbeat,
    health: health::Worker<Prober>,
    stats: stats::Worker,
    budgets: budgets::Worker,
    alerts: Option<alerts::Worker>,
    traces: Option<traces::Worker>,
    meters: Option<meters::Worker>,
    cluster: Option<cluster::Worker>,
    returning: Option<Returning>,
}

/// A database that was away at the start.
#[derive(Debug)]
struct Returning {
    url: String,
    database: DatabaseConnection,
    health: Health,
}

impl Returning {
    /// Waits for it, and reads what was saved of providers that are not known yet.
    async fn wait(self) {
        database::await_return(&self.url).await;
        if let Err(error) = self.health.restore(&self.database).await {
            tracing::warn!(%error, "the providers' saved health cannot be read");
        }
        tracing::info!("the database is back");
    }
}

impl Workers {
    /// Starts them; they end, with everything written, after `stop`. One that ends before cancels `failed`.
    pub(crate) fn start(self, stop: &CancellationToken, failed: &CancellationToken) -> JoinSet<()> {
        let mut running = JoinSet::new();
        let mut start = |name, work| {
            running.spawn(supervise(name, work, stop.clone(), failed.clone()));
        };
        let (stopped, poller, returning) = (stop.clone(), self.poller, self.returning);
        start(
            "configuration",
            Box::pin(async move {
                if let Some(returning) = returning
                    && stopped
                        .run_until_cancelled(Box::pin(returning.wait()))
                        .await
                        .is_none()
                {
                    return;
                }
                poller.run(stopped).await;
            }) as Work,
        );
        if let Some((proxy, longest)) = self.watched {
            start(
                "backlog",
                Box::pin(proxy.watch_backlog(longest, stop.clone())),
            );
        }
        start("heartbeat", Box::pin(self.heartbeat.run(stop.clone())));
        start("health", Box::pin(self.health.run(stop.clone())));
        if let Some(cluster) = self.cluster {
            start("cluster", Box::pin(cluster.run(stop.clone())));
        }
        // What is leased is given back when the last record is in the books.
        let (stopped, written) = (stop.clone(), CancellationToken::new());
        let (stats, end) = (self.stats, written.clone().drop_guard());
        start(
            "accounting",
            Box::pin(async move {
                stats.run(stopped).await;
                drop(end);
            }),
        );
        start("budgets", Box::pin(self.budgets.run(written.clone())));
        if let Some(alerts) = self.alerts {
            start("alerts", Box::pin(alerts.run(stop.clone())));
        }
        if let Some(meters) = self.meters {
            start("metrics", Box::pin(meters.run(written.clone())));
        }
        if let Some(traces) = self.traces {
            start("traces", Box::pin(traces.run(written)));
        }
        running
    }
}

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs a worker. A gateway without one would go on with old configuration, blind to its providers or without accounts,
/// and nobody would know: so the end of one is the end of all.
async fn supervise(name: &str, work: Work, stop: CancellationToken, failed: CancellationToken) {
    let has_panicked = AssertUnwindSafe(work).catch_unwind().await.is_err();
    if has_panicked || !stop.is_cancelled() {
        tracing::error!(worker = name, has_panicked, "a worker has failed");
        failed.cancel();
    }
}

/// What comes of the database, or of the file while it is away.
struct Configured {
    database: DatabaseConnection,
    health: Health,
    health_worker: health::Worker<Prober>,
    catalog: Catalog,
    poller: Poller,
    budgets: Budgets,
    budget_worker: budgets::Worker,
    /// Of providers.
    connections: Arc<Connections>,
    returning: Option<Returning>,
}

/// Opens the database and loads the configuration; if it is away, from the file that was kept.
async fn configure(settings: &Settings, prober: &Prober) -> anyhow::Result<Configured> {
    let url = &settings.database_url;
    match database::await_schema(url, settings.database_wait).await {
        Ok(()) => from_database(settings, prober).await,
        Err(unusable) => match (unusable, &settings.snapshot_file) {
            (Unusable::Away(error), Some(file)) => from_file(settings, prober, file, error).await,
            (Unusable::Away(error) | Unusable::Wrong(error), _) => {
                Err(error.context("DATABASE_URL"))
            }
        },
    }
}

async fn from_database(settings: &Settings, prober: &Prober) -> anyhow::Result<Configured> {
    let database = database::open(&settings.database_url, settings.database_pool)
        .await
        .context("DATABASE_URL")?;
    let (health, health_worker) = health::start(&settings.health, database.clone(), prober.clone());
    health
        .restore(&database)
        .await
        .context("cannot read the providers' health")?;
    let (budgets, budget_worker) = budgets::start(settings.budgets, database.clone());
    let catalog_settings = catalog_settings(settings, &database, &health, &budgets)?;
    let connections = catalog_settings.clients.connections().clone();
    let (catalog, poller) = Catalog::load(catalog_settings).await.map_err(named)?;
    Ok(Configured {
        budgets,
        budget_worker,
        database,
        health,
        health_worker,
        catalog,
        poller,
        connections,
        returning: None,
    })
}

async fn from_file(
    settings: &Settings,
    prober: &Prober,
    file: &Path,
    away: anyhow::Error,
) -> anyhow::Result<Configured> {
    let away = format!("{away:#}");
    let database = database::open_later(&settings.database_url, settings.database_pool)
        .await
        .context("DATABASE_URL")?;
    let (health, health_worker) = health::start(&settings.health, database.clone(), prober.clone());
    let (budgets, budget_worker) = budgets::start(settings.budgets, database.clone());
    let catalog_settings = catalog_settings(settings, &database, &health, &budgets)?;
    let connections = catalog_settings.clients.connections().clone();
    let (catalog, poller) = Catalog::from_file(catalog_settings, file.to_owned())
        .await
        .map_err(named)
        .with_context(|| format!("DATABASE_URL: {away}"))?;
    tracing::warn!(
        error = away,
        file = %file.display(),
        config.version = catalog.current().version,
        "the database is away; starting from the configuration kept on disk"
    );
    Ok(Configured {
        budgets,
        budget_worker,
        returning: Some(Returning {
            url: settings.database_url.clone(),
            database: database.clone(),
            health: health.clone(),
        }),
        database,
        health,
        health_worker,
        catalog,
        poller,
        connections,
    })
}

/// Opens the database, loads the configuration and makes the parts.
pub(crate) async fn gateway(settings: &Settings) -> anyhow::Result<Gateway> {
    let prober = Prober::default();
    let found = configure(settings, &prober).await?;
    let (catalog, health, database) = (found.catalog, found.health, found.database);
    prober.set_catalog(catalog.clone());
    let accounts = Accounts::start(settings, &catalog, &health, &found.budgets, &database).await?;
    let (mut registry, tail) = (accounts.registry, accounts.recorder.tail().clone());
    let (trace_metrics, trace_worker) = accounts.traces.unzip();
    let (meter_metrics, meter_worker) = accounts.meters.unzip();
    let (alert_metrics, alert_worker) = accounts.alerts.unzip();
    let (stats, budgets) = (accounts.recorder.metrics().clone(), found.budgets);
    let budget_metrics = budgets.metrics().clone();
    let metrics = Arc::<Metrics>::default();
    let gate = gate(settings, &catalog, &database)?;
    let draining = Draining::default();
    let limiter = Arc::new(Limiter::new(Moment::now().instant));
    let gateways = Arc::new(AtomicU64::new(1));
    let (cluster, cluster_worker) = cluster(settings, &limiter, &gateways, &health)?.unzip();
    let cut = CancellationToken::new();
    let proxy = Proxy::new(Parts {
        catalog: catalog.clone(),
        health: health.clone(),
        recorder: accounts.recorder,
        budgets,
        limiter,
        shared: cluster.clone().map(|it| Arc::new(it) as _),
        guards: guards(settings, &catalog)?,
        metrics,
        settings: proxy_settings(settings),
        counter: Arc::new(Tokenizer),
        cut: cut.clone(),
    });
    let gathered = Arc::new(Gathered {
        catalog: catalog.clone(),
        health: health.clone(),
        stats,
        tail: tail.clone(),
        budgets: budget_metrics,
        cluster: cluster.clone(),
        proxy: proxy.clone(),
        connections: found.connections,
        database: database.clone(),
        alerts: alert_metrics,
        traces: trace_metrics,
        meters: meter_metrics,
        runtime: Handle::current(),
    });
    if let Some(meters) = &meter_worker {
        meters.observe(&gathered);
    }
    registry.register_collector(Box::new(Shown(gathered)));
    let open = Open {
        catalog: catalog.clone(),
        cluster,
        draining: draining.clone(),
        metrics: exposition(settings, registry, &gate),
    };
    let workers = Workers {
        watched: settings.max_delay.map(|longest| (proxy.clone(), longest)),
        poller: found.poller,
        heartbeat: heartbeat(settings, &database, gateways),
        health: found.health_worker,
        stats: accounts.worker,
        budgets: found.budget_worker,
        alerts: alert_worker,
        traces: trace_worker,
        meters: meter_worker,
        cluster: cluster_worker,
        returning: found.returning,
    };
    let ending = draining.begun();
    let state = admin_state_of(settings, database, catalog, health, gate, tail, ending);
    let admin = pages(settings, state, workers.returning.is_some()).await?;
    Ok(Gateway {
        service: Service::new(Served { proxy, open, admin }, surroundings(settings)),
        workers,
        draining,
        cut,
    })
}

/// What is told at `/metrics`: to everybody, or to who has an admin key.
fn exposition(settings: &Settings, registry: Registry, gate: &Gate) -> Exposition {
    Exposition::new(registry, settings.protect_metrics.then(|| gate.clone()))
}

/// What operators use, with what the settings' file declares in force.
async fn pages(settings: &Settings, state: AdminState, is_away: bool) -> anyhow::Result<Router> {
    if let Some(declared) = &settings.declarations {
        apply::at_start(&state, declared, is_away).await?;
    }
    Ok(admin::router(state).merge(console::router()))
}

/// What is between the gateway and its clients.
fn surroundings(settings: &Settings) -> Surroundings {
    Surroundings {
        proxies: settings.trusted_proxies.clone(),
        cors: settings.cors.clone(),
        write_timeout: settings.bounds.write_timeout,
    }
}

/// What the admin API works on, for changes by a command instead of a caller.
pub(crate) async fn admin_state(settings: &Settings) -> anyhow::Result<AdminState> {
    let url = &settings.database_url;
    match database::await_schema(url, settings.database_wait).await {
        Ok(()) => {}
        Err(Unusable::Away(error) | Unusable::Wrong(error)) => {
            return Err(error.context("DATABASE_URL"));
        }
    }
    let Configured {
        database,
        health,
        catalog,
        ..
    } = from_database(settings, &Prober::default()).await?;
    let gate = Gate::new(None, database.clone());
    // No request ends in a command.
    let (tail, ending) = (Tail::default(), CancellationToken::new());
    Ok(admin_state_of(
        settings, database, catalog, health, gate, tail, ending,
    ))
}

fn admin_state_of(
    settings: &Settings,
    database: DatabaseConnection,
    catalog: Catalog,
    health: Health,
    gate: Gate,
    tail: Tail,
    ending: CancellationToken,
) -> AdminState {
    AdminState {
        database,
        catalog,
        health,
        gate,
        tail,
        ending,
        settings: settings.told.clone().into(),
        // Often the only folder that the process may write to.
        scratch: settings.spool_dir.as_path().into(),
    }
}

/// What is shared with other gateways, where there is a place for it.
fn cluster(
    settings: &Settings,
    limiter: &Arc<Limiter>,
    gateways: &Arc<AtomicU64>,
    health: &Health,
) -> anyhow::Result<Option<(Cluster, cluster::Worker)>> {
    let Some(redis) = &settings.redis else {
        return Ok(None);
    };
    let (limiter, gateways) = (limiter.clone(), gateways.clone());
    let started = cluster::start(redis, limiter, gateways, health.clone());
    let (cluster, worker) = started.map_err(|error| {
        let setting = match error {
            cluster::Error::Certificates(_) => "REDIS_CA_FILE",
            _ => "REDIS_URL",
        };
        anyhow::anyhow!("{setting}: {error}")
    })?;
    health.tell(Arc::new(cluster.clone()));
    Ok(Some((cluster, worker)))
}

/// What all requests and their answers may say.
fn guards(settings: &Settings, catalog: &Catalog) -> anyhow::Result<Option<Arc<Guards>>> {
    let Some(fields) = &settings.guards else {
        return Ok(None);
    };
    let (secrets, networks) = (catalog.secrets(), settings.provider_networks);
    let guards = catalog::guards_of(fields, secrets, networks).context("GATEWAY_GUARDS")?;
    let moderation = guards.as_ref().and_then(|it| it.moderation.as_ref());
    if let Some(Err(reason)) = moderation.map(|moderation| &moderation.url) {
        bail!("GATEWAY_GUARDS: moderation.url: {reason}");
    }
    Ok(guards.map(Arc::new))
}

/// Who is let into the admin API.
fn gate(
    settings: &Settings,
    catalog: &Catalog,
    database: &DatabaseConnection,
) -> anyhow::Result<Gate> {
    let admin_key = settings.admin_key.as_ref().and_then(AdminKey::new);
    if let Some(key) = admin_key
        && let Some(client) = catalog.current().keys.holder(key.hash())
    {
        let name = &client.name;
        bail!("GATEWAY_ADMIN_KEY: is the client key '{name}' too; each must be a key of its own");
    }
    Ok(Gate::new(admin_key, database.clone()))
}

/// By which others know that this gateway lives, and it of them, where that is asked for.
fn heartbeat(
    settings: &Settings,
    database: &DatabaseConnection,
    gateways: Arc<AtomicU64>,
) -> Heartbeat {
    let heartbeat = Heartbeat::new(
        database.clone(),
        uuid::Uuid::now_v7().to_string(),
        replica_name(settings),
        env!("CARGO_PKG_VERSION"),
    );
    match &settings.redis {
        Some(_) => heartbeat.counting(gateways),
        None => heartbeat,
    }
}

fn proxy_settings(settings: &Settings) -> proxy::Settings {
    proxy::Settings {
        max_request_bytes: settings.max_body,
        body_idle_timeout: settings.body_timeout,
        max_concurrent: settings.max_concurrent,
        rates: settings.rates,
        traces: settings.collector.as_ref().map(|it| it.sampling),
        ..proxy::Settings::default()
    }
}

/// Seals all secrets of providers under the secret key in force, and says of how many providers.
pub(crate) async fn reseal(settings: &Settings) -> anyhow::Result<usize> {
    let secrets = settings.secrets()?;
    if !secrets.seals() {
        bail!("GATEWAY_SECRET_KEY: must be set");
    }
    let url = &settings.database_url;
    match database::await_schema(url, settings.database_wait).await {
        Ok(()) => {}
        Err(Unusable::Away(error) | Unusable::Wrong(error)) => {
            return Err(error.context("DATABASE_URL"));
        }
    }
    let database = database::open(url, settings.database_pool)
        .await
        .context("DATABASE_URL")?;
    catalog::reseal(&database, &secrets).await.map_err(named)
}

/// By what a person finds this gateway: its machine and where it listens.
fn replica_name(settings: &Settings) -> String {
    let system = rustix::system::uname();
    let machine = system.nodename().to_string_lossy();
    format!("{machine} {}", settings.listen)
}

/// Names the setting where one is to blame.
fn named(error: catalog::Error) -> anyhow::Error {
    let setting = match &error {
        catalog::Error::SealedKey { .. } => Some("GATEWAY_SECRET_KEY"),
        catalog::Error::File { .. } => Some("GATEWAY_SNAPSHOT_FILE"),
        _ => None,
    };
    let error = anyhow::Error::new(error);
    match setting {
        Some(setting) => error.context(setting),
        None => error,
    }
}

fn catalog_settings(
    settings: &Settings,
    database: &DatabaseConnection,
    health: &Health,
    budgets: &Budgets,
) -> anyhow::Result<CatalogSettings> {
    let secrets = settings.secrets()?;
    if !secrets.seals() {
        tracing::warn!("GATEWAY_SECRET_KEY is not set: provider keys are stored in clear");
    }
    let (health, budgets) = (health.clone(), budgets.clone());
    Ok(CatalogSettings {
        database: database.clone(),
        secrets,
        file: settings.snapshot_file.clone(),
        clients: Clients::new(settings.provider_networks),
        fixed_keys: settings
            .api_keys
            .iter()
            .map(|key| ClientKey::fixed(key.expose_secret()))
            .collect(),
        on_change: Box::new(move |snapshot| {
            watch(&health, snapshot);
            budgets.configure(snapshot.keys.keys());
        }),
    })
}

/// Tells health who there is to watch.
fn watch(health: &Health, snapshot: &Snapshot) {
    let providers: Vec<_> = snapshot
        .revisions()
        .map(|(provider, revision)| WatchedProvider { provider, revision })
        .collect();
    let associations: Vec<_> = snapshot
        .candidates()
        .map(|(candidate, provider, revision)| WatchedAssociation {
            candidate,
            provider,
            revision,
            cost: snapshot.price(candidate).and_then(|it| it.expected()),
        })
        .collect();
    health.configure(&providers, &associations, Moment::now());
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn has_failed(work: Work, stops: bool) -> bool {
        let (stop, failed) = (CancellationToken::new(), CancellationToken::new());
        if stops {
            stop.cancel();
        }
        supervise("test", work, stop, failed.clone()).await;
        failed.is_cancelled()
    }

    #[tokio::test]
    async fn only_a_worker_that_ends_when_it_is_asked_to_has_not_failed() {
        assert!(has_failed(Box::pin(async { panic!("on purpose") }), false).await);
        assert!(has_failed(Box::pin(async { panic!("on purpose") }), true).await);
        assert!(has_failed(Box::pin(async {}), false).await);
        assert!(!has_failed(Box::pin(async {}), true).await);
    }
}
