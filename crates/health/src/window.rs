//! How many of the last 30 seconds' attempts failed.

use std::time::Instant;

/// One slot per second.
const SLOTS: usize = 30;

/// Counts over the current second and the 29 before it.
///
/// The sums are kept beside the slots, so asking costs nothing and a record touches one slot.
#[derive(Debug)]
pub(crate) struct Window {
    origin: Instant,
    second: u64,
    slots: [Tally; SLOTS],
    sum: Tally,
}

/// Attempts, and how many of them failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) attempts: u32,
    pub(crate) failures: u32,
}

impl Tally {
    /// Whether there are `at_least` attempts and more than one in `divisor` of them failed.
    pub(crate) fn exceeds(self, at_least: u32, divisor: u32) -> bool {
        self.attempts >= at_least
            && u64::from(self.failures) * u64::from(divisor) > u64::from(self.attempts)
    }
}

impl Window {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            origin: now,
            second: 0,
            slots: [Tally::default(); SLOTS],
            sum: Tally::default(),
        }
    }

    pub(crate) fn record(&mut self, failed: bool, now: Instant) {
        self.advance(now);
        let slot = &mut self.slots[(self.second % SLOTS as u64) as usize];
        for tally in [slot, &mut self.sum] {
            tally.attempts += 1;
            tally.failures += u32::from(failed);
        }
    }

    pub(crate) fn tally(&mut self, now: Instant) -> Tally {
        self.advance(now);
        self.sum
    }

    /// Whether the window, as it was when last used, holds a failure.
    pub(crate) fn has_failures(&self) -> bool {
        self.sum.failures > 0
    }

    pub(crate) fn clear(&mut self) {
        self.slots = [Tally::default(); SLOTS];
        self.sum = Tally::default();
    }

    /// Empties the slots whose second has left the window. Callers on different threads may bring times slightly out
    /// of order; an earlier one counts in the current second.
    fn advance(&mut self, now: Instant) {
        let second = now.saturating_duration_since(self.origin).as_secs();
        if second <= self.second {
            return;
        }
        if second - self.second >= SLOTS as u64 {
            self.clear();
        } else {
            for passed in self.second + 1..=second {
                let slot = std::mem::take(&mut self.slots[(passed % SLOTS as u64) as usize]);
                self.sum.attempts -= slot.attempts;
                self.sum.failures -= slot.failures;
            }
        }
        self.second = second;
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Tally, Window};

    fn tally(attempts: u32, failures: u32) -> Tally {
        Tally { attempts, failures }
    }

    #[test]
    fn forgets_what_is_older_than_30_seconds() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut window = Window::new(start);
        window.record(true, at(0));
        window.record(false, at(0));
        window.record(true, at(10));
        assert_eq!(window.tally(at(29)), tally(3, 2));
        assert_eq!(window.tally(at(30)), tally(1, 1));
        assert_eq!(window.tally(at(39)), tally(1, 1));
        assert_eq!(window.tally(at(40)), tally(0, 0));
        window.record(false, at(1_000_000));
        assert_eq!(window.tally(at(1_000_000)), tally(1, 0));
    }

    #[test]
    fn an_earlier_time_counts_in_the_current_second() {
        let start = Instant::now();
        let mut window = Window::new(start + Duration::from_secs(5));
        window.record(true, start + Duration::from_secs(9));
        window.record(true, start);
        assert_eq!(window.tally(start), tally(2, 2));
    }

    #[test]
    fn exceeding_needs_the_sample_and_more_than_the_part() {
        assert!(!tally(19, 19).exceeds(20, 2));
        assert!(!tally(20, 10).exceeds(20, 2));
        assert!(tally(20, 11).exceeds(20, 2));
        assert!(!tally(12, 3).exceeds(10, 4));
        assert!(tally(11, 3).exceeds(10, 4));
        assert!(tally(u32::MAX, u32::MAX).exceeds(20, 2));
    }
}
