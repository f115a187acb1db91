//! What came in the last minute.

use std::time::Duration;

/// One count covers this long.
pub const STEP: Duration = Duration::from_millis(500);
/// How many steps are counted: a minute of them, and one more, since the oldest has to be wholly a minute old.
pub const STEPS: u64 = 121;

/// A number of the steps since the beginning.
pub(super) type Step = u64;

/// Counts of the last minute, and what is owed beyond it.
///
/// What turns out to have been used beyond the limit cannot be taken back, and a minute must not forgive it either: it is
/// *owed*. As counts get a minute old, what is owed takes their places, so that it is paid off at the rate of the limit.
/// As long as anything is owed, the minute is as full as it was when the debt was made.
#[derive(Debug)]
pub(super) struct Window {
    counts: [u64; STEPS as usize],
    /// The step that was looked at last; those further back than a minute are 0.
    newest: Step,
    sum: u64,
    owed: u64,
    /// How much a minute may have, as it was known last.
    limit: u64,
}

impl Window {
    pub(super) fn new(now: Step) -> Self {
        Self {
            counts: [0; STEPS as usize],
            newest: now,
            sum: 0,
            owed: 0,
            limit: u64::MAX,
        }
    }

    fn at(step: Step) -> usize {
        (step % STEPS) as usize
    }

    /// Has a minute so much from now on. Where that is more than it was, more of what is owed finds a place at once.
    pub(super) fn limit(&mut self, limit: u64, now: Step) {
        self.limit = limit;
        if self.owed > 0 {
            self.advance(now);
            let paid = self.owed.min(limit.saturating_sub(self.sum));
            self.owed -= paid;
            self.add(paid, now);
        }
    }

    /// Forgets what is older than a minute. A clock that runs backwards changes nothing.
    fn advance(&mut self, now: Step) {
        let mut passed = now.saturating_sub(self.newest);
        if self.owed > 0 && passed >= STEPS {
            // Minutes that were paid in full are all alike.
            let rounds = (passed / STEPS).min(self.full_rounds());
            self.owed -= rounds * self.sum;
            self.newest += rounds * STEPS;
            passed -= rounds * STEPS;
        }
        // One minute may pay the rest of a debt, and another one forget that.
        for step in 0..passed.min(2 * STEPS) {
            let count = &mut self.counts[Self::at(self.newest + 1 + step)];
            let paid = self.owed.min(*count);
            self.owed -= paid;
            self.sum -= std::mem::replace(count, paid) - paid;
        }
        self.newest = self.newest.max(now);
    }

    /// How many times all that is in the window is owed besides.
    fn full_rounds(&self) -> u64 {
        self.owed.checked_div(self.sum).unwrap_or(0)
    }

    /// What came in the last minute.
    pub(super) fn sum(&mut self, now: Step) -> u64 {
        self.advance(now);
        self.sum
    }

    /// Adds to what came now; the step that it is counted in, which is a later one where somebody else's clock is ahead.
    pub(super) fn add(&mut self, amount: u64, now: Step) -> Step {
        self.advance(now);
        self.counts[Self::at(self.newest)] += amount;
        self.sum += amount;
        self.newest
    }

    /// Makes what came at `step` that much more or less. Where that is no more in the window, what is more comes now. What is
    /// more than the limit leaves room for is owed.
    pub(super) fn correct(&mut self, from: u64, to: u64, step: Step, now: Step) {
        self.advance(now);
        let is_over = self.newest.saturating_sub(step) >= STEPS;
        if let Some(more) = to.checked_sub(from) {
            let counted = more.min(self.limit.saturating_sub(self.sum));
            let at = if is_over { self.newest } else { step };
            self.counts[Self::at(at)] += counted;
            self.sum += counted;
            self.owed += more - counted;
        } else if !is_over {
            let less = from - to;
            let forgiven = less.min(self.owed);
            self.owed -= forgiven;
            let count = &mut self.counts[Self::at(step)];
            let taken = (less - forgiven).min(*count);
            *count -= taken;
            self.sum -= taken;
        }
    }

    /// What is owed, and the limit that it is owed by.
    pub(super) fn debt(&mut self, now: Step) -> (u64, u64) {
        self.advance(now);
        (self.owed, self.limit)
    }

    /// What is counted, each with its age in steps.
    pub(super) fn by_age(&mut self, now: Step) -> impl Iterator<Item = (u64, u64)> {
        self.advance(now);
        let ages = (0..STEPS.min(self.newest + 1)).rev();
        ages.map(|age| (age, self.counts[Self::at(self.newest - age)]))
            .filter(|(_, count)| *count > 0)
    }

    /// Steps until nothing is left of what came, if nothing comes.
    pub(super) fn until_empty(&mut self, now: Step) -> u64 {
        self.advance(now);
        if self.sum == 0 {
            return 0;
        }
        if self.owed > 0 {
            return self.until(0, now);
        }
        // From the newest on, which is where something is as long as requests come.
        let ages = 0..STEPS.min(self.newest + 1);
        let last = ages
            .into_iter()
            .find(|age| self.counts[Self::at(self.newest - age)] > 0);
        last.map_or(0, |age| STEPS - age)
    }

    /// Steps until no more than `most` are left of what came and is owed, if nothing comes.
    pub(super) fn until(&mut self, most: u64, now: Step) -> u64 {
        self.advance(now);
        let mut left = self.sum.saturating_add(self.owed);
        if left <= most {
            return 0;
        }
        let needed = (left - most - 1).checked_div(self.sum).unwrap_or(0);
        let rounds = self.full_rounds().min(needed);
        left -= rounds * self.sum;
        let mut owed = self.owed - rounds * self.sum;
        // From the oldest on; in the second round what was paid in the first.
        let mut counts = self.counts;
        for round in [rounds, rounds + 1] {
            for place in 0..STEPS {
                let count = &mut counts[Self::at(self.newest + 1 + place)];
                left -= *count;
                if left <= most {
                    return round * STEPS + place + 1;
                }
                *count = owed.min(*count);
                owed -= *count;
            }
        }
        (rounds + 2) * STEPS
    }
}
