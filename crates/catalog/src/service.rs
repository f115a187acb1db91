//! The snapshot in force, and what keeps it fresh.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use access::{ClientKey, KeyHash};
use arc_swap::{ArcSwap, Guard};
use entities::provider;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, DatabaseConnection, EntityTrait, IntoActiveModel,
    TransactionTrait,
};
use tokio::{sync::Mutex, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use upstream::Clients;

use crate::{Error, Secrets, Snapshot, build::Rows, version};

/// How often other replicas' changes are looked for.
const POLL: Duration = Duration::from_secs(1);

/// How long the database may take before it counts as away.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a catalog is made of.
pub struct CatalogSettings {
    /// Where the configuration lives.
    pub database: DatabaseConnection,
    /// Opens and seals provider keys.
    pub secrets: Secrets,
    /// The clients that providers are called through.
    pub clients: Clients,
    /// Keys that are accepted besides those in the database.
    pub fixed_keys: Vec<(KeyHash, ClientKey)>,
    /// Told of each snapshot before requests see it.
    pub on_change: Box<dyn Fn(&Snapshot) + Send + Sync>,
}

impl fmt::Debug for CatalogSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("CatalogSettings")
            .finish_non_exhaustive()
    }
}

/// Holds the snapshot in force; cheap to clone.
#[derive(Debug, Clone)]
pub struct Catalog {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    settings: CatalogSettings,
    snapshot: ArcSwap<Snapshot>,
    /// Reloads wait for each other, so that an older read never replaces a newer one.
    reloading: Mutex<()>,
    database_is_up: AtomicBool,
}

impl Catalog {
    /// Loads the first snapshot. Keys stored plain are sealed on the way, where there is a secret key now.
    ///
    /// # Errors
    /// The configuration cannot be read, or a sealed provider key not be opened.
    pub async fn load(settings: CatalogSettings) -> Result<(Self, Poller), Error> {
        if settings.secrets.seals() {
            seal_plain_keys(&settings.database, &settings.secrets).await?;
        }
        let snapshot = read(&settings).await?;
        (settings.on_change)(&snapshot);
        let snapshot = ArcSwap::from_pointee(snapshot);
        let catalog = Self {
            inner: Arc::new(Inner {
                settings,
                snapshot,
                reloading: Mutex::default(),
                database_is_up: AtomicBool::new(true),
            }),
        };
        Ok((catalog.clone(), Poller { catalog }))
    }

    /// The snapshot in force, to be looked at and let go.
    #[must_use]
    pub fn current(&self) -> Guard<Arc<Snapshot>> {
        self.inner.snapshot.load()
    }

    /// The snapshot in force, to be kept for a whole request.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.inner.snapshot.load_full()
    }

    /// Opens and seals provider keys.
    #[must_use]
    pub fn secrets(&self) -> &Secrets {
        &self.inner.settings.secrets
    }

    /// The clients that providers are called through.
    #[must_use]
    pub fn clients(&self) -> &Clients {
        &self.inner.settings.clients
    }

    /// Whether the database answered the last time it was asked for changes, which is each second.
    #[must_use]
    pub fn is_database_up(&self) -> bool {
        self.inner.database_is_up.load(Ordering::Relaxed)
    }

    /// Makes what is in the database the snapshot in force.
    ///
    /// # Errors
    /// It cannot be read; the old snapshot stays.
    pub async fn reload(&self) -> Result<(), Error> {
        let _turn = self.inner.reloading.lock().await;
        let snapshot = read(&self.inner.settings).await?;
        (self.inner.settings.on_change)(&snapshot);
        tracing::info!(config.version = snapshot.version, "configuration loaded");
        self.inner.snapshot.store(Arc::new(snapshot));
        Ok(())
    }
}

async fn read(settings: &CatalogSettings) -> Result<Snapshot, Error> {
    let rows = Rows::read(&settings.database).await?;
    rows.into_snapshot(&settings.secrets, &settings.clients, &settings.fixed_keys)
}

async fn seal_plain_keys(database: &DatabaseConnection, secrets: &Secrets) -> Result<(), Error> {
    let rows = provider::Entity::find().all(database).await?;
    if rows.iter().all(|row| plain_secrets(row).next().is_none()) {
        return Ok(());
    }
    let transaction = database.begin().await?;
    // Writing first makes others that start at the same moment wait here, and then find nothing left to seal. A transaction
    // that reads first is refused by SQLite when it comes to write what another has changed since.
    version::bump(&transaction).await?;
    let mut sealed = 0;
    for row in provider::Entity::find().all(&transaction).await? {
        let mut config = row.config.clone();
        for (field, plain) in plain_secrets(&row) {
            let stored = secrets.store(plain).map_err(|source| Error::SealedKey {
                provider: row.name.clone(),
                source,
            })?;
            config[field] = stored.into();
        }
        if config == row.config {
            continue;
        }
        let mut changed = row.into_active_model();
        changed.config = Set(config);
        changed.update(&transaction).await?;
        sealed += 1;
    }
    if sealed == 0 {
        transaction.rollback().await?;
        return Ok(());
    }
    transaction.commit().await?;
    tracing::info!(
        providers = sealed,
        "provider keys that were stored plain are sealed now"
    );
    Ok(())
}

/// The secrets of a provider that are stored plain, with their fields.
fn plain_secrets(row: &provider::Model) -> impl Iterator<Item = (&'static str, &str)> {
    const FIELDS: [&str; 4] = [
        "api_key",
        "secret_access_key",
        "session_token",
        "service_account",
    ];
    FIELDS.into_iter().filter_map(|field| {
        let plain = row.config.get(field)?.as_str()?.strip_prefix("plain:")?;
        Some((field, plain))
    })
}

/// Notices changes that others made.
#[derive(Debug)]
pub struct Poller {
    catalog: Catalog,
}

impl Poller {
    /// Polls until `stop`. While the database is away the last snapshot serves on.
    pub async fn run(self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(POLL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let is_up = &self.catalog.inner.database_is_up;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            match tokio::time::timeout(PATIENCE, self.poll()).await {
                Ok(Ok(())) => {
                    if !is_up.swap(true, Ordering::Relaxed) {
                        tracing::info!("the configuration can be read again");
                    }
                }
                Ok(Err(error)) => {
                    if is_up.swap(false, Ordering::Relaxed) {
                        let error = &error as &dyn std::error::Error;
                        tracing::warn!(
                            error,
                            "the configuration cannot be read; the last one stays in force"
                        );
                    }
                }
                Err(_) => {
                    if is_up.swap(false, Ordering::Relaxed) {
                        tracing::warn!(
                            "the database does not answer; the last configuration stays in force"
                        );
                    }
                }
            }
        }
    }

    async fn poll(&self) -> Result<(), Error> {
        let latest = version::current(&self.catalog.inner.settings.database).await?;
        if latest == self.catalog.current().version {
            Ok(())
        } else {
            self.catalog.reload().await
        }
    }
}
