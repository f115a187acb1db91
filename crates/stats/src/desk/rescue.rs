//! What goes to disk while the database does not take it, and what is lost when nothing does.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::time::Instant;

use super::{Away, Desk, Held, RESCUE, flight::rows};
use crate::spool::PutError;

impl Desk {
    /// Brings to disk what is due, and drops what neither disk nor memory can hold.
    pub(super) async fn rescue(&mut self, now: Instant) {
        if self.spool_away.is_some_and(|away| away.until > now) {
            self.shed();
            return;
        }
        // While the database is away there is nothing to wait for.
        let patience = if self.away.is_some() {
            Duration::ZERO
        } else {
            RESCUE
        };
        if let Some(flight) = self.flight.as_mut().filter(|flight| !flight.is_spooled)
            && flight.opened_at + RESCUE <= now
        {
            let result = self.spool.put(flight.batches.iter()).await;
            flight.is_spooled = result.is_ok();
            let count = rows(&flight.batches);
            self.spooled(&result, count);
        }
        self.spool_sealed(now, patience).await;
        self.shed();
    }

    pub(super) async fn spool_sealed(&mut self, now: Instant, patience: Duration) {
        let due = self
            .sealed
            .iter()
            .take_while(|held| held.opened_at + patience <= now)
            .count();
        if due == 0 {
            return;
        }
        let result = self.spool_first(due).await;
        // Full for all of them may still have room for some.
        if due > 1 && matches!(result, Err(PutError::Full)) {
            let mut result = Ok(());
            while result.is_ok() && !self.sealed.is_empty() {
                result = self.spool_first(1).await;
            }
        }
    }

    async fn spool_first(&mut self, batches: usize) -> Result<(), PutError> {
        let first = || self.sealed.iter().take(batches).map(|held| &held.batch);
        let count = first().map(|batch| batch.rows.len() as u64).sum();
        let result = self.spool.put(first()).await;
        if result.is_ok() {
            self.sealed.drain(..batches);
        }
        self.spooled(&result, count);
        result
    }

    fn spooled(&mut self, result: &Result<(), PutError>, count: u64) {
        match result {
            Ok(()) => {
                self.spool_away = None;
                self.metrics.queued.fetch_sub(count, Relaxed);
                self.metrics.spooled.store(self.spool.rows(), Relaxed);
            }
            Err(error) => {
                if self.spool_away.is_none() {
                    tracing::error!(%error, rows = count, "request rows wait in memory only");
                }
                self.spool_away = Some(Away::longer(self.spool_away));
            }
        }
    }

    /// Bounds memory while both database and spool are away: the newest batches go.
    fn shed(&mut self) {
        let mut held: usize = self.sealed.iter().map(|held| held.batch.rows.len()).sum();
        while held > self.memory_rows
            && let Some(last) = self.sealed.pop_back()
        {
            held -= last.batch.rows.len();
            self.lose(&last, "database and spool take nothing, and memory is full");
        }
    }

    pub(super) fn lose(&self, held: &Held, reason: &str) {
        let count = held.batch.rows.len() as u64;
        self.metrics.queued.fetch_sub(count, Relaxed);
        self.metrics.lost.fetch_add(count, Relaxed);
        tracing::error!(rows = count, reason, "request records are lost");
        self.tell(std::slice::from_ref(&held.batch));
    }
}
