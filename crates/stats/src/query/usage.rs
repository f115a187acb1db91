//! What was used and what it cost over a range of days, by key, model, provider or day.

use chrono::{Days, NaiveDate, NaiveTime};
use entities::{key_usage, provider_stats};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, DatabaseConnection, DbBackend, DbErr, EntityTrait, FromQueryResult, Order,
    QueryFilter, QueryOrder, QuerySelect, Select,
};

use super::cover::{Cover, snapshot};
use super::summary::{ByModel, parts, sum};
use crate::Error;
use crate::period::RolledBy;

/// Groups listed at most: clients choose model names, so their number is not ours to bound otherwise.
const GROUPS: u64 = 1000;

/// What is summed up together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsageBy {
    /// Client key.
    Key,
    /// Model, of the requests that are still logged: nothing else is kept by model.
    Model,
    /// Provider.
    Provider,
    /// UTC day.
    Day,
}

/// Whose usage it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UsageOf {
    /// A client key, by its name.
    Key(String),
    /// A model, as clients asked for it.
    Model(String),
    /// A provider, by its id.
    Provider(i64),
    /// A UTC day.
    Day(NaiveDate),
}

/// What one group used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRow {
    /// Whose it is.
    pub of: UsageOf,
    /// Attempts; by model, requests.
    pub count: i64,
    /// Input tokens.
    pub prompt_tokens: i64,
    /// Output tokens.
    pub completion_tokens: i64,
    /// As the providers total them.
    pub total_tokens: i64,
    /// Nano-USD over what was priced; null while nothing was.
    pub cost: Option<i64>,
}

/// The sums from the day `from` to the day `to`, both included: days oldest first, all else by count, at most 1000. All
/// but models come from the roll-ups, which outlive the rows they were summed from.
///
/// # Errors
/// If the database does not answer.
pub async fn usage(
    db: &DatabaseConnection,
    by: UsageBy,
    from: NaiveDate,
    to: NaiveDate,
) -> Result<Vec<UsageRow>, Error> {
    let backend = db.get_database_backend();
    let rows = match by {
        UsageBy::Key => {
            use key_usage::Column as C;
            let days = key_usage::Entity::find().filter(C::Date.between(from, to));
            let counted = sum(backend, Expr::col(C::TotalRequests)).into();
            groups::<ByKey, _>(
                db,
                most(summed(backend, days, C::KeyName, counted), C::KeyName),
            )
            .await
        }
        UsageBy::Provider => {
            use provider_stats::Column as C;
            let days = provider_stats::Entity::find().filter(C::Date.between(from, to));
            let counted = sum(backend, Expr::col(C::TotalRequests)).into();
            let rows = summed(backend, days, C::ProviderId, counted);
            groups::<ByProvider, _>(db, most(rows, C::ProviderId)).await
        }
        // Keys' days, not providers', whose days go with them.
        UsageBy::Day => {
            use key_usage::Column as C;
            let days = key_usage::Entity::find().filter(C::Date.between(from, to));
            let counted = sum(backend, Expr::col(C::TotalRequests)).into();
            let rows = summed(backend, days, C::Date, counted).order_by_asc(C::Date);
            groups::<ByDay, _>(db, rows).await
        }
        UsageBy::Model => by_model(db, from, to).await,
    };
    rows.map_err(Error::Database)
}

async fn by_model(
    db: &DatabaseConnection,
    from: NaiveDate,
    to: NaiveDate,
) -> Result<Vec<UsageRow>, DbErr> {
    let start = |day: NaiveDate| day.and_time(NaiveTime::MIN).and_utc();
    let end = to.checked_add_days(Days::new(1)).map(start);
    let db = snapshot(db).await?;
    let cover = Cover::of(&db, start(from), end).await?;
    let models: Vec<ByModel> = parts(&db, &cover, RolledBy::Model, GROUPS).await?;
    db.commit().await?;
    let row = |found: ByModel| UsageRow {
        of: UsageOf::Model(found.model),
        count: found.sums.requests,
        prompt_tokens: found.sums.prompt_tokens.unwrap_or(0),
        completion_tokens: found.sums.completion_tokens.unwrap_or(0),
        total_tokens: found.sums.total_tokens.unwrap_or(0),
        cost: found.sums.cost,
    };
    Ok(models.into_iter().map(row).collect())
}

/// Sums over what `select` finds, by `group`. The tables name these columns alike.
fn summed<E: EntityTrait>(
    backend: DbBackend,
    select: Select<E>,
    group: E::Column,
    counted: Expr,
) -> Select<E> {
    let column = |name: &'static str| sum(backend, Expr::col(name));
    select
        .select_only()
        .column(group)
        .expr_as(counted, "count")
        .expr_as(column("prompt_tokens"), "prompt_tokens")
        .expr_as(column("completion_tokens"), "completion_tokens")
        .expr_as(column("total_tokens"), "total_tokens")
        .expr_as(column("cost"), "cost")
        .group_by(group)
}

fn most<E: EntityTrait>(select: Select<E>, group: E::Column) -> Select<E> {
    select
        .order_by(Expr::col("count"), Order::Desc)
        .order_by_asc(group)
        .limit(GROUPS)
}

async fn groups<R, E>(db: &DatabaseConnection, select: Select<E>) -> Result<Vec<UsageRow>, DbErr>
where
    R: FromQueryResult + Into<UsageRow> + Send + Sync,
    E: EntityTrait,
{
    let rows = select.into_model::<R>().all(db).await?;
    Ok(rows.into_iter().map(Into::into).collect())
}

#[derive(Debug, FromQueryResult)]
struct Sums {
    count: Option<i64>,
    prompt_tokens: Option<i64>,
    completion_tokens: Option<i64>,
    total_tokens: Option<i64>,
    cost: Option<i64>,
}

impl Sums {
    fn of(self, of: UsageOf) -> UsageRow {
        UsageRow {
            of,
            count: self.count.unwrap_or(0),
            prompt_tokens: self.prompt_tokens.unwrap_or(0),
            completion_tokens: self.completion_tokens.unwrap_or(0),
            total_tokens: self.total_tokens.unwrap_or(0),
            cost: self.cost,
        }
    }
}

#[derive(Debug, FromQueryResult)]
struct ByKey {
    key_name: String,
    #[sea_orm(nested)]
    sums: Sums,
}

#[derive(Debug, FromQueryResult)]
struct ByProvider {
    provider_id: i64,
    #[sea_orm(nested)]
    sums: Sums,
}

#[derive(Debug, FromQueryResult)]
struct ByDay {
    date: NaiveDate,
    #[sea_orm(nested)]
    sums: Sums,
}

impl From<ByKey> for UsageRow {
    fn from(row: ByKey) -> Self {
        row.sums.of(UsageOf::Key(row.key_name))
    }
}

impl From<ByProvider> for UsageRow {
    fn from(row: ByProvider) -> Self {
        row.sums.of(UsageOf::Provider(row.provider_id))
    }
}

impl From<ByDay> for UsageRow {
    fn from(row: ByDay) -> Self {
        row.sums.of(UsageOf::Day(row.date))
    }
}
