//! One attempt, with its account kept and its verdict reported.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use access::limit::{Kind, Lack};
use catalog::{Provider, Way};
use health::{Awaited, InFlight, Outcome};
use protocol::{Operation, exhausted, write_count_answer};
use router::{Candidate, Verdict};

use super::{Miss, Success, Tools};
use crate::{
    admission::Full,
    answer::Answered,
    ask::Ask,
    attempt,
    clock::{self, now},
    error::Error,
    exchange::{self, Prepared},
    failure::Failure,
    ledger::{AttemptId, Ledger, Place},
    limits::{self, Reserved},
};

/// A request that is ready for its candidate.
pub(super) struct Ready<'a> {
    candidate: &'a Candidate,
    provider: &'a Arc<Provider>,
    prepared: Prepared<'a>,
    /// Its part of the provider's limits.
    reserved: Reserved,
}

/// How a candidate answers.
pub(super) enum Asked<'a> {
    /// It is to be sent this.
    Send(Ready<'a>),
    /// In its place, here.
    Estimated(Success),
}

/// An attempt that runs.
pub(super) struct Leg<'a> {
    pub(super) candidate: &'a Candidate,
    provider: &'a Arc<Provider>,
    prepared: Prepared<'a>,
    in_flight: InFlight,
    pub(super) attempt: AttemptId,
    pub(super) started: Instant,
}

/// One that has ended, and how.
pub(super) struct Ended<'a> {
    leg: Leg<'a>,
    result: Result<Answered, Failure>,
}

fn held(message: &'static str) -> Failure {
    Failure::new(Verdict::Held, "held", message)
}

/// Makes the request one for `candidate`. Nothing is sent yet.
pub(super) async fn prepare<'a>(
    tools: &'a Tools<'a>,
    ask: &Ask<'_>,
    candidate: &'a Candidate,
) -> Result<Asked<'a>, Miss> {
    let Some(provider) = tools.snapshot.provider(candidate.provider()) else {
        return Err(held("the provider cannot be used").into());
    };
    let model = candidate.provider_model();
    let call = match provider.way(ask.endpoint, model, ask.envelope.stream) {
        Way::Call(call) => *call,
        Way::Estimate => return estimate(tools, ask, provider).await.map(Asked::Estimated),
        Way::Unserved => return Err(Miss::Wrong(Error::unroutable())),
    };
    let prepared = exchange::prepare(ask, call, tools.fetcher).await?;
    let reserved = limits::admit_attempt(
        tools.counts,
        &tools.ahead,
        provider,
        candidate,
        tools.tokens,
    )
    .await
    .map_err(|lack| lacking(provider, lack))?;
    Ok(Asked::Send(Ready {
        candidate,
        provider,
        prepared,
        reserved,
    }))
}

/// Its provider has no room for one more.
fn lacking(provider: &Provider, lack: Lack) -> Miss {
    match lack.kind {
        Kind::Concurrent => Miss::Full(Full {
            provider: provider.id,
            limit: usize::try_from(lack.limit).unwrap_or(usize::MAX),
        }),
        Kind::Requests | Kind::Tokens => Miss::Limited(lack.retry_after),
    }
}

/// Counts the tokens here, in place of a provider that cannot.
async fn estimate(
    tools: &Tools<'_>,
    ask: &Ask<'_>,
    provider: &Arc<Provider>,
) -> Result<Success, Miss> {
    let Operation::Count(format) = ask.endpoint.operation() else {
        return Err(Miss::Wrong(Error::unroutable()));
    };
    let request = ask
        .canonical
        .count(format, ask.body)
        .map_err(|error| Miss::Wrong(error.into()))?;
    let tokens = tools.counting.count(request).await;
    Ok(Success {
        answered: Answered::Estimated {
            body: write_count_answer(format, tokens),
        },
        provider: provider.clone(),
        attempt: AttemptId::NONE,
        in_flight: None,
        latency: Duration::ZERO,
        passes: false,
        dropped: Vec::new(),
    })
}

impl<'a> Ready<'a> {
    /// Opens the account of the attempt, unless the provider is full or a breaker holds it.
    pub(super) fn begin(
        self,
        tools: &Tools<'_>,
        is_forced: bool,
        ledger: &mut Ledger,
    ) -> Result<Leg<'a>, Miss> {
        let (candidate, provider, started) = (self.candidate, self.provider, now());
        let (id, of) = (candidate.id(), candidate.provider());
        let limit = provider.max_concurrent;
        let slot = limit.map(|limit| tools.slots.try_enter(provider.id, limit));
        let slot = slot.transpose().map_err(Miss::Full)?;
        let in_flight = if is_forced {
            tools.health.begin_anyway(id, of, started)
        } else {
            let begun = tools.health.begin(id, of, started);
            begun.ok_or_else(|| held("another request has the trial"))?
        };
        let place = Place {
            admission: self.reserved.keep(),
            _slot: slot,
        };
        let model = candidate.provider_model().clone();
        let price = tools.snapshot.price(id).cloned();
        let (name, id) = (provider.name.clone(), provider.id.0);
        let attempt = ledger.begin_attempt(id, name, model, price, place, started);
        let trace = ledger.trace_context();
        Ok(Leg {
            candidate,
            provider,
            prepared: Prepared {
                trace,
                ..self.prepared
            },
            in_flight,
            attempt,
            started,
        })
    }
}

impl<'a> Leg<'a> {
    /// Sends it, and waits for the answer, or for the first content of a stream. Dropped before, the call ends; dropped
    /// itself, what was begun is given back, as when the client leaves.
    pub(super) async fn result(
        &self,
        tools: &Tools<'_>,
        ask: &Ask<'_>,
    ) -> Result<Answered, Failure> {
        attempt::run(ask, self.provider, &self.prepared, tools.settings).await
    }

    /// It has ended so.
    pub(super) fn ended(self, result: Result<Answered, Failure>) -> Ended<'a> {
        Ended { leg: self, result }
    }
}

impl<'a> Ended<'a> {
    pub(super) fn candidate(&self) -> &'a Candidate {
        self.leg.candidate
    }

    /// Keeps the account and reports the verdict.
    pub(super) fn settle(
        self,
        tools: &Tools<'_>,
        ask: &Ask<'_>,
        ledger: &mut Ledger,
    ) -> Result<Success, Failure> {
        let Self { leg, result } = self;
        let ended = now();
        let latency = ended.saturating_duration_since(leg.started);
        match result {
            Ok(answered) => {
                let awaited = awaited(ask);
                tools.health.took(leg.candidate.id(), awaited, latency);
                pass_over_exhausted(tools, leg.candidate, &answered, ended);
                let (attempt, in_flight) = (leg.attempt, leg.in_flight);
                Ok(Success {
                    in_flight: answer(&answered, attempt, in_flight, latency, ended, ledger),
                    answered,
                    provider: leg.provider.clone(),
                    attempt,
                    latency,
                    passes: leg.prepared.passes(),
                    dropped: leg.prepared.dropped,
                })
            }
            Err(failure) => {
                let failure = if ask.was_cut_short(&failure, latency) {
                    failure.by_the_client()
                } else {
                    failure
                };
                let attempt = leg.attempt;
                report(ask, leg, &failure, latency, ended);
                if failure.verdict == Verdict::Held {
                    ledger.withdraw_attempt(attempt);
                } else {
                    ledger.attempt_failed(attempt, &failure, ended);
                }
                Err(failure)
            }
        }
    }
}

/// A provider that says with its answer that it has nothing left of a limit would refuse the next request: others are asked
/// until it has. It answered, so that nothing is held against it.
fn pass_over_exhausted(
    tools: &Tools<'_>,
    candidate: &Candidate,
    answered: &Answered,
    now: Instant,
) {
    let headers = match answered {
        Answered::Whole { headers, .. } | Answered::Stream { headers, .. } => headers,
        Answered::Estimated { .. } => return,
    };
    let pause = exhausted(headers, clock::wall()).filter(|pause| !pause.is_zero());
    if let Some(pause) = pause {
        tracing::debug!(
            provider.name = &**candidate.provider_name(),
            provider.model = &**candidate.provider_model(),
            pause_ms = pause.as_millis(),
            "a provider has nothing left of a limit of its own"
        );
        tools.health.pause(candidate.id(), pause, now);
    }
}

/// What the client waits for.
pub(super) fn awaited(ask: &Ask<'_>) -> Awaited {
    if ask.envelope.stream {
        Awaited::FirstContent
    } else {
        Awaited::Answer
    }
}

/// Keeps the account of an answer. What goes on as a stream stays in flight.
fn answer(
    answered: &Answered,
    attempt: AttemptId,
    mut in_flight: InFlight,
    latency: Duration,
    ended: Instant,
    ledger: &mut Ledger,
) -> Option<InFlight> {
    match answered {
        Answered::Whole {
            status,
            usage,
            media,
            ..
        } => {
            ledger.attempt_status(attempt, status.as_u16());
            ledger.attempt_media(attempt, *media);
            ledger.attempt_answered(attempt, *usage, ended);
            let outcome = Outcome::new(Verdict::Answered)
                .status(status.as_u16())
                .latency(latency);
            in_flight.finish(outcome, ended);
            None
        }
        Answered::Stream { status, .. } => {
            ledger.attempt_status(attempt, status.as_u16());
            ledger.mark_answered(attempt);
            ledger.first_content(ended);
            in_flight.first_content(ended);
            Some(in_flight)
        }
        Answered::Estimated { .. } => Some(in_flight),
    }
}

fn report(ask: &Ask<'_>, leg: Leg<'_>, failure: &Failure, latency: Duration, ended: Instant) {
    tracing::warn!(
        request.id = %ask.arrival.id,
        provider.name = &*leg.provider.name,
        provider.model = &**leg.candidate.provider_model(),
        status = failure.status,
        error.class = failure.class,
        error = failure.message,
        "an attempt failed"
    );
    let mut outcome = Outcome::new(failure.verdict)
        .error(failure.message.clone())
        .latency(latency);
    outcome.status = failure.status;
    leg.in_flight.finish(outcome, ended);
}
