//! Quarters of an hour, in which the rows of `request_logs` are rolled up once they are over.
//!
//! A period is rolled up from its rows by [`roll`], behind everything else. What keeps a roll-up equal to the rows is the
//! period's row in `log_periods`: whatever writes or deletes rows raises its version and takes the mark `is_rolled_up`
//! away, in the same transaction ([`touch`]). Marked it is only where its version is still what it was before its rows
//! were read. So a mark says that the roll-up is what a scan would give, late rows or not, and where there is none, be
//! it that nobody ever heard of the period, its rows are scanned.

mod counts;
mod parts;
mod roll;

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use entities::log_period::{Column, Entity};
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict, Query};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, IsolationLevel};

pub(crate) use counts::{Counts, coarse};
pub(crate) use parts::RolledBy;
pub(crate) use roll::Roller;
pub use roll::roll_up;

/// How long one is. Steps of a series are multiples or parts of it.
pub(crate) const SECONDS: i64 = 900;
/// Periods per statement.
const STATEMENT_PERIODS: usize = 256;

/// When the period that an instant lies in begins.
pub(crate) fn of(instant: DateTime<Utc>) -> i64 {
    let second = instant.timestamp();
    second - second.rem_euclid(SECONDS)
}

/// The instant of a second since 1970.
pub(crate) fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(second, 0).unwrap_or_default()
}

/// The second at which the step of a row of `request_logs` begins, where steps take so many seconds. A remainder is taken
/// off, since the engines differ in what division gives.
pub(crate) fn step(backend: DbBackend, seconds: i64) -> Expr {
    let second = match backend {
        DbBackend::Sqlite => "CAST(strftime('%s', created_at) AS INTEGER)",
        DbBackend::Postgres => "CAST(FLOOR(EXTRACT(EPOCH FROM created_at)) AS BIGINT)",
        _ => "TIMESTAMPDIFF(SECOND, '1970-01-01', created_at)",
    };
    // An integer of ours; bound as a parameter, PostgreSQL would not see that what is selected is grouped by.
    Expr::cust(format!("{second} - {second} % {seconds}"))
}

/// A version that no row of the period had before, also where the row was deleted meanwhile.
fn first_version() -> i64 {
    Utc::now().timestamp_micros()
}

/// InnoDB's default would take gap locks on which writers deadlock; the others' defaults do.
pub(crate) fn isolation(backend: DbBackend) -> Option<IsolationLevel> {
    (backend == DbBackend::MySql).then_some(IsolationLevel::ReadCommitted)
}

/// Says that rows of these arrivals were written or deleted. Belongs to the transaction that does so, behind it; what
/// locks several periods locks them in order.
pub(crate) async fn touch(
    connection: &impl ConnectionTrait,
    arrivals: impl Iterator<Item = DateTime<Utc>>,
) -> Result<(), DbErr> {
    let periods: Vec<i64> = BTreeSet::from_iter(arrivals.map(of)).into_iter().collect();
    let mut others = OnConflict::column(Column::Begins);
    others.value(
        Column::Version,
        Expr::col((Entity, Column::Version)).add(1i64),
    );
    others.value(Column::IsRolledUp, false);
    insert(connection, &periods, first_version(), &others).await
}

/// Inserts those that nobody heard of before.
async fn make_known(
    connection: &impl ConnectionTrait,
    periods: &[i64],
    version: i64,
) -> Result<(), DbErr> {
    let mut others = OnConflict::column(Column::Begins);
    others.value(Column::Begins, Expr::col((Entity, Column::Begins)));
    insert(connection, periods, version, &others).await
}

async fn insert(
    connection: &impl ConnectionTrait,
    periods: &[i64],
    version: i64,
    others: &OnConflict,
) -> Result<(), DbErr> {
    for chunk in periods.chunks(STATEMENT_PERIODS) {
        let mut insert = Query::insert();
        insert
            .into_table(Entity)
            .columns([Column::Begins, Column::Version, Column::IsRolledUp])
            .on_conflict(others.clone());
        for begins in chunk {
            insert.values_panic([(*begins).into(), version.into(), false.into()]);
        }
        connection.execute(&insert).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_begin_at_quarters_of_hours() {
        let begins = |text: &str| at(of(text.parse().unwrap())).to_rfc3339();
        assert_eq!(
            begins("2026-03-01T12:44:59.999Z"),
            "2026-03-01T12:30:00+00:00"
        );
        assert_eq!(begins("2026-03-01T12:45:00Z"), "2026-03-01T12:45:00+00:00");
        assert_eq!(begins("1969-12-31T23:59:59Z"), "1969-12-31T23:45:00+00:00");
    }
}
