//! The walk over a plan: which candidate to try next, after how long, and when to give up.

mod hedge;

use std::ops::Range;
use std::time::{Duration, Instant};

use crate::dice::unit;
use crate::order::Place;
use crate::{Candidate, Dice, Plan, RetryBudget, Route, Verdict};

pub use hedge::{Hedge, Leg};

/// The longest `Retry-After` that is waited out.
const LONGEST_PAUSE: Duration = Duration::from_secs(3);
/// Upper bound of the first backoff; it doubles with every repetition.
const FIRST_BACKOFF: Duration = Duration::from_millis(250);
/// Upper bound of every backoff.
const LONGEST_BACKOFF: Duration = Duration::from_secs(2);

/// What to do next.
#[derive(Debug, Clone, Copy)]
pub enum Step<'r> {
    /// Try this candidate now.
    Try(&'r Candidate),
    /// Wait, then try this candidate.
    Wait(Duration, &'r Candidate),
    /// It is over.
    Stop(StopReason),
}

/// Why a walk ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// The last attempt answered.
    Answered,
    /// The last attempt met the client's own fault: its answer goes back as it is.
    ClientFault,
    /// The prompt is too long for the last provider model tried, and no other may be asked: the answer goes back as it is.
    ContextLengthExceeded,
    /// The client went away.
    ClientGone,
    /// No attempt answered, and none is left.
    Failed(Failure),
}

/// What the attempts of a failed request have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// The class of all attempts.
    pub class: FailureClass,
    /// Time until the first candidate takes requests again, as far as candidates that were rate limited or overloaded
    /// told.
    pub retry_after: Option<Duration>,
    /// Whether no candidate is left that could serve the request and was not tried. Those that were unhealthy, cooling
    /// or held count as not tried.
    pub all_tried: bool,
}

/// The class of all attempts of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureClass {
    /// All were rate limited.
    RateLimited,
    /// All candidates were overloaded.
    Overloaded,
    /// All timed out.
    TimedOut,
    /// All candidates said that the model does not exist.
    NotFound,
    /// Nothing was sent: every candidate was held.
    Held,
    /// Anything else, also a mixture.
    Other,
}

/// Decides, verdict by verdict, what a request does next. Made by [`Plan::walk`].
///
/// The first attempt is followed by at most `max_retry` more. In a tier every candidate is tried before one is
/// repeated. A tier whose failures were all transient is walked once more before a lower one is; the lowest for as long
/// as attempts are left. A further try in a tier is made only while more attempts are left than there are lower tiers
/// with a candidate, so that each of them can be reached.
#[derive(Debug)]
pub struct Walk<'r> {
    route: &'r Route,
    places: Vec<Place>,
    /// One for each place; empty until something fails, so that a first answer costs nothing.
    marks: Vec<Mark>,
    budget: &'r RetryBudget,
    skipped: usize,
    attempts: u32,
    attempts_left: u32,
    /// The tier being walked, as a range of places.
    tier: Range<usize>,
    /// How often the tier was walked before.
    pass: u32,
    /// Whether a failure of this tier was transient, and whether one was not.
    tier_failed: (bool, bool),
    repeats: u32,
    /// The place that is being tried, and how that was paid for.
    current: Option<(usize, Charge)>,
    /// The same of the hedge that runs beside it.
    hedge: Option<(usize, Charge)>,
    is_hedged: bool,
    is_forced: bool,
    is_failover_used: bool,
    /// An attempt paid for, but not sent.
    has_credit: bool,
    /// The candidate whose provider model was too small.
    overflowed: Option<usize>,
    record: Record,
    stopped: Option<StopReason>,
}

/// What is known of a candidate after its attempts.
#[derive(Debug, Clone, Copy, Default)]
struct Mark {
    offers: u32,
    was_sent: bool,
    /// Must not be tried again.
    is_barred: bool,
    failed_at: Option<Instant>,
    pause: Duration,
}

/// How the attempt under way was paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Charge {
    Nothing,
    FreeFailover,
    Drawn,
}

/// What the attempts so far have in common.
#[derive(Debug, Default)]
struct Record {
    class: Option<FailureClass>,
    soonest: Option<Instant>,
    ended_on_overflow: bool,
}

impl<'r> Walk<'r> {
    pub(crate) fn new(plan: Plan<'r>, budget: &'r RetryBudget) -> Self {
        let is_forced = plan.is_forced();
        let mut walk = Self {
            route: plan.route,
            places: plan.places,
            marks: Vec::new(),
            budget,
            skipped: plan.skipped,
            attempts: 0,
            attempts_left: plan.max_retry.saturating_add(1),
            tier: 0..0,
            pass: 0,
            tier_failed: (false, false),
            repeats: 0,
            current: None,
            hedge: None,
            is_hedged: false,
            is_forced,
            is_failover_used: false,
            has_credit: false,
            overflowed: None,
            record: Record::default(),
            stopped: None,
        };
        walk.enter_tier(0);
        walk
    }

    /// Attempts that were sent so far, the one under way included.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The next step. `verdict` is how the attempt of the last step ended, `None` at the first call. Later a missing
    /// verdict means that nothing was sent, as [`Verdict::Held`] does. After [`Step::Stop`] the answer stays the same.
    ///
    /// `Wait` is a whole step: wait, try, and come back with the verdict. Where a hedge runs, the first of the two that
    /// fails is told to [`leg_failed`](Self::leg_failed), and only the other comes back here.
    pub fn next(
        &mut self,
        verdict: Option<Verdict>,
        now: Instant,
        dice: &mut impl Dice,
    ) -> Step<'r> {
        if let Some(reason) = self.stopped {
            return Step::Stop(reason);
        }
        let step = match self.current.take() {
            None => {
                self.budget.on_request(now);
                self.offer(0, Charge::Nothing)
            }
            Some(current) => match self.judge(current, verdict.unwrap_or(Verdict::Held), now) {
                Some(reason) => Step::Stop(reason),
                None => self.advance(now, dice),
            },
        };
        if let Step::Stop(reason) = step {
            self.stopped = Some(reason);
        }
        step
    }

    /// Takes in how an attempt ended. Answers why to stop, if that decides it.
    fn judge(
        &mut self,
        (index, charge): (usize, Charge),
        verdict: Verdict,
        now: Instant,
    ) -> Option<StopReason> {
        match verdict {
            Verdict::Answered => return Some(StopReason::Answered),
            Verdict::ClientFault => return Some(StopReason::ClientFault),
            Verdict::ClientGone => return Some(StopReason::ClientGone),
            Verdict::ContextLengthExceeded if self.overflowed.is_some() => {
                return Some(StopReason::ContextLengthExceeded);
            }
            _ => {}
        }
        self.open_marks();
        let mark = &mut self.marks[index];
        // A hedge may have gone to a lower tier, about whose passes this one says nothing.
        let is_of_tier = self.tier.contains(&index);
        mark.offers = if is_of_tier { self.pass + 1 } else { 1 };
        mark.failed_at = Some(now);
        let pause = verdict.retry_after().unwrap_or(Duration::ZERO);
        // Providers may ask for centuries, which no clock can add up.
        mark.pause = pause.min(LONGEST_PAUSE);
        if verdict == Verdict::Held {
            mark.is_barred = true;
            self.take_back(charge);
            return None;
        }
        mark.was_sent = true;
        mark.is_barred = !verdict.is_transient() || verdict.is_timeout() || pause > LONGEST_PAUSE;
        if verdict == Verdict::ContextLengthExceeded {
            self.overflowed = Some(index);
        } else if is_of_tier && verdict.is_transient() {
            self.tier_failed.0 = true;
        } else if is_of_tier {
            self.tier_failed.1 = true;
        }
        self.record.take(verdict, now);
        None
    }

    /// Undoes the account of an attempt that was not sent.
    fn take_back(&mut self, charge: Charge) {
        self.attempts -= 1;
        self.attempts_left += 1;
        match charge {
            Charge::Nothing => {}
            Charge::FreeFailover => self.is_failover_used = false,
            Charge::Drawn => self.has_credit = true,
        }
    }

    fn advance(&mut self, now: Instant, dice: &mut impl Dice) -> Step<'r> {
        while self.attempts_left > 0 {
            if self.may_go_on_in_tier() {
                if let Some(next) = self.first_fresh(self.tier.clone()) {
                    match self.pay(true, now) {
                        Some(charge) => return self.offer(next, charge),
                        // Whoever cannot pay for a candidate not tried yet cannot pay for anything.
                        None => break,
                    }
                }
                if let Some(next) = self.repeatable(now)
                    && let Some(charge) = self.pay(false, now)
                {
                    return self.repeat(next, charge, now, dice);
                }
            }
            match self.next_tier() {
                Some(start) => self.enter_tier(start),
                None => break,
            }
        }
        Step::Stop(self.reason(now))
    }

    fn offer(&mut self, index: usize, charge: Charge) -> Step<'r> {
        self.take_up(index, charge);
        Step::Try(self.candidate(index))
    }

    /// Offers `index` again, after a backoff with full jitter on top of the pause it asked for.
    fn repeat(
        &mut self,
        index: usize,
        charge: Charge,
        now: Instant,
        dice: &mut impl Dice,
    ) -> Step<'r> {
        let ceiling = FIRST_BACKOFF
            .saturating_mul(1 << self.repeats.min(8))
            .min(LONGEST_BACKOFF);
        self.repeats += 1;
        let backoff = ceiling.mul_f64(unit(dice.next_u64()));
        let wait = (self.marks[index].ready_at(now) + backoff).saturating_duration_since(now);
        self.take_up(index, charge);
        if wait.is_zero() {
            Step::Try(self.candidate(index))
        } else {
            Step::Wait(wait, self.candidate(index))
        }
    }

    fn take_up(&mut self, index: usize, charge: Charge) {
        self.current = Some((index, charge));
        self.count_attempt();
    }

    fn count_attempt(&mut self) {
        self.attempts += 1;
        self.attempts_left -= 1;
    }

    fn open_marks(&mut self) {
        if self.marks.is_empty() {
            self.marks.resize(self.places.len(), Mark::default());
        }
    }

    /// Pays for the next attempt; `None` if the budget does not allow it.
    fn pay(&mut self, is_fresh: bool, now: Instant) -> Option<Charge> {
        if self.attempts == 0 {
            return Some(Charge::Nothing);
        }
        if is_fresh && !self.is_failover_used {
            self.is_failover_used = true;
            return Some(Charge::FreeFailover);
        }
        self.draw(now)
    }

    /// Takes an attempt out of the budget, or one that was taken and not sent.
    fn draw(&mut self, now: Instant) -> Option<Charge> {
        let is_paid = std::mem::take(&mut self.has_credit) || self.budget.try_draw(now);
        is_paid.then_some(Charge::Drawn)
    }

    /// The first try of a tier needs an attempt; a further one must leave an attempt for every lower tier.
    fn may_go_on_in_tier(&self) -> bool {
        let is_first = !self.marks[self.tier.clone()]
            .iter()
            .any(|mark| mark.was_sent);
        is_first || self.attempts_left as usize > self.lower_tiers()
    }

    /// How many lower tiers have a candidate that was not tried yet.
    fn lower_tiers(&self) -> usize {
        let lower = self.tier.end..self.places.len();
        let mut tiers = lower
            .filter(|index| self.is_fresh(*index))
            .map(|index| self.places[index].tier);
        let mut last = None;
        tiers
            .by_ref()
            .filter(|tier| last.replace(*tier) != Some(*tier))
            .count()
    }

    /// The next lower tier that has something new; or, where lower tiers held back what was reserved for them, what
    /// was passed over for their sake.
    fn next_tier(&self) -> Option<usize> {
        self.first_fresh(self.tier.end..self.places.len())
            .or_else(|| self.first_fresh(0..self.tier.start))
    }

    fn enter_tier(&mut self, index: usize) {
        let tier = self.places[index].tier;
        let start = self.places.partition_point(|place| place.tier < tier);
        let end = self.places.partition_point(|place| place.tier <= tier);
        self.tier = start..end;
        self.pass = 0;
        self.tier_failed = (false, false);
    }

    fn first_fresh(&self, range: Range<usize>) -> Option<usize> {
        range.into_iter().find(|index| self.is_fresh(*index))
    }

    fn is_fresh(&self, index: usize) -> bool {
        self.marks[index].offers == 0 && self.is_eligible(index)
    }

    /// The candidate of this tier to repeat: among those due in this pass the first that is ready.
    fn repeatable(&mut self, now: Instant) -> Option<usize> {
        if self.tier_failed != (true, false) {
            return None;
        }
        let due = |pass: u32| {
            let due = self
                .tier
                .clone()
                .filter(|index| self.marks[*index].offers <= pass && self.is_eligible(*index));
            due.min_by_key(|index| self.marks[*index].ready_at(now).max(now))
        };
        if self.pass > 0 {
            if let Some(index) = due(self.pass) {
                return Some(index);
            }
            if self.lower_tiers() > 0 {
                return None;
            }
        }
        let next = due(self.pass + 1);
        self.pass += u32::from(next.is_some());
        next
    }

    fn is_eligible(&self, index: usize) -> bool {
        let is_too_small = |overflowed| {
            self.candidate(index).provider_model() == self.candidate(overflowed).provider_model()
        };
        !self.marks[index].is_barred && !self.overflowed.is_some_and(is_too_small)
    }

    fn candidate(&self, index: usize) -> &'r Candidate {
        self.places[index].candidate(self.route)
    }

    fn reason(&self, now: Instant) -> StopReason {
        if self.record.ended_on_overflow {
            return StopReason::ContextLengthExceeded;
        }
        StopReason::Failed(Failure {
            class: self.record.class.unwrap_or(FailureClass::Held),
            retry_after: self
                .record
                .soonest
                .map(|soonest| soonest.saturating_duration_since(now)),
            all_tried: self.skipped == 0 && self.marks.iter().all(|mark| mark.was_sent),
        })
    }
}

impl Mark {
    /// When the pause it asked for ends.
    fn ready_at(&self, now: Instant) -> Instant {
        self.failed_at.unwrap_or(now) + self.pause
    }
}

impl Record {
    fn take(&mut self, verdict: Verdict, now: Instant) {
        let class = match verdict {
            Verdict::RateLimited { .. } => FailureClass::RateLimited,
            Verdict::Overloaded { .. } => FailureClass::Overloaded,
            Verdict::Timeout | Verdict::ConnectTimeout => FailureClass::TimedOut,
            Verdict::NotFound => FailureClass::NotFound,
            _ => FailureClass::Other,
        };
        self.class = match self.class {
            Some(other) if other != class => Some(FailureClass::Other),
            _ => Some(class),
        };
        if let Some(ready_at) = verdict
            .retry_after()
            .and_then(|pause| now.checked_add(pause))
        {
            self.soonest = Some(
                self.soonest
                    .map_or(ready_at, |soonest| soonest.min(ready_at)),
            );
        }
        self.ended_on_overflow = verdict == Verdict::ContextLengthExceeded;
    }
}

#[cfg(test)]
mod tests;
