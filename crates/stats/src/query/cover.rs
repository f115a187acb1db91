//! Which of a range's requests are asked of roll-ups, and which of their rows.

use chrono::{DateTime, Utc};
use entities::{log_period, log_rollup, request_log};
use sea_orm::sea_query::Query;
use sea_orm::{
    AccessMode, ColumnTrait, Condition, ConnectionTrait, DatabaseConnection, DatabaseTransaction,
    DbBackend, DbErr, EntityTrait, IsolationLevel, QueryFilter, QueryOrder, QuerySelect,
    TransactionTrait,
};

use crate::period::{self, RolledBy, SECONDS, at};

/// Where so many ranges of rows have to be read, the rest is read as one.
const MOST_GAPS: usize = 50;

/// A range of time, cut into periods whose roll-ups tell and gaps whose rows do. No request is in both, and none in
/// neither, as long as all is read in the transaction in which this was.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cover {
    /// From the first of these seconds until the last, what is rolled up counts.
    rolled: (i64, i64),
    /// Rows that arrived in these count; the last may have no end.
    gaps: Vec<(DateTime<Utc>, Option<DateTime<Utc>>)>,
}

impl Cover {
    /// As little of the range from `since` until `to` is read row by row as can be.
    pub(super) async fn of(
        db: &impl ConnectionTrait,
        since: DateTime<Utc>,
        to: Option<DateTime<Utc>>,
    ) -> Result<Self, DbErr> {
        use log_period::{Column, Entity};
        let begun = period::of(since);
        let first = if at(begun) < since {
            begun + SECONDS
        } else {
            begun
        };
        let mut rolled = Entity::find()
            .select_only()
            .column(Column::Begins)
            .filter(Column::IsRolledUp.eq(true))
            .filter(Column::Begins.gte(first))
            .order_by_asc(Column::Begins);
        if let Some(to) = to {
            rolled = rolled.filter(Column::Begins.lte(to.timestamp() - SECONDS));
        }
        let rolled: Vec<i64> = rolled.into_tuple().all(db).await?;
        Ok(Self::around(&rolled, since, to))
    }

    /// Every row is read.
    pub(super) fn rows_only(since: DateTime<Utc>, to: Option<DateTime<Utc>>) -> Self {
        Self::around(&[], since, to)
    }

    /// With these periods rolled up, in order.
    fn around(rolled: &[i64], since: DateTime<Utc>, to: Option<DateTime<Utc>>) -> Self {
        let mut gaps = Vec::new();
        let mut read = since;
        for &begins in rolled {
            if read < at(begins) {
                if gaps.len() + 1 == MOST_GAPS {
                    break;
                }
                gaps.push((read, Some(at(begins))));
            }
            read = at(begins + SECONDS);
        }
        // What is rolled up behind the beginning of the last gap does not count.
        let end = read.timestamp();
        if to.is_none_or(|to| read < to) {
            gaps.push((read, to));
        }
        let first = rolled.first().copied().unwrap_or(end);
        Self {
            rolled: (first, end.max(first)),
            gaps,
        }
    }

    /// Whether anything is rolled up.
    pub(super) fn has_rollups(&self) -> bool {
        self.rolled.0 < self.rolled.1
    }

    /// The rows of `request_logs` that count.
    pub(super) fn rows(&self) -> Condition {
        use request_log::Column::CreatedAt;
        if self.gaps.is_empty() {
            return Condition::all().add(CreatedAt.is_null());
        }
        self.gaps.iter().fold(Condition::any(), |any, (from, to)| {
            let gap = Condition::all()
                .add(CreatedAt.gte(*from))
                .add_option(to.map(|to| CreatedAt.lt(to)));
            any.add(gap)
        })
    }

    /// The rows of `log_rollups` that count, of these parts.
    pub(super) fn rollups(&self, by: RolledBy) -> Condition {
        use log_period::Column as Period;
        use log_rollup::Column;
        let (first, end) = self.rolled;
        let mut marked = Query::select();
        marked
            .column(Period::Begins)
            .from(log_period::Entity)
            .and_where(Period::IsRolledUp.eq(true))
            .and_where(Period::Begins.gte(first))
            .and_where(Period::Begins.lt(end));
        Condition::all()
            .add(Column::RolledBy.eq(by.as_str()))
            .add(Column::Begins.gte(first))
            .add(Column::Begins.lt(end))
            .add(Column::Begins.in_subquery(marked))
    }
}

/// A transaction in which the database stands still. On SQLite each does.
pub(super) async fn snapshot(db: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    let backend = db.get_database_backend();
    let (isolation, access) = match backend {
        DbBackend::Sqlite => (None, None),
        _ => (
            Some(IsolationLevel::RepeatableRead),
            Some(AccessMode::ReadOnly),
        ),
    };
    let snapshot = db.begin_with_config(isolation, access).await?;
    if backend == DbBackend::Postgres {
        // It compiles a statement when it expects many rows, which takes longer than adding up those of a few gaps.
        snapshot.execute_unprepared("SET LOCAL jit = off").await?;
    }
    Ok(snapshot)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gaps(cover: &Cover) -> Vec<(i64, Option<i64>)> {
        let second = |instant: &DateTime<Utc>| instant.timestamp();
        let gaps = cover.gaps.iter();
        gaps.map(|(from, to)| (second(from), to.as_ref().map(second)))
            .collect()
    }

    #[track_caller]
    fn check(rolled: &[i64], since: i64, to: Option<i64>, expected: &[(i64, Option<i64>)]) {
        let cover = Cover::around(rolled, at(since), to.map(at));
        assert_eq!(gaps(&cover), expected);
        assert_eq!(cover.has_rollups(), !rolled.is_empty());
    }

    #[test]
    fn what_is_not_rolled_up_is_a_gap() {
        check(&[], 100, None, &[(100, None)]);
        check(&[], 100, Some(200), &[(100, Some(200))]);
        check(&[900, 1800], 100, None, &[(100, Some(900)), (2700, None)]);
        check(&[900, 1800], 900, None, &[(2700, None)]);
        check(&[900, 1800], 900, Some(2700), &[]);
        check(
            &[900, 3600],
            900,
            Some(5000),
            &[(1800, Some(3600)), (4500, Some(5000))],
        );
    }

    #[test]
    fn too_many_gaps_are_read_as_one() {
        let rolled: Vec<i64> = (1..1000).map(|number| number * 2 * SECONDS).collect();
        let cover = Cover::around(&rolled, at(0), None);
        assert_eq!(cover.gaps.len(), MOST_GAPS);
        let (last, end) = cover.gaps[MOST_GAPS - 1];
        assert_eq!((last.timestamp(), end), (cover.rolled.1, None));
        let counted = rolled.iter().filter(|begins| **begins < cover.rolled.1);
        assert_eq!(counted.count(), MOST_GAPS - 1);
    }
}
