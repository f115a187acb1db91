//! Pages of requests, newest first.

use std::time::{Duration, Instant};

use chrono::{DateTime, SubsecRound, Utc};
use entities::request_log::{Column, Entity, Model};
use sea_orm::sea_query::ExprTrait;
use sea_orm::{
    ColumnTrait, Condition, DatabaseConnection, DbErr, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect, SelectGetableTuple, Selector,
};

use super::LogFilter;
use crate::Error;

/// How long a page looks for requests that are rare among many.
const PATIENCE: Duration = Duration::from_millis(250);
/// Rows among which it looks first: entries of an index, which take some tenths of a second if they have to be read from
/// disk.
const SPAN: i64 = 500_000;
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
/// index in this order that has them all, so that no row is read but those of the page. What was not found in a quarter of
/// a second is left to the next page: a page may have fewer than `limit`, even none, and still not be the last.
///
/// Where a text is looked for, rows come in the order in which they were written, and a page ends after the newest 200,000
/// rows below the cursor.
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
        None => page(db, filter, cursor, limit, PATIENCE).await,
    };
    found.map_err(Error::Database)
}

/// Looks for them in the newest rows below the cursor, then in those behind them, more and more of them if it is quick, while
/// there is patience.
async fn page(
    db: &DatabaseConnection,
    filter: &LogFilter,
    mut cursor: Option<LogCursor>,
    limit: u64,
    patience: Duration,
) -> Result<Logs, DbErr> {
    let begun = Instant::now();
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let (mut found, mut span) = (Vec::new(), SPAN);
    let next = loop {
        let looked = Instant::now();
        let begin = match is_everywhere(filter) {
            true => None,
            false => begin(db, filter, cursor, span).await?,
        };
        let more = limit + 1 - found.len() as u64;
        found.extend(places(db, filter, cursor, begin, more).await?);
        if found.len() > wanted {
            found.truncate(wanted);
            break found.last().copied();
        }
        let Some(at) = begin else {
            break None;
        };
        // No row has this id, so what arrived at that instant has been looked at.
        cursor = Some(LogCursor { at, id: 0 });
        if begun.elapsed() > patience {
            break cursor;
        }
        // So that the last look takes not much longer than what is left.
        if looked.elapsed().saturating_mul(8) < patience {
            span = span.saturating_mul(4);
        }
    };
    let rows = Entity::find()
        .filter(Column::Id.is_in(found.iter().map(|place| place.id)))
        .order_by_desc(Column::CreatedAt)
        .order_by_desc(Column::Id);
    let rows = match found.is_empty() {
        true => Vec::new(),
        false => rows.all(db).await?,
    };
    Ok(Logs { rows, next })
}

/// Whether every row of the range is like that, or one index entry tells which.
fn is_everywhere(filter: &LogFilter) -> bool {
    let LogFilter {
        model,
        provider_id,
        status_code,
        key,
        stream,
        request_id,
        text: _,
        from: _,
        to: _,
    } = filter;
    let is_any = model.is_none()
        && provider_id.is_none()
        && status_code.is_none()
        && key.is_none()
        && stream.is_none();
    is_any || request_id.is_some()
}

/// Where the first `more` of them are, by what stands in the index: databases count on finding what is wanted soon, and
/// would otherwise look for it among all rows where there is none.
async fn places(
    db: &DatabaseConnection,
    filter: &LogFilter,
    cursor: Option<LogCursor>,
    begin: Option<DateTime<Utc>>,
    more: u64,
) -> Result<impl Iterator<Item = LogCursor> + use<>, DbErr> {
    let condition = Condition::from(filter)
        .add_option(cursor.map(LogCursor::after))
        .add_option(begin.map(|begin| Column::CreatedAt.gte(begin)));
    let places: Vec<(i64, DateTime<Utc>)> = latest(condition, more).all(db).await?;
    Ok(places.into_iter().map(|(id, at)| LogCursor { at, id }))
}

fn latest(condition: Condition, limit: u64) -> Selector<SelectGetableTuple<(i64, DateTime<Utc>)>> {
    Entity::find()
        .select_only()
        .columns([Column::Id, Column::CreatedAt])
        .filter(condition)
        .order_by_desc(Column::CreatedAt)
        .order_by_desc(Column::Id)
        .limit(limit)
        .into_tuple()
}

/// When the first of about `span` rows below the cursor arrived; `None` if there are fewer in the range. They are counted by
/// their ids, which is a guess, but any instant does.
async fn begin(
    db: &DatabaseConnection,
    filter: &LogFilter,
    cursor: Option<LogCursor>,
    mut span: i64,
) -> Result<Option<DateTime<Utc>>, DbErr> {
    let below = Condition::all()
        .add_option(cursor.map(LogCursor::after))
        .add_option(filter.to.map(|to| Column::CreatedAt.lt(to)));
    let Some((id, latest)) = latest(below, 1).one(db).await? else {
        return Ok(None);
    };
    loop {
        let before: Option<DateTime<Utc>> = Entity::find()
            .select_only()
            .column(Column::CreatedAt)
            .filter(Column::Id.lte(id.saturating_sub(span)))
            .order_by_desc(Column::Id)
            .limit(1)
            .into_tuple()
            .one(db)
            .await?;
        let Some(before) = before.filter(|before| filter.from.is_none_or(|from| *before > from))
        else {
            return Ok(None);
        };
        // As cursors have it.
        let before = before.trunc_subsecs(6);
        if before < latest {
            return Ok(Some(before));
        }
        // It was written long after it arrived.
        span = span.saturating_mul(4);
    }
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
mod tests;
