//! Requests that have ended: `/api/logs`.

use access::money;
use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use entities::{
    provider, recorded_body,
    request_log::{self, Column, Entity},
};
use http::StatusCode;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stats::query::{self, LogCursor, LogFilter, Text};
use utoipa::{IntoParams, ToSchema};

use crate::{
    AdminState,
    audit::Entry,
    auth::{Caller, Role},
    error::Error,
    extract::{Key, Query, moment, optional_flag},
    page::{self, Page},
};

/// Longest text that is looked for.
const TEXT_CHARS: usize = 100;

/// A request that has a row.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LogBody {
    id: i64,
    #[serde(flatten)]
    request: RequestBody,
}

/// A request.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RequestBody {
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
            request: row.into(),
        }
    }
}

impl From<request_log::Model> for RequestBody {
    fn from(row: request_log::Model) -> Self {
        Self {
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
    /// A text in the model, provider, error, key or request id, whatever its case; up to 100 characters. A page looks at
    /// 200,000 requests for it: it may have fewer entries than it could, and still have a `next`.
    text: Option<String>,
    /// Arrived then or later: a date, or a time as 2026-01-31T08:00:00Z.
    from: Option<String>,
    /// Arrived before: a date, or a time.
    to: Option<String>,
    /// Entries per page, 1 to 1000; 50 if absent.
    limit: Option<u64>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// The microsecond at which a page's last request arrived, and its row, as `MICROSECONDS-ID`.
fn write_cursor(cursor: LogCursor) -> String {
    format!("{}-{}", cursor.at.timestamp_micros(), cursor.id)
}

fn read_cursor(text: &str) -> Result<LogCursor, Error> {
    let read = || {
        let (at, id) = text.split_once('-')?;
        Some(LogCursor {
            at: DateTime::from_timestamp_micros(at.parse().ok()?)?,
            id: id.parse().ok()?,
        })
    };
    read().ok_or_else(page::no_cursor)
}

/// Requests that have ended, the latest to arrive first.
///
/// Where few among many are like that, a page looks for a quarter of a second: it may have fewer entries than it could,
/// even none, and still have a `next`.
#[utoipa::path(get, path = "/logs", tag = "statistics", params(LogQuery),
    responses((status = 200, body = Page<LogBody>)))]
pub(crate) async fn list(
    State(state): State<AdminState>,
    Query(query): Query<LogQuery>,
) -> Result<Json<Page<LogBody>>, Error> {
    let limit = page::limit(query.limit)?;
    let cursor = query.cursor.as_deref().map(read_cursor).transpose()?;
    let filter = LogFilter {
        model: query.model,
        provider_id: query.provider_id,
        status_code: query.status_code,
        key: query.key,
        stream: query.stream,
        request_id: query.request_id,
        text: text(&state, query.text.as_deref()).await?,
        from: moment("from", query.from)?,
        to: moment("to", query.to)?,
    };
    let found = query::logs(&state.database, &filter, cursor, limit).await?;
    Ok(Json(Page {
        data: found.rows.into_iter().map(Into::into).collect(),
        next: found.next.map(write_cursor),
    }))
}

/// A text to look for. Requests know their providers by id, so those whose names have it in them are found here.
pub(crate) async fn text(state: &AdminState, given: Option<&str>) -> Result<Option<Text>, Error> {
    let Some(wanted) = given.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    if wanted.chars().count() > TEXT_CHARS {
        let reason = format!("must have at most {TEXT_CHARS} characters");
        return Err(Error::invalid("text", reason));
    }
    if wanted.contains('\0') {
        return Err(Error::invalid("text", "must not have a NUL in it"));
    }
    let providers: Vec<(i64, String)> = provider::Entity::find()
        .select_only()
        .columns([provider::Column::Id, provider::Column::Name])
        .into_tuple()
        .all(&state.database)
        .await?;
    let lower = wanted.to_lowercase();
    let named = providers
        .into_iter()
        .filter(|(_, name)| name.to_lowercase().contains(&lower));
    Ok(Some(Text::new(wanted, named.map(|(id, _)| id).collect())))
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

/// What a client sent and got.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BodiesBody {
    request_id: String,
    /// As it was sent, with secrets redacted; cut where it is too long.
    request: Option<String>,
    /// As the client got it, of a stream what it said; null if there was no answer.
    response: Option<String>,
    created_at: DateTime<Utc>,
}

/// What was recorded of one request's bodies, by its id or its `x-request-id`. Takes an operator.
#[utoipa::path(get, path = "/logs/{id}/bodies", tag = "statistics", params(("id" = String, Path)),
    responses((status = 200, body = BodiesBody)))]
pub(crate) async fn bodies(
    State(state): State<AdminState>,
    caller: Caller,
    Key(key): Key,
) -> Result<Json<BodiesBody>, Error> {
    caller.must_be(Role::Operator)?;
    let none = || Error::NotFound(format!("recorded body of request '{key}'"));
    let request_id = match key.parse::<i64>() {
        Ok(id) => Entity::find_by_id(id)
            .one(&state.database)
            .await?
            .map(|row| row.request_id)
            .ok_or_else(none)?,
        Err(_) => key.clone(),
    };
    let row = recorded_body::Entity::find_by_id(request_id)
        .one(&state.database)
        .await?
        .ok_or_else(none)?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok(Json(BodiesBody {
        request_id: row.request_id,
        request: row.request_body.map(text),
        response: row.response_body.map(text),
        created_at: row.created_at,
    }))
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

/// Deletes the requests that arrived before a time, some hundred at a time. Daily figures stay. Takes an admin.
#[utoipa::path(delete, path = "/logs", tag = "statistics", params(DeleteQuery),
    responses((status = 204)))]
pub(crate) async fn delete(
    State(state): State<AdminState>,
    caller: Caller,
    Query(query): Query<DeleteQuery>,
) -> Result<StatusCode, Error> {
    caller.must_be(Role::Admin)?;
    let before =
        moment("before", query.before)?.ok_or_else(|| Error::invalid("before", "is missing"))?;
    // Rows go a few at a time, in transactions of their own; so what was asked for is recorded before the first is gone.
    let asked = Entry::of("request_logs", None, "request_logs");
    asked
        .deleted(&json!({ "before": before }))
        .write(&caller, &state.database)
        .await?;
    let deleted = stats::delete_before(&state.database, before).await?;
    tracing::info!(rows = deleted, %before, "deleted request rows on demand");
    Ok(StatusCode::NO_CONTENT)
}
