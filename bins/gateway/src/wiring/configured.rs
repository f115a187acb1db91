//! The database with what is configured in it, or the file that was kept while it is away.

use std::{path::Path, sync::Arc};

use access::ClientKey;
use anyhow::Context;
use budgets::Budgets;
use catalog::{Catalog, CatalogSettings, Poller, Snapshot};
use health::{Health, Moment, WatchedAssociation, WatchedProvider};
use proxy::Prober;
use sea_orm::DatabaseConnection;
use secrecy::ExposeSecret;
use sockets::Round;
use upstream::{Clients, Connections};

use crate::{
    database::{self, Unusable},
    settings::Settings,
};

/// What comes of the database, or of the file while it is away.
pub(super) struct Configured {
    pub(super) database: DatabaseConnection,
    pub(super) health: Health,
    pub(super) health_worker: health::Worker<Prober>,
    pub(super) catalog: Catalog,
    pub(super) poller: Poller,
    pub(super) budgets: Budgets,
    pub(super) budget_worker: budgets::Worker,
    /// Of providers.
    pub(super) connections: Arc<Connections>,
    pub(super) returning: Option<Returning>,
}

/// Opens the database and loads the configuration; if it is away, from the file that was kept.
pub(super) async fn configure(
    settings: &Settings,
    prober: &Prober,
    round: &Round,
) -> anyhow::Result<Configured> {
    let url = &settings.database_url;
    match database::await_schema(url, settings.database_wait).await {
        Ok(()) => from_database(settings, prober, round).await,
        Err(unusable) => match (unusable, &settings.snapshot_file) {
            (Unusable::Away(error), Some(file)) => {
                from_file(settings, prober, round, file, error).await
            }
            (Unusable::Away(error) | Unusable::Wrong(error), _) => {
                Err(error.context("DATABASE_URL"))
            }
        },
    }
}

pub(super) async fn from_database(
    settings: &Settings,
    prober: &Prober,
    round: &Round,
) -> anyhow::Result<Configured> {
    let database = database::open(&settings.database_url, settings.database_pool)
        .await
        .context("DATABASE_URL")?;
    let (health, health_worker) = health::start(&settings.health, database.clone(), prober.clone());
    health
        .restore(&database)
        .await
        .context("cannot read the providers' health")?;
    let (budgets, budget_worker) = budgets::start(settings.budgets, database.clone());
    let catalog_settings = catalog_settings(settings, round, &database, &health, &budgets)?;
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

/// Waits for the database with its schema, as long as the settings say.
pub(super) async fn ready(settings: &Settings) -> anyhow::Result<()> {
    let waited = database::await_schema(&settings.database_url, settings.database_wait).await;
    waited.map_err(|unusable| {
        let (Unusable::Away(error) | Unusable::Wrong(error)) = unusable;
        error.context("DATABASE_URL")
    })
}

async fn from_file(
    settings: &Settings,
    prober: &Prober,
    round: &Round,
    file: &Path,
    away: anyhow::Error,
) -> anyhow::Result<Configured> {
    let away = format!("{away:#}");
    let database = database::open_later(&settings.database_url, settings.database_pool)
        .await
        .context("DATABASE_URL")?;
    let (health, health_worker) = health::start(&settings.health, database.clone(), prober.clone());
    let (budgets, budget_worker) = budgets::start(settings.budgets, database.clone());
    let catalog_settings = catalog_settings(settings, round, &database, &health, &budgets)?;
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

/// A database that was away at the start.
#[derive(Debug)]
pub(super) struct Returning {
    url: String,
    database: DatabaseConnection,
    health: Health,
}

impl Returning {
    /// Waits for it, and reads what was saved of providers that are not known yet.
    pub(super) async fn wait(self) {
        database::await_return(&self.url).await;
        if let Err(error) = self.health.restore(&self.database).await {
            tracing::warn!(%error, "the providers' saved health cannot be read");
        }
        tracing::info!("the database is back");
    }
}

/// Names the setting where one is to blame.
pub(super) fn named(error: catalog::Error) -> anyhow::Error {
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
    round: &Round,
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
        clients: Clients::new(settings.provider_networks).sending(round.clone()),
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
