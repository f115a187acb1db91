//! Work that waits for the processor. What has begun goes first; where there is too much of it for new requests to begin
//! soon, they are refused: each that were let in would make all others slower.

mod pressure;
mod turnstile;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    runtime::Handle,
    task::{spawn_blocking, yield_now},
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use self::{
    pressure::{ALL, Pressure},
    turnstile::Turnstile,
};
use crate::metrics::Metrics;

/// How often it is looked whether there is some, and how often while hardly anybody waits: each look wakes two threads, which
/// ten times as often was a twelfth of what 64 streams cost whose chunks come at their leisure.
const TICKS: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(100));
/// How many turns a request needs until it is answered.
const TURNS: u32 = 4;
/// Fewer requests than this are no overload: then it is others who keep the processor busy.
const LEAST_HERE: u64 = 64;

/// What of it there is, and how much is to be refused for it.
#[derive(Debug)]
pub struct Backlog {
    /// Which tell how many run.
    metrics: Arc<Metrics>,
    turnstile: Turnstile,
    /// How many of [`ALL`] new requests.
    refused: AtomicU32,
}

impl Backlog {
    /// None yet, where these tell how many run.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            metrics,
            turnstile: Turnstile::default(),
            refused: AtomicU32::new(0),
        }
    }

    /// Whether a new request is to be refused. To be asked once for each, before it waits for its turn.
    #[must_use]
    pub fn refuses(&self) -> bool {
        let share = self.refused.load(Relaxed);
        share > 0 && self.here() >= LEAST_HERE && fastrand::u32(..ALL) < share
    }

    /// Whether a request may begin at once, which it then has.
    #[must_use]
    pub fn may_begin(&self) -> bool {
        self.turnstile.try_pass()
    }

    /// Waits until a request may begin, which is behind those that run; how long that was.
    pub async fn turn(&self) -> Duration {
        self.turnstile.pass().await
    }

    /// How many wait for that.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.turnstile.waiting()
    }

    /// Lets requests begin a few at a time, and refuses some while they wait for longer than `longest`, if that is given, until
    /// `stop`. Where this does not run none waits, and none is refused.
    pub async fn watch(&self, longest: Option<Duration>, stop: &CancellationToken) {
        let judging = async {
            if let Some(longest) = longest {
                self.judge(longest, stop).await;
            }
        };
        tokio::join!(self.turnstile.keep(stop), judging);
    }

    /// Measures how long requests wait to begin, and how long those that have begun do on their way.
    async fn judge(&self, longest: Duration, stop: &CancellationToken) {
        let mut pressure = Pressure::new(longest);
        loop {
            let tick = if pressure.is_calm() { TICKS.1 } else { TICKS.0 };
            if stop.run_until_cancelled(sleep(tick)).await.is_none() {
                return;
            }
            let is_busy = self.here() >= LEAST_HERE || self.refused.load(Relaxed) > 0;
            let wait = if is_busy {
                (turn().await * TURNS).max(self.turnstile.longest_wait())
            } else {
                Duration::ZERO
            };
            self.refused.store(pressure.observe(wait), Relaxed);
        }
    }

    fn here(&self) -> u64 {
        self.metrics.running() + self.turnstile.waiting() as u64
    }
}

/// How long a task waits that is ready now. The scheduler has two queues, and where there is much to do, the one that tasks of
/// other threads go to, and what is too much for the first, can be far slower.
async fn turn() -> Duration {
    let ready = Instant::now();
    yield_now().await; // behind all that are in the first
    let first = ready.elapsed();
    let runtime = Handle::current();
    let from_outside = spawn_blocking(move || {
        let ready = Instant::now();
        runtime.spawn(async move { ready.elapsed() })
    });
    let second = async { from_outside.await.ok()?.await.ok() };
    first.max(second.await.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn backlog(running: u64) -> Backlog {
        let metrics = Arc::new(Metrics::default());
        for _ in 0..running {
            metrics.began();
        }
        Backlog::new(metrics)
    }

    fn refused(backlog: &Backlog) -> usize {
        (0..200).filter(|_| backlog.refuses()).count()
    }

    /// Has one watch while turns take far too long, until some are refused; the share of all that then is.
    async fn share_after_long_turns(running: u64, turns: u32) -> u32 {
        let (backlog, stop) = (Arc::new(backlog(running)), CancellationToken::new());
        let watching = tokio::spawn({
            let (backlog, stop) = (backlog.clone(), stop.clone());
            async move {
                let longest = Duration::from_millis(1);
                backlog.watch(Some(longest), &stop).await;
            }
        });
        for _ in 0..turns {
            thread::sleep(Duration::from_millis(20));
            yield_now().await;
        }
        let share = backlog.refused.load(Relaxed);
        stop.cancel();
        watching.await.unwrap();
        share
    }

    #[tokio::test]
    async fn what_keeps_others_from_their_turn_is_seen() {
        assert!(share_after_long_turns(LEAST_HERE, 200).await > 0);
    }

    #[tokio::test]
    async fn a_busy_processor_is_not_the_gateways_fault_when_that_has_little_to_do() {
        assert_eq!(share_after_long_turns(LEAST_HERE - 1, 50).await, 0);
    }

    #[test]
    fn the_share_is_refused_unless_little_runs() {
        let backlog = backlog(LEAST_HERE);
        assert_eq!(refused(&backlog), 0);
        backlog.refused.store(ALL, Relaxed);
        assert_eq!(refused(&backlog), 200);
        backlog.metrics.ended();
        assert_eq!(refused(&backlog), 0);
    }
}
