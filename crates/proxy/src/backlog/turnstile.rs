//! New requests begin behind those that run, a few at a time.
//!
//! What has begun holds buffers and states on both of its sides. The more of it there is at once, the less of it the
//! processor's caches hold, so that a request among a thousand costs up to twice what it does among a few dozen: a crowd would
//! slow down itself. So only so many begin before every task that is ready has had its turn, and the rest wait in order, if
//! their connection is theirs alone even unread. Who waits for a provider is no task that is ready, so this bounds the work for the
//! processor, not how many run.

use std::{
    sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    thread::available_parallelism,
    time::Duration,
};

use tokio::{
    sync::{Notify, Semaphore, SemaphorePermit},
    task::yield_now,
    time::Instant,
};
use tokio_util::sync::CancellationToken;

/// How many may begin in a turn, for each processor. By the load benchmark, 8 to 32 hardly differ.
const AT_A_TIME: usize = 16;

/// Lets requests begin.
#[derive(Debug)]
pub(super) struct Turnstile {
    /// How many may still begin in this turn; without end while nobody keeps it.
    left: Semaphore,
    waiting: AtomicUsize,
    /// Told when few are left.
    low: Notify,
    /// Longest wait of those that have begun since it was last asked for, in microseconds.
    longest_us: AtomicU64,
}

impl Default for Turnstile {
    fn default() -> Self {
        Self {
            left: Semaphore::new(Semaphore::MAX_PERMITS),
            waiting: AtomicUsize::new(0),
            low: Notify::new(),
            longest_us: AtomicU64::new(0),
        }
    }
}

/// One that waits.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn at(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// Who keeps it; dropped, it stands open.
struct Keeper<'a> {
    left: &'a Semaphore,
    at_a_time: usize,
}

impl<'a> Keeper<'a> {
    fn of(left: &'a Semaphore, at_a_time: usize) -> Self {
        left.forget_permits(Semaphore::MAX_PERMITS);
        let keeper = Self { left, at_a_time };
        keeper.next_turn();
        keeper
    }

    fn next_turn(&self) {
        let left = self.left.available_permits();
        self.left.add_permits(self.at_a_time.saturating_sub(left));
    }
}

impl Drop for Keeper<'_> {
    fn drop(&mut self) {
        self.left
            .add_permits(Semaphore::MAX_PERMITS - self.at_a_time);
    }
}

impl Turnstile {
    /// Whether a request may begin at once, which it then has.
    pub(super) fn try_pass(&self) -> bool {
        let Ok(permit) = self.left.try_acquire() else {
            return false;
        };
        self.let_through(permit);
        true
    }

    /// Waits until a request may begin; how long that was.
    pub(super) async fn pass(&self) -> Duration {
        if self.try_pass() {
            return Duration::ZERO;
        }
        let (since, _waiting) = (Instant::now(), Waiting::at(&self.waiting));
        self.low.notify_one();
        let permit = self.left.acquire().await;
        let waited = since.elapsed();
        if let Ok(permit) = permit {
            self.let_through(permit);
        } // it is never closed
        let micros = waited.as_micros().try_into().unwrap_or(u64::MAX);
        self.longest_us.fetch_max(micros, Relaxed);
        waited
    }

    fn let_through(&self, permit: SemaphorePermit<'_>) {
        permit.forget();
        if self.left.available_permits() <= AT_A_TIME / 2 {
            self.low.notify_one();
        }
    }

    /// Lets a few begin at each turn, until `stop`. Where this does not run nobody waits.
    pub(super) async fn keep(&self, stop: &CancellationToken) {
        let processors = available_parallelism().map_or(1, usize::from);
        self.keep_for(AT_A_TIME * processors, stop).await;
    }

    async fn keep_for(&self, at_a_time: usize, stop: &CancellationToken) {
        let keeper = Keeper::of(&self.left, at_a_time);
        while stop
            .run_until_cancelled(self.low.notified())
            .await
            .is_some()
        {
            loop {
                yield_now().await; // behind all that are ready
                keeper.next_turn();
                if self.waiting() == 0 {
                    break;
                }
            }
        }
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Relaxed)
    }

    /// The longest that one had to wait since this was last asked.
    pub(super) fn longest_wait(&self) -> Duration {
        Duration::from_micros(self.longest_us.swap(0, Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, rc::Rc};

    use futures_util::FutureExt;
    use tokio::task::{LocalSet, spawn_local};

    use super::*;

    const FEW: usize = 4;

    /// Has so many come at once to a turnstile that is kept for a few at a time, each with `steps` turns of work; in which
    /// order they began, and how many were at work at a time at most.
    async fn crowd(count: usize, steps: usize) -> (Vec<usize>, usize) {
        let (turnstile, stop) = (Rc::new(Turnstile::default()), CancellationToken::new());
        let (began, at_work) = (
            Rc::new(RefCell::new(Vec::new())),
            Rc::new(AtomicUsize::new(0)),
        );
        let most = Rc::new(AtomicUsize::new(0));
        let local = LocalSet::new();
        local
            .run_until(async {
                let keeping = spawn_local({
                    let (turnstile, stop) = (turnstile.clone(), stop.clone());
                    async move { turnstile.keep_for(FEW, &stop).await }
                });
                yield_now().await;
                let tasks: Vec<_> = (0..count)
                    .map(|index| {
                        let turnstile = turnstile.clone();
                        let (began, at_work, most) = (began.clone(), at_work.clone(), most.clone());
                        spawn_local(async move {
                            turnstile.pass().await;
                            began.borrow_mut().push(index);
                            let working = Waiting::at(&at_work);
                            most.fetch_max(at_work.load(Relaxed), Relaxed);
                            for _ in 0..steps {
                                yield_now().await;
                            }
                            drop(working);
                        })
                    })
                    .collect();
                for task in tasks {
                    task.await.unwrap();
                }
                assert_eq!(turnstile.waiting(), 0);
                stop.cancel();
                keeping.await.unwrap();
            })
            .await;
        (began.take(), most.load(Relaxed))
    }

    #[tokio::test]
    async fn a_crowd_begins_in_order_a_few_at_a_turn() {
        let (began, most) = crowd(100, 3).await;
        assert!(began.is_sorted() && began.len() == 100, "{began:?}");
        // Each works for three turns, and a few more join it in each.
        assert!((FEW..=FEW * 5).contains(&most), "{most} at a time");
    }

    #[tokio::test]
    async fn who_hangs_up_while_waiting_keeps_nobody_waiting() {
        let (turnstile, stop) = (Turnstile::default(), CancellationToken::new());
        let requests = async {
            for _ in 0..FEW {
                turnstile.pass().await;
            }
            let mut gone = Box::pin(turnstile.pass());
            assert!(gone.as_mut().now_or_never().is_none());
            assert_eq!(turnstile.waiting(), 1);
            let waiting = turnstile.pass();
            drop(gone);
            waiting.await;
            assert_eq!(turnstile.waiting(), 0);
            assert!(turnstile.longest_wait() > Duration::ZERO);
            assert_eq!(turnstile.longest_wait(), Duration::ZERO);
            stop.cancel();
        };
        tokio::join!(turnstile.keep_for(FEW, &stop), requests);
    }

    #[tokio::test]
    async fn where_nobody_keeps_it_all_pass() {
        let (turnstile, stop) = (Turnstile::default(), CancellationToken::new());
        let all_pass = || (0..1_000).all(|_| turnstile.pass().now_or_never().is_some());
        assert!(all_pass());
        let held = async {
            yield_now().await;
            assert!(!all_pass());
            stop.cancel();
        };
        tokio::join!(turnstile.keep_for(FEW, &stop), held);
        assert!(all_pass());
    }
}
