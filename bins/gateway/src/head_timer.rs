//! How long a connection may be silent, and how long the head of a request may take.
//!
//! hyper has one clock for both, which runs from the end of an answer to the end of the next head. But a balancer keeps
//! connections open for a minute and more, and would send a request into one that is being closed, while a head that takes
//! that long is somebody who holds a connection on purpose.

use std::{
    future::Future,
    pin::Pin,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use hyper::rt::{Sleep, Timer};
use pin_project_lite::pin_project;

/// How long a client may take for the head of its request.
const HEAD: Duration = Duration::from_secs(30);

/// The clock of one connection.
#[derive(Debug, Default)]
pub(crate) struct HeadTimer {
    /// Whether its first request has been waited for.
    has_begun: AtomicBool,
}

impl Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        // Who connects has something to ask.
        let is_first = !self.has_begun.swap(true, Relaxed);
        let end = if is_first {
            deadline.min(self.now() + HEAD)
        } else {
            deadline
        };
        Box::pin(Silence {
            end: tokio::time::sleep_until(end.into()),
            polls: 0,
        })
    }

    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }
}

pin_project! {
    /// Ends when a connection has been silent for too long, or when a head that has begun takes too long.
    struct Silence {
        #[pin]
        end: tokio::time::Sleep,
        polls: u8,
    }
}

impl Future for Silence {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        // hyper looks here whenever it has read what there was and the head is not complete: the second time because more
        // has come.
        *this.polls = this.polls.saturating_add(1);
        if *this.polls == 2 {
            let end = tokio::time::Instant::now() + HEAD;
            if end < this.end.deadline() {
                this.end.as_mut().reset(end);
            }
        }
        this.end.poll(context)
    }
}

impl Sleep for Silence {}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    const IDLE: Duration = Duration::from_secs(75);

    /// How long a connection is waited for whose next bytes come after these times.
    async fn waited(timer: &HeadTimer, bytes_after: &[u64]) -> Duration {
        let begun = timer.now();
        let mut silence = timer.sleep(IDLE);
        for after in bytes_after {
            if timeout(Duration::from_secs(*after), &mut silence)
                .await
                .is_ok()
            {
                break;
            }
        }
        if bytes_after.is_empty() || timer.now() - begun < IDLE {
            silence.await;
        }
        timer.now() - begun
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_head_has_to_come_soon_and_later_ones_may_be_waited_for() {
        let timer = HeadTimer::default();
        assert_eq!(waited(&timer, &[]).await, HEAD);
        assert_eq!(waited(&timer, &[]).await, IDLE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_comes_in_drops_is_not_waited_for() {
        let timer = HeadTimer::default();
        let _first = timer.sleep(IDLE);
        let waited = waited(&timer, &[10, 10, 10, 10, 10, 10]).await;
        assert_eq!(waited, Duration::from_secs(10) + HEAD);
    }
}
