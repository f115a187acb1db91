//! Putting the parts together.

use std::{sync::Arc, time::Duration};

use access::ClientKey;
use admin::{AdminKey, AdminState};
use anyhow::Context;
use catalog::{Catalog, CatalogSettings, Poller, Secrets, Snapshot};
use health::{Health, Moment, WatchedAssociation, WatchedProvider};
use prometheus_client::registry::Registry;
use proxy::{Metrics, Parts, Prober, Proxy, Tokenizer};
use secrecy::ExposeSecret;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use upstream::Clients;

use crate::{
    database,
    metrics::{Exposition, Gathered},
    open::{Draining, Open},
    service::Service,
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
    poller: Poller,
    health: health::Worker<Prober>,
    stats: stats::Worker,
}

impl Workers {
    /// Starts them; they end, with everything written, after `stop`.
    pub(crate) fn start(self, stop: &CancellationToken) -> JoinSet<()> {
        let mut running = JoinSet::new();
        running.spawn(self.poller.run(stop.clone()));
        running.spawn(self.health.run(stop.clone()));
        running.spawn(self.stats.run(stop.clone()));
        running
    }
}

/// Opens the database, loads the configuration and makes the parts.
pub(crate) async fn gateway(settings: &Settings) -> anyhow::Result<Gateway> {
    let database = database::open(&settings.database_url)
        .await
        .context("DATABASE_URL")?;
    let prober = Prober::default();
    let (health, health_worker) = health::start(&settings.health, database.clone(), prober.clone());
    health
        .restore(&database)
        .await
        .context("cannot read the providers' health")?;
    let (catalog, poller) = Catalog::load(catalog_settings(settings, &database, &health)?)
        .await
        .map_err(named)?;
    prober.set_catalog(catalog.clone());
    let (recorder, stats_worker) = stats::start(stats_settings(settings), database.clone()).await?;

    let mut registry = Registry::with_prefix("gateway");
    let metrics = Arc::new(Metrics::new(&mut registry));
    let gathered = Gathered {
        health: health.clone(),
        stats: recorder.metrics().clone(),
    };
    registry.register_collector(Box::new(gathered));
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
        counter: Arc::new(Tokenizer),
        cut: cut.clone(),
    });
    let admin = admin::router(AdminState {
        database,
        catalog,
        health,
        admin_key,
    });
    Ok(Gateway {
        service: Service::new(proxy, open, admin),
        workers: Workers {
            poller,
            health: health_worker,
            stats: stats_worker,
        },
        draining,
        cut,
    })
}

/// Names the setting where one is to blame.
fn named(error: catalog::Error) -> anyhow::Error {
    let is_sealed = matches!(error, catalog::Error::SealedKey { .. });
    let error = anyhow::Error::new(error);
    if is_sealed {
        error.context("GATEWAY_SECRET_KEY")
    } else {
        error
    }
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
