//! Routing policies of models: `/api/policies/{model_id}`.

use std::time::Duration;

use axum::{Json, extract::State};
use catalog::Policy;
use entities::routing_policy;
use http::StatusCode;
use router::Strategy;
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{NotSet, Set},
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    AdminState, change,
    error::Error,
    extract::{Id, JsonObject, read},
    models,
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
    /// Whether an event that no client could read is left out instead of ending the stream; false by default.
    skip_malformed_events: Option<bool>,
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
    skip_malformed_events: bool,
    /// Whether no policy is set, so that these are the defaults.
    is_default: bool,
}

impl PolicyBody {
    fn of(model_id: i64, policy: &Policy, is_default: bool) -> Self {
        let clocks = &policy.clocks;
        Self {
            model_id,
            strategy: policy.strategy.name(),
            connect_timeout: clocks.connect.as_secs_f64(),
            first_content_timeout: clocks.first_content.as_secs_f64(),
            response_timeout: clocks.response.as_secs_f64(),
            stream_idle_timeout: clocks.stream_idle.as_secs_f64(),
            total_timeout: clocks.total.map(|total| total.as_secs_f64()),
            skip_malformed_events: policy.skip_malformed_events,
            is_default,
        }
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

fn timeout_of(model: &entities::model::Model) -> Duration {
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
    // A row that cannot be obeyed is not: the defaults are in force.
    let policy = row
        .as_ref()
        .and_then(|row| Policy::of_row(row, timeout).ok());
    let shown = policy.unwrap_or_else(|| Policy::defaults(timeout));
    Ok(Json(PolicyBody::of(model_id, &shown, policy.is_none())))
}

/// Sets a model's policy. It replaces the one before: what is not named takes its default.
#[utoipa::path(put, path = "/policies/{model_id}", tag = "policies", params(("model_id" = i64, Path)),
    request_body = PolicyInput, responses((status = 200, body = PolicyBody)))]
pub(crate) async fn put(
    State(state): State<AdminState>,
    Id(model_id): Id,
    JsonObject(fields): JsonObject,
) -> Result<Json<PolicyBody>, Error> {
    let input: PolicyInput = read(fields)?;
    let change = state.change().await?;
    let timeout = timeout_of(&models::find(change.on(), model_id).await?);
    let now = change::now();
    let old = stored(change.on(), model_id).await?;
    let row = routing_policy::Model {
        id: old.as_ref().map_or(0, |row| row.id),
        model_id,
        strategy: input
            .strategy
            .unwrap_or_else(|| Strategy::default().name().to_owned()),
        connect_timeout: input.connect_timeout,
        first_content_timeout: input.first_content_timeout,
        response_timeout: input.response_timeout,
        stream_idle_timeout: input.stream_idle_timeout,
        total_timeout: input.total_timeout,
        hedge_after_ms: None,
        heartbeat_after_ms: None,
        verified_resume: false,
        skip_malformed_events: input.skip_malformed_events.unwrap_or(false),
        created_at: old.as_ref().map_or(now, |row| row.created_at),
        updated_at: now,
    };
    let policy =
        Policy::of_row(&row, timeout).map_err(|error| Error::invalid(error.field, error.reason))?;
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
    change.commit().await?;
    Ok(Json(PolicyBody::of(model_id, &policy, false)))
}

/// All values of a row, to be written.
fn values(row: routing_policy::Model) -> routing_policy::ActiveModel {
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
        heartbeat_after_ms: Set(row.heartbeat_after_ms),
        verified_resume: Set(row.verified_resume),
        skip_malformed_events: Set(row.skip_malformed_events),
        created_at: Set(row.created_at),
        updated_at: Set(row.updated_at),
    }
}

/// Takes a model's policy back to the defaults.
#[utoipa::path(delete, path = "/policies/{model_id}", tag = "policies", params(("model_id" = i64, Path)),
    responses((status = 204)))]
pub(crate) async fn delete(
    State(state): State<AdminState>,
    Id(model_id): Id,
) -> Result<StatusCode, Error> {
    let change = state.change().await?;
    models::find(change.on(), model_id).await?;
    routing_policy::Entity::delete_many()
        .filter(routing_policy::Column::ModelId.eq(model_id))
        .exec(change.on())
        .await?;
    change.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
