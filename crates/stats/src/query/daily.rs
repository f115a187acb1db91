//! Figures per UTC day.

use chrono::NaiveDate;
use entities::{key_usage, provider_stats};
use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder};

use crate::Error;

/// The days of providers and of client keys, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Daily {
    /// One per provider and day.
    pub providers: Vec<provider_stats::Model>,
    /// One per key and day.
    pub keys: Vec<key_usage::Model>,
}

/// The days from `from` to `to`, both included.
///
/// # Errors
/// If the database does not answer.
pub async fn daily(
    db: &DatabaseConnection,
    from: NaiveDate,
    to: NaiveDate,
) -> Result<Daily, Error> {
    let providers = provider_stats::Entity::find()
        .filter(provider_stats::Column::Date.between(from, to))
        .order_by_asc(provider_stats::Column::Date)
        .order_by_asc(provider_stats::Column::ProviderId)
        .all(db)
        .await
        .map_err(Error::Database)?;
    let keys = key_usage::Entity::find()
        .filter(key_usage::Column::Date.between(from, to))
        .order_by_asc(key_usage::Column::Date)
        .order_by_asc(key_usage::Column::KeyName)
        .all(db)
        .await
        .map_err(Error::Database)?;
    Ok(Daily { providers, keys })
}
