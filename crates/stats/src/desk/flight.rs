//! Groups of batches on their way to the database, and what becomes of them.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use sea_orm::DbErr;
use tokio::time::Instant;
use uuid::Uuid;

use super::{Away, Desk, GIVE_UP, GROUP_ROWS, Held};
use crate::write::{Batch, Written, write};

type Landing = Pin<Box<dyn Future<Output = Result<Written, DbErr>> + Send>>;

/// A group on its way to the database.
pub(super) struct Flight {
    pub(super) batches: Arc<Vec<Batch>>,
    pub(super) opened_at: Instant,
    /// Whether it is in the spool too.
    pub(super) is_spooled: bool,
    pub(super) landing: Landing,
}

impl std::fmt::Debug for Flight {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Flight")
            .field("batches", &self.batches.len())
            .finish_non_exhaustive()
    }
}

impl Desk {
    /// Sends the next group on its way, if none is.
    pub(super) async fn launch(&mut self, now: Instant) {
        if self.flight.is_some() {
            return;
        }
        let backlog = self.spool.rows() > 0 && (self.backlog_next || self.sealed.is_empty());
        self.backlog_next = !backlog;
        let (batches, opened_at) = match backlog {
            true => (self.backlog_group().await, now),
            false => self.fresh_group(now),
        };
        if batches.is_empty() {
            return;
        }
        let (db, batches) = (self.db.clone(), Arc::new(batches));
        let group = Arc::clone(&batches);
        let landing = Box::pin(async move {
            match tokio::time::timeout(GIVE_UP, write(&db, &group)).await {
                Ok(result) => result,
                Err(_) => Err(DbErr::Custom(format!(
                    "no answer within {} s",
                    GIVE_UP.as_secs()
                ))),
            }
        });
        self.flight = Some(Flight {
            batches,
            opened_at,
            is_spooled: backlog,
            landing,
        });
    }

    /// The front of the spool. If nothing comes out of it, the spool is left alone for a while.
    async fn backlog_group(&mut self) -> Vec<Batch> {
        let batches = match self.spool.head(self.group_rows as u64).await {
            Ok(head) => {
                self.metrics
                    .set_aside
                    .fetch_add(head.unreadable_rows, Relaxed);
                head.batches
            }
            Err(error) => {
                tracing::error!(%error, "cannot read the spool");
                Vec::new()
            }
        };
        if batches.is_empty() {
            self.away = Some(Away::longer(self.away));
        }
        batches
    }

    fn fresh_group(&mut self, now: Instant) -> (Vec<Batch>, Instant) {
        let opened_at = self.sealed.front().map_or(now, |held| held.opened_at);
        let (mut batches, mut rows) = (Vec::new(), 0);
        while let Some(held) = self.sealed.front() {
            rows += held.batch.rows.len();
            if rows > self.group_rows && !batches.is_empty() {
                break;
            }
            batches.extend(self.sealed.pop_front().map(|held| held.batch));
        }
        (batches, opened_at)
    }

    pub(super) async fn landed(&mut self, result: Result<Written, DbErr>) {
        let Some(flight) = self.flight.take() else {
            return;
        };
        match result {
            Ok(written) => self.confirmed(flight, written).await,
            Err(error) => {
                self.metrics.failures.fetch_add(1, Relaxed);
                if self.away.is_none() {
                    tracing::warn!(%error, "the database does not take request rows; they wait on disk");
                } else {
                    tracing::debug!(%error, "the database still does not take request rows");
                }
                self.away = Some(Away::longer(self.away));
                self.group_rows = (self.group_rows / 2).max(GROUP_ROWS.1);
                self.keep(flight);
            }
        }
    }

    async fn confirmed(&mut self, flight: Flight, written: Written) {
        if self.away.take().is_some() {
            tracing::info!("the database takes request rows again");
        }
        self.group_rows = (self.group_rows * 2).min(GROUP_ROWS.0);
        for (row, reason) in &written.refused {
            tracing::error!(
                request.id = &*row.request_id,
                reason,
                "the database refused a request row"
            );
            if let Err(error) = self.spool.set_aside(row, reason).await {
                tracing::error!(request.id = &*row.request_id, %error, "the refused row could not be kept");
            }
        }
        let metrics = &self.metrics;
        metrics.written.fetch_add(written.rows as u64, Relaxed);
        metrics
            .set_aside
            .fetch_add(written.refused.len() as u64, Relaxed);
        metrics
            .batches
            .fetch_add(flight.batches.len() as u64, Relaxed);
        metrics.lag_ms.store(
            flight.batches.first().map_or(0, |batch| age_ms(batch.id)),
            Relaxed,
        );
        if !flight.is_spooled {
            metrics.queued.fetch_sub(rows(&flight.batches), Relaxed);
            self.tell(&flight.batches);
            return;
        }
        match self.spool.remove(&flight.batches).await {
            Ok(()) => self.tell(&flight.batches),
            Err(error) => {
                // They will be written once more, and be recognised.
                tracing::error!(%error, "cannot remove written rows from the spool");
                self.away = Some(Away::longer(self.away));
            }
        }
        self.spool_away = None; // it may have been full
        self.metrics.spooled.store(self.spool.rows(), Relaxed);
    }

    /// Puts the batches of a failed flight back where they came from.
    pub(super) fn keep(&mut self, flight: Flight) {
        if flight.is_spooled {
            return;
        }
        let opened_at = flight.opened_at;
        drop(flight.landing);
        let batches = Arc::unwrap_or_clone(flight.batches);
        for batch in batches.into_iter().rev() {
            self.sealed.push_front(Held { batch, opened_at });
        }
    }

    /// At the end: the flight is given up, its batches are kept.
    pub(super) async fn land_unconfirmed(&mut self) {
        if let Some(flight) = self.flight.take() {
            self.keep(flight);
        }
    }
}

pub(super) async fn landing(flight: &mut Option<Flight>) -> Result<Written, DbErr> {
    match flight {
        Some(flight) => flight.landing.as_mut().await,
        None => pending().await,
    }
}

pub(super) fn rows(batches: &[Batch]) -> u64 {
    batches.iter().map(|batch| batch.rows.len() as u64).sum()
}

/// Time since the batch was opened, also when that was in an earlier run.
fn age_ms(id: Uuid) -> u64 {
    let (seconds, nanos) = id.get_timestamp().map_or((0, 0), |stamp| stamp.to_unix());
    let opened = Duration::new(seconds, nanos);
    let now = Duration::from_millis(chrono::Utc::now().timestamp_millis().unsigned_abs());
    u64::try_from(now.saturating_sub(opened).as_millis()).unwrap_or(u64::MAX)
}
