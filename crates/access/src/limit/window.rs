//! What came in the last minute.

use std::time::Duration;

/// One count covers this long.
pub const STEP: Duration = Duration::from_millis(500);
/// How many steps are counted: a minute of them, and one more, since the oldest has to be wholly a minute old.
pub const STEPS: u64 = 121;

/// A number of the steps since the beginning.
pub(super) type Step = u64;

/// Counts of the last minute.
#[derive(Debug)]
pub(super) struct Window {
    counts: [u64; STEPS as usize],
    /// The step that was looked at last; those further back than a minute are 0.
    newest: Step,
    sum: u64,
}

impl Window {
    pub(super) fn new(now: Step) -> Self {
        Self {
            counts: [0; STEPS as usize],
            newest: now,
            sum: 0,
        }
    }

    fn at(step: Step) -> usize {
        (step % STEPS) as usize
    }

    /// Forgets what is older than a minute. A clock that runs backwards changes nothing.
    fn advance(&mut self, now: Step) {
        let passed = now.saturating_sub(self.newest).min(STEPS);
        for step in 0..passed {
            let count = &mut self.counts[Self::at(self.newest + 1 + step)];
            self.sum -= std::mem::take(count);
        }
        self.newest = self.newest.max(now);
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

    /// Makes what came at `step` that much more or less. Where that is no more in the window, what is more comes now.
    pub(super) fn correct(&mut self, from: u64, to: u64, step: Step, now: Step) {
        self.advance(now);
        if self.newest.saturating_sub(step) >= STEPS {
            self.add(to.saturating_sub(from), now);
            return;
        }
        let count = &mut self.counts[Self::at(step)];
        let corrected = (*count + to).saturating_sub(from);
        self.sum = self.sum - *count + corrected;
        *count = corrected;
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
        // From the newest on, which is where something is as long as requests come.
        let ages = 0..STEPS.min(self.newest + 1);
        let last = ages
            .into_iter()
            .find(|age| self.counts[Self::at(self.newest - age)] > 0);
        last.map_or(0, |age| STEPS - age)
    }

    /// Steps until no more than `most` are left of what came, if nothing comes.
    pub(super) fn until(&mut self, most: u64, now: Step) -> u64 {
        self.advance(now);
        let mut left = self.sum;
        if left <= most {
            return 0;
        }
        // From the oldest on.
        for age in (0..STEPS).rev() {
            let Some(step) = self.newest.checked_sub(age) else {
                continue;
            };
            left -= self.counts[Self::at(step)];
            if left <= most {
                return STEPS - age;
            }
        }
        STEPS
    }
}
