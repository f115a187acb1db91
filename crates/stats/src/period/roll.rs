//! Rolls up periods that are over, newest first, from one replica at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use entities::log_period::{Column, Entity};
use entities::{log_rollup, request_log};
use leases::Lease;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, DatabaseConnection, DbBackend, DbErr, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect, Select, TransactionTrait,
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
/// Pause between transactions where there is one writer at a time, for the others.
const BREATH: Duration = Duration::from_millis(20);
/// Rows that are rolled up in one transaction, or those of one period if they are more: so many that what each transaction
/// costs by itself does not count, so few that it is over in less than a second.
const TOGETHER_ROWS: u64 = 20_000;
/// Periods that are rolled up in one transaction: a day.
const TOGETHER: usize = 96;
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
        while !rest.is_empty() {
            if !goes_on(db, lease).await? {
                return Ok(rolled);
            }
            let emptied = empty_run(db, rest).await?;
            if emptied > 0 {
                rolled += emptied as u64;
                rest = &rest[emptied..];
                continue;
            }
            let together = together(db, rest).await?;
            rest = &rest[together.len()..];
            rolled += roll_or_tell(db, together).await?;
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

/// Those at the beginning of `periods`, newest first, that are rolled up in one transaction.
async fn together<'a>(db: &DatabaseConnection, periods: &'a [i64]) -> Result<&'a [i64], DbErr> {
    use request_log::Column::CreatedAt;
    let periods = adjoining(periods);
    let [newest, .., oldest] = periods else {
        return Ok(periods);
    };
    let one_too_many: Option<DateTime<Utc>> = arrivals(*oldest, *newest)
        .order_by_desc(CreatedAt)
        .offset(TOGETHER_ROWS)
        .limit(1)
        .into_tuple()
        .one(db)
        .await?;
    Ok(match one_too_many {
        None => periods,
        Some(arrival) => behind(periods, of(arrival)),
    })
}

/// Those at the beginning between which there is no other.
fn adjoining(periods: &[i64]) -> &[i64] {
    let pairs = periods.iter().zip(periods.iter().skip(1));
    let adjoin = pairs.take_while(|(later, earlier)| **later - SECONDS == **earlier);
    &periods[..periods.len().min(1 + adjoin.count()).min(TOGETHER)]
}

/// Those at the beginning that are later than `period`, but at least the first.
fn behind(periods: &[i64], period: i64) -> &[i64] {
    let later = periods.iter().take_while(|begins| **begins > period);
    &periods[..later.count().max(1).min(periods.len())]
}

/// Rolls up adjoining periods, newest first. Where the database refuses, each by itself; one that it refuses by itself is
/// told of, and its rows are still scanned.
async fn roll_or_tell(db: &DatabaseConnection, periods: &[i64]) -> Result<u64, DbErr> {
    let is_away = |error: &DbErr| Fault::of(error, db.get_database_backend()) == Fault::Away;
    match roll(db, periods).await {
        Err(error) if periods.len() > 1 && !is_away(&error) => {
            tracing::debug!(%error, "rolling up each quarter of an hour by itself");
        }
        done => return tell(done, periods, is_away),
    }
    let mut rolled = 0;
    for period in periods.chunks(1) {
        rolled += tell(roll(db, period).await, period, is_away)?;
    }
    Ok(rolled)
}

fn tell(
    done: Result<u64, DbErr>,
    periods: &[i64],
    is_away: impl Fn(&DbErr) -> bool,
) -> Result<u64, DbErr> {
    match done {
        Err(error) if !is_away(&error) => {
            let period = periods.first().copied().map(at);
            tracing::warn!(%error, ?period, "cannot roll up a quarter of an hour");
            Ok(0)
        }
        done => done,
    }
}

/// Rolls up adjoining periods, newest first, but for those whose rows change meanwhile, and says how many.
async fn roll(db: &DatabaseConnection, periods: &[i64]) -> Result<u64, DbErr> {
    let (Some(&newest), Some(&oldest)) = (periods.first(), periods.last()) else {
        return Ok(0);
    };
    let mut known = versions(db, oldest, newest).await?;
    let new = periods.iter().filter(|begins| !known.contains_key(begins));
    let new: Vec<i64> = new.copied().collect();
    if !new.is_empty() {
        make_known(db, &new, first_version()).await?;
        known = versions(db, oldest, newest).await?;
    }
    let mut parts = Parts::of_each(db, oldest, newest).await?;
    let backend = db.get_database_backend();
    let transaction = db.begin_with_config(isolation(backend), None).await?;
    // First, and with the lock that writers of its rows take: they are before us, and then the version differs, or behind us,
    // and then they take the mark away. In the order in which they lock several.
    let mut marked = Vec::new();
    for (begins, version) in known {
        let marks = Entity::update_many()
            .col_expr(Column::IsRolledUp, Expr::value(true))
            .filter(Column::Begins.eq(begins))
            .filter(Column::Version.eq(version))
            .filter(Column::IsRolledUp.eq(false))
            .exec(&transaction)
            .await?;
        if marks.rows_affected > 0 {
            marked.push(begins);
        }
    }
    if marked.is_empty() {
        transaction.rollback().await?;
        return Ok(0);
    }
    log_rollup::Entity::delete_many()
        .filter(log_rollup::Column::RolledBy.is_in(RolledBy::EVERY))
        .filter(log_rollup::Column::Begins.is_in(marked.iter().copied()))
        .exec(&transaction)
        .await?;
    let rows = marked
        .iter()
        .filter_map(|begins| parts.remove_entry(begins));
    let rows: Vec<_> = rows
        .flat_map(|(begins, parts)| parts.rows(begins))
        .collect();
    for chunk in rows.chunks(STATEMENT_PARTS) {
        log_rollup::Entity::insert_many(chunk.to_vec())
            .exec_without_returning(&transaction)
            .await?;
    }
    transaction.commit().await?;
    Ok(marked.len() as u64)
}

/// The versions of those that somebody heard of.
async fn versions(
    db: &DatabaseConnection,
    oldest: i64,
    newest: i64,
) -> Result<BTreeMap<i64, i64>, DbErr> {
    let versions: Vec<(i64, i64)> = Entity::find()
        .select_only()
        .columns([Column::Begins, Column::Version])
        .filter(Column::Begins.between(oldest, newest))
        .into_tuple()
        .all(db)
        .await?;
    Ok(versions.into_iter().collect())
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
    arrivals(oldest, newest)
        .order_by_desc(request_log::Column::CreatedAt)
        .limit(1)
        .into_tuple()
        .one(db)
        .await
}

/// Of all rows in the periods from `oldest` to `newest`.
fn arrivals(oldest: i64, newest: i64) -> Select<request_log::Entity> {
    use request_log::Column::CreatedAt;
    request_log::Entity::find()
        .select_only()
        .column(CreatedAt)
        .filter(CreatedAt.gte(at(oldest)))
        .filter(CreatedAt.lt(at(newest + SECONDS)))
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers of periods, for their beginnings.
    fn periods(numbers: impl IntoIterator<Item = i64>) -> Vec<i64> {
        numbers.into_iter().map(|number| number * SECONDS).collect()
    }

    #[test]
    fn what_adjoins_is_rolled_up_together() {
        let check = |numbers: &[i64], expected: usize| {
            let periods = periods(numbers.iter().copied());
            assert_eq!(adjoining(&periods).len(), expected, "{numbers:?}");
        };
        check(&[], 0);
        check(&[9], 1);
        check(&[9, 7, 6], 1);
        check(&[9, 8, 7, 5, 4], 3);
        let all = periods((0..1000).rev());
        assert_eq!(adjoining(&all).len(), TOGETHER);
    }

    #[test]
    fn the_rows_of_one_are_never_too_many() {
        let all = periods([9, 8, 7]);
        let check = |number: i64, expected: &[i64]| {
            let found = behind(&all, number * SECONDS);
            assert_eq!(found, periods(expected.iter().copied()), "{number}");
        };
        // The row that is too many lies in the last one, in the second, in the first.
        check(7, &[9, 8]);
        check(8, &[9]);
        check(9, &[9]);
        assert_eq!(behind(&[], 0), [0; 0]);
    }
}
