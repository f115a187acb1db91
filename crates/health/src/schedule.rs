//! When which provider is probed next.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use router::ProviderId;

/// The first probes after a start or a change of the configuration are spread over this time.
const FIRST_SPREAD: Duration = Duration::from_secs(10);
/// An unhealthy provider whose pause is over is not probed more often than this.
const MIN_GAP: Duration = Duration::from_secs(5);

/// Plain bookkeeping: callers bring the time and the dice, which roll numbers in `0.0..1.0`.
#[derive(Debug)]
pub(crate) struct Schedule {
    interval: Duration,
    slots: HashMap<ProviderId, Slot>,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    due: Instant,
    last: Option<Instant>,
}

impl Slot {
    fn is_due(self, next_retry: Option<Instant>, now: Instant) -> bool {
        let rested = |last| now.saturating_duration_since(last) >= MIN_GAP;
        now >= self.due || (next_retry.is_some_and(|at| now >= at) && self.last.is_none_or(rested))
    }
}

impl Schedule {
    pub(crate) fn new(interval: Duration) -> Self {
        Self {
            interval,
            slots: HashMap::new(),
        }
    }

    /// Who of `targets` is due. With each comes the time of its next trial if it is unhealthy. Providers that are no
    /// target any more are forgotten.
    pub(crate) fn due(
        &mut self,
        targets: impl Iterator<Item = (ProviderId, Option<Instant>)>,
        now: Instant,
        mut dice: impl FnMut() -> f64,
    ) -> Vec<ProviderId> {
        let mut slots = HashMap::with_capacity(self.slots.len());
        let mut due = Vec::new();
        for (provider, next_retry) in targets {
            let slot = self.slots.get(&provider).copied().unwrap_or_else(|| Slot {
                due: now + self.interval.min(FIRST_SPREAD).mul_f64(dice()),
                last: None,
            });
            if slot.is_due(next_retry, now) {
                due.push(provider);
            }
            slots.insert(provider, slot);
        }
        self.slots = slots;
        due
    }

    /// A probe of `provider` begins: the next is due an interval later, give or take a tenth, so that probes of many
    /// providers and replicas do not march in step.
    pub(crate) fn started(
        &mut self,
        provider: ProviderId,
        now: Instant,
        dice: impl FnOnce() -> f64,
    ) {
        let slot = Slot {
            due: now + self.interval.mul_f64(0.9 + 0.2 * dice()),
            last: Some(now),
        };
        self.slots.insert(provider, slot);
    }
}
