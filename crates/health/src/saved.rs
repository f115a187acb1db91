//! A provider's health as a row of `provider_health`.

use chrono::{DateTime, Utc};
use entities::provider_health;
use router::ProviderId;
use sea_orm::ActiveValue::{NotSet, Set};

use crate::breaker::Breaker;
use crate::clock::Moment;
use crate::history::StateChange;
use crate::lane::{Kind, Lane, ProviderExt, ProviderLane};
use crate::state::{Reason, State};

/// What is kept of a provider's health across restarts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Saved {
    pub(crate) is_unhealthy: bool,
    pub(crate) errors: u32,
    pub(crate) successes: u32,
    pub(crate) last_error: Option<String>,
    pub(crate) last_status_code: Option<u16>,
    pub(crate) last_validated_at: Option<DateTime<Utc>>,
    pub(crate) last_success_at: Option<DateTime<Utc>>,
    pub(crate) next_retry_at: Option<DateTime<Utc>>,
    /// The last changes of its state, the newest first.
    pub(crate) transitions: Vec<StateChange>,
}

impl Saved {
    /// What `lane` is at `now`.
    pub(crate) fn of(lane: &ProviderLane, now: Moment) -> Self {
        let mut core = lane.lock();
        let (state, _) = core.breaker.state(now.instant);
        Self {
            is_unhealthy: state == State::Unhealthy,
            errors: core.breaker.errors(),
            successes: core.breaker.successes(),
            last_error: core.ext.last_error.clone(),
            last_status_code: core.ext.last_status_code,
            last_validated_at: core.ext.last_validated.utc(now),
            last_success_at: core.ext.last_success.utc(now),
            next_retry_at: core.breaker.next_retry().map(|it| now.utc_of(it)),
            transitions: core.ext.history.report(now),
        }
    }

    /// The lane of a provider that this was saved of.
    pub(crate) fn into_lane(self, id: ProviderId, kind: &Kind, now: Moment) -> ProviderLane {
        let open = self.is_unhealthy.then(|| {
            let stored = self.next_retry_at.unwrap_or(now.utc);
            let until = now.instant_of_future(stored, kind.rules.max_pause);
            (until, self.reason())
        });
        let breaker = Breaker::restore(self.errors, self.successes, open, now.instant);
        let ext = ProviderExt {
            last_error: self.last_error,
            last_status_code: self.last_status_code,
            last_validated: self.last_validated_at.into(),
            last_success: self.last_success_at.into(),
            history: self.transitions.into(),
            changes: 0,
        };
        Lane::new(id.0, breaker, ext, kind, now.instant)
    }

    pub(crate) fn into_row(self, provider: ProviderId) -> provider_health::ActiveModel {
        provider_health::ActiveModel {
            id: NotSet,
            provider_id: Set(provider.0),
            is_healthy: Set(!self.is_unhealthy),
            error_count: Set(to_column(self.errors)),
            last_error: Set(self.last_error),
            last_status_code: Set(self.last_status_code.map(i32::from)),
            last_validated_at: Set(self.last_validated_at),
            last_success_at: Set(self.last_success_at),
            next_retry_at: Set(self.next_retry_at),
            consecutive_successes: Set(to_column(self.successes)),
            transitions: Set(serde_json::to_value(self.transitions).ok()),
        }
    }

    /// The row has no column for the reason; what a misconfigured provider answers tells it.
    fn reason(&self) -> Reason {
        match self.last_status_code {
            Some(401 | 402 | 403 | 300..=399) => Reason::Misconfigured,
            _ => Reason::ConsecutiveFailures,
        }
    }
}

impl From<provider_health::Model> for Saved {
    fn from(row: provider_health::Model) -> Self {
        Self {
            is_unhealthy: !row.is_healthy,
            errors: u32::try_from(row.error_count).unwrap_or(0),
            successes: u32::try_from(row.consecutive_successes).unwrap_or(0),
            last_error: row.last_error,
            last_status_code: row.last_status_code.and_then(|it| u16::try_from(it).ok()),
            last_validated_at: row.last_validated_at,
            last_success_at: row.last_success_at,
            next_retry_at: row.next_retry_at,
            // What another build wrote may not be readable; it is for people only.
            transitions: row
                .transitions
                .and_then(|json| serde_json::from_value(json).ok())
                .unwrap_or_default(),
        }
    }
}

fn to_column(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
