//! When the processor is behind, and how much has to be refused for it to catch up.
//!
//! Waiting by itself is no fault: work comes in bursts. Where it does not go away it is a queue that only grows (as CoDel
//! has it), and from then on a share of new requests is refused: the further the wait is from what is bearable, the faster
//! the share grows or shrinks, so that it comes to rest where just as much is let in as can be served.

use std::time::Duration;

/// A share of this much refuses everything.
pub(super) const ALL: u32 = 1000;
/// Some are always let in, so that it shows whether things are better.
const MOST: f64 = 0.95;
/// Of how much each wait changes the mean: a wait is forgotten after a tenth of a second.
const WEIGHT: f64 = 0.125;
/// So many waits in a row have to be too long before anything is refused.
const PERSISTENT: u32 = 10;
/// By how much the share changes where the mean is twice of what is bearable, or nothing.
const STEP: f64 = 0.02;
/// It never changes by more than so many steps.
const MOST_STEPS: f64 = 2.0;
/// Hardly anybody waits while it is less than this part of what is bearable.
const HARDLY: f64 = 0.125;

/// Judges how long tasks wait for their turn.
#[derive(Debug)]
pub(super) struct Pressure {
    longest_s: f64,
    last_s: f64,
    mean_s: f64,
    /// Means in a row that were too long.
    late: u32,
    share: f64,
}

impl Pressure {
    /// One that calls waits too long which are longer than `longest`.
    pub(super) fn new(longest: Duration) -> Self {
        Self {
            longest_s: longest.as_secs_f64(),
            last_s: 0.0,
            mean_s: 0.0,
            late: 0,
            share: 0.0,
        }
    }

    /// So long waited a task; says what share of new requests, of [`ALL`], is to be refused.
    pub(super) fn observe(&mut self, wait: Duration) -> u32 {
        self.last_s = wait.as_secs_f64();
        self.mean_s += WEIGHT * (self.last_s - self.mean_s);
        let excess = self.mean_s / self.longest_s - 1.0;
        self.late = if excess > 0.0 {
            self.late.saturating_add(1)
        } else {
            0
        };
        if self.share > 0.0 || self.late >= PERSISTENT {
            self.share = (self.share + STEP * excess.min(MOST_STEPS)).clamp(0.0, MOST);
        }
        (self.share * f64::from(ALL)) as u32
    }

    /// Whether nobody is refused, and hardly anybody waits or lately did.
    pub(super) fn is_calm(&self) -> bool {
        self.share == 0.0 && self.last_s.max(self.mean_s) < HARDLY * self.longest_s
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_millis(15);

    /// So many waits of the same length; the shares.
    fn waits(pressure: &mut Pressure, count: u32, wait: Duration) -> Vec<u32> {
        (0..count).map(|_| pressure.observe(wait)).collect()
    }

    #[test]
    fn a_burst_refuses_nobody() {
        let mut pressure = Pressure::new(LONGEST);
        for _ in 0..10 {
            let shares = waits(&mut pressure, 2, LONGEST * 6);
            assert_eq!(shares, [0, 0]);
            assert!(
                waits(&mut pressure, 100, LONGEST / 10)
                    .iter()
                    .all(|share| *share == 0)
            );
        }
    }

    #[test]
    fn it_is_calm_where_hardly_anybody_waits_nor_lately_did() {
        let mut pressure = Pressure::new(LONGEST);
        assert!(pressure.is_calm());
        waits(&mut pressure, 100, LONGEST / 10);
        assert!(pressure.is_calm());
        waits(&mut pressure, 1, LONGEST / 5);
        assert!(!pressure.is_calm());
        waits(&mut pressure, 1, Duration::ZERO);
        assert!(pressure.is_calm());
        waits(&mut pressure, 9, LONGEST * 6);
        waits(&mut pressure, 1, Duration::ZERO);
        assert!(!pressure.is_calm());
        // As long as anybody is refused.
        let mut shares = waits(&mut pressure, 100, LONGEST * 2);
        while shares != [0] {
            assert!(!pressure.is_calm());
            shares = waits(&mut pressure, 1, Duration::ZERO);
        }
        assert!(pressure.is_calm());
    }

    #[test]
    fn a_wait_that_lasts_refuses_more_and_more_but_never_all() {
        let mut pressure = Pressure::new(LONGEST);
        let shares = waits(&mut pressure, 100, LONGEST * 2);
        assert_eq!(shares[..10], [0; 10]);
        assert!(shares.is_sorted(), "{shares:?}");
        assert_eq!(shares.last(), Some(&950));
    }

    #[test]
    fn it_comes_to_rest_where_as_much_is_let_in_as_can_be_served() {
        // Twice of what can be served is asked for: the wait is the longer, the more is let in.
        let mut pressure = Pressure::new(LONGEST);
        let mut share = 0;
        let mut waited = Vec::new();
        for _ in 0..500 {
            let let_in = 2.0 * f64::from(ALL - share) / f64::from(ALL);
            let wait = LONGEST.mul_f64(let_in * let_in);
            share = pressure.observe(wait);
            waited.push(wait);
        }
        for wait in &waited[400..] {
            assert!(wait.abs_diff(LONGEST) < LONGEST / 10, "{waited:?}");
        }
        assert!(share.abs_diff(500) < 50, "{share}");
    }

    #[test]
    fn recovery_takes_less_than_a_second() {
        let mut pressure = Pressure::new(LONGEST);
        waits(&mut pressure, 100, LONGEST * 2);
        let shares = waits(&mut pressure, 80, Duration::ZERO);
        assert_eq!(shares.last(), Some(&0), "{shares:?}");
    }
}
