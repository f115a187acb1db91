//! Putting the parts together.

mod commands;
mod configured;
mod telling;
mod workers;

use std::{
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use access::limit::Limiter;
use admin::{AdminKey, AdminState, Gate};
use anyhow::{Context, bail};
use axum::Router;
use catalog::{Catalog, Heartbeat};
use cluster::Cluster;
use guards::Guards;
use health::{Health, Moment};
use prometheus_client::registry::Registry;
use proxy::{Metrics, Parts, Prober, Proxy, Tokenizer};
use sea_orm::DatabaseConnection;
use sockets::Round;
use stats::Tail;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

pub(crate) use self::commands::{admin_state, reseal};
use self::{configured::configure, telling::Accounts, workers::Workers};
use crate::{
    apply,
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

/// Opens the database, loads the configuration and makes the parts.
pub(crate) async fn gateway(settings: &Settings) -> anyhow::Result<Gateway> {
    let (prober, round) = (Prober::default(), Round::of_runtime());
    let found = configure(settings, &prober, &round).await?;
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
        watched: (proxy.backlog().clone(), settings.max_delay),
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
        service: Service::new(Served { proxy, open, admin }, surroundings(settings, round)),
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
fn surroundings(settings: &Settings, round: Round) -> Surroundings {
    Surroundings {
        proxies: settings.trusted_proxies.clone(),
        cors: settings.cors.clone(),
        write_timeout: settings.bounds.write_timeout,
        round,
    }
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

/// By what a person finds this gateway: its machine and where it listens.
fn replica_name(settings: &Settings) -> String {
    let system = rustix::system::uname();
    let machine = system.nodename().to_string_lossy();
    format!("{machine} {}", settings.listen)
}
