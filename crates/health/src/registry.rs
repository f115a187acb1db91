//! Who is watched: the lanes by their ids, replaced as a whole when the configuration changes.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use router::{CandidateId, ProviderId};

use crate::breaker::Breaker;
use crate::clock::Moment;
use crate::lane::{AssociationExt, AssociationLane, Kind, Lane, ProviderExt, ProviderLane};
use crate::peers::Peers;
use crate::saved::Saved;
use crate::state::{State, Transition};

/// A provider to watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WatchedProvider {
    /// Which one.
    pub provider: ProviderId,
    /// Any number that changes when what health depends on does: address, credentials, proxy, ... Its past is forgotten
    /// then, so that a corrected key is tried at once.
    pub revision: u64,
}

/// An association to watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WatchedAssociation {
    /// Which one.
    pub candidate: CandidateId,
    /// Its provider; one that is not watched itself makes the association unknown.
    pub provider: ProviderId,
    /// Any number that changes when what its health depends on does, such as the provider's name for the model.
    pub revision: u64,
    /// Expected price in nano-USD per million tokens; `None` while unpriced.
    pub cost: Option<u64>,
}

/// What lanes are made with.
#[derive(Debug)]
pub(crate) struct Kinds {
    pub(crate) providers: Kind,
    pub(crate) associations: Kind,
    /// Who is told of pauses, once there is somebody.
    pub(crate) peers: Arc<OnceLock<Arc<dyn Peers>>>,
}

/// The map of everything watched.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    pub(crate) providers: HashMap<ProviderId, Provider, foldhash::fast::RandomState>,
    pub(crate) associations: HashMap<CandidateId, Arc<Association>, foldhash::fast::RandomState>,
}

/// A watched provider.
#[derive(Debug, Clone)]
pub(crate) struct Provider {
    pub(crate) lane: Arc<ProviderLane>,
    revision: u64,
}

/// A watched association, with its provider at hand.
#[derive(Debug)]
pub(crate) struct Association {
    pub(crate) candidate: CandidateId,
    pub(crate) provider: ProviderId,
    pub(crate) lane: Arc<AssociationLane>,
    pub(crate) provider_lane: Arc<ProviderLane>,
    pub(crate) cost: Option<u64>,
    peers: Arc<OnceLock<Arc<dyn Peers>>>,
    revision: u64,
}

impl Registry {
    /// The registry that follows: lanes of what stays are kept, of what is gone dropped, of what is new made, with what
    /// `stored` knows of it.
    pub(crate) fn next(
        &self,
        providers: &[WatchedProvider],
        associations: &[WatchedAssociation],
        stored: &mut HashMap<ProviderId, Saved>,
        kinds: &Kinds,
        now: Moment,
    ) -> Self {
        let mut next = Self::default();
        for watched in providers {
            let stored = stored.remove(&watched.provider);
            let known = self.providers.get(&watched.provider);
            let lane = match known {
                Some(known) if known.revision == watched.revision => Arc::clone(&known.lane),
                Some(outdated) => Arc::new(renewed(
                    &outdated.lane,
                    watched.provider,
                    kinds,
                    now.instant,
                )),
                None => Arc::new(stored.unwrap_or_default().into_lane(
                    watched.provider,
                    &kinds.providers,
                    now,
                )),
            };
            let revision = watched.revision;
            next.providers
                .insert(watched.provider, Provider { lane, revision });
        }
        for watched in associations {
            let Some(provider) = next.providers.get(&watched.provider) else {
                continue;
            };
            let known = self.associations.get(&watched.candidate);
            let lane = known
                .filter(|known| known.is_still(watched, &provider.lane))
                .map_or_else(
                    || Arc::new(unblemished(watched.candidate, kinds, now.instant)),
                    |known| Arc::clone(&known.lane),
                );
            let association = Association {
                candidate: watched.candidate,
                provider: watched.provider,
                lane,
                provider_lane: Arc::clone(&provider.lane),
                cost: watched.cost,
                peers: Arc::clone(&kinds.peers),
                revision: watched.revision,
            };
            next.associations
                .insert(watched.candidate, Arc::new(association));
        }
        next
    }

    /// The association, if it still belongs to `provider`.
    pub(crate) fn find(
        &self,
        candidate: CandidateId,
        provider: ProviderId,
    ) -> Option<&Arc<Association>> {
        let association = self.associations.get(&candidate)?;
        (association.provider == provider).then_some(association)
    }
}

impl Association {
    /// Has it pause as its provider asked, and tells the others.
    pub(crate) fn pause(&self, pause: Duration, now: Instant) {
        self.lane.cool(now + pause, now);
        self.tell(pause);
    }

    /// Tells the others that it pauses.
    pub(crate) fn tell(&self, pause: Duration) {
        if let Some(peers) = self.peers.get() {
            peers.tell(self.candidate, pause);
        }
    }

    fn is_still(&self, watched: &WatchedAssociation, provider_lane: &Arc<ProviderLane>) -> bool {
        self.provider == watched.provider
            && self.revision == watched.revision
            && Arc::ptr_eq(&self.provider_lane, provider_lane)
    }
}

/// A provider's lane without its past, to be saved as such. People are still told of that.
fn renewed(outdated: &ProviderLane, id: ProviderId, kinds: &Kinds, now: Instant) -> ProviderLane {
    let core = outdated.lock();
    let mut history = core.ext.history.clone();
    if core.seen != State::Healthy {
        // It starts afresh.
        let transition = Transition {
            from: core.seen,
            to: State::Healthy,
            reason: None,
        };
        history.push(transition, (None, None), now);
    }
    let ext = ProviderExt {
        changes: core.ext.changes + 1,
        history,
        ..ProviderExt::default()
    };
    drop(core);
    Lane::new(id.0, Breaker::new(now), ext, &kinds.providers, now)
}

fn unblemished(id: CandidateId, kinds: &Kinds, now: Instant) -> AssociationLane {
    let ext = AssociationExt::default();
    Lane::new(id.0, Breaker::new(now), ext, &kinds.associations, now)
}
