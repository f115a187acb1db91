//! Totals over the requests since an instant.

use chrono::{DateTime, Utc};
use entities::log_rollup;
use entities::request_log::{Column, Entity};
use sea_orm::sea_query::{Expr, ExprTrait, Func, FunctionCall, Query, SelectStatement, UnionType};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, DbErr, EntityTrait, FromQueryResult, Order,
    QueryFilter, QuerySelect, QueryTrait, Select, StatementBuilder,
};
use serde::Serialize;

use super::cover::{Cover, snapshot};
use crate::Error;
use crate::period::RolledBy;

/// Groups listed: clients choose model names, so their number is not ours to bound otherwise.
const GROUPS: u64 = 100;

/// Totals over all requests, and by provider and model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Over all.
    pub totals: Totals,
    /// By the provider that answered, else the last tried; most requests first, at most 100.
    pub providers: Vec<ProviderTotals>,
    /// By the model asked for; most requests first, at most 100.
    pub models: Vec<ModelTotals>,
}

/// Sums over requests.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Totals {
    /// Requests that ended.
    pub requests: i64,
    /// Those that ended with a status below 400.
    pub successes: i64,
    /// Successes per request, 0 to 1; null without a request.
    pub success_rate: Option<f64>,
    /// Input tokens.
    pub prompt_tokens: i64,
    /// Output tokens.
    pub completion_tokens: i64,
    /// As the providers total them.
    pub total_tokens: i64,
    /// Nano-USD over the priced requests; null while none was priced.
    pub cost: Option<i64>,
    /// Whole milliseconds from arrival to end; null without a request.
    pub avg_latency_ms: Option<i64>,
}

/// A provider's part.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProviderTotals {
    /// Null for requests that no attempt was made for.
    pub provider_id: Option<i64>,
    /// Its sums.
    #[serde(flatten)]
    pub totals: Totals,
}

/// A model's part.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelTotals {
    /// As clients asked for it.
    pub model: String,
    /// Its sums.
    #[serde(flatten)]
    pub totals: Totals,
}

#[derive(Debug, Default, FromQueryResult)]
pub(crate) struct Sums {
    pub(crate) requests: i64,
    pub(crate) successes: Option<i64>,
    pub(crate) latency_ms: Option<i64>,
    pub(crate) prompt_tokens: Option<i64>,
    pub(crate) completion_tokens: Option<i64>,
    pub(crate) total_tokens: Option<i64>,
    pub(crate) cost: Option<i64>,
}

#[derive(Debug, FromQueryResult)]
struct ByProvider {
    provider_id: Option<i64>,
    #[sea_orm(nested)]
    sums: Sums,
}

#[derive(Debug, FromQueryResult)]
pub(super) struct ByModel {
    pub(super) model: String,
    #[sea_orm(nested)]
    pub(super) sums: Sums,
}

impl Sums {
    pub(crate) fn add(&mut self, other: &Self) {
        let add = |to: &mut Option<i64>, more: Option<i64>| {
            if let Some(more) = more {
                *to = Some(to.unwrap_or(0).saturating_add(more));
            }
        };
        self.requests += other.requests;
        add(&mut self.successes, other.successes);
        add(&mut self.latency_ms, other.latency_ms);
        add(&mut self.prompt_tokens, other.prompt_tokens);
        add(&mut self.completion_tokens, other.completion_tokens);
        add(&mut self.total_tokens, other.total_tokens);
        add(&mut self.cost, other.cost);
    }
}

impl From<Sums> for Totals {
    fn from(sums: Sums) -> Self {
        let successes = sums.successes.unwrap_or(0);
        Self {
            requests: sums.requests,
            successes,
            success_rate: (sums.requests > 0).then(|| successes as f64 / sums.requests as f64),
            prompt_tokens: sums.prompt_tokens.unwrap_or(0),
            completion_tokens: sums.completion_tokens.unwrap_or(0),
            total_tokens: sums.total_tokens.unwrap_or(0),
            cost: sums.cost,
            avg_latency_ms: sums.latency_ms.and_then(|ms| ms.checked_div(sums.requests)),
        }
    }
}

/// Totals over the requests that arrived at `since` or later. Counts requests; `provider_stats` counts attempts.
///
/// # Errors
/// If the database does not answer.
pub async fn summary(db: &DatabaseConnection, since: DateTime<Utc>) -> Result<Summary, Error> {
    summed_up(db, since).await.map_err(Error::Database)
}

async fn summed_up(db: &DatabaseConnection, since: DateTime<Utc>) -> Result<Summary, DbErr> {
    let db = snapshot(db).await?;
    let cover = Cover::of(&db, since, None).await?;
    let totals: Vec<Sums> = parts(&db, &cover, RolledBy::All, 1).await?;
    let providers: Vec<ByProvider> = parts(&db, &cover, RolledBy::Provider, GROUPS).await?;
    let models: Vec<ByModel> = parts(&db, &cover, RolledBy::Model, GROUPS).await?;
    db.commit().await?;
    Ok(Summary {
        totals: totals
            .into_iter()
            .next()
            .map(Totals::from)
            .unwrap_or_default(),
        providers: providers
            .into_iter()
            .map(|row| ProviderTotals {
                provider_id: row.provider_id,
                totals: row.sums.into(),
            })
            .collect(),
        models: models
            .into_iter()
            .map(|row| ModelTotals {
                model: row.model,
                totals: row.sums.into(),
            })
            .collect(),
    })
}

/// A sum that is an integer: those of BIGINT are decimals on PostgreSQL and MySQL.
pub(super) fn sum(backend: DbBackend, expression: Expr) -> FunctionCall {
    let integer = match backend {
        DbBackend::MySql => "SIGNED",
        _ => "BIGINT",
    };
    Func::cast_as(expression.sum(), integer)
}

/// The sums of each provider or model, most requests first, at most so many.
pub(super) async fn parts<R: FromQueryResult + Send + Sync>(
    db: &impl ConnectionTrait,
    cover: &Cover,
    by: RolledBy,
    most: u64,
) -> Result<Vec<R>, DbErr> {
    let backend = db.get_database_backend();
    let statement = statement(backend, cover, by, most);
    R::find_by_statement(StatementBuilder::build(&statement, &backend))
        .all(db)
        .await
}

/// Adds what is rolled up to what the rows of the gaps add up to. In the database, since the names of models are their
/// clients' choice: there may be any number of them.
fn statement(backend: DbBackend, cover: &Cover, by: RolledBy, most: u64) -> SelectStatement {
    const PARTS: &str = "parts";
    let group = match by {
        RolledBy::Provider => Some((Column::ProviderId, "provider_id")),
        RolledBy::Model => Some((Column::Model, "model")),
        RolledBy::All | RolledBy::Both => None,
    };
    let mut rows = sums(backend).filter(cover.rows());
    let mut rolled = Query::select();
    for name in SUMS {
        rolled.column(name);
    }
    let mut all = Query::select();
    for name in SUMS {
        let sum = sum(backend, Expr::col(name));
        match name {
            "requests" => all.expr_as(Func::coalesce([sum.into(), Expr::cust("0")]), name),
            _ => all.expr_as(sum, name),
        };
    }
    if let Some((column, name)) = group {
        // SQLite would rather walk the whole index of what is grouped by than look for the ranges; not so for an expression.
        rows = match backend {
            DbBackend::Sqlite => rows.group_by(Expr::cust(format!("+{name}"))),
            _ => rows.group_by(column),
        };
        rows = rows.column(column);
        rolled.column(name);
        all.column(name).group_by_col(name);
        all.order_by_expr(Expr::col("requests").sum(), Order::Desc);
        all.order_by(name, Order::Asc);
    }
    let mut parts = rows.into_query();
    if cover.has_rollups() {
        rolled.from(log_rollup::Entity);
        rolled.cond_where(cover.rollups(by));
        parts.union(UnionType::All, rolled);
    }
    all.from_subquery(parts, PARTS).limit(most).to_owned()
}

/// The columns of [`Sums`], which `log_rollups` names alike.
const SUMS: [&str; 7] = [
    "requests",
    "successes",
    "latency_ms",
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "cost",
];

/// [`Sums`] over rows of `request_logs`.
pub(crate) fn sums(backend: DbBackend) -> Select<Entity> {
    let sum = |expression| sum(backend, expression);
    let succeeded = Expr::case(Expr::col(Column::StatusCode).lt(400), 1).finally(0);
    Entity::find()
        .select_only()
        .expr_as(Expr::col(Column::Id).count(), "requests")
        .expr_as(sum(succeeded.into()), "successes")
        .expr_as(sum(Expr::col(Column::LatencyMs)), "latency_ms")
        .expr_as(sum(Expr::col(Column::PromptTokens)), "prompt_tokens")
        .expr_as(
            sum(Expr::col(Column::CompletionTokens)),
            "completion_tokens",
        )
        .expr_as(sum(Expr::col(Column::TotalTokens)), "total_tokens")
        .expr_as(sum(Expr::col(Column::Cost)), "cost")
}
