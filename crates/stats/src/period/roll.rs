//! Rolls up periods that are over, newest first, from one replica at a time.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use entities::log_period::{Column, Entity};
use entities::{log_rollup, request_log};
use leases::Lease;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, DatabaseConnection, DbBackend, DbErr, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect, TransactionTrait,
};
use tokio_util::sync::CancellationToken;

use super::parts::{Parts, RolledBy};
use super::{SECONDS, STATEMENT_PERIODS, at, first_version, isolation, make_known, of};
use crate::Error;
use crate::fault::Fault;

/// How long after its end a period is left alone: requests that arrived in it still end, and are written behind.
const GRACE: TimeDelta = TimeDelta::minutes(5);
/// Nobody asks for the figures of longer: a year, and a little.
const LONGEST: TimeDelta = TimeDelta::days(370);
/// Time between looks for what there is to do.
const EVERY: Duration = Duration::from_secs(60);
/// Pause between periods where there is one writer at a time, for the others.
const BREATH: Duration = Duration::from_millis(20);
/// What the lease of the one that does it is called.
const LEASE: &str = "roll-up";
/// So much later another replica goes on where one was killed.
const TERM: Duration = Duration::from_secs(60);
/// Periods whose roll-ups are deleted in one transaction.
const FORGOTTEN: i64 = 96;
/// Parts per statement.
const STATEMENT_PARTS: usize = 256;

/// Rolls up, for as long as it runs.
#[derive(Debug)]
pub(crate) struct Roller {
    db: DatabaseConnection,
}

impl Roller {
    pub(crate) fn new(db: DatabaseConnection) -> Self {
        Self { db }
    }

    pub(crate) async fn run(self, stop: &CancellationToken) {
        let work = async {
            loop {
                if let Err(error) = Box::pin(self.turn(Utc::now())).await {
                    tracing::warn!(%error, "cannot roll up request rows; will try again");
                }
                tokio::time::sleep(EVERY).await;
            }
        };
        // What is cut off is rolled back, and found again by the next one.
        stop.run_until_cancelled(work).await;
    }

    async fn turn(&self, now: DateTime<Utc>) -> Result<(), DbErr> {
        let work = Work::find(&self.db, now).await?;
        if work.is_done() {
            return Ok(());
        }
        let lease = Lease::new(self.db.clone(), LEASE, TERM);
        if !lease.hold().await? {
            return Ok(());
        }
        let done = work.go_through(&self.db, Some(&lease)).await;
        lease.give_back().await?;
        done.map(drop)
    }
}

/// Rolls up every period that was over some minutes before `now` and is not rolled up, and says how many there were.
///
/// # Errors
/// If the database fails; what was rolled up stays so.
pub async fn roll_up(db: &DatabaseConnection, now: DateTime<Utc>) -> Result<u64, Error> {
    let work = async { Work::find(db, now).await?.go_through(db, None).await };
    work.await.map_err(Error::Database)
}

/// What there is to do.
#[derive(Debug)]
struct Work {
    /// Where the rows begin, or what is rolled up of them.
    begins: i64,
    /// Periods that are over and not rolled up, newest first.
    periods: Vec<i64>,
    /// Whether there are periods before `begins`.
    forgets: bool,
}

impl Work {
    async fn find(db: &DatabaseConnection, now: DateTime<Utc>) -> Result<Self, DbErr> {
        let oldest: Option<DateTime<Utc>> = request_log::Entity::find()
            .select_only()
            .column(request_log::Column::CreatedAt)
            .order_by_asc(request_log::Column::CreatedAt)
            .limit(1)
            .into_tuple()
            .one(db)
            .await?;
        let end = of(now - GRACE);
        let begins = oldest.map_or(end, |oldest| of(oldest.max(now - LONGEST)));
        let done: Vec<i64> = Entity::find()
            .select_only()
            .column(Column::Begins)
            .filter(Column::IsRolledUp.eq(true))
            .filter(Column::Begins.gte(begins))
            .filter(Column::Begins.lt(end))
            .into_tuple()
            .all(db)
            .await?;
        let done = BTreeSet::from_iter(done);
        let mut periods = Vec::new();
        let mut period = end - SECONDS;
        while period >= begins {
            if !done.contains(&period) {
                periods.push(period);
            }
            period -= SECONDS;
        }
        Ok(Self {
            begins,
            periods,
            forgets: first_before(db, begins).await?.is_some(),
        })
    }

    fn is_done(&self) -> bool {
        self.periods.is_empty() && !self.forgets
    }

    /// With a lease, for as long as it is held.
    async fn go_through(
        self,
        db: &DatabaseConnection,
        lease: Option<&Lease>,
    ) -> Result<u64, DbErr> {
        let mut rolled = 0;
        let mut rest = self.periods.as_slice();
        while let Some(&newest) = rest.first() {
            if !goes_on(db, lease).await? {
                return Ok(rolled);
            }
            let emptied = empty_run(db, rest).await?;
            if emptied > 0 {
                rolled += emptied as u64;
                rest = &rest[emptied..];
                continue;
            }
            rest = &rest[1..];
            match roll(db, newest).await {
                Ok(done) => rolled += u64::from(done),
                // It is still scanned; the others do not wait for it.
                Err(error) if Fault::of(&error, db.get_database_backend()) != Fault::Away => {
                    tracing::warn!(%error, period = %at(newest), "cannot roll up a quarter of an hour");
                }
                Err(error) => return Err(error),
            }
        }
        while self.forgets && goes_on(db, lease).await? && forget(db, self.begins).await? {}
        Ok(rolled)
    }
}

async fn goes_on(db: &DatabaseConnection, lease: Option<&Lease>) -> Result<bool, DbErr> {
    let Some(lease) = lease else {
        return Ok(true);
    };
    if db.get_database_backend() == DbBackend::Sqlite {
        tokio::time::sleep(BREATH).await;
    }
    lease.keep().await
}

async fn first_before(db: &DatabaseConnection, begins: i64) -> Result<Option<i64>, DbErr> {
    Entity::find()
        .select_only()
        .column(Column::Begins)
        .filter(Column::Begins.lt(begins))
        .order_by_asc(Column::Begins)
        .limit(1)
        .into_tuple()
        .one(db)
        .await
}

/// Rolls up one period, unless its rows change meanwhile.
async fn roll(db: &DatabaseConnection, begins: i64) -> Result<bool, DbErr> {
    let mut found = version(db, begins).await?;
    if found.is_none() {
        make_known(db, &[begins], first_version()).await?;
        found = version(db, begins).await?;
    }
    let Some(version) = found else {
        return Ok(false); // forgotten by another
    };
    let parts = Parts::of(db, begins).await?;
    let backend = db.get_database_backend();
    let transaction = db.begin_with_config(isolation(backend), None).await?;
    // First, and with the lock that writers of its rows take: they are before us, and then the version differs, or behind us,
    // and then they take the mark away.
    let marked = Entity::update_many()
        .col_expr(Column::IsRolledUp, Expr::value(true))
        .filter(Column::Begins.eq(begins))
        .filter(Column::Version.eq(version))
        .filter(Column::IsRolledUp.eq(false))
        .exec(&transaction)
        .await?;
    if marked.rows_affected == 0 {
        transaction.rollback().await?;
        return Ok(false);
    }
    log_rollup::Entity::delete_many()
        .filter(log_rollup::Column::RolledBy.is_in(RolledBy::EVERY))
        .filter(log_rollup::Column::Begins.eq(begins))
        .exec(&transaction)
        .await?;
    for chunk in parts.rows(begins).chunks(STATEMENT_PARTS) {
        log_rollup::Entity::insert_many(chunk.to_vec())
            .exec_without_returning(&transaction)
            .await?;
    }
    transaction.commit().await?;
    Ok(true)
}

async fn version(db: &DatabaseConnection, begins: i64) -> Result<Option<i64>, DbErr> {
    Entity::find()
        .select_only()
        .column(Column::Version)
        .filter(Column::Begins.eq(begins))
        .into_tuple()
        .one(db)
        .await
}

/// Marks those at the beginning of `periods`, newest first, that have no rows and nobody heard of: a gateway that slept for
/// weeks need not look at each. Says for how many there is nothing else to do.
async fn empty_run(db: &DatabaseConnection, periods: &[i64]) -> Result<usize, DbErr> {
    let (Some(&newest), Some(&oldest)) = (
        periods.first(),
        periods.iter().take(STATEMENT_PERIODS).next_back(),
    ) else {
        return Ok(0);
    };
    let last = last_row(db, oldest, newest).await?;
    let begins = last.map_or(oldest, |last| of(last) + SECONDS);
    let count = periods.iter().take_while(|period| **period >= begins);
    let empty = &periods[..count.take(STATEMENT_PERIODS).count()];
    if empty.len() < 2 {
        return Ok(0); // as well one by one
    }
    let known: Vec<i64> = Entity::find()
        .select_only()
        .column(Column::Begins)
        .filter(Column::Begins.between(begins, newest))
        .into_tuple()
        .all(db)
        .await?;
    let known = BTreeSet::from_iter(known);
    let new: Vec<i64> = empty
        .iter()
        .copied()
        .take_while(|period| !known.contains(period))
        .collect();
    let Some(&first) = new.last() else {
        return Ok(0);
    };
    let version = first_version();
    make_known(db, &new, version).await?;
    // A row that came before they were known is seen now, one that comes later takes the version away.
    if last_row(db, first, newest).await?.is_some() {
        return Ok(0);
    }
    Entity::update_many()
        .col_expr(Column::IsRolledUp, Expr::value(true))
        .filter(Column::Begins.between(first, newest))
        .filter(Column::Version.eq(version))
        .exec(db)
        .await?;
    Ok(new.len())
}

/// The arrival of the last row in the periods from `oldest` to `newest`.
async fn last_row(
    db: &DatabaseConnection,
    oldest: i64,
    newest: i64,
) -> Result<Option<DateTime<Utc>>, DbErr> {
    use request_log::Column::CreatedAt;
    request_log::Entity::find()
        .select_only()
        .column(CreatedAt)
        .filter(CreatedAt.gte(at(oldest)))
        .filter(CreatedAt.lt(at(newest + SECONDS)))
        .order_by_desc(CreatedAt)
        .limit(1)
        .into_tuple()
        .one(db)
        .await
}

/// Deletes the first periods before `begins`, and says whether there may be more.
async fn forget(db: &DatabaseConnection, begins: i64) -> Result<bool, DbErr> {
    let Some(first) = first_before(db, begins).await? else {
        return Ok(false);
    };
    let end = begins.min(first + FORGOTTEN * SECONDS);
    let backend = db.get_database_backend();
    let transaction = db.begin_with_config(isolation(backend), None).await?;
    Entity::delete_many()
        .filter(Column::Begins.lt(end))
        .exec(&transaction)
        .await?;
    log_rollup::Entity::delete_many()
        .filter(log_rollup::Column::RolledBy.is_in(RolledBy::EVERY))
        .filter(log_rollup::Column::Begins.lt(end))
        .exec(&transaction)
        .await?;
    transaction.commit().await?;
    Ok(true)
}
