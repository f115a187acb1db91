//! The measure of response time that `least_latency` goes by.

use std::time::{Duration, Instant};

/// A peak-sensitive, exponentially decaying average of response times.
///
/// A slower answer than the average raises it at once, faster ones lower it gradually, and so does silence: one that
/// was slow is asked again some time later.
#[derive(Debug, Clone, Copy)]
pub struct PeakEwma {
    decay_seconds: f64,
    last: Option<(f64, Instant)>,
}

impl PeakEwma {
    /// An average without values. After `decay` a value counts for 1/e, about 37%.
    pub fn new(decay: Duration) -> Self {
        Self {
            decay_seconds: decay.as_secs_f64().max(f64::MIN_POSITIVE),
            last: None,
        }
    }

    /// Takes in an answer that took `latency` and ended at `now`.
    pub fn observe(&mut self, latency: Duration, now: Instant) {
        let latency = latency.as_secs_f64();
        let average = match self.last {
            Some((average, at)) if average > latency => {
                let kept = self.kept(at, now);
                average * kept + latency * (1.0 - kept)
            }
            _ => latency,
        };
        self.last = Some((average, now));
    }

    /// The average at `now`; `None` before the first answer.
    pub fn latency(&self, now: Instant) -> Option<Duration> {
        self.last
            .map(|(average, at)| Duration::from_secs_f64(average * self.kept(at, now)))
    }

    /// What is left at `now` of a value taken at `at`, in `0.0..=1.0`.
    fn kept(&self, at: Instant, now: Instant) -> f64 {
        (-now.saturating_duration_since(at).as_secs_f64() / self.decay_seconds).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[track_caller]
    fn check(ewma: &PeakEwma, now: Instant, expected_ms: f64) {
        let latency = ewma.latency(now).unwrap().as_secs_f64() * 1e3;
        assert!(
            (latency - expected_ms).abs() < 0.01,
            "{latency} instead of {expected_ms} ms"
        );
    }

    #[test]
    fn peaks_count_at_once_and_fade() {
        let start = Instant::now();
        let mut ewma = PeakEwma::new(SECOND);
        assert_eq!(ewma.latency(start), None);
        ewma.observe(Duration::from_millis(100), start);
        check(&ewma, start, 100.0);
        ewma.observe(Duration::from_millis(900), start);
        check(&ewma, start, 900.0);
        // Silence lets it fade: to 1/e after the decay time.
        check(&ewma, start + SECOND, 900.0 / std::f64::consts::E);
        // A faster answer pulls it down as far as the old value has faded.
        ewma.observe(Duration::from_millis(100), start + SECOND);
        let kept = (-1.0_f64).exp();
        check(&ewma, start + SECOND, 900.0 * kept + 100.0 * (1.0 - kept));
    }

    #[test]
    fn a_clock_that_lags_and_no_decay_are_no_trouble() {
        let start = Instant::now();
        let mut ewma = PeakEwma::new(Duration::ZERO);
        ewma.observe(SECOND, start + SECOND);
        check(&ewma, start, 1000.0);
        check(&ewma, start + SECOND + SECOND, 0.0);
    }
}
