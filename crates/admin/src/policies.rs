//! Routing policies of models: `/api/policies/{model_id}`.

use std::time::Duration;

use axum::{Json, extract::State};
use catalog::Policy;
use entities::routing_policy;
use guards::GuardsFields;
use http::StatusCode;
use router::Strategy;
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{NotSet, Set},
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use upstream::NetworkPolicy;
use utoipa::ToSchema;

use crate::{
    AdminState,
    audit::Entry,
    auth::Caller,
    change, declared,
    document::Kind,
    error::Error,
    extract::{Id, JsonObject, read},
    guarding, models,
};

/// A policy to set. Absent or null fields have their defaults. Clocks are in seconds, above 0 and at most 86400.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PolicyInput {
    /// `weighted` (default), `round_robin`, `least_latency`, `least_busy`, `cheapest` or `sticky`.
    #[schema(example = "weighted")]
    strategy: Option<String>,
    /// To get a connection; 5 by default.
    connect_timeout: Option<f64>,
    /// From sending to the first content of a stream; the model's `timeout` by default.
    first_content_timeout: Option<f64>,
    /// From sending to the end of an answer that is not streamed; ten times the model's `timeout` by default.
    response_timeout: Option<f64>,
    /// Between two events of a stream; 60 by default.
    stream_idle_timeout: Option<f64>,
    /// Of the whole request, over all attempts, up to the first content; unlimited by default.
    total_timeout: Option<f64>,
    /// Milliseconds without an answer, or without the first content of a stream, after which a second candidate is tried
    /// beside the first; 1 to 3600000. Off by default.
    hedge_after_ms: Option<i32>,
    /// The same by a percentile, 50 to 99, of how long the candidate's last answers took; `hedge_after_ms` applies
    /// until enough of them are known. Off by default.
    hedge_percentile: Option<i32>,
    /// Milliseconds without content after which the head of a stream and heartbeats are sent, at this interval; 100 to
    /// 3600000. Off by default, and never for Gemini's clients.
    heartbeat_after_ms: Option<i32>,
    /// Whether an event that no client could read is left out instead of ending the stream; false by default.
    skip_malformed_events: Option<bool>,
    /// Whether a stream that breaks is asked for anew of another provider, and goes on where that repeats exactly what the
    /// client has; false by default.
    verified_resume: Option<bool>,
    /// What requests and their answers may say, beside what holds for all and for the key; anything by default.
    #[schema(value_type = Option<Object>)]
    guards: Option<GuardsFields>,
    /// Whether what clients send and get is recorded; false by default.
    record_bodies: Option<bool>,
}

/// The policy in force. Clocks are in seconds.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PolicyBody {
    model_id: i64,
    strategy: &'static str,
    connect_timeout: f64,
    first_content_timeout: f64,
    response_timeout: f64,
    stream_idle_timeout: f64,
    /// Null means unlimited.
    total_timeout: Option<f64>,
    /// Null where it is off.
    hedge_after_ms: Option<u64>,
    /// Null where it is off.
    hedge_percentile: Option<u8>,
    /// Null where it is off.
    heartbeat_after_ms: Option<u64>,
    skip_malformed_events: bool,
    verified_resume: bool,
    /// As they can be set; null guards nothing.
    #[schema(value_type = Option<Object>)]
    guards: Option<Value>,
    record_bodies: bool,
    /// Whether no policy is set, so that these are the defaults.
    is_default: bool,
    /// The file that declares it, which alone can change it; null where none does.
    declared_by: Option<String>,
}

impl PolicyBody {
    fn of(model_id: i64, policy: &Policy, guards: Option<Value>, is_default: bool) -> Self {
        let clocks = &policy.clocks;
        let milliseconds = |duration: Duration| u64::try_from(duration.as_millis()).ok();
        Self {
            model_id,
            strategy: policy.strategy.name(),
            connect_timeout: clocks.connect.as_secs_f64(),
            first_content_timeout: clocks.first_content.as_secs_f64(),
            response_timeout: clocks.response.as_secs_f64(),
            stream_idle_timeout: clocks.stream_idle.as_secs_f64(),
            total_timeout: clocks.total.map(|total| total.as_secs_f64()),
            hedge_after_ms: policy
                .hedging
                .and_then(|it| it.after)
                .and_then(milliseconds),
            hedge_percentile: policy.hedging.and_then(|it| it.percentile),
            heartbeat_after_ms: policy.heartbeat.and_then(milliseconds),
            skip_malformed_events: policy.skip_malformed_events,
            verified_resume: policy.verified_resume,
            guards,
            record_bodies: policy.record_bodies,
            is_default,
            declared_by: None,
        }
    }
}

impl PolicyBody {
    /// What holds by `row`, or without one. A row that cannot be obeyed is not: the defaults are in force.
    fn in_force(model_id: i64, row: Option<&routing_policy::Model>, timeout: Duration) -> Self {
        let policy = row.and_then(|row| Policy::of_row(row, timeout).ok());
        let shown = policy.unwrap_or_else(|| Policy::defaults(timeout));
        let guards = row.and_then(|row| row.guards.clone());
        Self::of(model_id, &shown, guards, policy.is_none())
    }
}

async fn stored(
    connection: &impl ConnectionTrait,
    model_id: i64,
) -> Result<Option<routing_policy::Model>, Error> {
    Ok(routing_policy::Entity::find()
        .filter(routing_policy::Column::ModelId.eq(model_id))
        .one(connection)
        .await?)
}

/// # Errors
/// A file declares it.
async fn must_be_free(
    connection: &impl ConnectionTrait,
    row: Option<&routing_policy::Model>,
    model: &str,
) -> Result<(), Error> {
    match row {
        Some(row) => declared::must_be_free(connection, Kind::Policy, row.id, model).await,
        None => Ok(()),
    }
}

pub(crate) fn timeout_of(model: &entities::model::Model) -> Duration {
    let seconds = model
        .timeout
        .and_then(|seconds| u64::try_from(seconds).ok());
    Duration::from_secs(seconds.unwrap_or(30).max(1))
}

/// A model's policy; the defaults where none is set.
#[utoipa::path(get, path = "/policies/{model_id}", tag = "policies", params(("model_id" = i64, Path)),
    responses((status = 200, body = PolicyBody)))]
pub(crate) async fn get(
    State(state): State<AdminState>,
    Id(model_id): Id,
) -> Result<Json<PolicyBody>, Error> {
    let timeout = timeout_of(&models::find(&state.database, model_id).await?);
    let row = stored(&state.database, model_id).await?;
    let mut body = PolicyBody::in_force(model_id, row.as_ref(), timeout);
    if let Some(row) = &row {
        body.declared_by = declared::owner(&state.database, Kind::Policy, row.id).await?;
    }
    Ok(Json(body))
}

/// Sets a model's policy. It replaces the one before: what is not named takes its default.
#[utoipa::path(put, path = "/policies/{model_id}", tag = "policies", params(("model_id" = i64, Path)),
    request_body = PolicyInput, responses((status = 200, body = PolicyBody)))]
pub(crate) async fn put(
    State(state): State<AdminState>,
    caller: Caller,
    Id(model_id): Id,
    JsonObject(fields): JsonObject,
) -> Result<Json<PolicyBody>, Error> {
    let input: PolicyInput = read(fields)?;
    let change = state.change(&caller).await?;
    let model = models::find(change.on(), model_id).await?;
    let timeout = timeout_of(&model);
    let old = stored(change.on(), model_id).await?;
    must_be_free(change.on(), old.as_ref(), &model.name).await?;
    let networks = state.catalog.clients().policy();
    let (row, policy) = checked(input, model_id, old.as_ref(), timeout, networks)?;
    let had = old.as_ref().and_then(|row| row.guards.as_ref());
    guarding::must_be_allowed(&caller, had, row.guards.as_ref())?;
    let body = PolicyBody::of(model_id, &policy, row.guards.clone(), false);
    let values = values(row);
    if old.is_some() {
        values.update(change.on()).await?;
    } else {
        let new = routing_policy::ActiveModel {
            id: NotSet,
            ..values
        };
        new.insert(change.on()).await?;
    }
    let before = PolicyBody::in_force(model_id, old.as_ref(), timeout);
    let entry = Entry::of("policy", model_id, &model.name).changed(&before, &body);
    change.commit(entry).await?;
    Ok(Json(body))
}

/// The row that an input makes of the one before, and what it stands for.
pub(crate) fn checked(
    input: PolicyInput,
    model_id: i64,
    old: Option<&routing_policy::Model>,
    timeout: Duration,
    networks: NetworkPolicy,
) -> Result<(routing_policy::Model, Policy), Error> {
    let now = change::now();
    let row = routing_policy::Model {
        id: old.map_or(0, |row| row.id),
        model_id,
        strategy: input
            .strategy
            .unwrap_or_else(|| Strategy::default().name().to_owned()),
        connect_timeout: input.connect_timeout,
        first_content_timeout: input.first_content_timeout,
        response_timeout: input.response_timeout,
        stream_idle_timeout: input.stream_idle_timeout,
        total_timeout: input.total_timeout,
        hedge_after_ms: input.hedge_after_ms,
        hedge_percentile: input.hedge_percentile,
        heartbeat_after_ms: input.heartbeat_after_ms,
        verified_resume: input.verified_resume.unwrap_or(false),
        skip_malformed_events: input.skip_malformed_events.unwrap_or(false),
        guards: guarding::stored(input.guards, networks)?,
        record_bodies: input.record_bodies.unwrap_or(false),
        created_at: old.map_or(now, |row| row.created_at),
        updated_at: now,
    };
    let policy =
        Policy::of_row(&row, timeout).map_err(|error| Error::invalid(error.field, error.reason))?;
    Ok((row, policy))
}

/// All values of a row, to be written.
pub(crate) fn values(row: routing_policy::Model) -> routing_policy::ActiveModel {
    routing_policy::ActiveModel {
        id: Set(row.id),
        model_id: Set(row.model_id),
        strategy: Set(row.strategy),
        connect_timeout: Set(row.connect_timeout),
        first_content_timeout: Set(row.first_content_timeout),
        response_timeout: Set(row.response_timeout),
        stream_idle_timeout: Set(row.stream_idle_timeout),
        total_timeout: Set(row.total_timeout),
        hedge_after_ms: Set(row.hedge_after_ms),
        hedge_percentile: Set(row.hedge_percentile),
        heartbeat_after_ms: Set(row.heartbeat_after_ms),
        verified_resume: Set(row.verified_resume),
        skip_malformed_events: Set(row.skip_malformed_events),
        guards: Set(row.guards),
        record_bodies: Set(row.record_bodies),
        created_at: Set(row.created_at),
        updated_at: Set(row.updated_at),
    }
}

/// Takes a model's policy back to the defaults.
#[utoipa::path(delete, path = "/policies/{model_id}", tag = "policies", params(("model_id" = i64, Path)),
    responses((status = 204)))]
pub(crate) async fn delete(
    State(state): State<AdminState>,
    caller: Caller,
    Id(model_id): Id,
) -> Result<StatusCode, Error> {
    let change = state.change(&caller).await?;
    let model = models::find(change.on(), model_id).await?;
    let old = stored(change.on(), model_id).await?;
    must_be_free(change.on(), old.as_ref(), &model.name).await?;
    let had = old.as_ref().and_then(|row| row.guards.as_ref());
    guarding::must_be_allowed(&caller, had, None)?;
    let gone = PolicyBody::in_force(model_id, old.as_ref(), timeout_of(&model));
    routing_policy::Entity::delete_many()
        .filter(routing_policy::Column::ModelId.eq(model_id))
        .exec(change.on())
        .await?;
    let entry = Entry::of("policy", model_id, &model.name).deleted(&gone);
    change.commit(entry).await?;
    Ok(StatusCode::NO_CONTENT)
}
