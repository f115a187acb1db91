//! One immutable view of the configuration.

use std::{collections::HashMap, sync::Arc};

use access::{Keyring, Price};
use guards::Guards;
use protocol::Endpoint;
use router::{CandidateId, ModelId, ProviderId, Route, RouteTable};

use crate::{Policy, Provider, outside::OutsideFiles};

/// What requests are looked up in. Only what is configured is put into it, so that nobody can choose what falls together.
pub(crate) type Table<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// A model of a snapshot.
#[derive(Debug, Clone)]
pub struct Model {
    /// Its row.
    pub id: ModelId,
    /// What clients call it.
    pub name: Arc<str>,
    /// Whether it is enabled.
    pub enabled: bool,
    /// When it was created, in Unix seconds.
    pub created: i64,
    /// How its requests are routed and timed.
    pub policy: Policy,
    /// What its requests and their answers may say; `None` guards nothing.
    pub guards: Option<Arc<Guards>>,
}

/// Everything that requests are served by. Built from the database in one go, replaced whole.
#[derive(Debug)]
pub struct Snapshot {
    /// The configuration's version in the database.
    pub version: i64,
    /// Models with their candidates.
    pub routes: RouteTable,
    /// The keys accepted.
    pub keys: Keyring,
    pub(crate) models: Table<Arc<str>, Model>,
    pub(crate) providers: Table<ProviderId, Arc<Provider>>,
    pub(crate) problems: HashMap<ProviderId, String>,
    pub(crate) revisions: HashMap<ProviderId, u64>,
    /// Read when the configuration was.
    pub(crate) files: OutsideFiles,
    pub(crate) prices: Table<CandidateId, Arc<Price>>,
}

impl Snapshot {
    /// A model and its candidates, also when it is disabled.
    #[must_use]
    pub fn model(&self, name: &str) -> Option<(&Model, &Route)> {
        Some((self.models.get(name)?, self.routes.route(name)?))
    }

    /// All models, in no particular order.
    pub fn models(&self) -> impl Iterator<Item = &Model> {
        self.models.values()
    }

    /// A provider that can be called.
    #[must_use]
    pub fn provider(&self, id: ProviderId) -> Option<&Arc<Provider>> {
        self.providers.get(&id)
    }

    /// All providers that can be called.
    pub fn providers(&self) -> impl Iterator<Item = &Arc<Provider>> {
        self.providers.values()
    }

    /// Why an enabled provider cannot be called, as with a key that refers to a variable which is not set.
    #[must_use]
    pub fn problem(&self, id: ProviderId) -> Option<&str> {
        self.problems.get(&id).map(String::as_str)
    }

    /// Every provider, also one that is disabled or cannot be called, with a number that changes when it could answer
    /// differently.
    pub fn revisions(&self) -> impl Iterator<Item = (ProviderId, u64)> {
        self.revisions.iter().map(|(id, revision)| (*id, *revision))
    }

    /// What an association's provider charges for its model; `None` while that is unpriced.
    #[must_use]
    pub fn price(&self, candidate: CandidateId) -> Option<&Arc<Price>> {
        self.prices.get(&candidate)
    }

    /// Every association, with its provider and a number that changes when the provider's name for the model does.
    pub fn candidates(&self) -> impl Iterator<Item = (CandidateId, ProviderId, u64)> {
        let candidates = self.routes.routes().flat_map(Route::candidates);
        candidates.map(|it| {
            (
                it.id(),
                it.provider(),
                revision(&[it.provider_model().as_bytes()]),
            )
        })
    }
}

/// A number that differs where the parts do.
pub(crate) fn revision(parts: &[&[u8]]) -> u64 {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher
            .update(&(part.len() as u64).to_le_bytes())
            .update(part);
    }
    let mut first = [0; 8];
    first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    u64::from_le_bytes(first)
}

/// The router's number for an endpoint.
#[must_use]
pub fn route_endpoint(endpoint: Endpoint) -> router::Endpoint {
    router::Endpoint::new(endpoint as u8)
}
