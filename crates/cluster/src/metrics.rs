//! What is counted of the work with Redis.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counters since the start.
#[derive(Debug, Default)]
pub struct Metrics {
    pub(crate) calls: AtomicU64,
    pub(crate) failures: AtomicU64,
    pub(crate) outages: AtomicU64,
    pub(crate) alone: AtomicU64,
}

impl Metrics {
    pub(crate) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Relaxed);
    }

    /// Calls that were answered. One carries what many requests ask and tell.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.calls.load(Relaxed)
    }

    /// Connections that failed, and calls that were not answered in time.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failures.load(Relaxed)
    }

    /// Times that Redis was given up until it answers quickly again.
    #[must_use]
    pub fn outages(&self) -> u64 {
        self.outages.load(Relaxed)
    }

    /// Decisions on limits that this gateway made alone.
    #[must_use]
    pub fn alone(&self) -> u64 {
        self.alone.load(Relaxed)
    }
}
