//! The snapshot in force, and what keeps it fresh.

use std::{
    fmt,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use access::{ClientKey, KeyHash};
use arc_swap::{ArcSwap, Guard};
use sea_orm::DatabaseConnection;
use tokio::{
    sync::{Mutex, Notify},
    time::MissedTickBehavior,
};
use tokio_util::sync::CancellationToken;
use upstream::Clients;

use crate::{Error, Secrets, Snapshot, build::Rows, file, notices, reseal::seal_plain, version};

/// How often other replicas' changes are looked for.
const POLL: Duration = Duration::from_secs(1);

/// Polls between two looks at the files that the configuration names.
const POLLS_PER_LOOK: u32 = 5;

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
    /// Where the rows of the snapshot in force are kept, for a start without the database.
    pub file: Option<PathBuf>,
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
        let (snapshot, kept) = read_sealed(&settings).await?;
        let (catalog, poller) = Self::begin(settings, snapshot, true);
        catalog.keep(kept).await;
        Ok((catalog, poller))
    }

    /// Begins with the snapshot kept in the file, while the database is away. The poller goes over to the database.
    ///
    /// # Errors
    /// The file cannot be used, or a sealed provider key not be opened.
    pub async fn from_file(
        settings: CatalogSettings,
        path: PathBuf,
    ) -> Result<(Self, Poller), Error> {
        let rows = file::read(&path)
            .await
            .map_err(|source| Error::File { path, source })?;
        let snapshot = settings.build(rows)?;
        Ok(Self::begin(settings, snapshot, false))
    }

    fn begin(settings: CatalogSettings, snapshot: Snapshot, from_database: bool) -> (Self, Poller) {
        (settings.on_change)(&snapshot);
        let catalog = Self {
            inner: Arc::new(Inner {
                settings,
                snapshot: ArcSwap::from_pointee(snapshot),
                reloading: Mutex::default(),
                database_is_up: AtomicBool::new(from_database),
            }),
        };
        let poller = Poller {
            catalog: catalog.clone(),
            is_provisional: !from_database,
            polls: 0,
        };
        (catalog, poller)
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
        let read = read(&self.inner.settings).await?;
        self.swap(read).await;
        Ok(())
    }

    async fn swap(&self, (snapshot, kept): (Snapshot, Option<String>)) {
        (self.inner.settings.on_change)(&snapshot);
        tracing::info!(config.version = snapshot.version, "configuration loaded");
        self.inner.snapshot.store(Arc::new(snapshot));
        self.keep(kept).await;
    }

    /// Leaves a snapshot from the file for the one in the database, whatever their versions are.
    async fn take_up(&self) -> Result<(), Error> {
        let _turn = self.inner.reloading.lock().await;
        let read = read_sealed(&self.inner.settings).await?;
        self.swap(read).await;
        Ok(())
    }

    async fn keep(&self, text: Option<String>) {
        if let (Some(path), Some(text)) = (self.inner.settings.file.clone(), text) {
            file::write(path, text).await;
        }
    }
}

impl CatalogSettings {
    fn build(&self, rows: Rows) -> Result<Snapshot, Error> {
        rows.into_snapshot(&self.secrets, &self.clients, &self.fixed_keys)
    }
}

/// The snapshot, and what the file is to hold of it.
async fn read(settings: &CatalogSettings) -> Result<(Snapshot, Option<String>), Error> {
    let rows = Rows::read(&settings.database).await?;
    let kept = match &settings.file {
        None => None,
        Some(path) => Some(file::text(&rows).map_err(|error| Error::File {
            path: path.clone(),
            source: error.into(),
        })?),
    };
    Ok((settings.build(rows)?, kept))
}

/// The same; keys stored plain are sealed before, where there is a secret key now.
async fn read_sealed(settings: &CatalogSettings) -> Result<(Snapshot, Option<String>), Error> {
    if settings.secrets.seals() {
        seal_plain(&settings.database, &settings.secrets).await?;
    }
    read(settings).await
}

/// Notices changes that others made.
#[derive(Debug)]
pub struct Poller {
    catalog: Catalog,
    /// Whether the snapshot in force came from the file.
    is_provisional: bool,
    /// Since the files were looked at.
    polls: u32,
}

impl Poller {
    /// Polls until `stop`. While the database is away the last snapshot serves on.
    pub async fn run(self, stop: CancellationToken) {
        let (catalog, heard) = (self.catalog.clone(), Notify::new());
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.look(&heard) => {}
            never = notices::hear(&catalog.inner.settings.database, &heard) => match never {},
        }
    }

    /// Looks now and then, and whenever a change was `heard` of.
    async fn look(mut self, heard: &Notify) {
        let mut ticks = tokio::time::interval(POLL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let catalog = self.catalog.clone();
        let is_up = &catalog.inner.database_is_up;
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = heard.notified() => {}
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

    async fn poll(&mut self) -> Result<(), Error> {
        if self.is_provisional {
            self.catalog.take_up().await?;
            self.is_provisional = false;
            return Ok(());
        }
        let latest = version::current(&self.catalog.inner.settings.database).await?;
        if latest != self.catalog.current().version || self.has_file_changed().await {
            self.catalog.reload().await?;
        }
        Ok(())
    }

    async fn has_file_changed(&mut self) -> bool {
        self.polls += 1;
        if self.polls < POLLS_PER_LOOK {
            return false;
        }
        self.polls = 0;
        let snapshot = self.catalog.snapshot();
        let changed = snapshot.files.changed().await;
        if let Some(path) = changed {
            tracing::info!(path = %path.display(), "a file that the configuration names has changed");
        }
        changed.is_some()
    }
}
