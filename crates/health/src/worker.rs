//! What runs beside the requests.

use sea_orm::DatabaseConnection;
use tokio_util::sync::CancellationToken;

use crate::handle::Health;
use crate::probe::{Probe, Prober};
use crate::settings::Settings;
use crate::store::Store;

/// Makes the handle, and the worker that probes providers and saves their health to `db`. The caller reads back what was
/// saved with [`Health::restore`], configures the handle and runs the worker.
pub fn start<P: Probe>(
    settings: &Settings,
    db: DatabaseConnection,
    probe: P,
) -> (Health, Worker<P>) {
    let (health, checks) = Health::with_checks(settings);
    let worker = Worker {
        prober: Prober::new(settings, probe, health.clone(), checks),
        store: Store::new(db, health.clone()),
    };
    (health, worker)
}

/// Probes and saves.
#[derive(Debug)]
#[must_use = "nothing is probed or saved unless it runs"]
pub struct Worker<P> {
    prober: Prober<P>,
    store: Store,
}

impl<P: Probe> Worker<P> {
    /// Works until `stop`, then saves what has changed and ends. Stop it after the last request has ended.
    pub async fn run(self, stop: CancellationToken) {
        // Side by side, so that a database that is away does not hold up the probes.
        tokio::join!(self.prober.run(stop.clone()), self.store.run(stop));
    }
}
