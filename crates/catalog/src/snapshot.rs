//! One immutable view of the configuration.

use std::{collections::HashMap, sync::Arc};

use access::Keyring;
use protocol::Endpoint;
use router::{CandidateId, ModelId, ProviderId, Route, RouteTable};

use crate::{Policy, Provider};

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
    pub(crate) models: HashMap<Arc<str>, Model>,
    pub(crate) providers: HashMap<ProviderId, Arc<Provider>>,
    pub(crate) problems: HashMap<ProviderId, String>,
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

    /// Every association, with its provider.
    pub fn candidates(&self) -> impl Iterator<Item = (CandidateId, ProviderId)> {
        self.routes
            .routes()
            .flat_map(Route::candidates)
            .map(|candidate| (candidate.id(), candidate.provider()))
    }
}

/// The router's number for an endpoint.
#[must_use]
pub fn route_endpoint(endpoint: Endpoint) -> router::Endpoint {
    router::Endpoint::new(endpoint as u8)
}
