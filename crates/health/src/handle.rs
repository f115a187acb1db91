//! The handle that requests, the admin API and the workers share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use router::{CandidateId, CandidateState, Load, ProviderId, Standing};
use tokio::sync::{mpsc, oneshot};

use crate::breaker::{Gate, Rules};
use crate::clock::Moment;
use crate::error::Error;
use crate::history::StateChange;
use crate::in_flight::InFlight;
use crate::lane::Kind;
use crate::outcome::{MAX_COOLDOWN, Outcome};
use crate::peers::Peers;
use crate::recent::RecentOutcome;
use crate::registry::{Kinds, Registry, WatchedAssociation, WatchedProvider};
use crate::report::{self, ProviderReport};
use crate::saved::Saved;
use crate::settings::Settings;
use crate::state::Transitions;
use crate::times::Awaited;

/// Checks on demand that may wait for the worker.
const CHECK_QUEUE: usize = 16;

/// Knows how every provider and association fares. A cheap clone.
#[derive(Debug, Clone)]
pub struct Health {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    registry: ArcSwap<Registry>,
    kinds: Kinds,
    /// What was read back and whose provider has not been configured yet; also lets one caller configure at a time.
    stored: Mutex<HashMap<ProviderId, Saved>>,
    checks: mpsc::Sender<Check>,
}

/// A check on demand.
#[derive(Debug)]
pub(crate) struct Check {
    pub(crate) provider: ProviderId,
    pub(crate) reply: oneshot::Sender<Outcome>,
}

impl Health {
    /// A handle of its own, without a worker: nothing is probed, saved, or noticed by time alone before it is asked for.
    pub fn new(settings: &Settings) -> Self {
        Self::with_checks(settings).0
    }

    pub(crate) fn with_checks(settings: &Settings) -> (Self, mpsc::Receiver<Check>) {
        let rules = Rules {
            max_errors: settings.max_errors,
            max_pause: settings.max_pause,
        };
        let kind = || Kind {
            rules,
            entered: Arc::default(),
        };
        let (checks, waiting) = mpsc::channel(CHECK_QUEUE);
        let shared = Shared {
            registry: ArcSwap::default(),
            kinds: Kinds {
                providers: kind(),
                associations: kind(),
                peers: Arc::default(),
            },
            stored: Mutex::default(),
            checks,
        };
        let shared = Arc::new(shared);
        (Self { shared }, waiting)
    }

    /// Says who is watched from now on; call it with each new snapshot of the configuration. What stays keeps its state,
    /// what is gone is forgotten. Pass disabled providers too: their state should outlive the pause.
    pub fn configure(
        &self,
        providers: &[WatchedProvider],
        associations: &[WatchedAssociation],
        now: Moment,
    ) {
        let mut stored = self.stored();
        let registry = self.registry();
        let next = registry.next(
            providers,
            associations,
            &mut stored,
            &self.shared.kinds,
            now,
        );
        self.shared.registry.store(Arc::new(next));
    }

    /// Begins an attempt at `candidate`, which counts as running until the guard is finished or dropped. `None` when it is
    /// half-open and another request has its trial: report [`router::Verdict::Held`] then.
    pub fn begin(
        &self,
        candidate: CandidateId,
        provider: ProviderId,
        now: Instant,
    ) -> Option<InFlight> {
        let registry = self.shared.registry.load();
        let Some(association) = registry.find(candidate, provider) else {
            return Some(InFlight::unwatched());
        };
        InFlight::begin(association, false, now)
    }

    /// Begins an attempt whatever the breakers say, for a request that has no other candidate. It still becomes the trial
    /// where that is free.
    pub fn begin_anyway(
        &self,
        candidate: CandidateId,
        provider: ProviderId,
        now: Instant,
    ) -> InFlight {
        let registry = self.shared.registry.load();
        registry
            .find(candidate, provider)
            .and_then(|association| InFlight::begin(association, true, now))
            .unwrap_or_else(InFlight::unwatched)
    }

    /// How every watched provider fares, with its associations, ordered by id.
    pub fn report(&self, now: Moment) -> Vec<ProviderReport> {
        report::all(&self.registry(), now)
    }

    /// The last 50 outcomes of `candidate`, newest first; `None` if it is not watched.
    pub fn recent(&self, candidate: CandidateId, now: Moment) -> Option<Vec<RecentOutcome>> {
        let registry = self.registry();
        let association = registry.associations.get(&candidate)?;
        let core = association.lane.lock();
        Some(core.ext.recent.report(now))
    }

    /// The last 20 changes of the state of `provider`, newest first; `None` if it is not watched.
    pub fn changes(&self, provider: ProviderId, now: Moment) -> Option<Vec<StateChange>> {
        let registry = self.registry();
        let core = registry.providers.get(&provider)?.lane.lock();
        Some(core.ext.history.report(now))
    }

    /// Notes how long `candidate` let wait: until it answered, or at least so long, when somebody else answered first.
    /// Without the latter the slowest answers would drop out of the [percentiles](Self::percentile).
    pub fn took(&self, candidate: CandidateId, awaited: Awaited, time: Duration) {
        let registry = self.shared.registry.load();
        if let Some(association) = registry.associations.get(&candidate) {
            let mut core = association.lane.lock();
            core.ext.times.push(awaited, time);
        }
    }

    /// The time that `percent` of the last answers of `candidate` kept within; `None` while fewer than 20 are known.
    pub fn percentile(
        &self,
        candidate: CandidateId,
        awaited: Awaited,
        percent: u8,
    ) -> Option<Duration> {
        let registry = self.shared.registry.load();
        let association = registry.associations.get(&candidate)?;
        let core = association.lane.lock();
        core.ext.times.percentile(awaited, percent)
    }

    /// Has `candidate` pause although its last attempt was answered: its provider said that it has had all it may have for so
    /// long. It speaks against nobody; 120 s at most.
    pub fn pause(&self, candidate: CandidateId, pause: Duration, now: Instant) {
        let registry = self.shared.registry.load();
        if let Some(association) = registry.associations.get(&candidate) {
            association.pause(pause.min(MAX_COOLDOWN), now);
        }
    }

    /// Has `candidate` pause as another gateway was asked to.
    pub fn hear(&self, candidate: CandidateId, pause: Duration, now: Instant) {
        let registry = self.shared.registry.load();
        if let Some(association) = registry.associations.get(&candidate) {
            association.lane.cool(now + pause.min(MAX_COOLDOWN), now);
        }
    }

    /// Names those who are told of every pause from now on. Only the first call has an effect.
    pub fn tell(&self, peers: Arc<dyn Peers>) {
        let _ = self.shared.kinds.peers.set(peers);
    }

    /// How often states have changed since the start.
    pub fn transitions(&self) -> Transitions {
        Transitions {
            providers: self.shared.kinds.providers.entered.get(),
            associations: self.shared.kinds.associations.entered.get(),
        }
    }

    /// Probes `provider` now, also while probes on an interval are switched off, and waits for the outcome. If it is being
    /// probed already, that probe's outcome is it.
    ///
    /// # Errors
    /// [`Error::UnknownProvider`] if it is not watched, [`Error::Busy`] when too many checks wait, and
    /// [`Error::Stopped`] when the worker has ended or was never started.
    pub async fn check_now(&self, provider: ProviderId) -> Result<Outcome, Error> {
        if !self.registry().providers.contains_key(&provider) {
            return Err(Error::UnknownProvider);
        }
        let (reply, outcome) = oneshot::channel();
        let check = Check { provider, reply };
        self.shared
            .checks
            .try_send(check)
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => Error::Busy,
                mpsc::error::TrySendError::Closed(_) => Error::Stopped,
            })?;
        outcome.await.map_err(|_| Error::Stopped)
    }

    /// Keeps what was stored of providers until they are configured.
    pub(crate) fn keep_stored(&self, saved: impl IntoIterator<Item = (ProviderId, Saved)>) {
        self.stored().extend(saved);
    }

    pub(crate) fn registry(&self) -> Arc<Registry> {
        self.shared.registry.load_full()
    }

    /// Notices what time alone has changed, so that it is logged and counted.
    pub(crate) fn observe(&self, now: Instant) {
        let registry = self.registry();
        for provider in registry.providers.values() {
            provider.lane.observe(now);
        }
        for association in registry.associations.values() {
            association.lane.observe(now);
        }
    }

    fn stored(&self) -> std::sync::MutexGuard<'_, HashMap<ProviderId, Saved>> {
        let stored = self.shared.stored.lock();
        stored.unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is not watched (any more) is ready, without load.
impl CandidateState for Health {
    fn standing(&self, candidate: CandidateId, provider: ProviderId, now: Instant) -> Standing {
        let registry = self.shared.registry.load();
        let Some(association) = registry.find(candidate, provider) else {
            return Standing::Ready { share: 1.0 };
        };
        let (of_provider, provider_errors) = association.provider_lane.gate(now);
        let (own, own_errors, cooling) = association.lane.gate(now);
        let errors = provider_errors.max(own_errors);
        match (of_provider, own, cooling) {
            (Gate::Shut { until: a }, Gate::Shut { until: b }, _) => Standing::Open {
                until: a.max(b).max(cooling.unwrap_or(a)),
                errors,
            },
            (Gate::Shut { until }, _, _) | (_, Gate::Shut { until }, _) => Standing::Open {
                until: until.max(cooling.unwrap_or(until)),
                errors,
            },
            (_, _, Some(until)) => Standing::Cooling { until },
            (Gate::Trial, _, _) | (_, Gate::Trial, _) => Standing::Trial,
            (Gate::Pass(a), Gate::Pass(b), None) => Standing::Ready { share: a.min(b) },
        }
    }

    fn load(&self, candidate: CandidateId, now: Instant) -> Load {
        let registry = self.shared.registry.load();
        let Some(association) = registry.associations.get(&candidate) else {
            return Load::default();
        };
        Load {
            in_flight: association.lane.in_flight(),
            latency: association.lane.lock().ext.latency.latency(now),
        }
    }

    fn cost(&self, candidate: CandidateId) -> Option<u64> {
        let registry = self.shared.registry.load();
        registry.associations.get(&candidate)?.cost
    }

    fn claim_cooling_trial(&self, candidate: CandidateId, now: Instant) -> bool {
        let registry = self.shared.registry.load();
        let association = registry.associations.get(&candidate);
        association.is_none_or(|it| it.lane.claim_cooling_trial(now))
    }
}

#[cfg(test)]
mod tests;
