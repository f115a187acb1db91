//! Requests that have ended: `/api/logs`.

use axum::{Json, extract::State};
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use entities::request_log::{self, Column, Entity};
use http::StatusCode;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use stats::query::{self, LogFilter};
use utoipa::{IntoParams, ToSchema};

use crate::{
    AdminState,
    error::Error,
    extract::{Key, Query, optional_flag},
    money,
    page::{self, Page},
};

/// A request.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LogBody {
    id: i64,
    request_id: String,
    /// The provider that answered, else the last tried; null if no attempt was made.
    provider_id: Option<i64>,
    model: String,
    provider_model: Option<String>,
    endpoint: String,
    method: String,
    status_code: i32,
    error_class: Option<String>,
    error_message: Option<String>,
    latency_ms: i64,
    /// To the first content of a stream.
    ttft_ms: Option<i64>,
    /// Cached and cache-written ones included.
    prompt_tokens: Option<i64>,
    /// Reasoning included.
    completion_tokens: Option<i64>,
    total_tokens: Option<i64>,
    cached_tokens: Option<i64>,
    cache_write_tokens: Option<i64>,
    reasoning_tokens: Option<i64>,
    /// `provider`, `estimated` or `none`.
    usage_source: String,
    /// USD, as a decimal; null while unpriced.
    #[schema(example = "0.01275")]
    cost: Option<String>,
    /// The client key's name.
    user_id: String,
    ip_address: Option<String>,
    stream: bool,
    /// Of each attempt: `provider_id`, `provider_model`, `status`, `error_class`, `ms`, `tokens`, `cost`.
    #[schema(value_type = Vec<Object>)]
    attempts: Value,
    /// Arrival.
    created_at: DateTime<Utc>,
}

impl From<request_log::Model> for LogBody {
    fn from(row: request_log::Model) -> Self {
        Self {
            id: row.id,
            request_id: row.request_id,
            provider_id: row.provider_id,
            model: row.model,
            provider_model: row.provider_model,
            endpoint: row.endpoint,
            method: row.method,
            status_code: row.status_code,
            error_class: row.error_class,
            error_message: row.error_message,
            latency_ms: row.latency_ms,
            ttft_ms: row.ttft_ms,
            prompt_tokens: row.prompt_tokens,
            completion_tokens: row.completion_tokens,
            total_tokens: row.total_tokens,
            cached_tokens: row.cached_tokens,
            cache_write_tokens: row.cache_write_tokens,
            reasoning_tokens: row.reasoning_tokens,
            usage_source: row.usage_source,
            cost: row.cost.map(money::usd),
            user_id: row.user_id,
            ip_address: row.ip_address,
            stream: row.stream,
            attempts: with_costs_in_usd(row.attempts),
            created_at: row.created_at,
        }
    }
}

fn with_costs_in_usd(mut attempts: Value) -> Value {
    for attempt in attempts.as_array_mut().into_iter().flatten() {
        if let Some(cost) = attempt.get_mut("cost")
            && let Some(nano) = cost.as_i64()
        {
            *cost = money::usd(nano).into();
        }
    }
    attempts
}

/// Which requests. What is absent does not matter.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogQuery {
    /// As the client asked for it.
    model: Option<String>,
    /// The provider that answered, else the last tried.
    provider_id: Option<i64>,
    /// What the client got.
    status_code: Option<u16>,
    /// The client key's name.
    key: Option<String>,
    /// Whether it was a stream.
    #[serde(default, deserialize_with = "optional_flag")]
    stream: Option<bool>,
    request_id: Option<String>,
    /// Arrived then or later: a date, or a time as 2026-01-31T08:00:00Z.
    from: Option<String>,
    /// Arrived before: a date, or a time.
    to: Option<String>,
    /// Entries per page, 1 to 1000; 50 if absent.
    limit: Option<u64>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// Reads a time, or a date as its first moment (UTC).
fn moment(field: &'static str, given: Option<String>) -> Result<Option<DateTime<Utc>>, Error> {
    let Some(text) = given else { return Ok(None) };
    let time = DateTime::parse_from_rfc3339(&text).map(|time| time.to_utc());
    let date =
        || Some(text.parse::<NaiveDate>().ok()?.and_time(NaiveTime::MIN)).map(|at| at.and_utc());
    match time.ok().or_else(date) {
        Some(at) => Ok(Some(at)),
        None => Err(Error::invalid(
            field,
            "must be a date, or a time as 2026-01-31T08:00:00Z",
        )),
    }
}

/// Requests that have ended, newest first.
#[utoipa::path(get, path = "/logs", tag = "statistics", params(LogQuery),
    responses((status = 200, body = Page<LogBody>)))]
pub(crate) async fn list(
    State(state): State<AdminState>,
    Query(query): Query<LogQuery>,
) -> Result<Json<Page<LogBody>>, Error> {
    let limit = page::limit(query.limit)?;
    let cursor = page::cursor(query.cursor.as_deref())?;
    let filter = LogFilter {
        model: query.model,
        provider_id: query.provider_id,
        status_code: query.status_code,
        key: query.key,
        stream: query.stream,
        request_id: query.request_id,
        from: moment("from", query.from)?,
        to: moment("to", query.to)?,
    };
    let rows = query::logs(&state.database, &filter, cursor, limit + 1).await?;
    Ok(Json(page::cut(rows, limit, |row| row.id).map(Into::into)))
}

/// One request, by its id or its `x-request-id`.
#[utoipa::path(get, path = "/logs/{id}", tag = "statistics", params(("id" = String, Path)),
    responses((status = 200, body = LogBody)))]
pub(crate) async fn get(
    State(state): State<AdminState>,
    Key(key): Key,
) -> Result<Json<LogBody>, Error> {
    let select = match key.parse::<i64>() {
        Ok(id) => Entity::find_by_id(id),
        Err(_) => Entity::find().filter(Column::RequestId.eq(key.as_str())),
    };
    let row = select.one(&state.database).await?;
    row.map(|row| Json(row.into()))
        .ok_or_else(|| Error::NotFound(format!("request '{key}'")))
}

/// Which requests to forget.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeleteQuery {
    /// Those that arrived before: a date, or a time as 2026-01-31T08:00:00Z.
    #[param(required = true)]
    before: Option<String>,
}

/// Deletes the requests that arrived before a time, some hundred at a time. Daily figures stay.
#[utoipa::path(delete, path = "/logs", tag = "statistics", params(DeleteQuery),
    responses((status = 204)))]
pub(crate) async fn delete(
    State(state): State<AdminState>,
    Query(query): Query<DeleteQuery>,
) -> Result<StatusCode, Error> {
    let before =
        moment("before", query.before)?.ok_or_else(|| Error::invalid("before", "is missing"))?;
    let deleted = stats::delete_before(&state.database, before).await?;
    tracing::info!(rows = deleted, %before, "deleted request rows on demand");
    Ok(StatusCode::NO_CONTENT)
}
