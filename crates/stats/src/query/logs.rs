//! Pages of requests, newest first.

use chrono::{DateTime, Utc};
use entities::request_log::{Column, Entity, Model};
use sea_orm::{
    ColumnTrait, Condition, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};

use crate::Error;

/// Which requests. What is none does not matter.
#[derive(Debug, Clone, Default)]
pub struct LogFilter {
    /// As the client asked for it.
    pub model: Option<String>,
    /// The provider that answered, else the last tried.
    pub provider_id: Option<i64>,
    /// What the client got.
    pub status_code: Option<u16>,
    /// The client key's name.
    pub key: Option<String>,
    /// Whether it was a stream.
    pub stream: Option<bool>,
    /// The one request.
    pub request_id: Option<String>,
    /// Arrived at this instant or later.
    pub from: Option<DateTime<Utc>>,
    /// Arrived before this instant.
    pub to: Option<DateTime<Utc>>,
}

impl From<&LogFilter> for Condition {
    fn from(filter: &LogFilter) -> Self {
        Self::all()
            .add_option(filter.model.as_deref().map(|model| Column::Model.eq(model)))
            .add_option(filter.provider_id.map(|id| Column::ProviderId.eq(id)))
            .add_option(
                filter
                    .status_code
                    .map(|status| Column::StatusCode.eq(i32::from(status))),
            )
            .add_option(filter.key.as_deref().map(|key| Column::UserId.eq(key)))
            .add_option(filter.stream.map(|stream| Column::Stream.eq(stream)))
            .add_option(
                filter
                    .request_id
                    .as_deref()
                    .map(|id| Column::RequestId.eq(id)),
            )
            .add_option(filter.from.map(|from| Column::CreatedAt.gte(from)))
            .add_option(filter.to.map(|to| Column::CreatedAt.lt(to)))
    }
}

/// A page of at most `limit` requests whose id is below `cursor`, by descending id. The next page's cursor is the id of
/// this one's last row; a page shorter than `limit` is the last.
///
/// # Errors
/// If the database does not answer.
pub async fn logs(
    db: &DatabaseConnection,
    filter: &LogFilter,
    cursor: Option<i64>,
    limit: u64,
) -> Result<Vec<Model>, Error> {
    Entity::find()
        .filter(Condition::from(filter).add_option(cursor.map(|id| Column::Id.lt(id))))
        .order_by_desc(Column::Id)
        .limit(limit)
        .all(db)
        .await
        .map_err(Error::Database)
}
