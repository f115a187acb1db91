//! Health as the admin API and the console show it.

use chrono::{DateTime, Utc};
use router::ProviderId;
use serde::Serialize;

use crate::clock::Moment;
use crate::lane::ProviderLane;
use crate::registry::{Association, Registry};
use crate::state::{Reason, State};

/// Health of one provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProviderReport {
    /// Which provider.
    pub provider_id: i64,
    /// How it fares.
    pub state: State,
    /// Why, unless healthy.
    pub reason: Option<Reason>,
    /// Consecutive failures held against it; failures within one second count once.
    pub error_count: u32,
    /// What the last failure was; kept after recovery.
    pub last_error: Option<String>,
    /// HTTP status of the last failure, if it had one.
    pub last_status_code: Option<u16>,
    /// When it was last probed.
    pub last_validated_at: Option<DateTime<Utc>>,
    /// When an attempt or a probe last succeeded.
    pub last_success_at: Option<DateTime<Utc>>,
    /// When the next trial is (or was) due, while unhealthy.
    pub next_retry_at: Option<DateTime<Utc>>,
    /// Successes since the last failure.
    pub consecutive_successes: u32,
    /// Attempts running now.
    pub in_flight: u32,
    /// Its associations, by id.
    pub associations: Vec<AssociationReport>,
}

/// Health of one association.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AssociationReport {
    /// Which row of `model_providers`.
    pub model_provider_id: i64,
    /// How it fares, apart from its provider.
    pub state: State,
    /// Why, unless healthy.
    pub reason: Option<Reason>,
    /// Consecutive failures held against it; failures within one second count once.
    pub error_count: u32,
    /// When its next trial is (or was) due, while unhealthy.
    pub next_retry_at: Option<DateTime<Utc>>,
    /// Until when it pauses because it is rate limited or overloaded; no matter of health.
    pub cooling_until: Option<DateTime<Utc>>,
    /// Successes since the last failure.
    pub consecutive_successes: u32,
    /// Attempts running now.
    pub in_flight: u32,
    /// Peak-EWMA of the time to the first content, in milliseconds.
    pub latency_ms: Option<u64>,
}

/// Everything watched, ordered by id.
pub(crate) fn all(registry: &Registry, now: Moment) -> Vec<ProviderReport> {
    let mut reports: Vec<_> = registry
        .providers
        .iter()
        .map(|(id, provider)| of_provider(*id, &provider.lane, now))
        .collect();
    reports.sort_unstable_by_key(|report| report.provider_id);
    let mut associations: Vec<_> = registry.associations.values().collect();
    associations.sort_unstable_by_key(|association| association.candidate);
    for association in associations {
        let owner = reports
            .binary_search_by_key(&association.provider.0, |report| report.provider_id)
            .expect("an association is only kept together with its provider");
        reports[owner]
            .associations
            .push(of_association(association, now));
    }
    reports
}

fn of_provider(id: ProviderId, lane: &ProviderLane, now: Moment) -> ProviderReport {
    let in_flight = lane.in_flight();
    let mut core = lane.lock();
    let (state, reason) = core.breaker.state(now.instant);
    ProviderReport {
        provider_id: id.0,
        state,
        reason,
        error_count: core.breaker.errors(),
        last_error: core.ext.last_error.clone(),
        last_status_code: core.ext.last_status_code,
        last_validated_at: core.ext.last_validated.utc(now),
        last_success_at: core.ext.last_success.utc(now),
        next_retry_at: core.breaker.next_retry().map(|it| now.utc_of(it)),
        consecutive_successes: core.breaker.successes(),
        in_flight,
        associations: Vec::new(),
    }
}

fn of_association(association: &Association, now: Moment) -> AssociationReport {
    let in_flight = association.lane.in_flight();
    let mut core = association.lane.lock();
    let (state, reason) = core.breaker.state(now.instant);
    let cooling_until = core.ext.cooling_until(now.instant);
    let latency = core.ext.latency.latency(now.instant);
    AssociationReport {
        model_provider_id: association.candidate.0,
        state,
        reason,
        error_count: core.breaker.errors(),
        next_retry_at: core.breaker.next_retry().map(|it| now.utc_of(it)),
        cooling_until: cooling_until.map(|it| now.utc_of(it)),
        consecutive_successes: core.breaker.successes(),
        in_flight,
        latency_ms: latency.map(|it| it.as_millis() as u64),
    }
}
