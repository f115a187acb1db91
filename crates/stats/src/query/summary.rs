//! Totals over the requests since an instant.

use chrono::{DateTime, Utc};
use entities::request_log::{Column, Entity};
use sea_orm::sea_query::{Expr, ExprTrait, Func, FunctionCall};
use sea_orm::{
    ColumnTrait, DatabaseConnection, DbBackend, EntityTrait, FromQueryResult, Order, QueryFilter,
    QueryOrder, QuerySelect, Select,
};
use serde::Serialize;

use crate::Error;

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
pub(super) struct Sums {
    pub(super) requests: i64,
    successes: Option<i64>,
    latency_ms: Option<i64>,
    prompt_tokens: Option<i64>,
    completion_tokens: Option<i64>,
    total_tokens: Option<i64>,
    cost: Option<i64>,
}

#[derive(Debug, FromQueryResult)]
struct ByProvider {
    provider_id: Option<i64>,
    #[sea_orm(nested)]
    sums: Sums,
}

#[derive(Debug, FromQueryResult)]
struct ByModel {
    model: String,
    #[sea_orm(nested)]
    sums: Sums,
}

impl Sums {
    pub(super) fn add(&mut self, other: &Self) {
        let add = |to: &mut Option<i64>, more: Option<i64>| {
            if let Some(more) = more {
                *to = Some(to.unwrap_or(0) + more);
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
    let backend = db.get_database_backend();
    let totals = sums(backend, since).into_model::<Sums>().one(db).await;
    let providers = grouped(backend, since, Column::ProviderId)
        .into_model::<ByProvider>()
        .all(db)
        .await;
    let models = grouped(backend, since, Column::Model)
        .into_model::<ByModel>()
        .all(db)
        .await;
    Ok(Summary {
        totals: totals
            .map_err(Error::Database)?
            .map(Totals::from)
            .unwrap_or_default(),
        providers: providers
            .map_err(Error::Database)?
            .into_iter()
            .map(|row| ProviderTotals {
                provider_id: row.provider_id,
                totals: row.sums.into(),
            })
            .collect(),
        models: models
            .map_err(Error::Database)?
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

fn grouped(backend: DbBackend, since: DateTime<Utc>, by: Column) -> Select<Entity> {
    sums(backend, since)
        .column(by)
        .group_by(by)
        .order_by(Expr::col(Column::Id).count(), Order::Desc)
        .order_by_asc(by)
        .limit(GROUPS)
}

pub(super) fn sums(backend: DbBackend, since: DateTime<Utc>) -> Select<Entity> {
    let sum = |expression| sum(backend, expression);
    let succeeded = Expr::case(Expr::col(Column::StatusCode).lt(400), 1).finally(0);
    Entity::find()
        .select_only()
        .filter(Column::CreatedAt.gte(since))
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
