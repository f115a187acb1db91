//! The limit on repeated work: what keeps retries from multiplying an outage.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Seconds that the budget looks back over, this one included.
const WINDOW_SECONDS: u64 = 10;

/// How much may be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BudgetLimits {
    /// Repeats allowed per hundred requests of the last ten seconds.
    pub percent: u32,
    /// Repeats allowed in any second, however few requests there are.
    pub floor_per_second: u32,
}

impl Default for BudgetLimits {
    fn default() -> Self {
        Self {
            percent: 20,
            floor_per_second: 10,
        }
    }
}

/// The retry budget of a process, shared by all its walks. Lock-free; counting a request is one atomic operation.
#[derive(Debug)]
pub struct RetryBudget {
    start: Instant,
    limits: BudgetLimits,
    requests: Window,
    draws: Window,
    refused: AtomicU64,
}

/// How a budget stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BudgetStanding {
    /// Requests of the last ten seconds.
    pub requests: u64,
    /// What was drawn in the last ten seconds.
    pub draws: u64,
    /// Draws refused since the start.
    pub refused: u64,
}

impl RetryBudget {
    /// A budget of 20% of the requests of the last ten seconds, but at least 10 in every second.
    pub fn new(now: Instant) -> Self {
        Self::with_limits(BudgetLimits::default(), now)
    }

    /// A budget with limits of one's own.
    pub fn with_limits(limits: BudgetLimits, now: Instant) -> Self {
        Self {
            start: now,
            limits,
            requests: Window::default(),
            draws: Window::default(),
            refused: AtomicU64::new(0),
        }
    }

    /// Counts a request. A [`Walk`](crate::Walk) does this for its own.
    pub(crate) fn on_request(&self, now: Instant) {
        self.requests.add(self.second(now));
    }

    /// Takes one attempt out of the budget, and answers whether there was one. Walks draw for their own attempts and
    /// hedges; callers draw for what they start beside a walk. Under contention the limits may be exceeded by
    /// as many draws as run at the same instant.
    pub fn try_draw(&self, now: Instant) -> bool {
        let second = self.second(now);
        let within_floor = self.draws.in_second(second) < u64::from(self.limits.floor_per_second);
        let within_share = || {
            self.draws.sum(second) * 100
                < self.requests.sum(second) * u64::from(self.limits.percent)
        };
        let granted = within_floor || within_share();
        if granted {
            self.draws.add(second);
        } else {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        granted
    }

    /// How it stands.
    pub fn standing(&self, now: Instant) -> BudgetStanding {
        let second = self.second(now);
        BudgetStanding {
            requests: self.requests.sum(second),
            draws: self.draws.sum(second),
            refused: self.refused.load(Ordering::Relaxed),
        }
    }

    fn second(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.start).as_secs()
    }
}

/// Counts per second over the window. Each slot packs the second it belongs to (upper half) and its count.
#[derive(Debug, Default)]
struct Window([AtomicU64; WINDOW_SECONDS as usize]);

impl Window {
    fn slot(&self, second: u64) -> &AtomicU64 {
        &self.0[(second % WINDOW_SECONDS) as usize]
    }

    fn add(&self, second: u64) {
        let slot = self.slot(second);
        let fresh = (second << 32) | 1;
        let mut current = slot.load(Ordering::Relaxed);
        // A slot that another thread has already moved on belongs to a later second: count there, the clock of this
        // caller is only a moment behind.
        while current >> 32 < second {
            match slot.compare_exchange_weak(current, fresh, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return,
                Err(seen) => current = seen,
            }
        }
        slot.fetch_add(1, Ordering::Relaxed);
    }

    fn in_second(&self, second: u64) -> u64 {
        let value = self.slot(second).load(Ordering::Relaxed);
        if value >> 32 == second {
            value & u64::from(u32::MAX)
        } else {
            0
        }
    }

    fn sum(&self, second: u64) -> u64 {
        let oldest = second.saturating_sub(WINDOW_SECONDS - 1);
        (oldest..=second).map(|second| self.in_second(second)).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// How many draws of a thousand are granted at `now`.
    fn granted(budget: &RetryBudget, now: Instant) -> usize {
        (0..1_000).filter(|_| budget.try_draw(now)).count()
    }

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn ten_per_second_are_always_granted() {
        let start = Instant::now();
        let budget = RetryBudget::new(start);
        for second in 0..30 {
            assert_eq!(granted(&budget, start + seconds(second)), 10);
        }
    }

    #[test]
    fn a_fifth_of_the_requests_of_ten_seconds_is_granted() {
        let start = Instant::now();
        let budget = RetryBudget::new(start);
        for second in 0..10 {
            for _ in 0..100 {
                budget.on_request(start + seconds(second));
            }
        }
        assert_eq!(granted(&budget, start + seconds(9)), 200);
        // The share is used up; what is left is the floor of the next second.
        assert_eq!(granted(&budget, start + seconds(10)), 10);
        let standing = budget.standing(start + seconds(10));
        assert_eq!((standing.requests, standing.draws), (900, 210));
        assert_eq!(standing.refused, 2_000 - 210);
    }

    #[test]
    fn old_requests_and_old_draws_are_forgotten() {
        let start = Instant::now();
        let budget = RetryBudget::new(start);
        for _ in 0..1_000 {
            budget.on_request(start);
        }
        assert_eq!(granted(&budget, start + seconds(9)), 200);
        for _ in 0..1_000 {
            budget.on_request(start + seconds(15));
        }
        assert_eq!(
            granted(&budget, start + seconds(18)),
            10,
            "the draws of second 9 still count"
        );
        assert_eq!(
            granted(&budget, start + seconds(19)),
            190,
            "now only those of second 18 do"
        );
        assert_eq!(granted(&budget, start + seconds(60)), 10);
    }

    #[test]
    fn a_caller_whose_clock_lags_is_counted() {
        let start = Instant::now();
        let budget = RetryBudget::new(start);
        budget.on_request(start + seconds(10));
        budget.on_request(start);
        assert_eq!(budget.requests.sum(10), 2);
    }

    #[test]
    fn counting_from_many_threads_loses_nothing() {
        let start = Instant::now();
        let budget = RetryBudget::new(start);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    (0..10_000).for_each(|index| budget.on_request(start + seconds(index / 2_000)))
                });
            }
        });
        assert_eq!(budget.requests.sum(5), 40_000);
    }
}
