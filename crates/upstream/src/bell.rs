//! Waking whoever drives a connection.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering::AcqRel, Ordering::Acquire},
    },
    task::{Wake, Waker},
};

use futures_util::task::AtomicWaker;
use tokio::sync::Notify;

/// Somebody polls the connection, or is about to: there is nobody to wake.
const POLLED: u8 = 0;
/// It was rung meanwhile, so there may be more to do.
const RUNG: u8 = 1;
/// A task sleeps until it is rung.
const AWAITED: u8 = 2;
/// Nobody uses the connection.
const IDLE: u8 = 3;
/// Nobody uses it, and something has come over it or it has ended.
const IDLE_RUNG: u8 = 4;

/// The waker that a connection is polled with, whoever polls it. What rings while it is polled makes the poll go on and no task
/// run again, which is how a connection's own queues are heard; what rings while it is idle calls for the sweep of its pool.
#[derive(Debug)]
pub(crate) struct Bell {
    state: AtomicU8,
    sleeper: AtomicWaker,
    sweep: Arc<Notify>,
}

impl Bell {
    /// Of a connection that is about to be polled.
    pub(crate) fn new(sweep: Arc<Notify>) -> Self {
        Self {
            state: AtomicU8::new(POLLED),
            sleeper: AtomicWaker::new(),
            sweep,
        }
    }

    /// From now on the connection is polled; whether it was rung since it was last.
    pub(crate) fn begin(&self) -> bool {
        matches!(self.state.swap(POLLED, AcqRel), RUNG | IDLE_RUNG)
    }

    /// Lets `sleeper` be woken, unless it has been rung since the poll began: then there is more to do.
    pub(crate) fn sleep(&self, sleeper: &Waker) -> bool {
        self.sleeper.register(sleeper);
        self.leave(AWAITED)
    }

    /// Has the pool's sweep called, unless it has been rung since the poll began: then there is more to do.
    pub(crate) fn rest(&self) -> bool {
        self.leave(IDLE)
    }

    fn leave(&self, state: u8) -> bool {
        match self.state.compare_exchange(POLLED, state, AcqRel, Acquire) {
            Ok(_) => true,
            Err(now) => now == state,
        }
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let ring = |state| match state {
            POLLED | AWAITED => Some(RUNG),
            IDLE => Some(IDLE_RUNG),
            _ => None,
        };
        match self.state.fetch_update(AcqRel, Acquire, ring) {
            Ok(AWAITED) => self.sleeper.wake(),
            Ok(IDLE) => self.sweep.notify_one(),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering::Relaxed},
        thread,
    };

    use super::*;

    #[derive(Debug, Default)]
    struct Sleeper(AtomicUsize);

    impl Wake for Sleeper {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    fn sleeper() -> (Arc<Sleeper>, Waker) {
        let sleeper = Arc::<Sleeper>::default();
        (sleeper.clone(), Waker::from(sleeper))
    }

    fn bell() -> (Arc<Bell>, Waker, Arc<Notify>) {
        let sweep = Arc::<Notify>::default();
        let bell = Arc::new(Bell::new(sweep.clone()));
        (bell.clone(), Waker::from(bell), sweep)
    }

    /// Whether the sweep was called.
    fn is_called(sweep: &Notify) -> bool {
        let mut called = std::pin::pin!(sweep.notified());
        let mut context = std::task::Context::from_waker(Waker::noop());
        called.as_mut().poll(&mut context).is_ready()
    }

    #[test]
    fn who_sleeps_is_woken_once_until_it_polls_again() {
        let (bell, ringing, sweep) = bell();
        let (woken, waker) = sleeper();
        assert!(bell.sleep(&waker));
        ringing.wake_by_ref();
        ringing.wake_by_ref();
        assert_eq!(woken.0.load(Relaxed), 1);
        assert!(bell.begin());
        assert!(bell.sleep(&waker));
        ringing.wake_by_ref();
        assert_eq!(woken.0.load(Relaxed), 2);
        assert!(!is_called(&sweep));
    }

    #[test]
    fn who_polls_is_not_woken_but_told_that_there_is_more() {
        let (bell, ringing, _) = bell();
        let (woken, waker) = sleeper();
        assert!(!bell.begin());
        ringing.wake_by_ref();
        assert!(!bell.sleep(&waker));
        assert!(bell.begin());
        assert!(bell.sleep(&waker));
        assert_eq!(woken.0.load(Relaxed), 0);
    }

    #[test]
    fn of_an_idle_connection_nobody_is_woken_but_the_sweep() {
        let (bell, ringing, sweep) = bell();
        let (woken, waker) = sleeper();
        assert!(bell.sleep(&waker));
        assert!(!bell.begin());
        assert!(bell.rest());
        ringing.wake_by_ref();
        assert_eq!(woken.0.load(Relaxed), 0);
        assert!(is_called(&sweep));
        assert!(bell.begin(), "there is something to look at");
    }

    #[test]
    fn what_rings_before_a_rest_is_not_lost() {
        let (bell, ringing, sweep) = bell();
        ringing.wake_by_ref();
        assert!(!bell.rest());
        assert!(!is_called(&sweep));
    }

    /// However a ring from another thread falls, who sleeps hears it or is kept from sleeping.
    #[test]
    fn no_ring_is_lost_between_threads() {
        for _ in 0..2_000 {
            let (bell, ringing, _) = bell();
            let (woken, waker) = sleeper();
            let other = thread::spawn(move || ringing.wake());
            let slept = bell.sleep(&waker);
            other.join().unwrap();
            assert_eq!(woken.0.load(Relaxed), usize::from(slept));
        }
    }
}
