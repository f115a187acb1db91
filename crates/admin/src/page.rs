//! Lists, a page at a time.

use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder,
    QuerySelect, Select,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::error::Error;

/// Entries of a page, unless the caller says otherwise.
const DEFAULT_LIMIT: u64 = 50;
const LARGEST_LIMIT: u64 = 1000;

/// One page of a list, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Page<T> {
    /// Its entries.
    pub(crate) data: Vec<T>,
    /// Send it as `cursor` to get the next page; null on the last one.
    pub(crate) next: Option<String>,
}

impl<T> Page<T> {
    /// A list that has one page.
    pub(crate) fn whole(data: Vec<T>) -> Self {
        Self { data, next: None }
    }
}

/// Which page of a list is asked for.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct PageQuery {
    /// Entries per page, 1 to 1000; 50 if absent.
    pub(crate) limit: Option<u64>,
    /// `next` of the page before.
    pub(crate) cursor: Option<String>,
}

/// The number of entries to answer with.
pub(crate) fn limit(given: Option<u64>) -> Result<u64, Error> {
    match given.unwrap_or(DEFAULT_LIMIT) {
        limit @ 1..=LARGEST_LIMIT => Ok(limit),
        _ => Err(Error::invalid(
            "limit",
            format!("must be between 1 and {LARGEST_LIMIT}"),
        )),
    }
}

/// Reads a page of rows, newest first by `id`. New rows have higher ids, so they never shift the pages behind.
pub(crate) async fn rows<E>(
    connection: &impl ConnectionTrait,
    select: Select<E>,
    id: E::Column,
    query: PageQuery,
    id_of: impl Fn(&E::Model) -> i64,
) -> Result<Page<E::Model>, Error>
where
    E: EntityTrait,
    E::Model: FromQueryResult + Send + Sync,
{
    let limit = limit(query.limit)?;
    let mut select = select.order_by_desc(id).limit(limit + 1);
    if let Some(before) = cursor(query.cursor.as_deref())? {
        select = select.filter(id.lt(before));
    }
    let rows = select.all(connection).await?;
    Ok(cut(rows, limit, id_of))
}

/// The id that a page ends before.
pub(crate) fn cursor(given: Option<&str>) -> Result<Option<i64>, Error> {
    given
        .map(|text| text.parse().map_err(|_| no_cursor()))
        .transpose()
}

/// That a cursor is none of ours.
pub(crate) fn no_cursor() -> Error {
    Error::invalid("cursor", "is not the 'next' of a page")
}

/// Makes a page of `limit` rows, of which one more was read if there are more.
pub(crate) fn cut<T>(rows: Vec<T>, limit: u64, id_of: impl Fn(&T) -> i64) -> Page<T> {
    cut_at(rows, limit, |row| id_of(row).to_string())
}

/// The same, with cursors of another kind.
pub(crate) fn cut_at<T>(mut rows: Vec<T>, limit: u64, cursor_of: impl Fn(&T) -> String) -> Page<T> {
    let has_more = rows.len() as u64 > limit;
    rows.truncate(limit as usize);
    let next = rows.last().filter(|_| has_more).map(cursor_of);
    Page { data: rows, next }
}

impl<T> Page<T> {
    /// The same page of other things.
    pub(crate) fn map<U>(self, change: impl FnMut(T) -> U) -> Page<U> {
        Page {
            data: self.data.into_iter().map(change).collect(),
            next: self.next,
        }
    }
}
