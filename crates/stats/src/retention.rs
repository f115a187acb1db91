//! Deletes what is old, a little at a time.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use chrono::{DateTime, Utc};
use entities::{request_log, write_batch};
use sea_orm::{
    ColumnTrait, DatabaseConnection, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};
use tokio_util::sync::CancellationToken;

use crate::{Error, StatsMetrics};

/// Rows per statement: short enough that writers hardly notice.
const CHUNK_ROWS: u64 = 500;
/// Pause between statements, for the writers.
const BREATH: Duration = Duration::from_millis(20);
/// Time between rounds.
const EVERY: Duration = Duration::from_secs(3600);
const AFTER_FAILURE: Duration = Duration::from_secs(60);
/// Age at which the id of a committed batch is forgotten, and not before our own spool is empty: a batch in it may be
/// committed. One that waits even longer in another replica's spool is recognised by its rows' request ids.
const BATCH_IDS_FOR: Duration = Duration::from_secs(7 * 86_400);

/// The retention worker.
#[derive(Debug)]
pub(crate) struct Retention {
    db: DatabaseConnection,
    keep: Option<Duration>,
    metrics: Arc<StatsMetrics>,
}

impl Retention {
    pub(crate) fn new(
        db: DatabaseConnection,
        keep: Option<Duration>,
        metrics: Arc<StatsMetrics>,
    ) -> Self {
        Self { db, keep, metrics }
    }

    pub(crate) async fn run(self, stop: &CancellationToken) {
        let work = async {
            loop {
                let pause = match self.round(Utc::now()).await {
                    Ok(()) => EVERY,
                    Err(error) => {
                        tracing::warn!(%error, "cannot delete old request rows; will try again");
                        AFTER_FAILURE
                    }
                };
                tokio::time::sleep(pause).await;
            }
        };
        // A statement that is cut off is rolled back; the next round finds the same rows.
        stop.run_until_cancelled(work).await;
    }

    async fn round(&self, now: DateTime<Utc>) -> Result<(), DbErr> {
        if let Some(keep) = self.keep {
            let deleted = delete_logs(&self.db, now - keep).await?;
            self.metrics.expired.fetch_add(deleted, Relaxed);
            if deleted > 0 {
                tracing::info!(rows = deleted, "deleted old request rows");
            }
        }
        if self.metrics.spooled() > 0 {
            return Ok(());
        }
        forget_batches(&self.db, now - BATCH_IDS_FOR).await
    }
}

/// Deletes the request rows that arrived before `instant`, in small steps, and says how many they were. Daily figures
/// stay. May take minutes on a large table; dropping the future stops it between two steps.
///
/// # Errors
/// If the database fails; what was deleted stays deleted.
pub async fn delete_before(db: &DatabaseConnection, instant: DateTime<Utc>) -> Result<u64, Error> {
    delete_logs(db, instant).await.map_err(Error::Database)
}

async fn delete_logs(db: &DatabaseConnection, before: DateTime<Utc>) -> Result<u64, DbErr> {
    use request_log::{Column, Entity};
    let mut deleted = 0;
    loop {
        let ids: Vec<i64> = Entity::find()
            .select_only()
            .column(Column::Id)
            .filter(Column::CreatedAt.lt(before))
            .order_by_asc(Column::CreatedAt)
            .limit(CHUNK_ROWS)
            .into_tuple()
            .all(db)
            .await?;
        let last = (ids.len() as u64) < CHUNK_ROWS;
        if !ids.is_empty() {
            let these = Entity::delete_many().filter(Column::Id.is_in(ids));
            deleted += these.exec(db).await?.rows_affected;
        }
        if last {
            return Ok(deleted);
        }
        tokio::time::sleep(BREATH).await;
    }
}

async fn forget_batches(db: &DatabaseConnection, before: DateTime<Utc>) -> Result<(), DbErr> {
    use write_batch::{Column, Entity};
    loop {
        let ids: Vec<String> = Entity::find()
            .select_only()
            .column(Column::Id)
            .filter(Column::CreatedAt.lt(before))
            .order_by_asc(Column::CreatedAt)
            .limit(CHUNK_ROWS)
            .into_tuple()
            .all(db)
            .await?;
        let last = (ids.len() as u64) < CHUNK_ROWS;
        if !ids.is_empty() {
            Entity::delete_many()
                .filter(Column::Id.is_in(ids))
                .exec(db)
                .await?;
        }
        if last {
            return Ok(());
        }
        tokio::time::sleep(BREATH).await;
    }
}
