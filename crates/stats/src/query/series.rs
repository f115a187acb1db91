//! Figures over time: totals and percentiles for each step.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use entities::request_log::{Column, Entity};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ColumnTrait, DatabaseConnection, DbBackend, EntityTrait, FromQueryResult, QueryFilter,
    QuerySelect, Select,
};

use super::summary::{Sums, Totals, sums};
use crate::Error;

/// Which requests, and how finely.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesOf {
    /// Arrived at this instant or later.
    pub since: DateTime<Utc>,
    /// Seconds of each step, at least 1; steps begin at multiples of it since 1970.
    pub step: i64,
    /// Answered by this provider, else last tried with it.
    pub provider_id: Option<i64>,
    /// Asked for by this name.
    pub model: Option<String>,
}

/// What a share of the requests took no longer than, in milliseconds: exact below 100, else to two digits, rounded down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Percentiles {
    /// Half of them.
    pub p50: i64,
    /// 95 of 100.
    pub p95: i64,
    /// 99 of 100.
    pub p99: i64,
}

/// Figures of some requests; percentiles are `None` where there is none that has them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Figures {
    /// Sums.
    pub totals: Totals,
    /// From arrival to the end of the answer.
    pub latency_ms: Option<Percentiles>,
    /// From arrival to the first content, of streams.
    pub ttft_ms: Option<Percentiles>,
}

/// Figures over time.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Over all of it.
    pub all: Figures,
    /// By the second at which the step begins, since 1970; steps without a request are left out.
    pub steps: BTreeMap<i64, Figures>,
}

/// How many requests took how long.
type Counts = BTreeMap<i64, i64>;

#[derive(Debug, FromQueryResult)]
struct Timed {
    begins: i64,
    took: i64,
    #[sea_orm(nested)]
    sums: Sums,
}

#[derive(Debug, FromQueryResult)]
struct First {
    begins: i64,
    took: i64,
    requests: i64,
}

/// Sums are kept apart by how long requests took, and percentiles are read off how many took how long: no row leaves the
/// database, and the answer has at most some hundred rows for each step.
///
/// # Errors
/// If the database does not answer.
pub async fn series(db: &DatabaseConnection, of: &SeriesOf) -> Result<Series, Error> {
    let backend = db.get_database_backend();
    let begins = begins(backend, of.step);
    let ended = wanted(sums(backend, of.since), of)
        .expr_as(begins.clone(), "begins")
        .expr_as(coarse(Column::LatencyMs), "took")
        .group_by(begins.clone())
        .group_by(coarse(Column::LatencyMs))
        .into_model::<Timed>()
        .all(db)
        .await
        .map_err(Error::Database)?;
    let select = Entity::find()
        .select_only()
        .filter(Column::CreatedAt.gte(of.since))
        .filter(Column::TtftMs.is_not_null());
    let first = wanted(select, of)
        .expr_as(Expr::col(Column::Id).count(), "requests")
        .expr_as(begins.clone(), "begins")
        .expr_as(coarse(Column::TtftMs), "took")
        .group_by(begins)
        .group_by(coarse(Column::TtftMs))
        .into_model::<First>()
        .all(db)
        .await
        .map_err(Error::Database)?;
    Ok(gather(ended, first))
}

fn wanted(select: Select<Entity>, of: &SeriesOf) -> Select<Entity> {
    let select = match of.provider_id {
        Some(id) => select.filter(Column::ProviderId.eq(id)),
        None => select,
    };
    match &of.model {
        Some(model) => select.filter(Column::Model.eq(model)),
        None => select,
    }
}

/// The second at which a row's step begins. A remainder is taken off, since the engines differ in what division gives.
fn begins(backend: DbBackend, step: i64) -> Expr {
    let second = match backend {
        DbBackend::Sqlite => "CAST(strftime('%s', created_at) AS INTEGER)",
        DbBackend::Postgres => "CAST(FLOOR(EXTRACT(EPOCH FROM created_at)) AS BIGINT)",
        _ => "TIMESTAMPDIFF(SECOND, '1970-01-01', created_at)",
    };
    // The step is an integer of ours; bound as a parameter, PostgreSQL would not see that what is selected is grouped by.
    Expr::cust(format!("{second} - {second} % {step}"))
}

/// Milliseconds, exact below 100, else to two digits.
fn coarse(column: Column) -> Expr {
    let name = sea_orm::IdenStatic::as_str(&column);
    Expr::cust(format!(
        "CASE WHEN {name} < 100 THEN {name} WHEN {name} < 1000 THEN {name} - {name} % 10 \
         WHEN {name} < 10000 THEN {name} - {name} % 100 WHEN {name} < 100000 THEN {name} - {name} % 1000 \
         ELSE {name} - {name} % 10000 END"
    ))
}

/// A step while its rows come in.
#[derive(Debug, Default)]
struct Open {
    sums: Sums,
    latency: Counts,
    first: Counts,
}

impl Open {
    fn add(&mut self, row: &Timed) {
        self.sums.add(&row.sums);
        *self.latency.entry(row.took).or_default() += row.sums.requests;
    }

    fn add_first(&mut self, row: &First) {
        *self.first.entry(row.took).or_default() += row.requests;
    }

    fn close(self) -> Figures {
        Figures {
            totals: self.sums.into(),
            latency_ms: percentiles(&self.latency),
            ttft_ms: percentiles(&self.first),
        }
    }
}

fn gather(ended: Vec<Timed>, first: Vec<First>) -> Series {
    let (mut all, mut steps) = (Open::default(), BTreeMap::<i64, Open>::new());
    for row in &ended {
        all.add(row);
        steps.entry(row.begins).or_default().add(row);
    }
    for row in &first {
        all.add_first(row);
        steps.entry(row.begins).or_default().add_first(row);
    }
    let steps = steps.into_iter().map(|(at, step)| (at, step.close()));
    Series {
        all: all.close(),
        steps: steps.collect(),
    }
}

/// By nearest rank.
fn percentiles(counts: &Counts) -> Option<Percentiles> {
    let all: i64 = counts.values().sum();
    let at = |percent: i64| {
        let mut left = (all * percent + 99) / 100;
        counts.iter().find_map(|(took, count)| {
            left -= count;
            (left <= 0).then_some(*took)
        })
    };
    Some(Percentiles {
        p50: at(50)?,
        p95: at(95)?,
        p99: at(99)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_by_nearest_rank() {
        assert_eq!(percentiles(&Counts::new()), None);
        let one = percentiles(&Counts::from([(7, 1)])).unwrap();
        assert_eq!((one.p50, one.p95, one.p99), (7, 7, 7));
        let hundred: Counts = (1..=100).map(|took| (took, 1)).collect();
        let found = percentiles(&hundred).unwrap();
        assert_eq!((found.p50, found.p95, found.p99), (50, 95, 99));
        let skewed = percentiles(&Counts::from([(10, 94), (900, 5), (5000, 1)])).unwrap();
        assert_eq!((skewed.p50, skewed.p95, skewed.p99), (10, 900, 900));
    }
}
