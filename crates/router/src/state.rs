//! What routing must know about a candidate at the moment of a request, supplied by whoever watches providers.

use std::time::{Duration, Instant};

/// Identifies an association (a row of `model_providers`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CandidateId(pub i64);

/// Identifies a provider (a row of `providers`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProviderId(pub i64);

/// Whether a candidate may be tried now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Standing {
    /// May serve. `share` in `0.0..=1.0` scales its weight: below one while degraded or in slow start.
    Ready {
        /// Factor on the configured weight.
        share: f32,
    },
    /// Its breaker is half-open and nobody has taken the trial yet: it may serve this one request.
    Trial,
    /// Its breaker (or its provider's) is open.
    Open {
        /// When the next trial is due.
        until: Instant,
        /// Consecutive failures so far.
        errors: u32,
    },
    /// It asked for a pause (429, 529) itself.
    Cooling {
        /// When the pause ends.
        until: Instant,
    },
}

/// Current load of a candidate.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Load {
    /// Attempts running at this moment.
    pub in_flight: u32,
    /// Peak-EWMA of the response time; `None` before the first answer.
    pub latency: Option<Duration>,
}

/// The view of health, cooldowns, load and cost that a plan is made from. Implementations must be cheap: it is asked
/// several times per request, on the request's path.
pub trait CandidateState {
    /// Whether `candidate` of `provider` may be tried at `now`.
    fn standing(&self, candidate: CandidateId, provider: ProviderId, now: Instant) -> Standing;

    /// Load of `candidate`; read by `least_busy` and `least_latency`.
    fn load(&self, candidate: CandidateId, now: Instant) -> Load;

    /// Expected price of `candidate` in nano-USD per million tokens; `None` while unpriced. Read by `cheapest`.
    fn cost(&self, candidate: CandidateId) -> Option<u64>;

    /// Claims the one trial per second that a model gets while all its candidates cool by their own `Retry-After`.
    /// True for the one caller that may go ahead.
    fn claim_cooling_trial(&self, candidate: CandidateId, now: Instant) -> bool;
}
