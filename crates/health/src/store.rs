//! Keeps `provider_health` in the database up to date, behind the requests.

use std::collections::HashMap;
use std::time::Duration;

use entities::provider_health::{Column, Entity};
use router::ProviderId;
use sea_orm::sea_query::OnConflict;
use sea_orm::{DatabaseConnection, DbErr, EntityTrait, SqlErr};
use tokio_util::sync::CancellationToken;

use crate::clock::{Moment, Stamp};
use crate::error::Error;
use crate::handle::Health;
use crate::saved::Saved;

/// Changes wait this long for others to go with them.
const DEBOUNCE: Duration = Duration::from_secs(1);
/// A mere further success is saved this much later than anything else: a busy provider has one every millisecond.
const SUCCESS_DEBOUNCE: Duration = Duration::from_secs(30);
/// Longest wait between two tries while the database is away.
const MAX_BACKOFF: Duration = Duration::from_secs(30);
/// How long the last save may hold up the shutdown.
const FINAL_FLUSH: Duration = Duration::from_secs(5);
/// Rows per statement.
const BATCH: usize = 100;

impl Health {
    /// Reads back what was saved, to be taken up by [`Health::configure`] as it first meets each provider. Call it once,
    /// before that.
    ///
    /// # Errors
    /// [`Error::Database`] when the table cannot be read.
    pub async fn restore(&self, db: &DatabaseConnection) -> Result<(), Error> {
        let rows = Entity::find().all(db).await?;
        let saved =
            |row: entities::provider_health::Model| (ProviderId(row.provider_id), row.into());
        self.keep_stored(rows.into_iter().map(saved));
        Ok(())
    }
}

/// Writes what has changed.
#[derive(Debug)]
pub(crate) struct Store {
    db: DatabaseConnection,
    health: Health,
    written: HashMap<ProviderId, Written>,
}

/// What the database knows of a provider.
#[derive(Debug, Clone, Copy)]
struct Written {
    changes: u64,
    last_success: Stamp,
    at: Moment,
}

/// A provider whose row is out of date.
#[derive(Debug)]
struct Changed {
    provider: ProviderId,
    saved: Saved,
    /// What the database will know.
    written: Written,
}

impl Store {
    pub(crate) fn new(db: DatabaseConnection, health: Health) -> Self {
        Self {
            db,
            health,
            written: HashMap::new(),
        }
    }

    /// Writes changes until `stop`, and what is left then.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut failures = 0u32;
        while stop
            .run_until_cancelled(tokio::time::sleep(backoff(failures)))
            .await
            .is_some()
        {
            self.health.observe(Moment::now().instant);
            failures = match self.flush(SUCCESS_DEBOUNCE).await {
                Ok(()) if failures > 0 => {
                    tracing::info!("provider health is being saved again");
                    0
                }
                Ok(()) => 0,
                Err(error) => {
                    if failures == 0 {
                        tracing::warn!(error = %error, "provider health cannot be saved, going on without");
                    }
                    failures.saturating_add(1)
                }
            };
        }
        match tokio::time::timeout(FINAL_FLUSH, self.flush(Duration::ZERO)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(error = %error, "the last provider health is not saved")
            }
            Err(_) => {
                tracing::warn!("the last provider health is not saved: the database is too slow")
            }
        }
    }

    /// Writes every provider that has changed since it was written, and those with nothing but a further success if that
    /// was `success_debounce` ago.
    pub(crate) async fn flush(&mut self, success_debounce: Duration) -> Result<(), DbErr> {
        let changed = self.changed(success_debounce);
        for batch in changed.chunks(BATCH) {
            let Err(error) = self.upsert(batch).await else {
                continue;
            };
            if is_outage(&error) {
                return Err(error);
            }
            self.upsert_singly(batch).await?;
        }
        Ok(())
    }

    fn changed(&mut self, success_debounce: Duration) -> Vec<Changed> {
        let registry = self.health.registry();
        let now = Moment::now();
        self.written
            .retain(|provider, _| registry.providers.contains_key(provider));
        let mut changed = Vec::new();
        for (id, provider) in &registry.providers {
            let (changes, last_success) = {
                let core = provider.lane.lock();
                (core.ext.changes, core.ext.last_success)
            };
            let is_changed = match self.written.get(id) {
                None => changes > 0 || matches!(last_success, Stamp::Seen(_)),
                Some(written) => {
                    let age = now.instant.saturating_duration_since(written.at.instant);
                    written.changes != changes
                        || (written.last_success != last_success && age >= success_debounce)
                }
            };
            if is_changed {
                let written = Written {
                    changes,
                    last_success,
                    at: now,
                };
                changed.push(Changed {
                    provider: *id,
                    saved: Saved::of(&provider.lane, now),
                    written,
                });
            }
        }
        changed
    }

    /// Writes rows one by one, so that the fault of one does not keep the others waiting. A provider that was deleted
    /// meanwhile has nothing to be written to.
    async fn upsert_singly(&mut self, rows: &[Changed]) -> Result<(), DbErr> {
        let mut result = Ok(());
        for row in rows {
            let Err(error) = self.upsert(std::slice::from_ref(row)).await else {
                continue;
            };
            if is_outage(&error) {
                return Err(error);
            }
            if matches!(
                error.sql_err(),
                Some(SqlErr::ForeignKeyConstraintViolation(_))
            ) {
                tracing::debug!(
                    provider.id = row.provider.0,
                    "health of a deleted provider dropped"
                );
                self.written.insert(row.provider, row.written);
            } else {
                result = Err(error);
            }
        }
        result
    }

    async fn upsert(&mut self, rows: &[Changed]) -> Result<(), DbErr> {
        let models = rows
            .iter()
            .map(|row| row.saved.clone().into_row(row.provider));
        let replace = OnConflict::column(Column::ProviderId)
            .update_columns([
                Column::IsHealthy,
                Column::ErrorCount,
                Column::LastError,
                Column::LastStatusCode,
                Column::LastValidatedAt,
                Column::LastSuccessAt,
                Column::NextRetryAt,
                Column::ConsecutiveSuccesses,
                Column::Transitions,
            ])
            .to_owned();
        Entity::insert_many(models)
            .on_conflict(replace)
            .exec_without_returning(&self.db)
            .await?;
        for row in rows {
            self.written.insert(row.provider, row.written);
        }
        Ok(())
    }
}

/// Whether the database is away rather than displeased.
fn is_outage(error: &DbErr) -> bool {
    matches!(error, DbErr::Conn(_) | DbErr::ConnectionAcquire(_))
}

fn backoff(failures: u32) -> Duration {
    DEBOUNCE
        .saturating_mul(1 << failures.min(16))
        .min(MAX_BACKOFF)
}

#[cfg(test)]
mod tests;
