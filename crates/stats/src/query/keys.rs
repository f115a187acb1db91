//! What client keys have used so far.

use std::collections::HashMap;

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use entities::key_usage::{Column, Entity};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, QueryFilter, QuerySelect,
};

use super::summary::sum;

/// What a key used, over all its days; they are kept for as long as the database is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyTotals {
    /// Attempts.
    pub attempts: i64,
    /// Input tokens.
    pub prompt_tokens: i64,
    /// Output tokens.
    pub completion_tokens: i64,
    /// As the providers total them.
    pub total_tokens: i64,
    /// Nano-USD over what was priced; null while nothing was.
    pub cost: Option<i64>,
    /// The same of today, UTC.
    pub cost_of_day: Option<i64>,
    /// The same of this month, UTC.
    pub cost_of_month: Option<i64>,
    /// When the last request arrived that was sent to a provider.
    pub last_used_at: Option<DateTime<Utc>>,
}

#[derive(Debug, FromQueryResult)]
struct Found {
    key_name: String,
    attempts: Option<i64>,
    prompt_tokens: Option<i64>,
    completion_tokens: Option<i64>,
    total_tokens: Option<i64>,
    cost: Option<i64>,
    cost_of_day: Option<i64>,
    cost_of_month: Option<i64>,
    last_used_at: Option<DateTime<Utc>>,
}

/// What each of these keys used, by name. One that never used anything is missing.
///
/// # Errors
/// If the database does not answer.
pub async fn key_totals<'a>(
    connection: &impl ConnectionTrait,
    names: impl IntoIterator<Item = &'a str>,
    today: NaiveDate,
) -> Result<HashMap<String, KeyTotals>, DbErr> {
    let names: Vec<&str> = names.into_iter().collect();
    if names.is_empty() {
        return Ok(HashMap::new());
    }
    let backend = connection.get_database_backend();
    let summed = |column: Column| sum(backend, Expr::col(column));
    // Until the end, not only of the first day: a clock that is behind must not make what is spent look less.
    let since = |first: NaiveDate| {
        let cost = Expr::case(Expr::col(Column::Date).gte(first), Expr::col(Column::Cost));
        sum(backend, cost.into())
    };
    let month = today.with_day(1).unwrap_or(today);
    let rows = Entity::find()
        .select_only()
        .column(Column::KeyName)
        .expr_as(summed(Column::TotalRequests), "attempts")
        .expr_as(summed(Column::PromptTokens), "prompt_tokens")
        .expr_as(summed(Column::CompletionTokens), "completion_tokens")
        .expr_as(summed(Column::TotalTokens), "total_tokens")
        .expr_as(summed(Column::Cost), "cost")
        .expr_as(since(today), "cost_of_day")
        .expr_as(since(month), "cost_of_month")
        .expr_as(Expr::col(Column::LastUsedAt).max(), "last_used_at")
        .filter(Column::KeyName.is_in(names))
        .group_by(Column::KeyName)
        .into_model::<Found>()
        .all(connection)
        .await?;
    let of = |found: Found| KeyTotals {
        attempts: found.attempts.unwrap_or(0),
        prompt_tokens: found.prompt_tokens.unwrap_or(0),
        completion_tokens: found.completion_tokens.unwrap_or(0),
        total_tokens: found.total_tokens.unwrap_or(0),
        cost: found.cost,
        cost_of_day: found.cost_of_day,
        cost_of_month: found.cost_of_month,
        last_used_at: found.last_used_at,
    };
    Ok(rows
        .into_iter()
        .map(|found| (found.key_name.clone(), of(found)))
        .collect())
}
