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
