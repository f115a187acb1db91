//! What runs beside the requests.

use sea_orm::DatabaseConnection;
use tokio_util::sync::CancellationToken;

use crate::handle::Health;
use crate::lease::{Keeper, Turn};
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
    let turn = Turn::default();
    let worker = Worker {
        prober: Prober::new(settings, probe, health.clone(), checks, turn.clone()),
        lease: settings
            .probes_enabled
            .then(|| Keeper::new(db.clone(), turn)),
        store: Store::new(db, health.clone()),
    };
    (health, worker)
}

/// Probes and saves.
#[derive(Debug)]
#[must_use = "nothing is probed or saved unless it runs"]
pub struct Worker<P> {
    prober: Prober<P>,
    lease: Option<Keeper>,
    store: Store,
}

impl<P: Probe> Worker<P> {
    /// Works until `stop`, then saves what has changed and ends. Stop it after the last request has ended.
    pub async fn run(self, stop: CancellationToken) {
        // Side by side, so that a database that is away does not hold up the probes.
        let lease = async {
            if let Some(lease) = self.lease {
                lease.run(stop.clone()).await;
            }
        };
        tokio::join!(
            self.prober.run(stop.clone()),
            self.store.run(stop.clone()),
            lease
        );
    }
}
