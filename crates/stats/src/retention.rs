//! Deletes what is old, a little at a time, from one replica at a time.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use chrono::{DateTime, Utc};
use entities::{audit_log, recorded_body, request_log, write_batch};
use leases::Lease;
use sea_orm::{
    ColumnTrait, DatabaseConnection, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    TransactionTrait, TryGetable, Value,
};
use tokio_util::sync::CancellationToken;

use crate::{Error, Keep, StatsMetrics, period};

/// Rows per statement: short enough that writers hardly notice.
const CHUNK_ROWS: u64 = 500;
/// Pause between statements, for the writers.
const BREATH: Duration = Duration::from_millis(20);
/// Time between rounds.
const EVERY: Duration = Duration::from_secs(3600);
const AFTER_FAILURE: Duration = Duration::from_secs(60);
/// What the lease of the one that cleans up is called.
const LEASE: &str = "clean-up";
/// So much later another replica goes on where one was killed. It is held for longer while it goes on; a step takes
/// much less.
const TERM: Duration = Duration::from_secs(60);
/// Age at which the id of a committed batch is forgotten, and not before our own spool is empty: a batch in it may be
/// committed. One that waits even longer in another replica's spool is recognised by its rows' request ids.
const BATCH_IDS_FOR: Duration = Duration::from_secs(7 * 86_400);

/// The retention worker.
#[derive(Debug)]
pub(crate) struct Retention {
    db: DatabaseConnection,
    keep: Keep,
    metrics: Arc<StatsMetrics>,
}

impl Retention {
    pub(crate) fn new(db: DatabaseConnection, keep: Keep, metrics: Arc<StatsMetrics>) -> Self {
        Self { db, keep, metrics }
    }

    pub(crate) async fn run(self, stop: &CancellationToken) {
        let work = async {
            loop {
                let pause = match Box::pin(self.turn(Utc::now())).await {
                    Ok(true) => EVERY,
                    // Another is at it; if it dies, somebody has to go on.
                    Ok(false) => AFTER_FAILURE,
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

    /// One round, if it is ours to make. Replicas after the first find nothing to delete.
    async fn turn(&self, now: DateTime<Utc>) -> Result<bool, DbErr> {
        let lease = Lease::new(self.db.clone(), LEASE, TERM);
        if !lease.hold().await? {
            return Ok(false);
        }
        let done = self.round(now, &lease).await;
        lease.give_back().await?;
        done.map(|()| true)
    }

    async fn round(&self, now: DateTime<Utc>, lease: &Lease) -> Result<(), DbErr> {
        let lease = Some(lease);
        if let Some(keep) = self.keep.requests {
            let deleted = delete_logs(&self.db, now - keep, lease).await?;
            self.metrics.expired.fetch_add(deleted, Relaxed);
            if deleted > 0 {
                tracing::info!(rows = deleted, "deleted old request rows");
            }
        }
        let keep_bodies = [self.keep.bodies, self.keep.requests];
        if let Some(keep) = keep_bodies.into_iter().flatten().min() {
            delete_bodies(&self.db, now - keep, lease).await?;
        }
        if let Some(keep) = self.keep.audit {
            use audit_log::{Column, Entity};
            let before = now - keep;
            delete_old::<Entity, i64>(&self.db, Column::Id, Column::CreatedAt, before, lease)
                .await?;
        }
        if self.metrics.spooled() > 0 {
            return Ok(());
        }
        use write_batch::{Column, Entity};
        let before = now - BATCH_IDS_FOR;
        delete_old::<Entity, String>(&self.db, Column::Id, Column::CreatedAt, before, lease)
            .await?;
        Ok(())
    }
}

/// Deletes the request rows, and recorded bodies, of requests that arrived before `instant`, in small steps, and says how
/// many requests they were. Daily figures stay. May take minutes on a large table; dropping the future stops it between two steps.
///
/// # Errors
/// If the database fails; what was deleted stays deleted.
pub async fn delete_before(db: &DatabaseConnection, instant: DateTime<Utc>) -> Result<u64, Error> {
    let delete = async {
        delete_bodies(db, instant, None).await?;
        delete_logs(db, instant, None).await
    };
    delete.await.map_err(Error::Database)
}

async fn delete_bodies(
    db: &DatabaseConnection,
    before: DateTime<Utc>,
    lease: Option<&Lease>,
) -> Result<(), DbErr> {
    use recorded_body::{Column, Entity};
    delete_old::<Entity, String>(db, Column::RequestId, Column::CreatedAt, before, lease).await?;
    Ok(())
}

/// Periods that rows are deleted of are no longer rolled up, from the same moment on.
async fn delete_logs(
    db: &DatabaseConnection,
    before: DateTime<Utc>,
    lease: Option<&Lease>,
) -> Result<u64, DbErr> {
    use request_log::{Column, Entity};
    let mut deleted = 0;
    loop {
        let old: Vec<(i64, DateTime<Utc>)> = Entity::find()
            .select_only()
            .columns([Column::Id, Column::CreatedAt])
            .filter(Column::CreatedAt.lt(before))
            .order_by_asc(Column::CreatedAt)
            .limit(CHUNK_ROWS)
            .into_tuple()
            .all(db)
            .await?;
        if !old.is_empty() {
            let isolation = period::isolation(db.get_database_backend());
            let transaction = db.begin_with_config(isolation, None).await?;
            let these = Entity::delete_many()
                .filter(Column::Id.is_in(old.iter().map(|(id, _)| *id)))
                .exec(&transaction)
                .await?;
            period::touch(&transaction, old.iter().map(|(_, arrival)| *arrival)).await?;
            transaction.commit().await?;
            deleted += these.rows_affected;
        }
        if (old.len() as u64) < CHUNK_ROWS || !goes_on(lease).await? {
            return Ok(deleted);
        }
    }
}

/// Lets writers have their turn. With a lease, for as long as it is held.
async fn goes_on(lease: Option<&Lease>) -> Result<bool, DbErr> {
    if let Some(lease) = lease
        && !lease.keep().await?
    {
        return Ok(false);
    }
    tokio::time::sleep(BREATH).await;
    Ok(true)
}

/// Deletes the rows that were `created` before an instant, in small steps, and says how many they were. With a lease, for
/// as long as it is held.
async fn delete_old<E, Id>(
    db: &DatabaseConnection,
    id: E::Column,
    created: E::Column,
    before: DateTime<Utc>,
    lease: Option<&Lease>,
) -> Result<u64, DbErr>
where
    E: EntityTrait,
    Id: TryGetable + Into<Value> + Send,
{
    let mut deleted = 0;
    loop {
        let ids: Vec<Id> = E::find()
            .select_only()
            .column(id)
            .filter(created.lt(before))
            .order_by_asc(created)
            .limit(CHUNK_ROWS)
            .into_tuple()
            .all(db)
            .await?;
        let last = (ids.len() as u64) < CHUNK_ROWS;
        if !ids.is_empty() {
            let these = E::delete_many().filter(id.is_in(ids));
            deleted += these.exec(db).await?.rows_affected;
        }
        if last || !goes_on(lease).await? {
            return Ok(deleted);
        }
    }
}
