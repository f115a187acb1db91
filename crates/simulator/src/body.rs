//! The response body: steps played one after the other.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::journal::{Outcome, Ticket};
use crate::wire::Wire;

/// One thing a body does.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Sends bytes.
    Data(Bytes),
    /// Waits, counted from the end of the wait before, so that a stream keeps its pace.
    Wait(Duration),
    /// Lets what was sent so far reach the socket before the next step: what makes an event its own write.
    Flush,
    /// Never goes on.
    Hang,
    /// Ends the connection in the middle of the body.
    Break { reset: bool },
}

/// A body that is one piece, or is played.
#[derive(Debug)]
pub(crate) enum SimBody {
    /// One piece; `None` once it was taken.
    Whole(Option<Bytes>),
    /// Steps.
    Played(Box<Player>),
}

impl SimBody {
    /// A body of one piece.
    pub(crate) fn whole(bytes: impl Into<Bytes>) -> Self {
        Self::Whole(Some(bytes.into()))
    }
}

/// Plays steps and tells the journal how the body ended.
#[derive(Debug)]
pub(crate) struct Player {
    steps: Arc<[Step]>,
    next: usize,
    flushing: bool,
    deadline: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
    ticket: Option<Ticket>,
    wire: Arc<Wire>,
}

impl Player {
    /// Plays `steps` on the connection behind `wire`.
    pub(crate) fn new(steps: Arc<[Step]>, ticket: Option<Ticket>, wire: Arc<Wire>) -> Self {
        Self {
            steps,
            next: 0,
            flushing: false,
            deadline: None,
            sleep: None,
            ticket,
            wire,
        }
    }

    fn finish(&mut self, outcome: Outcome) {
        if let Some(ticket) = self.ticket.take() {
            ticket.end(outcome);
        }
    }

    fn poll_wait(&mut self, wait: Duration, cx: &mut Context<'_>) -> Poll<()> {
        let sleep = match &mut self.sleep {
            Some(sleep) => sleep,
            None => {
                let deadline = self.deadline.unwrap_or_else(Instant::now) + wait;
                self.deadline = Some(deadline);
                self.sleep.insert(Box::pin(sleep_until(deadline)))
            }
        };
        sleep.as_mut().poll(cx)
    }

    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        loop {
            let Some(step) = self.steps.get(self.next) else {
                self.finish(Outcome::Answered);
                return Poll::Ready(None);
            };
            match step {
                Step::Data(bytes) => {
                    let bytes = bytes.clone();
                    self.next += 1;
                    return Poll::Ready(Some(Ok(bytes)));
                }
                Step::Wait(wait) if wait.is_zero() => {}
                Step::Wait(wait) => {
                    let wait = *wait;
                    if self.poll_wait(wait, cx).is_pending() {
                        return Poll::Pending;
                    }
                    self.sleep = None;
                }
                Step::Flush => {
                    self.flushing = !self.flushing;
                    if self.flushing {
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                }
                Step::Hang => return Poll::Pending,
                Step::Break { reset } => {
                    if *reset {
                        self.wire.reset_on_close();
                    }
                    self.finish(Outcome::Faulted);
                    return Poll::Ready(Some(Err(io::ErrorKind::ConnectionAborted.into())));
                }
            }
            self.next += 1;
        }
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        // A peer that reads by content length may let hyper drop the body before its end was asked for.
        let played = self.steps[self.next..]
            .iter()
            .all(|step| matches!(step, Step::Flush));
        self.finish(if played {
            Outcome::Answered
        } else {
            Outcome::ClientCut
        });
        self.wire.answered();
    }
}

impl Body for SimBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut *self {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Played(player) => player
                .poll_step(cx)
                .map(|step| step.map(|bytes| bytes.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Self::Played(_) => SizeHint::default(),
        }
    }
}

/// What the server gives hyper: it answers every request, if only by breaking the connection.
pub(crate) type Served = Result<http::Response<SimBody>, Infallible>;

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waits_add_up_although_the_reader_is_slow() {
        let wait = || Step::Wait(Duration::from_millis(100));
        let data = || Step::Data(Bytes::from_static(b"x"));
        let steps = [wait(), data(), Step::Flush, wait(), data(), wait(), data()];
        let mut body = SimBody::Played(Box::new(Player::new(steps.into(), None, Arc::default())));
        let start = Instant::now();
        let mut seen = Vec::new();
        while let Some(frame) = body.frame().await {
            frame.unwrap();
            seen.push(start.elapsed().as_millis());
            if seen.len() == 1 {
                tokio::time::sleep(Duration::from_millis(70)).await;
            }
        }
        assert_eq!(seen, [100, 200, 300]);
    }
}
