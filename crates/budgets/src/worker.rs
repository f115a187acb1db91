//! Leases ahead of the requests.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use access::{
    budget::{Crossed, Turn, spendable_until},
    money,
};
use chrono::Utc;
use futures_util::{StreamExt, stream};
use sea_orm::{DatabaseConnection, DbErr};
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    Budgets,
    handle::{Entry, now},
    store::{self, Lease},
};

/// How often accounts are looked through for what is due.
const TICK: Duration = Duration::from_secs(1);
/// How long the database may take for one turn.
const GIVE_UP: Duration = Duration::from_secs(5);
/// Turns of different keys at the same time.
const AT_ONCE: usize = 4;
/// Turns taken up in one go.
const BATCH: usize = 64;
/// How often the leases of those who are no more are deleted.
const SWEEP: Duration = Duration::from_secs(600);

/// Takes the turns with the database that accounts ask for.
#[derive(Debug)]
pub struct Worker {
    budgets: Budgets,
    database: DatabaseConnection,
    waking: mpsc::UnboundedReceiver<Arc<Entry>>,
}

impl Worker {
    pub(crate) fn new(
        budgets: Budgets,
        database: DatabaseConnection,
        waking: mpsc::UnboundedReceiver<Arc<Entry>>,
    ) -> Self {
        Self {
            budgets,
            database,
            waking,
        }
    }

    /// Runs until `stop` is cancelled, and then gives back what is leased. It should be cancelled after the last record was
    /// written: what stands in no books by then stays leased until the lease is over.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut swept = Instant::now();
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                _ = self.waking.recv_many(&mut batch, BATCH) => {}
                _ = ticks.tick() => batch = self.due(),
            }
            self.turns(&mut batch).await;
            if swept.elapsed() >= SWEEP {
                swept = Instant::now();
                if let Err(error) = store::sweep(&self.database).await {
                    tracing::debug!(%error, "old leases of budgets cannot be deleted");
                }
            }
        }
        self.budgets.configure([]);
        let accounts = self.budgets.shared.accounts.load_full();
        let mut last: Vec<_> = accounts.by_id.values().cloned().collect();
        self.turns(&mut last).await;
    }

    /// The accounts whose time has come. None of them is queued, so that none has two turns at once.
    fn due(&self) -> Vec<Arc<Entry>> {
        let shared = &self.budgets.shared;
        let (now, accounts) = (now(), shared.accounts.load());
        let is_due = |entry: &&Arc<Entry>| {
            entry.account.is_due(shared.settings.lease, now) && !entry.is_queued.swap(true, Relaxed)
        };
        accounts.by_id.values().filter(is_due).cloned().collect()
    }

    async fn turns(&self, batch: &mut Vec<Arc<Entry>>) {
        stream::iter(batch.drain(..))
            .for_each_concurrent(AT_ONCE, async |entry| {
                // Whoever comes from here on may not be seen by this turn, and asks for another.
                entry.is_queued.store(false, Relaxed);
                self.turn(&entry).await;
                entry.turned.notify_waiters();
            })
            .await;
    }

    async fn turn(&self, entry: &Entry) {
        let shared = &self.budgets.shared;
        let account = &entry.account;
        let (asked, today) = (now(), Utc::now().date_naive());
        let was_good = account.is_trusted();
        let mut turn = Turn::begin(account, asked);
        let lease = Lease {
            key_id: account.key_id,
            key_name: &account.name,
            holder: shared.holder,
            ttl: shared.settings.lease,
        };
        let decide = |standing: &_| turn.decide(standing);
        let renewed = timeout(GIVE_UP, store::renew(&self.database, lease, today, decide)).await;
        match renewed.unwrap_or_else(|_| Err(DbErr::Custom("no answer in time".to_owned()))) {
            Ok(()) => {
                shared.metrics.turns.fetch_add(1, Relaxed);
                let until = spendable_until(asked, shared.settings.lease);
                for crossed in turn.committed(now(), until, today) {
                    self.warn(&account.name, crossed);
                }
            }
            Err(error) => {
                turn.failed(now());
                shared.metrics.failures.fetch_add(1, Relaxed);
                if was_good {
                    tracing::warn!(key.name = &*account.name, %error, "a budget cannot be looked at");
                } else {
                    tracing::debug!(key.name = &*account.name, %error, "a budget still cannot be looked at");
                }
            }
        }
    }

    fn warn(&self, key_name: &str, crossed: Crossed) {
        self.budgets.shared.metrics.warn(key_name, crossed);
        tracing::warn!(
            key.name = key_name,
            budget.period = crossed.period.name(),
            budget.spent = money::usd(crossed.spent),
            budget.cap = money::usd(crossed.cap),
            "a key's budget is running out"
        );
    }
}
