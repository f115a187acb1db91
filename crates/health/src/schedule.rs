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

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use router::ProviderId;

    use super::Schedule;

    const INTERVAL: Duration = Duration::from_secs(300);

    /// Who is due, of provider 1 alone, that many seconds after the start.
    fn is_due(
        schedule: &mut Schedule,
        start: Instant,
        at_s: u64,
        retry_s: Option<u64>,
        dice: f64,
    ) -> bool {
        let at = |seconds| start + Duration::from_secs(seconds);
        let target = (ProviderId(1), retry_s.map(at));
        let due = schedule.due([target].into_iter(), at(at_s), || dice);
        due == [ProviderId(1)]
    }

    #[test]
    fn the_first_probe_comes_within_ten_seconds_or_the_interval() {
        for (interval_s, dice, due_s) in [(300, 0.0, 0), (300, 0.5, 5), (2, 0.5, 1)] {
            let start = Instant::now();
            let mut schedule = Schedule::new(Duration::from_secs(interval_s));
            for at_s in 0..due_s {
                assert!(!is_due(&mut schedule, start, at_s, None, dice), "{at_s}");
            }
            assert!(is_due(&mut schedule, start, due_s, None, dice), "{due_s}");
        }
    }

    #[test]
    fn the_next_comes_an_interval_later_or_when_the_pause_is_over() {
        let start = Instant::now();
        let mut schedule = Schedule::new(INTERVAL);
        for (dice, due_s) in [(0.0, 270), (0.5, 300), (1.0, 330)] {
            schedule.started(ProviderId(1), start, || dice);
            assert!(!is_due(&mut schedule, start, due_s - 1, None, 0.0));
            assert!(is_due(&mut schedule, start, due_s, None, 0.0));
        }
        assert!(!is_due(&mut schedule, start, 39, Some(40), 0.0));
        assert!(is_due(&mut schedule, start, 40, Some(40), 0.0));
        // Its last probe is too recent.
        assert!(!is_due(&mut schedule, start, 4, Some(0), 0.0));
        assert!(is_due(&mut schedule, start, 5, Some(0), 0.0));
    }

    #[test]
    fn who_is_no_target_any_more_is_forgotten() {
        let start = Instant::now();
        let mut schedule = Schedule::new(INTERVAL);
        schedule.started(ProviderId(1), start, || 0.0);
        schedule.due(std::iter::empty(), start, || 0.0);
        assert!(schedule.slots.is_empty());
    }
}
