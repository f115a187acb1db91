//! The circuit breaker of one provider or one association.
//!
//! ```text
//!            5 failures in a row, or most of 20 attempts in 30 s failed
//!   closed ------------------------------------------------------------> open
//!     ^                                                                 |    ^
//!     | 30 s without opening again                 pause over           v    | the trial failed:
//!   ramping <------------------------------------------------------ half-open  a pause twice as long
//!               2 successes in a row, or one successful probe
//! ```

use std::time::{Duration, Instant};

use crate::outcome::Mark;
use crate::state::{Reason, State};
use crate::window::Window;

/// Failures this close together are one event: a restart of the provider fails many requests at once.
const BURST: Duration = Duration::from_secs(1);
/// The first pause of a breaker that opens; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// Successes in a row that close a half-open breaker: one may be luck.
const CLOSING_SUCCESSES: u32 = 2;
/// How long the share takes to come back in full after closing.
const RAMP: Duration = Duration::from_secs(30);
/// The share right after closing.
const RAMP_START: f32 = 0.1;
/// The share while too many attempts fail, but not enough to open.
const DEGRADED_SHARE: f32 = 0.5;
/// It opens when of at least 20 attempts in the window more than one in 2 failed.
const OPENING: (u32, u32) = (20, 2);
/// It is degraded from more than one in 4 of at least 10 attempts on ...
const DEGRADING: (u32, u32) = (10, 4);
/// ... until no more than one in 8 fail, so that it does not flicker.
const RECOVERING: (u32, u32) = (10, 8);

/// The operator's part of the rules.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    /// Consecutive failures that open.
    pub(crate) max_errors: u32,
    /// Cap of the pause.
    pub(crate) max_pause: Duration,
}

/// A state machine over what is recorded and the times it is given; it holds no clock and no dice.
#[derive(Debug)]
pub(crate) struct Breaker {
    phase: Phase,
    /// Failures since the last success, bursts counted once.
    errors: u32,
    counted_at: Option<Instant>,
    /// Successes since the last failure.
    successes: u32,
    /// Openings since it was last closed for good: the exponent of the pause.
    trips: u32,
    /// Number of openings ever. Tells attempts begun before the last one, whose end says nothing about now.
    epoch: u32,
    next_trial: u32,
    window: Window,
    degraded: bool,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    Closed,
    /// Open until `until`, half-open from then on.
    Open {
        until: Instant,
        reason: Reason,
        trial: Option<u32>,
        successes: u32,
    },
    Ramping {
        since: Instant,
    },
}

/// What an attempt holds of a breaker from its begin to its end.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Claim {
    pub(crate) epoch: u32,
    /// The half-open trial this attempt is.
    pub(crate) trial: Option<u32>,
    /// Whether its success has been credited already.
    pub(crate) credited: bool,
}

/// Whether traffic may pass.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Gate {
    /// With this share of its weight.
    Pass(f32),
    /// For one request: half-open and no trial running.
    Trial,
    /// Not before this time; while a trial runs, as soon as that ends.
    Shut { until: Instant },
}

impl Breaker {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            phase: Phase::Closed,
            errors: 0,
            counted_at: None,
            successes: 0,
            trips: 0,
            epoch: 0,
            next_trial: 0,
            window: Window::new(now),
            degraded: false,
        }
    }

    /// A breaker as it was stored. `open` carries the time of the next trial.
    pub(crate) fn restore(
        errors: u32,
        successes: u32,
        open: Option<(Instant, Reason)>,
        now: Instant,
    ) -> Self {
        let mut breaker = Self::new(now);
        breaker.errors = errors;
        breaker.successes = successes;
        if let Some((until, reason)) = open {
            breaker.open(until, reason);
        }
        breaker
    }

    /// Whether traffic may pass at `now`.
    pub(crate) fn gate(&mut self, now: Instant) -> Gate {
        self.settle(now);
        let share = if self.degraded { DEGRADED_SHARE } else { 1.0 };
        match self.phase {
            Phase::Closed => Gate::Pass(share),
            Phase::Ramping { since } => {
                let part = now.saturating_duration_since(since).as_secs_f32() / RAMP.as_secs_f32();
                Gate::Pass(share.min(RAMP_START + (1.0 - RAMP_START) * part))
            }
            Phase::Open { until, trial, .. } if now >= until => match trial {
                None => Gate::Trial,
                Some(_) => Gate::Shut { until: now },
            },
            Phase::Open { until, .. } => Gate::Shut { until },
        }
    }

    /// Begins an attempt. `None` when it is half-open and its trial is running, unless the caller goes `anyway`. An
    /// attempt at an open breaker passes: whoever routes knows that it is open and has nothing better.
    pub(crate) fn claim(&mut self, anyway: bool, now: Instant) -> Option<Claim> {
        let mut claim = Claim {
            epoch: self.epoch,
            ..Claim::default()
        };
        if let Phase::Open { until, trial, .. } = &mut self.phase
            && now >= *until
        {
            if trial.is_none() {
                self.next_trial = self.next_trial.wrapping_add(1);
                *trial = Some(self.next_trial);
                claim.trial = *trial;
            } else if !anyway {
                return None;
            }
        }
        Some(claim)
    }

    /// Gives the trial back, if `claim` still holds it.
    pub(crate) fn release(&mut self, claim: Claim) {
        if let Phase::Open { trial, .. } = &mut self.phase
            && claim.trial.is_some()
            && *trial == claim.trial
        {
            *trial = None;
        }
    }

    /// Ends the trial that `claim` holds as a success, while the attempt itself goes on.
    pub(crate) fn credit_trial(&mut self, claim: &mut Claim, now: Instant) {
        if claim.trial.is_some() {
            self.release(*claim);
            self.credit(claim, now);
            claim.trial = None;
        }
    }

    /// Records how an attempt ended. `jitter` is a number in `0.0..1.0`, drawn only when it opens.
    pub(crate) fn record(
        &mut self,
        mark: Mark,
        mut claim: Claim,
        now: Instant,
        rules: Rules,
        jitter: impl FnOnce() -> f64,
    ) {
        self.release(claim);
        self.settle(now);
        match mark {
            Mark::Success => {
                self.succeed(now);
                self.credit(&mut claim, now);
            }
            Mark::Failure => {
                self.fail(now);
                self.judge(Reason::ConsecutiveFailures, claim, now, rules, jitter);
            }
            Mark::Misconfigured => {
                self.fail(now);
                self.judge(Reason::Misconfigured, claim, now, rules, jitter);
            }
            Mark::Nothing => {}
        }
    }

    /// A successful probe: ends an open phase at once.
    pub(crate) fn probe_succeeded(&mut self, claim: Claim, now: Instant) {
        self.succeed(now);
        if claim.epoch == self.epoch && matches!(self.phase, Phase::Open { .. }) {
            self.close(now);
        }
    }

    /// State and its reason at `now`.
    pub(crate) fn state(&mut self, now: Instant) -> (State, Option<Reason>) {
        self.settle(now);
        match self.phase {
            Phase::Open { reason, .. } => (State::Unhealthy, Some(reason)),
            Phase::Ramping { .. } => (State::Degraded, Some(Reason::SlowStart)),
            Phase::Closed if self.degraded => (State::Degraded, Some(Reason::FailureRate)),
            Phase::Closed => (State::Healthy, None),
        }
    }

    /// Whether it passes everything at full share and will do so until a failure is recorded.
    pub(crate) fn is_calm(&mut self, now: Instant) -> bool {
        self.settle(now);
        matches!(self.phase, Phase::Closed) && !self.degraded
    }

    pub(crate) fn errors(&self) -> u32 {
        self.errors
    }

    pub(crate) fn successes(&self) -> u32 {
        self.successes
    }

    pub(crate) fn epoch(&self) -> u32 {
        self.epoch
    }

    /// When the next trial is (or was) due; `None` unless open.
    pub(crate) fn next_retry(&self) -> Option<Instant> {
        match self.phase {
            Phase::Open { until, .. } => Some(until),
            Phase::Closed | Phase::Ramping { .. } => None,
        }
    }

    fn succeed(&mut self, now: Instant) {
        self.errors = 0;
        self.counted_at = None;
        self.successes = self.successes.saturating_add(1);
        self.window.record(false, now);
    }

    fn fail(&mut self, now: Instant) {
        self.successes = 0;
        self.window.record(true, now);
        let same_burst = |at: Instant| now.saturating_duration_since(at) < BURST;
        if !self.counted_at.is_some_and(same_burst) {
            self.errors = self.errors.saturating_add(1);
            self.counted_at = Some(now);
        }
    }

    /// Counts a success towards closing, once per attempt and only of attempts begun since it opened.
    fn credit(&mut self, claim: &mut Claim, now: Instant) {
        if claim.epoch != self.epoch || claim.credited {
            return;
        }
        claim.credited = true;
        if let Phase::Open {
            until, successes, ..
        } = &mut self.phase
            && now >= *until
        {
            *successes += 1;
            if *successes >= CLOSING_SUCCESSES {
                self.close(now);
            }
        }
    }

    /// Decides after a failure whether it opens. Attempts begun before the last opening cannot: the burst that opened it
    /// would otherwise lengthen the pause again and again.
    fn judge(
        &mut self,
        reason: Reason,
        claim: Claim,
        now: Instant,
        rules: Rules,
        jitter: impl FnOnce() -> f64,
    ) {
        if claim.epoch != self.epoch {
            return;
        }
        let too_many = self.errors >= rules.max_errors.max(1);
        let rate = self.window.tally(now).exceeds(OPENING.0, OPENING.1);
        let opens = match self.phase {
            Phase::Open { until, .. } => now >= until,
            Phase::Closed | Phase::Ramping { .. } => {
                reason == Reason::Misconfigured || too_many || rate
            }
        };
        if opens {
            let reason = match reason {
                Reason::ConsecutiveFailures if !too_many && rate => Reason::FailureRate,
                other => other,
            };
            self.trips = self.trips.saturating_add(1);
            self.open(now + pause(self.trips, rules.max_pause, jitter), reason);
        }
    }

    fn open(&mut self, until: Instant, reason: Reason) {
        self.trips = self.trips.max(1);
        self.epoch = self.epoch.wrapping_add(1);
        self.phase = Phase::Open {
            until,
            reason,
            trial: None,
            successes: 0,
        };
        self.window.clear();
        self.degraded = false;
    }

    fn close(&mut self, now: Instant) {
        self.phase = Phase::Ramping { since: now };
        self.window.clear();
    }

    /// What time alone changes: the end of the ramp, and of degradation.
    fn settle(&mut self, now: Instant) {
        if let Phase::Ramping { since } = self.phase
            && now.saturating_duration_since(since) >= RAMP
        {
            self.phase = Phase::Closed;
            self.trips = 0;
        }
        // Without a failure there is nothing to weigh, which is how it mostly is.
        let may_change = self.degraded || self.window.has_failures();
        if may_change && !matches!(self.phase, Phase::Open { .. }) {
            let (at_least, divisor) = if self.degraded { RECOVERING } else { DEGRADING };
            self.degraded = self.window.tally(now).exceeds(at_least, divisor);
        }
    }
}

/// The pause of the `trips`-th opening in a row: 5 s, then twice as long each time, from the second on spread by a fifth
/// both ways so that replicas do not retry in step.
fn pause(trips: u32, max_pause: Duration, jitter: impl FnOnce() -> f64) -> Duration {
    let doublings = trips.saturating_sub(1).min(31);
    let nominal = FIRST_PAUSE.saturating_mul(1 << doublings).min(max_pause);
    let spread = if doublings == 0 {
        1.0
    } else {
        0.8 + 0.4 * jitter()
    };
    nominal.mul_f64(spread).min(max_pause)
}

#[cfg(test)]
mod tests;
