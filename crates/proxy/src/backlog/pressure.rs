//! When the processor is behind, and how much has to be refused for it to catch up.
//!
//! A delay by itself is no fault: work comes in bursts. One that does not go away is a queue that only grows (as CoDel has
//! it), and from then on a growing share of new requests is refused until it is gone.

use std::time::{Duration, Instant};

/// A share of this much refuses everything.
pub(super) const ALL: u32 = 1000;
/// Some are always let in, so that it shows whether things are better.
const MOST: u32 = 950;
/// How long a delay has to last before anything is refused.
const PERSISTENT: Duration = Duration::from_millis(100);
/// By how much the share grows with each late turn.
const STEP: u32 = 50;
/// By how much it shrinks with each turn in time: a quarter, and at least this.
const LEAST_RELIEF: u32 = 10;

/// Judges how late turns come.
#[derive(Debug)]
pub(super) struct Pressure {
    longest: Duration,
    /// Since when every turn came late.
    late_since: Option<Instant>,
    share: u32,
}

impl Pressure {
    /// One that calls turns late which come later than `longest`.
    pub(super) fn new(longest: Duration) -> Self {
        Self {
            longest,
            late_since: None,
            share: 0,
        }
    }

    /// A turn came, this late; says what share of new requests, of [`ALL`], is to be refused.
    pub(super) fn observe(&mut self, delay: Duration, now: Instant) -> u32 {
        if delay <= self.longest {
            self.late_since = None;
            let relief = (self.share / 4).max(LEAST_RELIEF);
            self.share = self.share.saturating_sub(relief);
        } else {
            let since = *self.late_since.get_or_insert(now);
            // Where something is refused already, it was too little.
            if self.share > 0 || now.saturating_duration_since(since) >= PERSISTENT {
                self.share = (self.share + STEP).min(MOST);
            }
        }
        self.share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATE: Duration = Duration::from_millis(30);
    const IN_TIME: Duration = Duration::from_millis(1);

    /// Turns, each of which comes `delay` late, beginning at `from`; the shares.
    fn turns(pressure: &mut Pressure, from: Instant, count: u32, delay: Duration) -> Vec<u32> {
        let at = |turn| from + turn * (Duration::from_millis(10) + delay);
        (0..count)
            .map(|turn| pressure.observe(delay, at(turn)))
            .collect()
    }

    fn start() -> (Pressure, Instant) {
        let now = tokio::time::Instant::now().into_std();
        (Pressure::new(Duration::from_millis(15)), now)
    }

    #[test]
    fn a_burst_refuses_nobody() {
        let (mut pressure, now) = start();
        for burst in 0..10 {
            let from = now + burst * Duration::from_secs(1);
            assert_eq!(turns(&mut pressure, from, 2, LATE), [0, 0]);
            assert_eq!(turns(&mut pressure, from + LATE * 5, 1, IN_TIME), [0]);
        }
    }

    #[test]
    fn a_delay_that_lasts_refuses_more_and_more_but_never_all() {
        let (mut pressure, now) = start();
        let shares = turns(&mut pressure, now, 40, LATE);
        assert_eq!(shares[..3], [0, 0, 0]);
        assert!(shares[3] > 0 && shares.is_sorted(), "{shares:?}");
        assert_eq!(shares.last(), Some(&MOST));
    }

    #[test]
    fn recovery_takes_a_fraction_of_a_second() {
        let (mut pressure, now) = start();
        turns(&mut pressure, now, 40, LATE);
        let shares = turns(&mut pressure, now + LATE * 100, 30, IN_TIME);
        assert!(shares.is_sorted_by(|a, b| a >= b));
        assert_eq!(shares.last(), Some(&0), "{shares:?}");
    }
}
