//! What Redis is still to be told. It is kept together by scope and time, so that an outage of any length takes no more room
//! than its last minute has scopes.

use std::collections::{HashMap, HashSet};

use access::limit::{Change, STEPS, Scope};
use router::CandidateId;
use tokio::time::Instant;

/// What waits.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    /// By scope and step.
    changes: HashMap<(Scope, u64), More, foldhash::fast::RandomState>,
    /// How many requests of this gateway run.
    running: HashMap<Scope, i64, foldhash::fast::RandomState>,
    /// Of these it has changed.
    restless: HashSet<Scope, foldhash::fast::RandomState>,
    pauses: HashMap<CandidateId, Instant, foldhash::fast::RandomState>,
}

/// What came of one scope at one step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct More {
    /// Requests more.
    pub(crate) requests: i64,
    /// Tokens more.
    pub(crate) tokens: i64,
    /// How many a minute may have.
    pub(crate) limit: Option<u64>,
}

/// What was taken out, to be sent.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Letter {
    pub(crate) changes: Vec<(Scope, u64, More)>,
    pub(crate) running: Vec<(Scope, i64)>,
    pub(crate) pauses: Vec<(CandidateId, Instant)>,
}

impl Outbox {
    pub(crate) fn add(&mut self, change: Change) {
        if change.running != 0 {
            self.run(&change.scope, change.running);
        }
        if (change.requests, change.tokens) != (0, 0) {
            let waiting = self.changes.entry((change.scope, change.step)).or_default();
            waiting.requests = waiting.requests.saturating_add(change.requests);
            waiting.tokens = waiting.tokens.saturating_add(change.tokens);
            waiting.limit = change.limit.or(waiting.limit);
        }
    }

    /// So many requests more of a scope run, and Redis does not know.
    fn run(&mut self, scope: &Scope, more: i64) {
        *self.running.entry(scope.clone()).or_default() += more;
        self.restless.insert(scope.clone());
    }

    /// One request more of a scope runs, as Redis knows.
    pub(crate) fn runs(&mut self, scope: &Scope) {
        *self.running.entry(scope.clone()).or_default() += 1;
    }

    pub(crate) fn pause(&mut self, candidate: CandidateId, until: Instant) {
        let waiting = self.pauses.entry(candidate).or_insert(until);
        *waiting = until.max(*waiting);
    }

    /// Has all be told again that runs.
    pub(crate) fn repeat(&mut self) {
        self.restless.extend(self.running.keys().cloned());
    }

    /// Puts `changes` in the place of all that wait.
    pub(crate) fn replace(&mut self, changes: impl IntoIterator<Item = Change>) {
        self.changes.clear();
        for change in changes {
            self.add(change);
        }
        self.repeat();
    }

    /// Forgets what is too old to matter at `step`.
    pub(crate) fn forget(&mut self, step: u64) {
        self.changes
            .retain(|(_, at), _| step.saturating_sub(*at) < STEPS);
        let now = Instant::now();
        self.pauses.retain(|_, until| *until > now);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.restless.is_empty() && self.pauses.is_empty()
    }

    /// Takes out up to `most` of what has changed, and all the rest.
    pub(crate) fn take(&mut self, most: usize) -> Letter {
        let keys: Vec<_> = self.changes.keys().take(most).cloned().collect();
        let changes = keys.into_iter().filter_map(|key| {
            let more = self.changes.remove(&key)?;
            Some((key.0, key.1, more))
        });
        let changes = changes.collect();
        let restless = std::mem::take(&mut self.restless).into_iter();
        let running = restless.map(|scope| {
            let count = self.running.get(&scope).copied().unwrap_or(0).max(0);
            if count == 0 {
                self.running.remove(&scope);
            }
            (scope, count)
        });
        Letter {
            changes,
            running: running.collect(),
            pauses: self.pauses.drain().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(step: u64, requests: i64, tokens: i64, running: i64) -> Change {
        Change {
            scope: Scope::All,
            step,
            requests,
            tokens,
            limit: Some(9),
            running,
        }
    }

    #[test]
    fn what_waits_is_kept_together_and_forgotten_when_it_is_old() {
        let mut outbox = Outbox::default();
        for _ in 0..1000 {
            outbox.add(change(7, 1, 10, 1));
            outbox.add(change(7, 0, -4, -1));
        }
        outbox.add(change(200, 1, 5, 1));
        outbox.forget(7 + STEPS - 1);
        let letter = outbox.take(1);
        assert_eq!(letter.changes.len(), 1);
        assert_eq!(letter.running, [(Scope::All, 1)]);
        outbox.forget(200);
        let rest = outbox.take(100).changes;
        let more = More {
            requests: 1,
            tokens: 5,
            limit: Some(9),
        };
        let all = [letter.changes, rest].concat();
        assert!(all.contains(&(Scope::All, 200, more)));
        assert!(outbox.is_empty());
    }

    #[test]
    fn what_runs_is_told_when_it_changes_and_when_it_is_to_be_repeated() {
        let mut outbox = Outbox::default();
        outbox.runs(&Scope::All);
        assert_eq!(outbox.take(1), Letter::default());
        outbox.repeat();
        assert_eq!(outbox.take(1).running, [(Scope::All, 1)]);
        outbox.add(change(1, 0, 0, -1));
        assert_eq!(outbox.take(1).running, [(Scope::All, 0)]);
        outbox.repeat();
        assert_eq!(outbox.take(1).running, []);
    }
}
