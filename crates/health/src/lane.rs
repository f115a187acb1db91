//! One provider's, or one association's, state as requests on many threads share it.
//!
//! Each has a lock of its own, held for some arithmetic and never across an await. While all is well the questions asked
//! most (may it be tried?) are answered from an atomic without it.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use router::PeakEwma;

use crate::breaker::{Breaker, Claim, Gate, Rules};
use crate::clock::Stamp;
use crate::history::History;
use crate::outcome::{DEFAULT_COOLDOWN, Effect, Mark, Outcome, is_failure};
use crate::recent::Recents;
use crate::state::{EnteredCounters, State, Transition};
use crate::times::Times;

/// Time between two trials of candidates that cool.
const COOLING_TRIAL_INTERVAL: Duration = Duration::from_secs(1);
/// The shortest pause of a candidate that refused again when the one it had asked for was over; each further one is twice as
/// long, up to [`DEFAULT_COOLDOWN`].
const FIRST_DISTRUST: Duration = Duration::from_secs(1);
/// Time in which the weight of a past response time falls to 1/e.
const LATENCY_DECAY: Duration = Duration::from_secs(10);
/// Longest error text kept, in characters.
const MAX_ERROR_CHARS: usize = 500;

/// What all lanes of a kind share.
#[derive(Debug, Clone)]
pub(crate) struct Kind {
    pub(crate) rules: Rules,
    pub(crate) entered: Arc<EnteredCounters>,
}

/// A breaker with what its kind (`Ext`) adds.
#[derive(Debug)]
pub(crate) struct Lane<Ext> {
    id: i64,
    kind: Kind,
    /// Whether the gate passes everything at full share, with nothing that time alone will change.
    calm: AtomicBool,
    epoch: AtomicU32,
    in_flight: AtomicU32,
    core: Mutex<Core<Ext>>,
}

/// What the lock guards.
#[derive(Debug)]
pub(crate) struct Core<Ext> {
    pub(crate) breaker: Breaker,
    /// The state last counted and logged.
    pub(crate) seen: State,
    pub(crate) ext: Ext,
}

/// What only providers have.
#[derive(Debug, Default)]
pub(crate) struct ProviderExt {
    /// Describes the last failure, together with `last_status_code`; kept after recovery.
    pub(crate) last_error: Option<String>,
    pub(crate) last_status_code: Option<u16>,
    pub(crate) last_validated: Stamp,
    pub(crate) last_success: Stamp,
    /// The last changes of its state.
    pub(crate) history: History,
    /// Bumped by every change worth saving soon, which a mere further success is not.
    pub(crate) changes: u64,
}

/// What only associations have.
#[derive(Debug)]
pub(crate) struct AssociationExt {
    cooling_until: Option<Instant>,
    cooling_trial: Option<Instant>,
    /// How often in a row, since its last answer, it refused what came when it was to take requests.
    refusals: u32,
    pub(crate) latency: PeakEwma,
    pub(crate) times: Times,
    pub(crate) recent: Recents,
}

impl Default for AssociationExt {
    fn default() -> Self {
        Self {
            cooling_until: None,
            cooling_trial: None,
            refusals: 0,
            latency: PeakEwma::new(LATENCY_DECAY),
            times: Times::default(),
            recent: Recents::default(),
        }
    }
}

/// A provider's lane.
pub(crate) type ProviderLane = Lane<ProviderExt>;
/// An association's lane.
pub(crate) type AssociationLane = Lane<AssociationExt>;

/// How the kinds differ.
pub(crate) trait Extension {
    /// Tells the log of a change of state.
    fn announce(id: i64, transition: Transition);

    /// Is told of each change of state, under the lock.
    fn changed(&mut self, transition: Transition, now: Instant);

    /// Whether nothing here keeps requests away.
    fn is_calm(&self, now: Instant) -> bool;
}

impl Extension for ProviderExt {
    fn announce(id: i64, Transition { from, to, reason }: Transition) {
        let reason = reason.map(tracing::field::display);
        if to == State::Unhealthy {
            tracing::warn!(provider.id = id, %from, %to, reason, "provider became unhealthy");
        } else {
            tracing::info!(provider.id = id, %from, %to, reason, "provider health changed");
        }
    }

    fn changed(&mut self, transition: Transition, now: Instant) {
        self.changes += 1;
        let failure = (self.last_error.as_deref(), self.last_status_code);
        self.history.push(transition, failure, now);
    }

    fn is_calm(&self, _now: Instant) -> bool {
        true
    }
}

impl Extension for AssociationExt {
    fn announce(id: i64, Transition { from, to, reason }: Transition) {
        let reason = reason.map(tracing::field::display);
        if to == State::Unhealthy {
            tracing::warn!(model_provider.id = id, %from, %to, reason, "association became unhealthy");
        } else {
            tracing::info!(model_provider.id = id, %from, %to, reason, "association health changed");
        }
    }

    fn changed(&mut self, _transition: Transition, _now: Instant) {}

    fn is_calm(&self, now: Instant) -> bool {
        self.cooling_until(now).is_none()
    }
}

impl<Ext: Extension> Lane<Ext> {
    pub(crate) fn new(id: i64, breaker: Breaker, ext: Ext, kind: &Kind, now: Instant) -> Self {
        let mut core = Core {
            breaker,
            seen: State::Healthy,
            ext,
        };
        core.seen = core.breaker.state(now).0;
        let lane = Self {
            id,
            kind: kind.clone(),
            calm: AtomicBool::new(false),
            epoch: AtomicU32::new(0),
            in_flight: AtomicU32::new(0),
            core: Mutex::new(core),
        };
        lane.publish(lane.lock(), now);
        lane
    }

    /// The state behind the lock. A panic while it was held cannot leave it half changed in a way that matters more than
    /// going on does.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Core<Ext>> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Begins an attempt; see [`Breaker::claim`].
    pub(crate) fn claim(&self, anyway: bool, now: Instant) -> Option<Claim> {
        let claim = if self.is_calm() {
            Claim {
                epoch: self.epoch.load(Ordering::Relaxed),
                ..Claim::default()
            }
        } else {
            self.lock().breaker.claim(anyway, now)?
        };
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        Some(claim)
    }

    /// Ends an attempt that teaches nothing.
    pub(crate) fn release(&self, claim: Claim) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        if claim.trial.is_some() {
            self.lock().breaker.release(claim);
        }
    }

    /// Ends the trial of `claim` as a success while the attempt goes on.
    pub(crate) fn credit_trial(&self, claim: &mut Claim, now: Instant) {
        if claim.trial.is_some() {
            let mut core = self.lock();
            core.breaker.credit_trial(claim, now);
            self.publish(core, now);
        }
    }

    /// Notices what time alone has changed.
    pub(crate) fn observe(&self, now: Instant) {
        if !self.is_calm() {
            self.publish(self.lock(), now);
        }
    }

    /// Tells the atomics what the breaker has come to, gives the lock back, and tells people if the state is another.
    fn publish(&self, mut core: MutexGuard<'_, Core<Ext>>, now: Instant) {
        let (to, reason) = core.breaker.state(now);
        let from = std::mem::replace(&mut core.seen, to);
        let transition = Transition { from, to, reason };
        if from != to {
            core.ext.changed(transition, now);
        }
        let calm = core.ext.is_calm(now) && core.breaker.is_calm(now);
        self.epoch.store(core.breaker.epoch(), Ordering::Relaxed);
        self.calm.store(calm, Ordering::Release);
        drop(core);
        if from != to {
            self.kind.entered.count(to);
            Ext::announce(self.id, transition);
        }
    }

    fn is_calm(&self) -> bool {
        self.calm.load(Ordering::Acquire)
    }
}

impl ProviderLane {
    /// Whether traffic may pass, and the errors so far.
    pub(crate) fn gate(&self, now: Instant) -> (Gate, u32) {
        if self.is_calm() {
            return (Gate::Pass(1.0), 0);
        }
        let mut core = self.lock();
        (core.breaker.gate(now), core.breaker.errors())
    }

    /// Ends an attempt.
    pub(crate) fn finish(&self, mark: Mark, claim: Claim, outcome: &mut Outcome, now: Instant) {
        let failed = is_failure(outcome.verdict);
        if mark == Mark::Nothing && !failed {
            return self.release(claim);
        }
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        let mut core = self.lock();
        let before = core.breaker.errors();
        core.breaker
            .record(mark, claim, now, self.kind.rules, fastrand::f64);
        core.note(mark, failed, outcome, now);
        if failed || core.breaker.errors() != before {
            core.ext.changes += 1;
        }
        self.publish(core, now);
    }

    /// Begins a probe: never refused, never a trial.
    pub(crate) fn begin_probe(&self) -> Claim {
        Claim {
            epoch: self.lock().breaker.epoch(),
            ..Claim::default()
        }
    }

    /// Ends a probe.
    pub(crate) fn finish_probe(&self, claim: Claim, mut outcome: Outcome, now: Instant) {
        let mark = Effect::of_probe(outcome.verdict);
        let mut core = self.lock();
        if mark == Mark::Success {
            core.breaker.probe_succeeded(claim, now);
        } else {
            core.breaker
                .record(mark, claim, now, self.kind.rules, fastrand::f64);
        }
        let failed = is_failure(outcome.verdict);
        core.note(mark, failed, &mut outcome, now);
        core.ext.last_validated = Stamp::Seen(now);
        core.ext.changes += 1;
        self.publish(core, now);
    }
}

impl Core<ProviderExt> {
    fn note(&mut self, mark: Mark, failed: bool, outcome: &mut Outcome, now: Instant) {
        if mark == Mark::Success {
            self.ext.last_success = Stamp::Seen(now);
        } else if failed {
            self.ext.last_status_code = outcome.status;
            self.ext.last_error = outcome.error.take().map(tidy);
        }
    }
}

impl AssociationLane {
    /// Whether traffic may pass, the errors so far, and the end of its cooldown.
    pub(crate) fn gate(&self, now: Instant) -> (Gate, u32, Option<Instant>) {
        if self.is_calm() {
            return (Gate::Pass(1.0), 0, None);
        }
        let mut core = self.lock();
        let gate = core.breaker.gate(now);
        (gate, core.breaker.errors(), core.ext.cooling_until(now))
    }

    /// Ends an attempt. Answers how long it pauses because of it.
    pub(crate) fn finish(
        &self,
        effect: Effect,
        claim: Claim,
        outcome: &Outcome,
        now: Instant,
    ) -> Option<Duration> {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        let mut core = self.lock();
        core.breaker.record(
            effect.association,
            claim,
            now,
            self.kind.rules,
            fastrand::f64,
        );
        let pause = effect
            .cooldown
            .map(|asked| core.ext.refused(asked, outcome.latency, now));
        core.ext.note(outcome, now);
        self.publish(core, now);
        pause
    }

    /// Has it pause until then, or for longer where it does already.
    pub(crate) fn cool(&self, until: Instant, now: Instant) {
        let mut core = self.lock();
        core.ext.cooling_until = core.ext.cooling_until.max(Some(until));
        self.publish(core, now);
    }

    /// Whether the one trial per second of a cooling candidate falls to this caller.
    pub(crate) fn claim_cooling_trial(&self, now: Instant) -> bool {
        let ext = &mut self.lock().ext;
        let is_due = ext
            .cooling_trial
            .is_none_or(|last| now.saturating_duration_since(last) >= COOLING_TRIAL_INTERVAL);
        if is_due {
            ext.cooling_trial = Some(now);
        }
        is_due
    }
}

impl AssociationExt {
    /// The end of its cooldown, unless that has passed.
    pub(crate) fn cooling_until(&self, now: Instant) -> Option<Instant> {
        self.cooling_until.filter(|until| *until > now)
    }

    /// Has it pause as it asked, or for longer when its word did not hold: one that says "at once" and refuses all the same
    /// would be asked in vain by every request. Answers how long.
    fn refused(&mut self, asked: Duration, lasted: Option<Duration>, now: Instant) -> Duration {
        // What was on its way before says nothing about the pause.
        let is_after_pause = self
            .cooling_until
            .is_none_or(|until| until + lasted.unwrap_or_default() <= now);
        if is_after_pause {
            self.refusals = self.refusals.saturating_add(1);
        }
        let pause = asked.max(distrust(self.refusals));
        self.cooling_until = self.cooling_until.max(Some(now + pause));
        pause
    }

    fn note(&mut self, outcome: &Outcome, now: Instant) {
        use router::Verdict::{Answered, ConnectTimeout, Held, Timeout};
        if outcome.verdict == Held {
            return;
        }
        if outcome.verdict == Answered {
            self.refusals = 0;
        }
        // A quick refusal says nothing about how fast answers come; silence does.
        if let Some(latency) = outcome.latency
            && matches!(outcome.verdict, Answered | Timeout | ConnectTimeout)
        {
            self.latency.observe(latency, now);
        }
        self.recent.push(outcome, now);
    }
}

/// The least pause after so many refusals in a row; the first is taken at its word.
fn distrust(refusals: u32) -> Duration {
    let Some(doublings) = refusals.checked_sub(2) else {
        return Duration::ZERO;
    };
    FIRST_DISTRUST
        .saturating_mul(1 << doublings.min(8))
        .min(DEFAULT_COOLDOWN)
}

/// Error text as every database takes it: cut, and without NUL.
fn tidy(error: String) -> String {
    let is_fine = error.len() <= MAX_ERROR_CHARS && !error.contains('\0');
    if is_fine {
        return error;
    }
    error
        .chars()
        .filter(|it| *it != '\0')
        .take(MAX_ERROR_CHARS)
        .collect()
}
