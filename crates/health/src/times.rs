//! How long the last answers of an association took, for percentiles.

use std::collections::VecDeque;
use std::time::Duration;

/// Times kept.
const KEPT: usize = 128;
/// A percentile of fewer says little.
const ENOUGH: usize = 20;

/// What was waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Awaited {
    /// A whole answer.
    Answer,
    /// The first content of a stream.
    FirstContent,
}

/// Times of both kinds; they take no room before the first.
#[derive(Debug, Default)]
pub(crate) struct Times {
    answers: Ring,
    first_contents: Ring,
}

/// The last times, in microseconds.
#[derive(Debug, Default)]
struct Ring(VecDeque<u32>);

impl Times {
    pub(crate) fn push(&mut self, awaited: Awaited, time: Duration) {
        let ring = match awaited {
            Awaited::Answer => &mut self.answers.0,
            Awaited::FirstContent => &mut self.first_contents.0,
        };
        if ring.len() == KEPT {
            ring.pop_front();
        }
        ring.push_back(u32::try_from(time.as_micros()).unwrap_or(u32::MAX));
    }

    /// The shortest time that `percent` of the answers kept within; `None` while there are too few.
    pub(crate) fn percentile(&self, awaited: Awaited, percent: u8) -> Option<Duration> {
        let ring = match awaited {
            Awaited::Answer => &self.answers.0,
            Awaited::FirstContent => &self.first_contents.0,
        };
        if ring.len() < ENOUGH {
            return None;
        }
        let mut sorted: Vec<u32> = ring.iter().copied().collect();
        let rank = (sorted.len() * usize::from(percent)).div_ceil(100);
        let index = rank.clamp(1, sorted.len()) - 1;
        let (_, time, _) = sorted.select_nth_unstable(index);
        Some(Duration::from_micros(u64::from(*time)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(milliseconds: impl IntoIterator<Item = u64>) -> Times {
        let mut times = Times::default();
        for time in milliseconds {
            times.push(Awaited::Answer, Duration::from_millis(time));
        }
        times
    }

    #[track_caller]
    fn check(times: &Times, percent: u8, expected: Option<u64>) {
        let found = times.percentile(Awaited::Answer, percent);
        assert_eq!(found, expected.map(Duration::from_millis), "{percent}");
    }

    #[test]
    fn a_percentile_is_the_time_that_so_many_kept_within() {
        let times = of((1..=100).rev());
        for (percent, expected) in [(1, 1), (50, 50), (95, 95), (99, 99), (100, 100)] {
            check(&times, percent, Some(expected));
        }
        check(&of([7; 20]), 50, Some(7));
        check(&of((0..19).chain([900])), 95, Some(18));
        check(&of((0..19).chain([900])), 96, Some(900));
    }

    #[test]
    fn too_few_tell_nothing_and_old_ones_are_forgotten() {
        check(&of(1..20), 95, None);
        check(&of((0..500).map(|_| 9_000).chain([3; 128])), 99, Some(3));
        let mut times = of([5; 20]);
        assert_eq!(times.percentile(Awaited::FirstContent, 95), None);
        for _ in 0..20 {
            times.push(Awaited::FirstContent, Duration::from_secs(1 << 40));
        }
        let longest = Duration::from_micros(u64::from(u32::MAX));
        assert_eq!(times.percentile(Awaited::FirstContent, 95), Some(longest));
        check(&times, 95, Some(5));
    }
}
