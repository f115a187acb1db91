//! Figures over time: totals and percentiles for each step.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use entities::log_rollup;
use entities::request_log::{Column, Entity};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait, FromQueryResult,
    QueryFilter, QuerySelect, Select,
};

use super::cover::{Cover, snapshot};
use super::summary::{Sums, Totals, sums};
use crate::Error;
use crate::period::{self, Counts, RolledBy, coarse};

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

/// Whole periods are told by their roll-ups. Of all other requests sums are kept apart by how long they took, and
/// percentiles are read off how many took how long: no row leaves the database, and the answer has at most some hundred
/// rows for each step.
///
/// # Errors
/// If the database does not answer.
pub async fn series(db: &DatabaseConnection, of: &SeriesOf) -> Result<Series, Error> {
    let gathered = async {
        let db = snapshot(db).await?;
        let cover = if of.step % period::SECONDS == 0 {
            Cover::of(&db, of.since, None).await?
        } else {
            Cover::rows_only(of.since, None)
        };
        let mut open = Gathered::default();
        open.rolled_up(&db, &cover, of).await?;
        open.rows(&db, &cover, of).await?;
        db.commit().await?;
        Ok(open.close())
    };
    gathered.await.map_err(Error::Database)
}

/// The steps while their rows come in.
#[derive(Debug, Default)]
struct Gathered {
    steps: BTreeMap<i64, Open>,
}

impl Gathered {
    async fn rolled_up(
        &mut self,
        db: &impl ConnectionTrait,
        cover: &Cover,
        of: &SeriesOf,
    ) -> Result<(), DbErr> {
        use log_rollup::{Column, Entity};
        if !cover.has_rollups() {
            return Ok(());
        }
        let by = match (of.provider_id, &of.model) {
            (None, None) => RolledBy::All,
            (Some(_), None) => RolledBy::Provider,
            (None, Some(_)) => RolledBy::Model,
            (Some(_), Some(_)) => RolledBy::Both,
        };
        // Also what is null is asked for: it comes before the time in the index.
        let rows = Entity::find()
            .filter(cover.rollups(by))
            .filter(match &of.model {
                Some(model) => Column::Model.eq(model),
                None => Column::Model.is_null(),
            })
            .filter(match of.provider_id {
                Some(id) => Column::ProviderId.eq(id),
                None => Column::ProviderId.is_null(),
            })
            .all(db)
            .await?;
        for row in &rows {
            let begins = row.begins - row.begins.rem_euclid(of.step);
            self.steps.entry(begins).or_default().add_rollup(row);
        }
        Ok(())
    }

    async fn rows(
        &mut self,
        db: &impl ConnectionTrait,
        cover: &Cover,
        of: &SeriesOf,
    ) -> Result<(), DbErr> {
        let backend = db.get_database_backend();
        let begins = period::step(backend, of.step);
        let ended = wanted(sums(backend), cover, of)
            .expr_as(begins.clone(), "begins")
            .expr_as(coarse(Column::LatencyMs), "took")
            .group_by(begins.clone())
            .group_by(coarse(Column::LatencyMs))
            .into_model::<Timed>()
            .all(db)
            .await?;
        let select = Entity::find()
            .select_only()
            .filter(Column::TtftMs.is_not_null());
        let first = wanted(select, cover, of)
            .expr_as(Expr::col(Column::Id).count(), "requests")
            .expr_as(begins.clone(), "begins")
            .expr_as(coarse(Column::TtftMs), "took")
            .group_by(begins)
            .group_by(coarse(Column::TtftMs))
            .into_model::<First>()
            .all(db)
            .await?;
        for row in &ended {
            self.steps.entry(row.begins).or_default().add(row);
        }
        for row in &first {
            self.steps.entry(row.begins).or_default().add_first(row);
        }
        Ok(())
    }

    fn close(self) -> Series {
        let mut all = Open::default();
        for step in self.steps.values() {
            all.add_step(step);
        }
        let steps = self.steps.into_iter().map(|(at, step)| (at, step.close()));
        Series {
            all: all.close(),
            steps: steps.collect(),
        }
    }
}

fn wanted(select: Select<Entity>, cover: &Cover, of: &SeriesOf) -> Select<Entity> {
    let select = select.filter(cover.rows());
    let select = match of.provider_id {
        Some(id) => select.filter(Column::ProviderId.eq(id)),
        None => select,
    };
    match &of.model {
        Some(model) => select.filter(Column::Model.eq(model)),
        None => select,
    }
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
        self.latency.add(row.took, row.sums.requests);
    }

    fn add_first(&mut self, row: &First) {
        self.first.add(row.took, row.requests);
    }

    fn add_step(&mut self, step: &Self) {
        self.sums.add(&step.sums);
        for (sums, more) in [
            (&mut self.latency, &step.latency),
            (&mut self.first, &step.first),
        ] {
            for (took, requests) in &more.0 {
                sums.add(*took, *requests);
            }
        }
    }

    fn add_rollup(&mut self, row: &log_rollup::Model) {
        self.sums.add(&Sums {
            requests: row.requests,
            successes: Some(row.successes),
            latency_ms: Some(row.latency_ms),
            prompt_tokens: Some(row.prompt_tokens),
            completion_tokens: Some(row.completion_tokens),
            total_tokens: Some(row.total_tokens),
            cost: row.cost,
        });
        self.latency.add_bytes(&row.latencies);
        self.first.add_bytes(&row.ttfts);
    }

    fn close(self) -> Figures {
        Figures {
            totals: self.sums.into(),
            latency_ms: percentiles(&self.latency),
            ttft_ms: percentiles(&self.first),
        }
    }
}

/// By nearest rank.
fn percentiles(counts: &Counts) -> Option<Percentiles> {
    let all: i64 = counts.0.values().sum();
    let at = |percent: i64| {
        let mut left = (all * percent + 99) / 100;
        counts.0.iter().find_map(|(took, count)| {
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

    fn counts(pairs: impl IntoIterator<Item = (i64, i64)>) -> Counts {
        Counts(pairs.into_iter().collect())
    }

    #[test]
    fn percentiles_are_by_nearest_rank() {
        assert_eq!(percentiles(&Counts::default()), None);
        let one = percentiles(&counts([(7, 1)])).unwrap();
        assert_eq!((one.p50, one.p95, one.p99), (7, 7, 7));
        let hundred = counts((1..=100).map(|took| (took, 1)));
        let found = percentiles(&hundred).unwrap();
        assert_eq!((found.p50, found.p95, found.p99), (50, 95, 99));
        let skewed = percentiles(&counts([(10, 94), (900, 5), (5000, 1)])).unwrap();
        assert_eq!((skewed.p50, skewed.p95, skewed.p99), (10, 900, 900));
    }
}
