//! Work that waits for the processor. While there is too much of it, new requests are refused: each that were let in would
//! make all others slower.

mod pressure;

use std::{
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use self::pressure::{ALL, Pressure};

/// How often it is looked whether there is some.
const TICK: Duration = Duration::from_millis(10);
/// Fewer requests than this are no overload: then it is others who keep the processor busy.
const LEAST_RUNNING: i64 = 64;

/// How much is to be refused for it.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    /// How many of [`ALL`] new requests.
    refused: AtomicU32,
}

impl Backlog {
    /// Whether a new request is to be refused, while so many run.
    pub(crate) fn refuses(&self, running: i64) -> bool {
        let share = self.refused.load(Relaxed);
        share > 0 && running >= LEAST_RUNNING && fastrand::u32(..ALL) < share
    }

    /// Measures how late tasks get their turn, until `stop`. Later than `longest` is too late.
    pub(crate) async fn watch(&self, longest: Duration, stop: &CancellationToken) {
        let mut pressure = Pressure::new(longest);
        loop {
            let due = Instant::now() + TICK;
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep_until(due) => {}
            }
            let now = Instant::now();
            let share = pressure.observe(now.duration_since(due), now.into_std());
            self.refused.store(share, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_processor_that_is_behind_refuses_only_when_the_gateway_has_much_to_do() {
        let (backlog, stop) = (Backlog::default(), CancellationToken::new());
        let refused = |running| (0..200).filter(|_| backlog.refuses(running)).count();
        let turns = async |late: Duration| {
            for _ in 0..60 {
                tokio::time::advance(TICK + late).await;
                tokio::task::yield_now().await;
            }
        };
        let behind = async {
            assert_eq!(refused(LEAST_RUNNING), 0);
            turns(Duration::from_millis(30)).await;
            let many = refused(LEAST_RUNNING);
            assert!(many > 100, "{many}");
            assert_eq!(refused(LEAST_RUNNING - 1), 0);
            turns(Duration::ZERO).await;
            assert_eq!(refused(LEAST_RUNNING), 0);
            stop.cancel();
        };
        tokio::join!(backlog.watch(Duration::from_millis(15), &stop), behind);
    }
}
