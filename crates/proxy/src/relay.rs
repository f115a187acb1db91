//! Passing a committed stream on, piece by piece, as fast as the client takes it.

use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use bytes::Bytes;
use catalog::Provider;
use health::{InFlight, Outcome};
use http_body::Body as _;
use hyper::body::Incoming;
use protocol::{ClientError, ErrorKind};
use router::Verdict;
use tokio::time::{Sleep, sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::{
    body::BrokenOff,
    failure::Failure,
    ledger::Ledger,
    tap::{Passing, Tap},
};

/// How long the end of the body may take after the end marker, so that the connection can be used again.
const END_GRACE: Duration = Duration::from_millis(250);

/// A stream that is committed to its candidate.
#[derive(Debug)]
pub(crate) struct Committed {
    pub(crate) body: Incoming,
    pub(crate) tap: Tap,
    /// Held back until the commit, in order.
    pub(crate) held: Vec<Bytes>,
    /// Taken when the end is reported.
    pub(crate) in_flight: Option<InFlight>,
    pub(crate) provider: Arc<Provider>,
    pub(crate) status: u16,
    /// From sending to the first content.
    pub(crate) latency: Duration,
    pub(crate) idle_timeout: Duration,
}

/// Relays it. Dropped before the end, it records that the client left, and the upstream call ends with it.
#[derive(Debug)]
pub(crate) struct Relay {
    stream: Committed,
    ready: VecDeque<Bytes>,
    /// What came last is not the end, and only a broken connection can say so.
    is_broken_off: bool,
    /// Runs while the provider is waited for, not while the client reads.
    idle: Pin<Box<Sleep>>,
    /// Comes when the gateway has to end what still runs.
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    is_waiting: bool,
    /// Gone once the end is recorded.
    ledger: Option<Ledger>,
}

impl Relay {
    pub(crate) fn new(mut stream: Committed, ledger: Ledger, cut: CancellationToken) -> Self {
        let idle = Box::pin(sleep(stream.idle_timeout));
        let ready = std::mem::take(&mut stream.held).into();
        Self {
            stream,
            ready,
            is_broken_off: false,
            idle,
            cut: Box::pin(cut.cancelled_owned()),
            is_waiting: false,
            ledger: Some(ledger),
        }
    }

    pub(crate) fn poll_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        loop {
            if let Some(bytes) = self.ready.pop_front() {
                return Poll::Ready(Some(Ok(bytes)));
            }
            if self.ledger.is_none() {
                let is_broken_off = std::mem::take(&mut self.is_broken_off);
                return Poll::Ready(is_broken_off.then_some(Err(BrokenOff)));
            }
            self.drain_tap();
            if !self.ready.is_empty() || self.ledger.is_none() {
                continue;
            }
            ready!(self.poll_upstream(context));
        }
    }

    /// A panic ended it: what it holds is not looked at any more.
    pub(crate) fn broke(&mut self) {
        self.ready.clear();
        self.stream.in_flight = None;
        if let Some(ledger) = self.ledger.take() {
            tracing::error!("a stream's task panicked");
            ledger.broke_midway(Instant::now());
        }
    }

    /// Waits for the next piece from the provider, or for its silence to become too long.
    fn poll_upstream(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match Pin::new(&mut self.stream.body).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                self.is_waiting = false;
                if self.stream.tap.is_done() {
                    self.end();
                } else if let Ok(data) = frame.into_data() {
                    self.stream.tap.push(data);
                }
            }
            Poll::Ready(Some(Err(error))) => {
                if self.stream.tap.is_complete() {
                    self.end();
                } else {
                    self.fail(&Failure::truncated(format!(
                        "the stream broke off: {error}"
                    )));
                }
            }
            Poll::Ready(None) => {
                self.stream.tap.at_end();
                self.end();
            }
            Poll::Pending => {
                if self.cut.as_mut().poll(context).is_ready() {
                    if self.stream.tap.is_complete() {
                        self.end();
                        return Poll::Ready(());
                    }
                    let message = "the gateway was stopped before the stream ended";
                    self.fail(&Failure::new(
                        Verdict::ClientGone,
                        "client_shutdown",
                        message,
                    ));
                    return Poll::Ready(());
                }
                if !self.is_waiting {
                    self.is_waiting = true;
                    self.start_clock();
                }
                ready!(self.idle.as_mut().poll(context));
                if self.stream.tap.is_complete() {
                    self.end();
                } else {
                    let verdict = Verdict::Timeout;
                    self.fail(&Failure::new(
                        verdict,
                        "stream_idle",
                        "the provider fell silent in the middle of the stream",
                    ));
                }
            }
        }
        Poll::Ready(())
    }

    fn start_clock(&mut self) {
        let patience = if self.stream.tap.is_done() {
            END_GRACE
        } else {
            self.stream.idle_timeout
        };
        self.idle
            .as_mut()
            .reset(tokio::time::Instant::now() + patience);
    }

    /// Takes every whole event out of the tap.
    fn drain_tap(&mut self) {
        while let Some(passing) = self.stream.tap.next() {
            match passing {
                Passing::Forward(bytes, _) if bytes.is_empty() => {}
                Passing::Forward(bytes, _) => self.ready.push_back(bytes),
                Passing::Nothing => {}
                Passing::Error(error, status) => {
                    let provider = self.stream.provider.clone();
                    let redact = |text: &str| provider.redact(text);
                    return self.fail(&Failure::of_event(&error, status, redact));
                }
                Passing::Malformed(reason) => return self.fail(&Failure::bad_payload(reason)),
            }
        }
    }

    /// The provider's stream has ended.
    fn end(&mut self) {
        if !self.stream.tap.is_complete() {
            return self.fail(&Failure::truncated(
                "the stream ended before the answer was complete",
            ));
        }
        let Some(mut ledger) = self.ledger.take() else {
            return;
        };
        if !self.stream.tap.is_done() {
            let rest = self.stream.tap.finish();
            if !rest.is_empty() {
                self.ready.push_back(rest);
            }
        }
        let now = Instant::now();
        ledger.attempt_answered(self.stream.tap.usage(), now);
        ledger.close(200, None, now);
        self.report(Outcome::new(Verdict::Answered), now);
    }

    /// The stream cannot go on: the client gets the error event of its protocol, and no end marker.
    fn fail(&mut self, failure: &Failure) {
        let Some(mut ledger) = self.ledger.take() else {
            return;
        };
        let told = match failure.class {
            "stream_idle" => {
                ClientError::new(ErrorKind::GatewayTimeout, "the provider stopped sending")
            }
            "client_shutdown" => {
                ClientError::new(ErrorKind::Unavailable, "the gateway is shutting down")
            }
            "stream_error" => ClientError::new(ErrorKind::BadGateway, failure.message.clone()),
            _ => ClientError::new(ErrorKind::BadGateway, "the provider's stream broke off"),
        };
        match self.stream.tap.fail(&told) {
            Some(event) => self.ready.push_back(event),
            None => self.is_broken_off = true,
        }
        let now = Instant::now();
        tracing::warn!(
            provider.name = &*self.stream.provider.name,
            error.class = failure.class,
            error = failure.message,
            "a stream broke after its first content"
        );
        ledger.attempt_usage(self.stream.tap.usage());
        ledger.attempt_failed(failure, now);
        ledger.close(200, Some((failure.class, &failure.message)), now);
        self.report(
            Outcome::new(failure.verdict).error(failure.message.clone()),
            now,
        );
    }

    /// Whether there is nothing more that the client would have to be told.
    fn is_all_said(&mut self) -> bool {
        let tap = &mut self.stream.tap;
        // Gemini's streams have no end marker; in other formats one is missing as long as it has not come.
        tap.is_done() || (self.ledger.is_some() && tap.is_complete() && tap.finish().is_empty())
    }

    fn report(&mut self, outcome: Outcome, now: Instant) {
        if let Some(in_flight) = self.stream.in_flight.take() {
            in_flight.finish(
                outcome
                    .status(self.stream.status)
                    .latency(self.stream.latency),
                now,
            );
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // Most clients close as soon as they have read the end, which is no hang-up.
        if self.ready.is_empty() && self.is_all_said() {
            self.end();
        } else if let Some(mut ledger) = self.ledger.take() {
            ledger.attempt_usage(self.stream.tap.usage());
        }
    }
}
