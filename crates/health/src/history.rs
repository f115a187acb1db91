//! The last changes of a provider's state, for people who ask what happened.

use std::collections::VecDeque;
use std::time::Instant;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::clock::{Moment, Stamp};
use crate::state::{Reason, State, Transition};

/// Changes kept per provider.
const KEPT: usize = 20;
/// Longest error text kept with one, in characters.
const ERROR_CHARS: usize = 200;

/// A change of a provider's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateChange {
    /// When it was noticed.
    pub at: DateTime<Utc>,
    /// What the state was.
    pub from: State,
    /// What it is since.
    pub to: State,
    /// Why, unless it is healthy since.
    pub reason: Option<Reason>,
    /// What the last failure was, where it became unhealthy.
    pub error: Option<String>,
    /// That failure's HTTP status, if it had one.
    pub status_code: Option<u16>,
}

/// A ring of the last changes; it takes no room before the first.
#[derive(Debug, Clone, Default)]
pub(crate) struct History(VecDeque<Entry>);

#[derive(Debug, Clone)]
struct Entry {
    at: Stamp,
    transition: Transition,
    error: Option<String>,
    status_code: Option<u16>,
}

impl History {
    /// Notes a change, with the last failure.
    pub(crate) fn push(
        &mut self,
        transition: Transition,
        failure: (Option<&str>, Option<u16>),
        now: Instant,
    ) {
        let (error, status_code) = match transition.to {
            State::Unhealthy => failure,
            State::Healthy | State::Degraded => (None, None),
        };
        self.keep(Entry {
            at: Stamp::Seen(now),
            transition,
            error: error.map(|text| text.chars().take(ERROR_CHARS).collect()),
            status_code,
        });
    }

    fn keep(&mut self, entry: Entry) {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(entry);
    }

    /// Newest first.
    pub(crate) fn report(&self, now: Moment) -> Vec<StateChange> {
        let newest_first = self.0.iter().rev();
        newest_first
            .map(|entry| StateChange {
                at: entry.at.utc(now).unwrap_or(now.utc),
                from: entry.transition.from,
                to: entry.transition.to,
                reason: entry.transition.reason,
                error: entry.error.clone(),
                status_code: entry.status_code,
            })
            .collect()
    }
}

impl From<Vec<StateChange>> for History {
    /// Of what was reported.
    fn from(newest_first: Vec<StateChange>) -> Self {
        let mut history = Self::default();
        for change in newest_first.into_iter().rev() {
            history.keep(Entry {
                at: Stamp::Stored(change.at),
                transition: Transition {
                    from: change.from,
                    to: change.to,
                    reason: change.reason,
                },
                error: change.error,
                status_code: change.status_code,
            });
        }
        history
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_changes_are_kept_and_read_back() {
        let now = Moment::now();
        let mut history = History::default();
        for number in 0..30 {
            let to = [State::Unhealthy, State::Degraded][number % 2];
            let transition = Transition {
                from: State::Healthy,
                to,
                reason: Some(Reason::FailureRate),
            };
            let error = format!("{number} {}", "x".repeat(500));
            history.push(transition, (Some(&error), Some(503)), now.instant);
        }
        let report = history.report(now);
        assert_eq!(report.len(), KEPT);
        assert_eq!((report[0].to, &report[0].error), (State::Degraded, &None));
        assert_eq!(report[1].status_code, Some(503));
        let error = report[1].error.as_deref().unwrap();
        assert!(error.starts_with("28 x"), "newest first");
        assert_eq!(error.len(), ERROR_CHARS);
        let stored = serde_json::to_string(&report).unwrap();
        let read: Vec<StateChange> = serde_json::from_str(&stored).unwrap();
        assert_eq!(History::from(read).report(now), report);
    }
}
