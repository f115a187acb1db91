//! Trying candidates until one answers: the plan says which, this obeys. The only caller of providers, and the only
//! reporter of verdicts, so that no path can forget a cooldown.

mod failures;
mod hedge;
mod leg;

use std::{
    borrow::Cow,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use catalog::{Provider, Snapshot};
use health::{Health, InFlight};
use protocol::Refusal;
use router::{Candidate, Dice, Plan, RetryBudget, Step, Verdict};

pub(crate) use self::hedge::outcome as hedge_outcome;
use self::{
    failures::Failures,
    hedge::Race,
    leg::{Asked, Leg},
};
use crate::{
    admission::{Full, Slots},
    answer::Answered,
    ask::Ask,
    clock::{now, within},
    count::Counting,
    error::Error,
    exchange::Unprepared,
    failure::Failure,
    ledger::{AttemptId, Ledger},
    limits::{Ahead, Counts},
    media::Fetcher,
    metrics::Metrics,
    settings::Settings,
};

/// What attempts are made with.
#[derive(Debug)]
pub(crate) struct Tools<'a> {
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) health: &'a Health,
    pub(crate) budget: &'a RetryBudget,
    pub(crate) settings: &'a Settings,
    /// Fetches from addresses that come from requests.
    pub(crate) fetcher: &'a Fetcher,
    pub(crate) counting: &'a Counting,
    pub(crate) metrics: &'a Metrics,
    /// Places at providers that have a limit.
    pub(crate) slots: &'a Slots,
    /// Limits of providers that have some.
    pub(crate) counts: &'a Counts,
    /// What is known of them already.
    pub(crate) ahead: Ahead,
    /// What the request is thought to use.
    pub(crate) tokens: u64,
}

/// An answer, and whose it is.
#[derive(Debug)]
pub(crate) struct Success {
    pub(crate) answered: Answered,
    pub(crate) provider: Arc<Provider>,
    /// Its account.
    pub(crate) attempt: AttemptId,
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
    /// Its provider has no place for one more; nothing was sent.
    Full(Full),
    /// Its provider may have no more for so long; nothing was sent.
    Limited(Duration),
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
pub(crate) async fn run<'a>(
    tools: &'a Tools<'a>,
    ask: &'a Ask<'a>,
    plan: Plan<'a>,
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
        let Some(begun) = begin(tools, ask, candidate, is_forced, ledger).await else {
            return Err(failures.out_of_time());
        };
        // A hedge may have taken over: then its candidate is the one that failed last.
        let (candidate, miss) = match begun {
            Err(miss) => (candidate, miss),
            Ok(Begun::Estimated(success)) => return Ok(success),
            Ok(Begun::Runs(leg)) => {
                let ended = match hedge::patience(tools, ask, candidate) {
                    None => {
                        let result = leg.result(tools, ask).await;
                        let settled = leg.ended(result).settle(tools, ask, ledger);
                        settled.map_err(|failure| (candidate, failure))
                    }
                    Some(patience) => {
                        let race = Race {
                            tools,
                            ask,
                            walk: &mut walk,
                            failures: &mut failures,
                            ledger,
                        };
                        Box::pin(race.run(leg, patience)).await
                    }
                };
                match ended {
                    Ok(success) => return Ok(success),
                    Err((candidate, failure)) => (candidate, failure.into()),
                }
            }
        };
        verdict = Some(failures.miss(ask, candidate, miss)?);
        if verdict == Some(Verdict::ClientGone) {
            return Err(failures.out_of_time());
        }
    }
}

/// What a candidate was begun with.
enum Begun<'a> {
    /// An attempt.
    Runs(Leg<'a>),
    /// Nothing: it was answered here in its place.
    Estimated(Success),
}

/// Begins with `candidate`; `None` where the request's time was over before.
///
/// Apart from what comes after, so that this keeps no room for what it needed to prepare.
async fn begin<'a>(
    tools: &'a Tools<'a>,
    ask: &'a Ask<'a>,
    candidate: &'a Candidate,
    is_forced: bool,
    ledger: &mut Ledger,
) -> Option<Result<Begun<'a>, Miss>> {
    let preparing = pin!(leg::prepare(tools, ask, candidate));
    Some(match within(ask.deadline, preparing).await? {
        Ok(Asked::Send(ready)) => ready.begin(tools, is_forced, ledger).map(Begun::Runs),
        Ok(Asked::Estimated(success)) => Ok(Begun::Estimated(success)),
        Err(miss) => Err(miss),
    })
}

/// Waits, unless the deadline comes first.
async fn wait(pause: Duration, deadline: Option<Instant>) -> bool {
    if deadline.is_some_and(|deadline| deadline.saturating_duration_since(now()) <= pause) {
        return false;
    }
    tokio::time::sleep(pause).await;
    true
}
