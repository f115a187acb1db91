//! Trying candidates until one answers: the plan says which, this obeys. The only caller of providers, and the only
//! reporter of verdicts, so that no path can forget a cooldown.

use std::{
    borrow::Cow,
    fmt::Write,
    sync::Arc,
    time::{Duration, Instant},
};

use catalog::{Provider, Snapshot, Way};
use health::{Health, InFlight, Outcome};
use protocol::{ErrorKind, Operation, Refusal, write_count_answer};
use router::{Candidate, Dice, FailureClass, Plan, RetryBudget, Step, StopReason, Verdict};

use upstream::Clients;

use crate::{
    answer::Answered,
    ask::Ask,
    attempt,
    count::Counting,
    error::{Error, Told},
    exchange::{self, Unprepared},
    failure::Failure,
    ledger::Ledger,
    settings::Settings,
};

/// What attempts are made with.
#[derive(Debug)]
pub(crate) struct Tools<'a> {
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) health: &'a Health,
    pub(crate) budget: &'a RetryBudget,
    pub(crate) settings: &'a Settings,
    /// Clients for addresses that come from requests.
    pub(crate) public: &'a Clients,
    pub(crate) counting: &'a Counting,
}

/// An answer, and whose it is.
#[derive(Debug)]
pub(crate) struct Success {
    pub(crate) answered: Answered,
    pub(crate) provider: Arc<Provider>,
    /// Set where the answer goes on: the end of a stream decides how the attempt is judged.
    pub(crate) in_flight: Option<InFlight>,
    /// From sending to the answer, or to the first content.
    pub(crate) latency: Duration,
    /// Whether the client speaks as the provider does.
    pub(crate) passes: bool,
    /// The client's fields that the provider did not get.
    pub(crate) dropped: Vec<Cow<'static, str>>,
}

/// Why a candidate did not answer.
#[derive(Debug)]
enum Miss {
    /// It was tried, or could not be.
    Failed(Failure),
    /// It cannot be asked this; nothing was sent, and another candidate may be asked.
    Refused(Refusal),
    /// Nobody can be asked this.
    Wrong(Error),
}

impl From<Failure> for Miss {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Unprepared> for Miss {
    fn from(unprepared: Unprepared) -> Self {
        match unprepared {
            Unprepared::Wrong(error) => Self::Wrong(error),
            Unprepared::Refused(refusal) => Self::Refused(refusal),
        }
    }
}

/// The thread's generator as dice.
pub(crate) struct ThreadDice;

impl Dice for ThreadDice {
    fn next_u64(&mut self) -> u64 {
        fastrand::u64(..)
    }
}

/// Walks the plan.
pub(crate) async fn run(
    tools: &Tools<'_>,
    ask: &Ask<'_>,
    plan: Plan<'_>,
    ledger: &mut Ledger,
) -> Result<Success, Error> {
    let is_forced = plan.is_forced();
    let mut walk = plan.walk(tools.budget);
    let mut failures = Failures::default();
    let mut verdict = None;
    loop {
        let candidate = match walk.next(verdict, now(), &mut ThreadDice) {
            Step::Try(candidate) => candidate,
            Step::Wait(pause, candidate) => {
                if !wait(pause, ask.deadline).await {
                    return Err(failures.out_of_time());
                }
                candidate
            }
            Step::Stop(reason) => return Err(failures.into_error(reason)),
        };
        if ask.deadline.is_some_and(|deadline| deadline <= now()) {
            return Err(failures.out_of_time());
        }
        match one(tools, ask, candidate, is_forced, ledger).await {
            Ok(success) => return Ok(success),
            Err(Miss::Failed(failure)) => {
                verdict = Some(failure.verdict);
                failures.push(candidate, failure);
            }
            Err(Miss::Refused(refusal)) => {
                verdict = Some(Verdict::Held);
                failures.refused(candidate, refusal);
            }
            Err(Miss::Wrong(error)) => return Err(error),
        }
        if verdict == Some(Verdict::ClientGone) {
            return Err(failures.out_of_time());
        }
    }
}

/// One attempt, with its account kept and its verdict reported.
async fn one(
    tools: &Tools<'_>,
    ask: &Ask<'_>,
    candidate: &Candidate,
    is_forced: bool,
    ledger: &mut Ledger,
) -> Result<Success, Miss> {
    let held = |message| Failure::new(Verdict::Held, "held", message);
    let Some(provider) = tools.snapshot.provider(candidate.provider()) else {
        return Err(held("the provider cannot be used").into());
    };
    let model = candidate.provider_model();
    let call = match provider.way(ask.endpoint, model, ask.envelope.stream) {
        Way::Call(call) => *call,
        Way::Estimate => return estimate(tools, ask, provider).await,
        Way::Unserved => return Err(Miss::Wrong(Error::unroutable())),
    };
    let prepared = exchange::prepare(ask, call, tools.public).await?;
    let started = now();
    let in_flight = if is_forced {
        tools
            .health
            .begin_anyway(candidate.id(), candidate.provider(), started)
    } else {
        let begun = tools
            .health
            .begin(candidate.id(), candidate.provider(), started);
        begun.ok_or_else(|| held("another request has the trial"))?
    };
    ledger.begin_attempt(provider.id.0, provider.name.clone(), model.clone(), started);
    let result = attempt::run(ask, provider, &prepared, tools.settings).await;
    let ended = now();
    let latency = ended.saturating_duration_since(started);
    match result {
        Ok(answered) => Ok(Success {
            in_flight: settle(&answered, in_flight, latency, ended, ledger),
            answered,
            provider: provider.clone(),
            latency,
            passes: prepared.passes(),
            dropped: prepared.dropped,
        }),
        Err(failure) => {
            let failure = if ask.was_cut_short(&failure, latency) {
                failure.by_the_client()
            } else {
                failure
            };
            report(provider, candidate, &failure, in_flight, latency, ended);
            if failure.verdict == Verdict::Held {
                ledger.withdraw_attempt();
            } else {
                ledger.attempt_failed(&failure, ended);
            }
            Err(failure.into())
        }
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
        in_flight: None,
        latency: Duration::ZERO,
        passes: false,
        dropped: Vec::new(),
    })
}

/// Keeps the account of an answer. What goes on as a stream stays in flight.
fn settle(
    answered: &Answered,
    mut in_flight: InFlight,
    latency: Duration,
    ended: Instant,
    ledger: &mut Ledger,
) -> Option<InFlight> {
    match answered {
        Answered::Whole { status, usage, .. } => {
            ledger.attempt_status(status.as_u16());
            ledger.attempt_answered(*usage, ended);
            let outcome = Outcome::new(Verdict::Answered)
                .status(status.as_u16())
                .latency(latency);
            in_flight.finish(outcome, ended);
            None
        }
        Answered::Stream { status, .. } => {
            ledger.attempt_status(status.as_u16());
            ledger.mark_answered();
            ledger.first_content(ended);
            in_flight.first_content(ended);
            Some(in_flight)
        }
        Answered::Estimated { .. } => Some(in_flight),
    }
}

fn report(
    provider: &Provider,
    candidate: &Candidate,
    failure: &Failure,
    in_flight: InFlight,
    latency: Duration,
    ended: Instant,
) {
    tracing::warn!(
        provider.name = &*provider.name,
        provider.model = &**candidate.provider_model(),
        status = failure.status,
        error.class = failure.class,
        error = failure.message,
        "an attempt failed"
    );
    let mut outcome = Outcome::new(failure.verdict)
        .error(failure.message.clone())
        .latency(latency);
    outcome.status = failure.status;
    in_flight.finish(outcome, ended);
}

/// The monotonic clock; tokio's, so that tests can pause it.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Waits, unless the deadline comes first.
async fn wait(pause: Duration, deadline: Option<Instant>) -> bool {
    if deadline.is_some_and(|deadline| deadline.saturating_duration_since(now()) <= pause) {
        return false;
    }
    tokio::time::sleep(pause).await;
    true
}

/// What the attempts met, for the error that tells of them.
#[derive(Debug, Default)]
struct Failures {
    /// Provider and class of each, as the client is told.
    told: String,
    /// Of those that were sent.
    last: Option<Failure>,
    /// Why the first that could not be asked could not.
    refusal: Option<Refusal>,
    /// Whether one was held back that might be asked a moment later.
    any_held: bool,
}

impl Failures {
    fn push(&mut self, candidate: &Candidate, failure: Failure) {
        if failure.verdict != Verdict::Held {
            let separator = if self.told.is_empty() { "" } else { ", " };
            // Writing to a string cannot fail.
            let _ = write!(
                self.told,
                "{separator}{}: {}",
                candidate.provider_name(),
                failure.class
            );
            self.last = Some(failure);
        } else {
            self.any_held = true;
        }
    }

    fn refused(&mut self, candidate: &Candidate, refusal: Refusal) {
        tracing::debug!(
            provider.name = &**candidate.provider_name(),
            provider.model = &**candidate.provider_model(),
            request.field = refusal.param,
            "a candidate cannot be asked this"
        );
        self.refusal.get_or_insert(refusal);
    }

    fn out_of_time(&self) -> Error {
        let message = self.sentence("the time for the request is over");
        Error::new(ErrorKind::GatewayTimeout, "timeout", message)
    }

    fn sentence(&self, what: &str) -> String {
        if self.told.is_empty() {
            what.to_owned()
        } else {
            format!("{what} ({})", self.told)
        }
    }

    /// When all attempts failed alike the client is told so, else that the providers failed.
    fn into_error(self, reason: StopReason) -> Error {
        let failure = match reason {
            StopReason::ClientFault | StopReason::ContextLengthExceeded => {
                return self.clients_own();
            }
            StopReason::Failed(failure) => failure,
            StopReason::Answered | StopReason::ClientGone => {
                return Error::new(
                    ErrorKind::Internal,
                    "internal",
                    "the walk ended without an answer",
                );
            }
        };
        if failure.class == FailureClass::Held
            && !self.any_held
            && let Some(refusal) = self.refusal
        {
            return refusal.into();
        }
        let (kind, class, what) = match failure.class {
            FailureClass::RateLimited => (
                ErrorKind::RateLimited,
                "rate_limited",
                "every provider is rate limited",
            ),
            FailureClass::Overloaded => (
                ErrorKind::Overloaded,
                "overloaded",
                "every provider is overloaded",
            ),
            FailureClass::TimedOut => (
                ErrorKind::GatewayTimeout,
                "timeout",
                "every provider was too slow",
            ),
            FailureClass::NotFound => (
                ErrorKind::ModelNotFound,
                "not_found",
                "no provider knows the model",
            ),
            FailureClass::Held => (
                ErrorKind::Unavailable,
                "held",
                "no provider can be tried at the moment",
            ),
            FailureClass::Other => (
                ErrorKind::BadGateway,
                "upstream_error",
                "every provider failed",
            ),
        };
        let mut error = Error::new(kind, class, self.sentence(what));
        error.retry_after = failure.retry_after;
        error.is_final = failure.all_tried;
        error
    }

    /// The provider's own words about the client's request; in ours where they are not fit to be passed on.
    fn clients_own(self) -> Error {
        let Some(failure) = self.last else {
            return Error::new(
                ErrorKind::Internal,
                "internal",
                "the walk ended without a verdict",
            );
        };
        let (status, body) = match (failure.status, failure.body) {
            (Some(status), Some(body)) if !body.is_empty() => (status, body),
            (status, _) => {
                let message = "the provider refused the request";
                let mut error = Error::new(ErrorKind::InvalidRequest, failure.class, message);
                error.status = status;
                return error;
            }
        };
        let told = Told::Providers {
            status,
            body,
            message: failure.message,
            protocol: failure.protocol,
        };
        Error {
            told,
            status: None,
            class: failure.class,
            retry_after: None,
            is_final: false,
        }
    }
}
