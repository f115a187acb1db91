//! The last outcomes of an association.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::clock::Moment;
use crate::outcome::{Outcome, is_failure};

/// Outcomes kept per association.
const KEPT: usize = 50;

/// How one attempt ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecentOutcome {
    /// When it ended.
    pub at: DateTime<Utc>,
    /// Whether it was answered, or ended by the client's own fault or hang-up.
    pub ok: bool,
    /// HTTP status of the provider's answer, if there was one.
    pub status: Option<u16>,
    /// Time to the first content, in milliseconds.
    pub latency_ms: Option<u64>,
}

/// A ring of the last outcomes; it takes no room before the first.
#[derive(Debug, Default)]
pub(crate) struct Recents(VecDeque<Entry>);

#[derive(Debug)]
struct Entry {
    at: Instant,
    ok: bool,
    status: Option<u16>,
    latency: Option<Duration>,
}

impl Recents {
    pub(crate) fn push(&mut self, outcome: &Outcome, now: Instant) {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(Entry {
            at: now,
            ok: !is_failure(outcome.verdict),
            status: outcome.status,
            latency: outcome.latency,
        });
    }

    /// Newest first.
    pub(crate) fn report(&self, now: Moment) -> Vec<RecentOutcome> {
        let newest_first = self.0.iter().rev();
        newest_first
            .map(|entry| RecentOutcome {
                at: now.utc_of(entry.at),
                ok: entry.ok,
                status: entry.status,
                latency_ms: entry.latency.map(|it| it.as_millis() as u64),
            })
            .collect()
    }
}
