//! Peak-EWMA of response times: quick to see a candidate slow down, slow to trust it again.

use std::time::{Duration, Instant};

/// Time in which the weight of the past falls to 1/e.
const DECAY: Duration = Duration::from_secs(10);

/// A sample above the average becomes the average at once; one below pulls it down by the time since the last sample.
/// An unused candidate's average decays towards zero, so that it is tried again.
#[derive(Debug, Default)]
pub(crate) struct PeakEwma {
    last: Option<(f64, Instant)>,
}

impl PeakEwma {
    pub(crate) fn record(&mut self, sample: Duration, now: Instant) {
        let sample = sample.as_secs_f64();
        let average = match self.last {
            Some((average, at)) if average > sample => {
                let keep = weight(at, now);
                average * keep + sample * (1.0 - keep)
            }
            _ => sample,
        };
        self.last = Some((average, now));
    }

    /// The average as of `now`; `None` before the first sample.
    pub(crate) fn get(&self, now: Instant) -> Option<Duration> {
        let (average, at) = self.last?;
        Some(Duration::from_secs_f64(average * weight(at, now)))
    }
}

fn weight(since: Instant, now: Instant) -> f64 {
    let elapsed = now.saturating_duration_since(since).as_secs_f64();
    (-elapsed / DECAY.as_secs_f64()).exp()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::PeakEwma;

    #[track_caller]
    fn check(samples: &[(u64, u64)], at_s: u64, expected_ms: Option<u64>) {
        let start = Instant::now();
        let mut average = PeakEwma::default();
        for &(at_s, ms) in samples {
            average.record(Duration::from_millis(ms), start + Duration::from_secs(at_s));
        }
        let got = average.get(start + Duration::from_secs(at_s));
        assert_eq!(
            got.map(|it| it.as_secs_f64() * 1000.0)
                .map(|ms| ms.round() as u64),
            expected_ms
        );
    }

    #[test]
    fn follows_peaks_at_once_and_decays_in_ten_seconds() {
        check(&[], 0, None);
        check(&[(0, 100)], 0, Some(100));
        check(&[(0, 100), (0, 900)], 0, Some(900));
        check(&[(0, 900), (0, 100)], 0, Some(900));
        // 1/e of the 900 stays, the rest is the new sample.
        check(&[(0, 900), (10, 100)], 10, Some(394));
        check(&[(0, 900), (600, 100)], 600, Some(100));
        check(&[(0, 1000)], 10, Some(368));
        check(&[(0, 1000)], 600, Some(0));
        // Out of order: no time has passed.
        check(&[(5, 1000)], 0, Some(1000));
    }
}
