//! Passing a committed stream on, piece by piece, as fast as the client takes it.

use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use catalog::Provider;
use health::{InFlight, Outcome};
use http_body::Body as _;
use protocol::{ClientError, Denied, ErrorKind};
use router::Verdict;
use tokio::time::{Sleep, sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use upstream::Body;

use crate::{
    body::BrokenOff,
    clock,
    errand::Errand,
    failure::{Failure, RESUME_DIFFERED},
    guard::{self, Stage},
    ledger::{AttemptId, Ledger},
    rescue::{Rescue, result},
    tap::{Passing, Tap},
    withheld::{Moderators, Piece, Turn, Withheld},
};

/// How long the end of the body may take after the end marker, so that the connection can be used again.
const END_GRACE: Duration = Duration::from_millis(250);

/// Longest piece that is made of several.
const MOST_JOINED: usize = 16 << 10;

/// A stream that is committed to its candidate.
#[derive(Debug)]
pub(crate) struct Committed {
    pub(crate) body: Body,
    pub(crate) tap: Tap,
    /// Held back until the commit, in order.
    pub(crate) held: Vec<Piece>,
    /// Where the client gets what is said only when it was moderated: by whom.
    pub(crate) moderators: Option<Moderators>,
    /// Taken when the end is reported.
    pub(crate) in_flight: Option<InFlight>,
    pub(crate) provider: Arc<Provider>,
    /// Its account.
    pub(crate) attempt: AttemptId,
    pub(crate) status: u16,
    /// From sending to the first content.
    pub(crate) latency: Duration,
    pub(crate) idle_timeout: Duration,
}

/// Relays it. Dropped before the end, it records that the client left, and the upstream call ends with it.
#[derive(Debug)]
pub(crate) struct Relay {
    stream: Committed,
    /// What has to be moderated before the client gets it.
    withheld: Option<Box<Withheld>>,
    ready: VecDeque<Bytes>,
    /// The client has something of it.
    is_begun: bool,
    /// What came last is not the end, and only a broken connection can say so.
    is_broken_off: bool,
    /// Runs while the provider is waited for, not while the client reads.
    idle: Pin<Box<Sleep>>,
    /// Comes when the gateway has to end what still runs.
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    is_waiting: bool,
    /// The provider's stream has ended, and what it said last is being moderated.
    is_ending: bool,
    /// Gone once the end is recorded.
    ledger: Option<Ledger>,
    /// Where another provider may go on with it.
    rescue: Option<Box<Rescue>>,
}

impl Relay {
    pub(crate) fn new(
        mut stream: Committed,
        ledger: Ledger,
        cut: CancellationToken,
        rescue: Option<Arc<Errand>>,
    ) -> Self {
        let held = std::mem::take(&mut stream.held);
        let moderators = stream.moderators.take();
        let mut relay = Self {
            withheld: moderators.map(|moderators| Box::new(Withheld::new(moderators))),
            ready: VecDeque::with_capacity(held.len()),
            is_begun: false,
            is_broken_off: false,
            idle: Box::pin(sleep(stream.idle_timeout)),
            cut: Box::pin(cut.cancelled_owned()),
            is_waiting: false,
            is_ending: false,
            ledger: Some(ledger),
            rescue: rescue.map(|errand| Box::new(Rescue::new(errand))),
            stream,
        };
        held.into_iter().for_each(|piece| relay.take(piece));
        relay
    }

    pub(crate) fn poll_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        loop {
            if let Some(bytes) = self.take_ready() {
                return Poll::Ready(Some(Ok(bytes)));
            }
            if self.is_being_rescued() {
                ready!(self.poll_rescue(context));
                continue;
            }
            if self.ledger.is_none() {
                let is_broken_off = std::mem::take(&mut self.is_broken_off);
                return Poll::Ready(is_broken_off.then_some(Err(BrokenOff)));
            }
            self.drain_tap();
            if !self.ready.is_empty() || self.ledger.is_none() || self.is_being_rescued() {
                continue;
            }
            if ready!(self.poll_withheld(context)) {
                ready!(self.poll_upstream(context));
            }
        }
    }

    /// Takes what came for the client, who gets it at once or when it was moderated.
    fn take(&mut self, piece: Piece) {
        match &mut self.withheld {
            Some(withheld) => withheld.push(piece),
            None => self.give(piece.bytes),
        }
    }

    /// Gives it to the client.
    fn give(&mut self, bytes: Bytes) {
        if bytes.is_empty() {
            return;
        }
        self.is_begun = true;
        if let Some(recording) = self.ledger.as_mut().and_then(Ledger::recording) {
            recording.told(&bytes);
        }
        self.ready.push_back(bytes);
    }

    fn is_withholding(&self) -> bool {
        let withheld = self.withheld.as_ref();
        withheld.is_some_and(|withheld| !withheld.is_empty())
    }

    /// Sees to what is withheld; ready with whether more may come from the provider now.
    fn poll_withheld(&mut self, context: &mut Context<'_>) -> Poll<bool> {
        let is_last = self.is_ending || self.stream.tap.is_done();
        let Some(withheld) = &mut self.withheld else {
            return Poll::Ready(true);
        };
        match withheld.poll(context, is_last) {
            Turn::Open if self.is_ending => {
                self.end();
                Poll::Ready(false)
            }
            Turn::Open => Poll::Ready(true),
            Turn::Full => {
                ready!(self.cut.as_mut().poll(context));
                self.fail(&stopped());
                Poll::Ready(false)
            }
            Turn::Judged(judgement, pieces) => {
                let heeded = judgement
                    .zip(self.ledger.as_ref())
                    .map(|(judgement, ledger)| guard::heed(&judgement, Stage::Response, ledger));
                match heeded {
                    Some(Err(barred)) => self.withhold(barred.class, &barred.told),
                    Some(Ok(())) | None => pieces.into_iter().for_each(|bytes| self.give(bytes)),
                }
                Poll::Ready(false)
            }
        }
    }

    /// What is ready, in one piece as far as that is short: each piece costs a frame on the way to the client.
    fn take_ready(&mut self) -> Option<Bytes> {
        let first = self.ready.pop_front()?;
        let (mut joined, mut length) = (0, first.len());
        while let Some(next) = self.ready.get(joined)
            && length + next.len() <= MOST_JOINED
        {
            joined += 1;
            length += next.len();
        }
        if joined == 0 {
            return Some(first);
        }
        let mut whole = BytesMut::with_capacity(length);
        whole.extend_from_slice(&first);
        let others = self.ready.drain(..joined);
        others.for_each(|piece| whole.extend_from_slice(&piece));
        Some(whole.freeze())
    }

    fn is_being_rescued(&self) -> bool {
        let rescue = self.rescue.as_ref();
        rescue.is_some_and(|rescue| rescue.running.is_some())
    }

    /// Waits for a provider that goes on.
    fn poll_rescue(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(rescue) = &mut self.rescue else {
            return Poll::Ready(());
        };
        let Some((running, _)) = &mut rescue.running else {
            return Poll::Ready(());
        };
        let done = ready!(running.as_mut().poll(context));
        let Some((_, failure)) = rescue.running.take() else {
            return Poll::Ready(());
        };
        match done {
            Ok((Ok(answer), ledger)) => match answer.into_stream() {
                Some(mut stream) => {
                    let held = std::mem::take(&mut stream.held);
                    self.stream = stream;
                    self.is_waiting = false;
                    self.ledger = Some(ledger);
                    held.into_iter().for_each(|piece| self.take(piece));
                }
                None => {
                    rescue.count(result::FAILED);
                    self.tell(&failure, ledger);
                }
            },
            Ok((Err(error), ledger)) => {
                rescue.count(if error.class == RESUME_DIFFERED {
                    result::DIFFERED
                } else {
                    result::FAILED
                });
                self.tell(&failure, ledger);
            }
            // The gateway itself failed, and the account is closed.
            Err(_) => self.say(&told(&failure)),
        }
        Poll::Ready(())
    }

    /// A panic ended it: what it holds is not looked at any more.
    pub(crate) fn broke(&mut self) {
        self.ready.clear();
        self.stream.in_flight = None;
        if let Some(ledger) = self.ledger.take() {
            tracing::error!(request.id = %ledger.request_id(), "a stream's task panicked");
            ledger.broke_midway(clock::now());
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
                    self.fail(&stopped());
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
                Passing::Forward(piece, _) => self.take(piece),
                Passing::Nothing => {}
                Passing::Error(error, status) => {
                    let provider = self.stream.provider.clone();
                    let redact = |text: &str| provider.redact(text);
                    return self.fail(&Failure::of_event(&error, status, redact));
                }
                Passing::Malformed(reason) => return self.fail(&Failure::bad_payload(reason)),
                Passing::Differs => return self.fail(&Failure::differs()),
                Passing::Denied(denied) => return self.deny(&denied),
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
        if self.is_withholding() {
            self.is_ending = true;
            return;
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
        let now = clock::now();
        self.count_resumed(result::RESUMED);
        ledger.attempt_answered(self.stream.attempt, self.stream.tap.usage(), now);
        ledger.close(200, None, now);
        self.report(Outcome::new(Verdict::Answered), now);
    }

    /// A rule denies what the provider says.
    fn deny(&mut self, denied: &Denied) {
        if let Some(ledger) = &self.ledger {
            ledger.guarded(Stage::Response, guard::result::DENIED);
        }
        self.withhold(guard::DENIED, &guard::denial(denied, Stage::Response));
    }

    /// The provider has answered as it should, but the rest of it may not be told: the client is told this in its place.
    fn withhold(&mut self, class: &'static str, told: &ClientError) {
        let Some(mut ledger) = self.ledger.take() else {
            return;
        };
        let now = clock::now();
        ledger.attempt_answered(self.stream.attempt, self.stream.tap.usage(), now);
        self.say(told);
        ledger.close(200, Some((class, &told.message)), now);
        self.report(Outcome::new(Verdict::Answered), now);
    }

    /// The stream cannot go on. Where another provider may, it is asked to; else the client is told.
    fn fail(&mut self, failure: &Failure) {
        // An error behind a complete answer would take back from the client what it already has.
        let is_stopped = failure.verdict == Verdict::ClientGone && self.is_withholding();
        if self.stream.tap.is_said() && !is_stopped {
            return self.end();
        }
        let Some(mut ledger) = self.ledger.take() else {
            return;
        };
        let now = clock::now();
        tracing::warn!(
            request.id = %ledger.request_id(),
            provider.name = &*self.stream.provider.name,
            error.class = failure.class,
            error = failure.message,
            "a stream broke after its first content"
        );
        ledger.attempt_usage(self.stream.attempt, self.stream.tap.usage());
        ledger.attempt_failed(self.stream.attempt, failure, now);
        self.report(
            Outcome::new(failure.verdict).error(failure.message.clone()),
            now,
        );
        let differs = failure.class == RESUME_DIFFERED;
        self.count_resumed(if differs {
            result::DIFFERED
        } else {
            result::FAILED
        });
        match &mut self.rescue {
            Some(rescue) if !differs && failure.verdict != Verdict::ClientGone => {
                match self.stream.tap.resumption() {
                    Some(resumption) => {
                        let provider = &self.stream.provider;
                        rescue.begin(
                            resumption,
                            (provider.id, provider.name.clone()),
                            failure,
                            ledger,
                        );
                    }
                    None => {
                        rescue.count(result::NOT_POSSIBLE);
                        self.tell(failure, ledger);
                    }
                }
            }
            _ => self.tell(failure, ledger),
        }
    }

    /// Where the stream that ends went on with another's: what became of it, and what that took.
    fn count_resumed(&self, result: &'static str) {
        if let Some(rescue) = self.rescue.as_ref().filter(|rescue| rescue.has_gone_on()) {
            rescue.count(result);
            let usage = self.stream.tap.usage();
            let metrics = rescue.errand.metrics();
            metrics.resume_used(usage.map_or(0, |usage| usage.total));
        }
    }

    /// Ends the request: the client gets the error event of its protocol, and no end marker.
    fn tell(&mut self, failure: &Failure, ledger: Ledger) {
        self.say(&told(failure));
        ledger.close(200, Some((failure.class, &failure.message)), clock::now());
    }

    /// Ends what the client gets, in place of what it did not get yet.
    fn say(&mut self, told: &ClientError) {
        if let Some(withheld) = &mut self.withheld {
            withheld.discard();
            self.stream.tap.retract(self.is_begun);
        }
        match self.stream.tap.fail(told) {
            Some(event) => self.ready.push_back(event),
            None => self.is_broken_off = true,
        }
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
        if self.ready.is_empty() && !self.is_withholding() && self.is_all_said() {
            self.end();
        } else if let Some(mut ledger) = self.ledger.take() {
            ledger.attempt_usage(self.stream.attempt, self.stream.tap.usage());
        }
    }
}

/// The gateway has to end what still runs.
fn stopped() -> Failure {
    let message = "the gateway was stopped before the stream ended";
    Failure::new(Verdict::ClientGone, "client_shutdown", message)
}

/// What the client is told of a stream that broke.
fn told(failure: &Failure) -> ClientError {
    match failure.class {
        "stream_idle" => {
            ClientError::new(ErrorKind::GatewayTimeout, "the provider stopped sending")
        }
        "client_shutdown" => {
            ClientError::new(ErrorKind::Unavailable, "the gateway is shutting down")
        }
        "stream_error" => ClientError::new(ErrorKind::BadGateway, failure.message.clone()),
        _ => ClientError::new(ErrorKind::BadGateway, "the provider's stream broke off"),
    }
}
