//! How providers and associations fare: `/api/health`, checks on demand, recent outcomes.

use std::collections::HashMap;

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use entities::provider;
use health::{AssociationReport, Moment, ProviderReport, State as HealthState, StateChange};
use router::{CandidateId, ProviderId, Verdict};
use sea_orm::{EntityTrait, QueryOrder};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{AdminState, error::Error, extract::Id, model_providers, page::Page, providers};

/// How everything fares.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HealthBody {
    /// `healthy` if every enabled provider is, `unhealthy` if none is even degraded (or there is none), else `degraded`.
    status: &'static str,
    /// All providers, by id.
    providers: Vec<ProviderHealth>,
}

/// How a provider fares.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProviderHealth {
    provider_id: i64,
    name: String,
    enabled: bool,
    /// Why it cannot be called; null if it can.
    problem: Option<String>,
    /// `healthy`, `degraded` or `unhealthy`; null before it is watched.
    state: Option<&'static str>,
    /// Why, unless healthy: `consecutive_failures`, `failure_rate`, `misconfigured` or `slow_start`.
    reason: Option<&'static str>,
    /// Consecutive failures held against it; failures within one second count once.
    error_count: u32,
    last_error: Option<String>,
    last_status_code: Option<u16>,
    /// When it was last probed.
    last_validated_at: Option<DateTime<Utc>>,
    last_success_at: Option<DateTime<Utc>>,
    /// When its next trial is due, while unhealthy.
    next_retry_at: Option<DateTime<Utc>>,
    consecutive_successes: u32,
    /// Attempts running now.
    in_flight: u32,
    associations: Vec<AssociationHealth>,
}

/// How an association fares, apart from its provider.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AssociationHealth {
    model_provider_id: i64,
    /// `healthy`, `degraded` or `unhealthy`.
    state: &'static str,
    /// Why, unless healthy.
    reason: Option<&'static str>,
    error_count: u32,
    next_retry_at: Option<DateTime<Utc>>,
    /// Until when it pauses because it is rate limited or overloaded.
    cooling_until: Option<DateTime<Utc>>,
    consecutive_successes: u32,
    in_flight: u32,
    /// A decaying average of the time to the first content, in milliseconds.
    latency_ms: Option<u64>,
}

impl From<AssociationReport> for AssociationHealth {
    fn from(report: AssociationReport) -> Self {
        Self {
            model_provider_id: report.model_provider_id,
            state: report.state.as_str(),
            reason: report.reason.map(|reason| reason.as_str()),
            error_count: report.error_count,
            next_retry_at: report.next_retry_at,
            cooling_until: report.cooling_until,
            consecutive_successes: report.consecutive_successes,
            in_flight: report.in_flight,
            latency_ms: report.latency_ms,
        }
    }
}

impl ProviderHealth {
    fn of(row: provider::Model, problem: Option<String>, report: Option<ProviderReport>) -> Self {
        let unwatched = Self {
            provider_id: row.id,
            name: row.name,
            enabled: row.enabled,
            problem,
            state: None,
            reason: None,
            error_count: 0,
            last_error: None,
            last_status_code: None,
            last_validated_at: None,
            last_success_at: None,
            next_retry_at: None,
            consecutive_successes: 0,
            in_flight: 0,
            associations: Vec::new(),
        };
        let Some(report) = report else {
            return unwatched;
        };
        Self {
            state: Some(report.state.as_str()),
            reason: report.reason.map(|reason| reason.as_str()),
            error_count: report.error_count,
            last_error: report.last_error,
            last_status_code: report.last_status_code,
            last_validated_at: report.last_validated_at,
            last_success_at: report.last_success_at,
            next_retry_at: report.next_retry_at,
            consecutive_successes: report.consecutive_successes,
            in_flight: report.in_flight,
            associations: report.associations.into_iter().map(Into::into).collect(),
            ..unwatched
        }
    }

    /// Its part in the whole; a provider that cannot be called is as good as none.
    fn counts_as(&self) -> HealthState {
        match (self.problem.is_some(), self.state) {
            (true, _) | (_, Some("unhealthy")) => HealthState::Unhealthy,
            (_, Some("degraded")) => HealthState::Degraded,
            _ => HealthState::Healthy,
        }
    }
}

fn overall(providers: &[ProviderHealth]) -> HealthState {
    let states: Vec<_> = providers
        .iter()
        .filter(|provider| provider.enabled)
        .map(ProviderHealth::counts_as)
        .collect();
    if states.iter().all(|state| *state == HealthState::Unhealthy) {
        HealthState::Unhealthy
    } else if states.iter().all(|state| *state == HealthState::Healthy) {
        HealthState::Healthy
    } else {
        HealthState::Degraded
    }
}

/// How all providers and their associations fare.
#[utoipa::path(get, path = "/health", tag = "health", responses((status = 200, body = HealthBody)))]
pub(crate) async fn all(State(state): State<AdminState>) -> Result<Json<HealthBody>, Error> {
    let rows = provider::Entity::find()
        .order_by_asc(provider::Column::Id)
        .all(&state.database)
        .await?;
    let mut reports: HashMap<i64, ProviderReport> = state
        .health
        .report(Moment::now())
        .into_iter()
        .map(|report| (report.provider_id, report))
        .collect();
    let snapshot = state.catalog.snapshot();
    let providers: Vec<_> = rows
        .into_iter()
        .map(|row| {
            let problem = snapshot.problem(ProviderId(row.id)).map(str::to_owned);
            let report = reports.remove(&row.id);
            ProviderHealth::of(row, problem, report)
        })
        .collect();
    Ok(Json(HealthBody {
        status: overall(&providers).as_str(),
        providers,
    }))
}

/// What a check found.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CheckBody {
    /// Whether the provider answered as it should.
    ok: bool,
    /// What the answer is judged as; `answered` if all is well.
    #[schema(example = "answered")]
    verdict: &'static str,
    /// HTTP status of its answer, if there was one.
    status: Option<u16>,
    error: Option<String>,
    latency_ms: Option<u64>,
}

/// Probes a provider now, and tells what came of it. The outcome counts for its health.
#[utoipa::path(post, path = "/providers/{id}/check", tag = "providers", params(("id" = i64, Path)),
    responses((status = 200, body = CheckBody)))]
pub(crate) async fn check(
    State(state): State<AdminState>,
    Id(id): Id,
) -> Result<Json<CheckBody>, Error> {
    let row = providers::find(&state.database, id).await?;
    let outcome = state
        .health
        .check_now(ProviderId(id))
        .await
        .map_err(|error| match error {
            health::Error::UnknownProvider => providers::unusable(&state, &row).unwrap_or(
                Error::Unavailable("the provider is not loaded yet; try again in a second"),
            ),
            health::Error::Busy => {
                Error::Unavailable("too many checks are running; try again in a second")
            }
            _ => Error::Unavailable("checks are not running in this process"),
        })?;
    Ok(Json(CheckBody {
        ok: outcome.verdict == Verdict::Answered,
        verdict: verdict(outcome.verdict),
        status: outcome.status,
        error: outcome.error,
        latency_ms: outcome.latency.map(|latency| latency.as_millis() as u64),
    }))
}

fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Answered => "answered",
        Verdict::ClientFault => "not_checked",
        Verdict::ContextLengthExceeded => "context_length_exceeded",
        Verdict::ConnectTimeout => "connect_timeout",
        Verdict::Timeout => "timeout",
        Verdict::NotFound => "not_found",
        Verdict::Misconfigured => "misconfigured",
        Verdict::RateLimited { .. } => "rate_limited",
        Verdict::Overloaded { .. } => "overloaded",
        _ => "failed",
    }
}

/// How an association fares, with its last outcomes.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StatusBody {
    /// Null before it is watched.
    health: Option<AssociationHealth>,
    /// The last 50 outcomes that this process saw, newest first.
    data: Vec<OutcomeBody>,
    /// Always null: there is one page.
    #[schema(value_type = Option<String>)]
    next: (),
}

/// How one attempt ended.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OutcomeBody {
    at: DateTime<Utc>,
    /// Whether it was answered, or ended by the client's own fault or hang-up.
    ok: bool,
    status: Option<u16>,
    /// Time to the first content, in milliseconds.
    latency_ms: Option<u64>,
}

/// How an association fares, with its last outcomes.
#[utoipa::path(get, path = "/model-providers/{id}/status", tag = "model-providers", params(("id" = i64, Path)),
    responses((status = 200, body = StatusBody)))]
pub(crate) async fn status(
    State(state): State<AdminState>,
    Id(id): Id,
) -> Result<Json<StatusBody>, Error> {
    model_providers::find(&state.database, id).await?;
    let now = Moment::now();
    let recent = state.health.recent(CandidateId(id), now);
    let health = state
        .health
        .report(now)
        .into_iter()
        .flat_map(|provider| provider.associations)
        .find(|association| association.model_provider_id == id);
    Ok(Json(StatusBody {
        health: health.map(Into::into),
        data: recent
            .unwrap_or_default()
            .into_iter()
            .map(|outcome| OutcomeBody {
                at: outcome.at,
                ok: outcome.ok,
                status: outcome.status,
                latency_ms: outcome.latency_ms,
            })
            .collect(),
        next: (),
    }))
}

/// A change of a provider's state.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TransitionBody {
    /// When it was noticed.
    at: DateTime<Utc>,
    /// `healthy`, `degraded` or `unhealthy`.
    from: &'static str,
    /// What it is since.
    to: &'static str,
    /// Why, unless it is healthy since.
    reason: Option<&'static str>,
    /// What the last failure was, where it became unhealthy.
    error: Option<String>,
    /// That failure's HTTP status, if it had one.
    status_code: Option<u16>,
}

impl From<StateChange> for TransitionBody {
    fn from(change: StateChange) -> Self {
        Self {
            at: change.at,
            from: change.from.as_str(),
            to: change.to.as_str(),
            reason: change.reason.map(|reason| reason.as_str()),
            error: change.error,
            status_code: change.status_code,
        }
    }
}

/// The last 20 changes of a provider's state, newest first, as this gateway saw them or found them stored at its start.
#[utoipa::path(get, path = "/providers/{id}/transitions", tag = "health", params(("id" = i64, Path)),
    responses((status = 200, body = Page<TransitionBody>)))]
pub(crate) async fn transitions(
    State(state): State<AdminState>,
    Id(id): Id,
) -> Result<Json<Page<TransitionBody>>, Error> {
    providers::find(&state.database, id).await?;
    let changes = state.health.changes(ProviderId(id), Moment::now());
    let changes = changes.unwrap_or_default().into_iter();
    Ok(Json(Page::whole(changes.map(Into::into).collect())))
}
