//! The states people see, and the counting of their changes.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

/// How a provider or an association fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Gets its full share.
    Healthy,
    /// Gets less than its share: half while more than a quarter of at least 10 attempts in 30 s failed (until no more than
    /// an eighth do), and from a tenth to all of it in the 30 s after it was unhealthy.
    Degraded,
    /// Gets nothing but one trial at a time once its pause is over.
    Unhealthy,
}

/// Why it is not healthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// `max_errors` failures in a row.
    ConsecutiveFailures,
    /// Too many of the last 30 seconds' attempts failed.
    FailureRate,
    /// It refuses our credentials or redirects us.
    Misconfigured,
    /// It was unhealthy until a moment ago.
    SlowStart,
}

impl State {
    /// The state's name, as in reports and metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
        }
    }
}

impl Reason {
    /// The reason's name, as in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ConsecutiveFailures => "consecutive_failures",
            Self::FailureRate => "failure_rate",
            Self::Misconfigured => "misconfigured",
            Self::SlowStart => "slow_start",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// How often states were entered since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Transitions {
    /// Of providers.
    pub providers: Entered,
    /// Of associations.
    pub associations: Entered,
}

/// How often each state was entered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Entered {
    /// Entries into [`State::Healthy`].
    pub healthy: u64,
    /// Entries into [`State::Degraded`].
    pub degraded: u64,
    /// Entries into [`State::Unhealthy`].
    pub unhealthy: u64,
}

/// Counters behind [`Entered`].
#[derive(Debug, Default)]
pub(crate) struct EnteredCounters([AtomicU64; 3]);

impl EnteredCounters {
    pub(crate) fn count(&self, to: State) {
        self.0[to as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> Entered {
        let [healthy, degraded, unhealthy] =
            [0, 1, 2].map(|state| self.0[state].load(Ordering::Relaxed));
        Entered {
            healthy,
            degraded,
            unhealthy,
        }
    }
}

/// A change of state that was noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Transition {
    pub(crate) from: State,
    pub(crate) to: State,
    pub(crate) reason: Option<Reason>,
}
