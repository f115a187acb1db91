//! The common clock: Redis's, as far as it is known here.

use std::{
    sync::atomic::{AtomicI64, Ordering::Relaxed},
    time::{Duration, SystemTime},
};

use access::limit::STEP;
use tokio::time::Instant;

/// Redis's time by this machine's monotonic clock. Until Redis was heard of, it is thought to have this machine's time.
#[derive(Debug)]
pub(crate) struct Clock {
    base: Instant,
    /// Redis's time at `base`, in milliseconds since 1970.
    offset: AtomicI64,
}

impl Clock {
    pub(crate) fn new() -> Self {
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Self {
            base: Instant::now(),
            offset: AtomicI64::new(millis(wall.unwrap_or_default())),
        }
    }

    /// Redis said that it was `time` between these two moments.
    pub(crate) fn heard(&self, time: i64, sent: Instant, came: Instant) {
        let middle = sent.duration_since(self.base) + came.duration_since(sent) / 2;
        self.offset.store(time - millis(middle), Relaxed);
    }

    /// The present in half seconds.
    pub(crate) fn step(&self) -> u64 {
        let now = self.offset.load(Relaxed) + millis(self.base.elapsed());
        u64::try_from(now / millis(STEP)).unwrap_or(0)
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_time_goes_on_from_what_was_heard() {
        let clock = Clock::new();
        let sent = Instant::now();
        tokio::time::advance(Duration::from_millis(20)).await;
        clock.heard(1_000_000, sent, Instant::now());
        assert_eq!(clock.step(), 2000);
        tokio::time::advance(Duration::from_millis(489)).await;
        assert_eq!(clock.step(), 2000);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(clock.step(), 2001);
    }
}
