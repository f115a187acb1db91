//! What the write-behind can tell about itself.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counters and gauges, to be read at any time.
#[derive(Debug, Default)]
pub struct StatsMetrics {
    pub(crate) queued: AtomicU64,
    pub(crate) spooled: AtomicU64,
    pub(crate) written: AtomicU64,
    pub(crate) lost: AtomicU64,
    pub(crate) set_aside: AtomicU64,
    pub(crate) batches: AtomicU64,
    pub(crate) failures: AtomicU64,
    pub(crate) lag_ms: AtomicU64,
    pub(crate) expired: AtomicU64,
    pub(crate) panics: AtomicU64,
    pub(crate) bodies_written: AtomicU64,
    pub(crate) bodies_dropped: AtomicU64,
}

impl StatsMetrics {
    /// Gauge: records that are in memory only, neither committed nor spooled yet.
    pub fn queued(&self) -> u64 {
        self.queued.load(Relaxed)
    }

    /// Gauge: rows that wait in the spool on disk.
    pub fn spooled(&self) -> u64 {
        self.spooled.load(Relaxed)
    }

    /// Counter: rows committed to the database.
    pub fn written(&self) -> u64 {
        self.written.load(Relaxed)
    }

    /// Counter: records dropped because memory and spool were full, or because they came after the end.
    pub fn lost(&self) -> u64 {
        self.lost.load(Relaxed)
    }

    /// Counter: rows the database refused for their data.
    pub fn set_aside(&self) -> u64 {
        self.set_aside.load(Relaxed)
    }

    /// Counter: batches committed.
    pub fn batches(&self) -> u64 {
        self.batches.load(Relaxed)
    }

    /// Counter: writes that failed and will be repeated.
    pub fn failures(&self) -> u64 {
        self.failures.load(Relaxed)
    }

    /// Gauge: milliseconds from the oldest record's end to its commit, in the last write.
    pub fn last_write_lag_ms(&self) -> u64 {
        self.lag_ms.load(Relaxed)
    }

    /// Counter: rows deleted by retention.
    pub fn expired(&self) -> u64 {
        self.expired.load(Relaxed)
    }

    /// Counter: requests whose bodies are in the database.
    pub fn bodies_written(&self) -> u64 {
        self.bodies_written.load(Relaxed)
    }

    /// Counter: requests whose bodies were to be recorded, and for which there was no room or no database.
    pub fn bodies_dropped(&self) -> u64 {
        self.bodies_dropped.load(Relaxed)
    }

    /// Counter: panics that the writer went on from.
    pub fn panics(&self) -> u64 {
        self.panics.load(Relaxed)
    }
}
