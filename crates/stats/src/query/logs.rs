//! Pages of requests, newest first.

use chrono::{DateTime, Utc};
use entities::request_log::{Column, Entity, Model};
use sea_orm::sea_query::ExprTrait;
use sea_orm::{
    ColumnTrait, Condition, DatabaseConnection, DbErr, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect,
};

use super::LogFilter;
use crate::Error;

/// Rows that are searched for a text at a time: no index finds it, so the number is what bounds the time. Reading so many
/// by their ids takes a database some tenths of a second, however many rows there are.
const SEARCHED: i64 = 200_000;
/// How many of the first arrivals of a range tell where its rows begin.
const FIRST_ARRIVALS: u64 = 1000;
/// Rows that may have been written before those, although they arrived later.
const SLACK: i64 = 10_000;

/// A page of requests.
#[derive(Debug, Clone, PartialEq)]
pub struct Logs {
    /// Its rows.
    pub rows: Vec<Model>,
    /// Where the next page begins; none on the last one.
    pub next: Option<LogCursor>,
}

/// Where a page ends: at a request, by which the next page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogCursor {
    /// When it arrived.
    pub at: DateTime<Utc>,
    /// Its row.
    pub id: i64,
}

impl From<&Model> for LogCursor {
    fn from(row: &Model) -> Self {
        Self {
            at: row.created_at,
            id: row.id,
        }
    }
}

impl LogCursor {
    /// What comes after it. The first half says no more than the second, but is what an index is entered by.
    fn after(self) -> Condition {
        let earlier = Column::CreatedAt.lt(self.at);
        let beside = Column::CreatedAt.eq(self.at).and(Column::Id.lt(self.id));
        Condition::all()
            .add(Column::CreatedAt.lte(self.at))
            .add(earlier.or(beside))
    }
}

/// A page of at most `limit` requests after `cursor`, the latest to arrive first. Whatever filters are combined, there is an
/// index in this order that has them all, so that no row is read but those of the page.
///
/// Where a text is looked for, rows come in the order in which they were written, and a page may have fewer than `limit`,
/// even none, and still not be the last: it ends after the newest 200,000 rows below the cursor.
///
/// # Errors
/// If the database does not answer.
pub async fn logs(
    db: &DatabaseConnection,
    filter: &LogFilter,
    cursor: Option<LogCursor>,
    limit: u64,
) -> Result<Logs, Error> {
    let found = match filter.text {
        Some(_) => search(db, filter, cursor, limit).await,
        None => page(db, filter, cursor, limit).await,
    };
    found.map_err(Error::Database)
}

async fn page(
    db: &DatabaseConnection,
    filter: &LogFilter,
    cursor: Option<LogCursor>,
    limit: u64,
) -> Result<Logs, DbErr> {
    // First by what stands in the index: databases count on finding what is wanted soon, and would otherwise look for it
    // among all rows where there is none.
    let mut found: Vec<(i64, DateTime<Utc>)> = Entity::find()
        .select_only()
        .columns([Column::Id, Column::CreatedAt])
        .filter(Condition::from(filter).add_option(cursor.map(LogCursor::after)))
        .order_by_desc(Column::CreatedAt)
        .order_by_desc(Column::Id)
        .limit(limit + 1)
        .into_tuple()
        .all(db)
        .await?;
    let has_more = found.len() as u64 > limit;
    found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let Some(&(id, at)) = found.last() else {
        return Ok(Logs {
            rows: Vec::new(),
            next: None,
        });
    };
    let rows = Entity::find()
        .filter(Column::Id.is_in(found.iter().map(|(id, _)| *id)))
        .order_by_desc(Column::CreatedAt)
        .order_by_desc(Column::Id)
        .all(db)
        .await?;
    Ok(Logs {
        rows,
        next: has_more.then_some(LogCursor { at, id }),
    })
}

async fn search(
    db: &DatabaseConnection,
    filter: &LogFilter,
    cursor: Option<LogCursor>,
    limit: u64,
) -> Result<Logs, DbErr> {
    let Some(searched) = searched(db, filter, cursor.map(|cursor| cursor.id)).await? else {
        return Ok(cut(Vec::new(), limit, None));
    };
    let condition = Condition::from(filter)
        .add(Column::Id.lt(searched.below))
        .add(Column::Id.gte(searched.from));
    let rows = Entity::find()
        .filter(condition)
        .order_by_desc(Column::Id)
        .limit(limit + 1)
        .all(db)
        .await?;
    // A search goes on by the row alone.
    let rest = (!searched.is_all).then_some(LogCursor {
        at: DateTime::UNIX_EPOCH,
        id: searched.from,
    });
    Ok(cut(rows, limit, rest))
}

/// A page of `limit` rows, of which one more was read if there are more; `rest` is where it goes on if not.
fn cut(mut rows: Vec<Model>, limit: u64, rest: Option<LogCursor>) -> Logs {
    let has_more = rows.len() as u64 > limit;
    rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let next = match has_more {
        true => rows.last().map(LogCursor::from),
        false => rest,
    };
    Logs { rows, next }
}

/// The ids that are looked at for one page of a search.
#[derive(Debug, Clone, Copy)]
struct Searched {
    from: i64,
    below: i64,
    /// Whether nothing is left to search below them.
    is_all: bool,
}

/// `None` where there is nothing to search.
async fn searched(
    db: &DatabaseConnection,
    filter: &LogFilter,
    cursor: Option<i64>,
) -> Result<Option<Searched>, DbErr> {
    let first = match filter.from {
        None => id(db, sea_orm::Order::Asc).await?,
        Some(from) => {
            let arrived: Vec<i64> = Entity::find()
                .select_only()
                .column(Column::Id)
                .filter(Column::CreatedAt.gte(from))
                .order_by_asc(Column::CreatedAt)
                .limit(FIRST_ARRIVALS)
                .into_tuple()
                .all(db)
                .await?;
            arrived.into_iter().min().map(|id| id.saturating_sub(SLACK))
        }
    };
    let last = id(db, sea_orm::Order::Desc).await?;
    let (Some(first), Some(last)) = (first, last) else {
        return Ok(None);
    };
    let end = last.saturating_add(1);
    let below = cursor.map_or(end, |cursor| Ord::min(cursor, end));
    let from = Ord::max(below.saturating_sub(SEARCHED), first);
    Ok(Some(Searched {
        from,
        below,
        is_all: from <= first,
    }))
}

/// The least or the greatest id there is.
async fn id(db: &DatabaseConnection, order: sea_orm::Order) -> Result<Option<i64>, DbErr> {
    Entity::find()
        .select_only()
        .column(Column::Id)
        .order_by(Column::Id, order)
        .into_tuple()
        .one(db)
        .await
}

#[cfg(test)]
mod tests {
    /// Those of [`LogFilter`](super::LogFilter) that may be combined; a request's id is enough by itself.
    const FILTERS: [&str; 5] = ["user_id", "model", "provider_id", "status_code", "stream"];

    #[test]
    fn every_combination_of_filters_has_an_index_in_the_order_of_pages() {
        let schema = migration::schema();
        let log = schema.tables.iter().find(|it| it.name == "request_logs");
        let indexes = &log.unwrap().indexes;
        for combination in 0..1 << FILTERS.len() {
            let numbered = FILTERS.iter().enumerate();
            let filters = numbered.filter(|(number, _)| combination >> number & 1 == 1);
            let filters: Vec<&str> = filters.map(|(_, filter)| *filter).collect();
            let serves = |index: &&Vec<&str>| {
                let equal = index.iter().take_while(|column| filters.contains(column));
                let ordered = &index[equal.count()..];
                ordered.starts_with(&["created_at", "id"])
                    && filters.iter().all(|filter| index.contains(filter))
            };
            assert!(indexes.iter().any(|it| serves(&it)), "{filters:?}");
        }
    }
}
