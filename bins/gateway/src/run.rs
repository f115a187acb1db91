//! From settings to a gateway that serves, and from a signal to its end.

use std::{sync::Arc, time::Duration};

use access::ClientKey;
use admin::{AdminKey, AdminState};
use anyhow::Context;
use catalog::{Catalog, CatalogSettings, Secrets, Snapshot};
use health::{Health, Moment, WatchedAssociation, WatchedProvider};
use prometheus_client::registry::Registry;
use proxy::{Metrics, Parts, Prober, Proxy};
use secrecy::ExposeSecret;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use upstream::Clients;

use crate::{
    database,
    listener::{self, Drain},
    metrics::{Exposition, Gathered},
    open::{Draining, Open},
    service::Service,
    settings::Settings,
};

/// Longest that rows may take to reach the database at the end before they are left in the spool.
const STATS_DRAIN: Duration = Duration::from_secs(5);

/// Runs the gateway until a signal ends it.
pub(crate) async fn run(settings: Settings) -> anyhow::Result<()> {
    let signals = Signals::listen()?;
    let listener = listener::bind(settings.listen).await?;
    let database = database::open(&settings.database_url).await?;

    let prober = Prober::default();
    let (health, health_worker) = health::start(&settings.health, database.clone(), prober.clone());
    health
        .restore(&database)
        .await
        .context("cannot read the providers' health")?;
    let (catalog, poller) = Catalog::load(catalog_settings(&settings, &database, &health)?).await?;
    prober.set_catalog(catalog.clone());
    let (recorder, stats_worker) =
        stats::start(stats_settings(&settings), database.clone()).await?;

    let mut registry = Registry::with_prefix("gateway");
    let metrics = Arc::new(Metrics::new(&mut registry));
    registry.register_collector(Box::new(Gathered {
        health: health.clone(),
        stats: recorder.metrics().clone(),
    }));
    let admin_key = settings.admin_key.as_ref().and_then(AdminKey::new);
    let draining = Draining::default();
    let open = Open {
        catalog: catalog.clone(),
        draining: draining.clone(),
        metrics: Exposition::new(registry, admin_key.filter(|_| settings.protect_metrics)),
    };
    let cut = CancellationToken::new();
    let proxy = Proxy::new(Parts {
        catalog: catalog.clone(),
        health: health.clone(),
        recorder,
        metrics,
        settings: proxy::Settings {
            max_request_bytes: settings.max_body,
            body_idle_timeout: settings.body_timeout,
            ..proxy::Settings::default()
        },
        cut: cut.clone(),
    });
    let admin = admin::router(AdminState {
        database: database.clone(),
        catalog,
        health,
        admin_key,
    });

    // Requests end first, then what they feed.
    let (stop_serving, stop_working) = (CancellationToken::new(), CancellationToken::new());
    let mut workers = JoinSet::new();
    workers.spawn(poller.run(stop_working.clone()));
    workers.spawn(health_worker.run(stop_working.clone()));
    workers.spawn(stats_worker.run(stop_working.clone()));
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        listen = %settings.listen,
        database = migration::place(&settings.database_url),
        "the gateway is ready"
    );
    let draining_stop = stop_serving.clone();
    let end = signals.end(move || {
        draining.begin();
        draining_stop.cancel();
    });
    let serving = listener::serve(
        listener,
        Service::new(proxy, open, admin),
        stop_serving,
        Drain {
            timeout: settings.drain_timeout,
            cut,
        },
    );
    tokio::pin!(end);
    tokio::select! {
        () = serving => {}
        () = &mut end => return Ok(()),
    }
    stop_working.cancel();
    tokio::select! {
        () = async { while workers.join_next().await.is_some() {} } => {}
        () = end => return Ok(()),
    }
    tracing::info!("the gateway has ended");
    Ok(())
}

fn catalog_settings(
    settings: &Settings,
    database: &sea_orm::DatabaseConnection,
    health: &Health,
) -> anyhow::Result<CatalogSettings> {
    let secrets = Secrets::new(settings.secret_key.as_ref()).context("GATEWAY_SECRET_KEY")?;
    if !secrets.seals() {
        tracing::warn!("GATEWAY_SECRET_KEY is not set: provider keys are stored in clear");
    }
    let health = health.clone();
    Ok(CatalogSettings {
        database: database.clone(),
        secrets,
        clients: Clients::new(settings.provider_networks),
        fixed_keys: settings
            .api_keys
            .iter()
            .map(|key| ClientKey::fixed(key.expose_secret()))
            .collect(),
        on_change: Box::new(move |snapshot| watch(&health, snapshot)),
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
            cost: None,
        })
        .collect();
    health.configure(&providers, &associations, Moment::now());
}

fn stats_settings(settings: &Settings) -> stats::Settings {
    stats::Settings {
        retention: settings.log_retention,
        drain_timeout: STATS_DRAIN,
        ..stats::Settings::new(&settings.spool_dir)
    }
}

/// The signals that end the gateway.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> anyhow::Result<Self> {
        let terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
        let interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
        Ok(Self {
            terminate,
            interrupt,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// The first signal drains, the second ends at once.
    async fn end(mut self, drain: impl FnOnce()) {
        self.next().await;
        tracing::info!("asked to stop; once more stops at once");
        drain();
        self.next().await;
        tracing::warn!("stopped at once");
    }
}
