//! Which of the replicas probes on the interval: the one that holds a lease in the database.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use leases::Lease;
use sea_orm::DatabaseConnection;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// What the lease is called.
const NAME: &str = "probes";
/// How long it is held without being renewed: so much later another replica takes over from one that was killed.
const TERM: Duration = Duration::from_secs(30);
/// Time between two renewals, or two tries to get it.
const EVERY: Duration = Duration::from_secs(10);
/// How long one of them, or giving it back, may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether this replica probes on the interval.
#[derive(Debug, Clone, Default)]
pub(crate) struct Turn(Arc<AtomicBool>);

impl Turn {
    pub(crate) fn is_ours(&self) -> bool {
        self.0.load(Relaxed)
    }

    pub(crate) fn set(&self, is_ours: bool) {
        self.0.store(is_ours, Relaxed);
    }
}

/// Takes the lease while nobody else has it, and keeps it.
#[derive(Debug)]
pub(crate) struct Keeper {
    lease: Lease,
    turn: Turn,
}

impl Keeper {
    pub(crate) fn new(db: DatabaseConnection, turn: Turn) -> Self {
        let lease = Lease::new(db, NAME, TERM);
        Self { lease, turn }
    }

    /// Holds the lease when it can until `stop`, then gives it back. While the database is away it is this replica's turn,
    /// as it is every other's: nobody knows of any other then.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = ticks.tick() => {}
            }
            let held = tokio::time::timeout(PATIENCE, self.lease.hold());
            let Some(held) = stop.run_until_cancelled(held).await else {
                break;
            };
            let is_ours = matches!(held, Ok(Ok(true)) | Ok(Err(_)) | Err(_));
            if is_ours != self.turn.is_ours() {
                tracing::debug!(is_ours, "the turn to probe providers has changed");
            }
            self.turn.set(is_ours);
        }
        self.turn.set(false);
        // Otherwise it ends by itself.
        let _ = tokio::time::timeout(PATIENCE, self.lease.give_back()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn without_a_database_it_is_everybodys_turn() {
        let db = migration::connect("sqlite::memory:").await.unwrap(); // without tables
        let turn = Turn::default();
        let stop = CancellationToken::new();
        let running = Keeper::new(db, turn.clone()).run(stop.clone());
        let seen = async {
            while !turn.is_ours() {
                tokio::task::yield_now().await;
            }
            stop.cancel();
        };
        tokio::join!(running, seen);
        assert!(!turn.is_ours(), "nobody's after the end");
    }
}
