//! Trying a second candidate beside one that lets the client wait: whoever answers first wins, and the other is cancelled.

use std::{
    future::Future,
    pin::Pin,
    time::{Duration, Instant},
};

use protocol::Operation;
use router::{Candidate, CandidateState, Hedge, Leg as Side, Standing, Verdict, Walk};
use tokio::time::sleep;

use super::{
    Miss, Success, Tools,
    failures::Failures,
    leg::{self, Asked, Ended, Leg},
};
use crate::{
    ask::Ask,
    clock::now,
    error::Error,
    failure::Failure,
    ledger::{AttemptId, Ledger},
};

/// A hedge is never sent earlier: answers as quick as that are not worth a second request.
const EARLIEST: Duration = Duration::from_millis(10);

/// What became of hedges, as the metrics tell it.
pub(crate) mod outcome {
    /// It was sent.
    pub(crate) const SENT: &str = "sent";
    /// It answered first.
    pub(crate) const WON: &str = "won";
    /// The first answered first.
    pub(crate) const LOST: &str = "lost";
    /// It failed before anybody answered.
    pub(crate) const FAILED: &str = "failed";
    /// It was not sent, since the budget was spent.
    pub(crate) const UNPAID: &str = "unpaid";
    pub(crate) const ALL: [&str; 5] = [SENT, WON, LOST, FAILED, UNPAID];
}

/// How long `candidate` may let this request wait alone; `None` where it is not hedged.
pub(super) fn patience(
    tools: &Tools<'_>,
    ask: &Ask<'_>,
    candidate: &Candidate,
) -> Option<Duration> {
    let hedging = ask.policy.hedging?;
    if matches!(ask.endpoint.operation(), Operation::Count(_)) {
        return None;
    }
    let awaited = leg::awaited(ask);
    let usual = |percent| tools.health.percentile(candidate.id(), awaited, percent);
    let usual = hedging.percentile.and_then(usual);
    usual.map(|time| time.max(EARLIEST)).or(hedging.after)
}

/// A leg on its way, which ends when it is dropped.
struct Running<'a, F> {
    side: Side,
    candidate: &'a Candidate,
    attempt: AttemptId,
    started: Instant,
    future: Pin<Box<F>>,
}

/// What a race goes on about.
pub(super) struct Race<'a, 'l> {
    pub(super) tools: &'a Tools<'a>,
    pub(super) ask: &'a Ask<'a>,
    pub(super) walk: &'l mut Walk<'a>,
    pub(super) failures: &'l mut Failures,
    pub(super) ledger: &'l mut Ledger,
}

impl<'a> Race<'a, '_> {
    /// Runs `first`, and after `patience` another beside it. Answers what won; or who failed last and how, when the
    /// walk has taken in all else.
    pub(super) async fn run(
        mut self,
        first: Leg<'a>,
        patience: Duration,
    ) -> Result<Success, (&'a Candidate, Failure)> {
        let mut first = self.start(Side::First, first);
        tokio::select! {
            biased;
            ended = &mut first.future => return self.alone(ended),
            () = sleep(patience) => {}
        }
        let hedge = loop {
            let is_well = |candidate: &Candidate| is_well(self.tools, candidate);
            let candidate = match self.walk.hedge(now(), is_well) {
                Hedge::Try(candidate) => candidate,
                Hedge::Unpaid => {
                    self.tools.metrics.hedge(outcome::UNPAID);
                    tracing::debug!(request.id = %self.ask.arrival.id, "the retry budget allows no hedge");
                    break None;
                }
                Hedge::Nobody => break None,
            };
            let asked = tokio::select! {
                biased;
                ended = &mut first.future => {
                    self.walk.leg_failed(Side::Hedge, Verdict::Held, now());
                    return self.alone(ended);
                }
                asked = leg::prepare(self.tools, self.ask, candidate) => asked,
            };
            match self.begin(asked) {
                Ok(leg) => break Some(leg),
                Err(miss) => {
                    self.pass_over(candidate, miss);
                    self.walk.leg_failed(Side::Hedge, Verdict::Held, now());
                }
            }
        };
        let Some(hedge) = hedge else {
            let ended = first.future.await;
            return self.alone(ended);
        };
        tracing::debug!(
            request.id = %self.ask.arrival.id,
            provider.name = &**hedge.candidate.provider_name(),
            slow = &**first.candidate.provider_name(),
            after_ms = patience.as_millis(),
            "a hedge is sent beside a slow attempt"
        );
        self.tools.metrics.hedge(outcome::SENT);
        let mut hedge = self.start(Side::Hedge, hedge);
        let (ended, side) = tokio::select! {
            biased;
            ended = &mut first.future => (ended, first.side),
            ended = &mut hedge.future => (ended, hedge.side),
        };
        let other = if side == Side::First { hedge } else { first };
        self.decide(ended, side, other).await
    }

    fn start(
        &self,
        side: Side,
        leg: Leg<'a>,
    ) -> Running<'a, impl Future<Output = Ended<'a>> + use<'a>> {
        let (tools, ask) = (self.tools, self.ask);
        Running {
            side,
            candidate: leg.candidate,
            attempt: leg.attempt,
            started: leg.started,
            future: Box::pin(async move {
                let result = leg.result(tools, ask).await;
                leg.ended(result)
            }),
        }
    }

    fn begin(&mut self, asked: Result<Asked<'a>, Miss>) -> Result<Leg<'a>, Miss> {
        match asked? {
            Asked::Send(ready) => Ok(ready.begin(self.tools, false, self.ledger)?),
            Asked::Estimated(_) => Err(Miss::Wrong(Error::unroutable())),
        }
    }

    /// The hedge could not be sent; that is nobody's trouble as long as the first runs.
    fn pass_over(&mut self, candidate: &Candidate, miss: Miss) {
        match miss {
            Miss::Failed(failure) => self.failures.push(candidate, failure),
            Miss::Refused(refusal) => self.failures.refused(self.ask, candidate, refusal),
            Miss::Full(_) | Miss::Limited(_) | Miss::Wrong(_) => {}
        }
    }

    /// The end of a leg with none beside it.
    fn alone(&mut self, ended: Ended<'a>) -> Result<Success, (&'a Candidate, Failure)> {
        let candidate = ended.candidate();
        ended
            .settle(self.tools, self.ask, self.ledger)
            .map_err(|failure| (candidate, failure))
    }

    /// The end of one of two legs, and what becomes of the `other`.
    async fn decide<F>(
        &mut self,
        ended: Ended<'a>,
        side: Side,
        other: Running<'a, F>,
    ) -> Result<Success, (&'a Candidate, Failure)>
    where
        F: Future<Output = Ended<'a>>,
    {
        let metrics = self.tools.metrics;
        let (candidate, failure) = match self.alone(ended) {
            Ok(success) => {
                metrics.hedge(if side == Side::Hedge {
                    outcome::WON
                } else {
                    outcome::LOST
                });
                self.cancel(other);
                return Ok(success);
            }
            Err(failed) => failed,
        };
        if side == Side::Hedge {
            metrics.hedge(outcome::FAILED);
        }
        if self.walk.leg_failed(side, failure.verdict, now()).is_some() {
            if failure.verdict == Verdict::ClientGone {
                // Its time was the same, and it is over.
                let late = Failure::timeout("no answer in the client's time").by_the_client();
                self.ledger.attempt_failed(other.attempt, &late, now());
            } else {
                self.cancel(other);
            }
            return Err((candidate, failure));
        }
        self.failures.push(candidate, failure);
        let side = other.side;
        let ended = other.future.await;
        let last = self.alone(ended);
        if side == Side::Hedge {
            metrics.hedge(if last.is_ok() {
                outcome::WON
            } else {
                outcome::FAILED
            });
        }
        last
    }

    /// Ends a leg that is not needed any more: the connection to its provider closes, and nobody is blamed.
    fn cancel<F>(&mut self, lost: Running<'a, F>) {
        let (now, waited) = (now(), now().saturating_duration_since(lost.started));
        drop(lost.future);
        self.ledger.attempt_lost(lost.attempt, now);
        if lost.side == Side::First {
            let awaited = leg::awaited(self.ask);
            self.tools.health.took(lost.candidate.id(), awaited, waited);
        }
        tracing::debug!(
            request.id = %self.ask.arrival.id,
            provider.name = &**lost.candidate.provider_name(),
            "an attempt was cancelled, since the one beside it ended first"
        );
    }
}

/// Whether it takes requests like any other: a hedge is no trial.
fn is_well(tools: &Tools<'_>, candidate: &Candidate) -> bool {
    let standing = tools
        .health
        .standing(candidate.id(), candidate.provider(), now());
    matches!(standing, Standing::Ready { .. })
}
