//! The routes of all models, built once from a configuration and then only read.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use crate::{
    AssociationSpec, CandidateId, Capabilities, EndpointSet, ModelId, ModelSpec, ProviderId,
    ProviderSpec, Strategy,
};

/// Why data does not make a route table, or text not a strategy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Two models, providers or associations share an id.
    #[error("two {kind} have the id {id}")]
    DuplicateId {
        /// `models`, `providers` or `associations`.
        kind: &'static str,
        /// The id.
        id: i64,
    },
    /// Two models or two providers share a name.
    #[error("two {kind} have the name `{name}`")]
    DuplicateName {
        /// `models` or `providers`.
        kind: &'static str,
        /// The name.
        name: Arc<str>,
    },
    /// An association names a model that is not there.
    #[error("association {association} names the model {model}, which does not exist")]
    UnknownModel {
        /// The association's id.
        association: i64,
        /// The model's id.
        model: i64,
    },
    /// An association names a provider that is not there.
    #[error("association {association} names the provider {provider}, which does not exist")]
    UnknownProvider {
        /// The association's id.
        association: i64,
        /// The provider's id.
        provider: i64,
    },
    /// No strategy has this name.
    #[error("unknown strategy `{name}`")]
    UnknownStrategy {
        /// The name.
        name: String,
    },
}

/// All models with their candidates. Looking one up costs the same however many there are.
#[derive(Debug, Default)]
pub struct RouteTable {
    routes: HashMap<Arc<str>, Route, foldhash::fast::RandomState>,
    providers: HashMap<Arc<str>, ProviderId>,
}

impl RouteTable {
    /// Builds the table.
    ///
    /// # Errors
    /// If ids or names are not unique, or an association points nowhere.
    pub fn build(
        models: impl IntoIterator<Item = ModelSpec>,
        providers: impl IntoIterator<Item = ProviderSpec>,
        associations: impl IntoIterator<Item = AssociationSpec>,
    ) -> Result<Self, Error> {
        let mut provider_ids = HashMap::new();
        let mut provider_specs = HashMap::new();
        for provider in providers {
            insert_named(&mut provider_ids, "providers", &provider.name, provider.id)?;
            insert_unique(
                &mut provider_specs,
                "providers",
                provider.id,
                provider.id.0,
                provider,
            )?;
        }
        let mut names = HashMap::new();
        let mut building = HashMap::new();
        for model in models {
            insert_named(&mut names, "models", &model.name, model.id)?;
            insert_unique(
                &mut building,
                "models",
                model.id,
                model.id.0,
                (model, Vec::new()),
            )?;
        }
        let mut seen = HashSet::new();
        for association in associations {
            let id = association.id;
            if !seen.insert(id) {
                return Err(Error::DuplicateId {
                    kind: "associations",
                    id: id.0,
                });
            }
            let provider =
                provider_specs
                    .get(&association.provider)
                    .ok_or(Error::UnknownProvider {
                        association: id.0,
                        provider: association.provider.0,
                    })?;
            let (_, candidates) =
                building
                    .get_mut(&association.model)
                    .ok_or(Error::UnknownModel {
                        association: id.0,
                        model: association.model.0,
                    })?;
            candidates.push(Candidate::new(association, provider));
        }
        let routes = building
            .into_values()
            .map(|(model, candidates)| (model.name.clone(), Route::new(model, candidates)))
            .collect();
        Ok(Self {
            routes,
            providers: provider_ids,
        })
    }

    /// The route of a model, also of a disabled one: [`Route::plan`] refuses that.
    pub fn route(&self, model_name: &str) -> Option<&Route> {
        self.routes.get(model_name)
    }

    /// All routes, in no particular order.
    pub fn routes(&self) -> impl Iterator<Item = &Route> {
        self.routes.values()
    }

    /// The provider with this name, also a disabled one.
    pub fn provider_id(&self, name: &str) -> Option<ProviderId> {
        self.providers.get(name).copied()
    }
}

fn insert_named<T>(
    map: &mut HashMap<Arc<str>, T>,
    kind: &'static str,
    name: &Arc<str>,
    value: T,
) -> Result<(), Error> {
    match map.entry(name.clone()) {
        Entry::Occupied(_) => Err(Error::DuplicateName {
            kind,
            name: name.clone(),
        }),
        Entry::Vacant(entry) => {
            entry.insert(value);
            Ok(())
        }
    }
}

fn insert_unique<K: Eq + Hash, T>(
    map: &mut HashMap<K, T>,
    kind: &'static str,
    key: K,
    id: i64,
    value: T,
) -> Result<(), Error> {
    match map.entry(key) {
        Entry::Occupied(_) => Err(Error::DuplicateId { kind, id }),
        Entry::Vacant(entry) => {
            entry.insert(value);
            Ok(())
        }
    }
}

/// One model and everything that could serve it.
#[derive(Debug)]
pub struct Route {
    model: ModelSpec,
    candidates: Box<[Candidate]>,
    /// Whose turn it is under `round_robin`.
    pub(crate) turn: AtomicUsize,
}

impl Route {
    fn new(model: ModelSpec, mut candidates: Vec<Candidate>) -> Self {
        // Weight 0 makes tiers of its own, after all others.
        let rank =
            |candidate: &Candidate| (candidate.weight == 0, std::cmp::Reverse(candidate.priority));
        candidates.sort_by_key(|candidate| (rank(candidate), candidate.id));
        let mut tier = 0;
        for index in 1..candidates.len() {
            if rank(&candidates[index]) != rank(&candidates[index - 1]) {
                tier += 1;
            }
            candidates[index].tier = tier;
        }
        Self {
            model,
            candidates: candidates.into(),
            turn: AtomicUsize::new(0),
        }
    }

    /// The model's id.
    pub fn id(&self) -> ModelId {
        self.model.id
    }

    /// The name clients ask for.
    pub fn name(&self) -> &Arc<str> {
        &self.model.name
    }

    /// Whether the model is enabled.
    pub fn is_enabled(&self) -> bool {
        self.model.enabled
    }

    /// How many attempts may follow the first, unless the request says otherwise.
    pub fn max_retry(&self) -> u32 {
        self.model.max_retry
    }

    /// How candidates of one tier are ordered.
    pub fn strategy(&self) -> Strategy {
        self.model.strategy
    }

    /// All associations of the model, disabled ones too: by tier, then by id.
    pub fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }
}

/// An association as the router sees it, with what it needs of its provider.
#[derive(Debug, Clone)]
pub struct Candidate {
    id: CandidateId,
    provider: ProviderId,
    provider_name: Arc<str>,
    provider_model: Arc<str>,
    capabilities: Capabilities,
    endpoints: EndpointSet,
    weight: u64,
    priority: i32,
    tier: u32,
    enabled: bool,
    provider_enabled: bool,
}

impl Candidate {
    fn new(association: AssociationSpec, provider: &ProviderSpec) -> Self {
        Self {
            id: association.id,
            provider: provider.id,
            provider_name: provider.name.clone(),
            provider_model: association.provider_model,
            capabilities: association.capabilities,
            endpoints: provider.endpoints,
            weight: u64::from(provider.weight) * u64::from(association.weight),
            priority: provider.priority,
            tier: 0,
            enabled: association.enabled,
            provider_enabled: provider.enabled,
        }
    }

    /// The association's id.
    pub fn id(&self) -> CandidateId {
        self.id
    }

    /// The provider's id.
    pub fn provider(&self) -> ProviderId {
        self.provider
    }

    /// The provider's name.
    pub fn provider_name(&self) -> &Arc<str> {
        &self.provider_name
    }

    /// What the provider calls the model.
    pub fn provider_model(&self) -> &Arc<str> {
        &self.provider_model
    }

    /// What requests may need of it.
    pub fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    /// What its provider can be asked for.
    pub fn endpoints(&self) -> EndpointSet {
        self.endpoints
    }

    /// Provider weight x association weight.
    pub fn weight(&self) -> u64 {
        self.weight
    }

    /// The provider's priority.
    pub fn priority(&self) -> i32 {
        self.priority
    }

    /// Whether the association is enabled.
    pub fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// Whether its provider is enabled.
    pub fn is_provider_enabled(&self) -> bool {
        self.provider_enabled
    }

    /// Its tier, where the request does not choose: 0 is tried first.
    pub(crate) fn tier(&self) -> u32 {
        self.tier
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::specs;

    const ROWS: [(i64, i32, u32); 2] = [(1, 1, 1), (2, 1, 1)];

    type Specs = (Vec<ModelSpec>, Vec<ProviderSpec>, Vec<AssociationSpec>);

    #[track_caller]
    fn check_refused(spoil: impl FnOnce(&mut Specs), message: &str) {
        let (model, providers, associations) = specs(Strategy::Weighted, &ROWS);
        let other = ModelSpec {
            id: ModelId(2),
            name: "other".into(),
            ..model.clone()
        };
        let mut specs = (vec![model, other], providers, associations);
        spoil(&mut specs);
        let error = RouteTable::build(specs.0, specs.1, specs.2).unwrap_err();
        assert_eq!(error.to_string(), message);
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        check_refused(
            |specs| specs.0[1].id = ModelId(1),
            "two models have the id 1",
        );
        check_refused(
            |specs| specs.0[1].name = "m".into(),
            "two models have the name `m`",
        );
        check_refused(
            |specs| specs.1[1].id = ProviderId(1),
            "two providers have the id 1",
        );
        check_refused(
            |specs| specs.1[1].name = "p1".into(),
            "two providers have the name `p1`",
        );
        check_refused(
            |specs| specs.2[1].id = CandidateId(1),
            "two associations have the id 1",
        );
        let message = "association 2 names the model 7, which does not exist";
        check_refused(|specs| specs.2[1].model = ModelId(7), message);
        let message = "association 2 names the provider 7, which does not exist";
        check_refused(|specs| specs.2[1].provider = ProviderId(7), message);
    }

    #[test]
    fn routes_are_found_by_name_and_list_all_their_candidates() {
        let (model, providers, mut associations) = specs(Strategy::Cheapest, &ROWS);
        associations[1].enabled = false;
        let empty = ModelSpec {
            id: ModelId(2),
            name: "empty".into(),
            enabled: false,
            ..model.clone()
        };
        let table = RouteTable::build([model, empty], providers, associations).unwrap();
        let route = table.route("m").unwrap();
        assert_eq!(
            (route.id(), route.is_enabled(), route.strategy()),
            (ModelId(1), true, Strategy::Cheapest)
        );
        let enabled: Vec<bool> = route
            .candidates()
            .iter()
            .map(Candidate::is_enabled)
            .collect();
        assert_eq!(enabled, [true, false]);
        assert!(
            table
                .route("empty")
                .is_some_and(|route| !route.is_enabled() && route.candidates().is_empty())
        );
        assert!(table.route("M").is_none());
        assert_eq!(table.routes().count(), 2);
        assert_eq!(
            (table.provider_id("p2"), table.provider_id("m")),
            (Some(ProviderId(2)), None)
        );
    }

    #[test]
    fn tiers_go_by_priority_and_weight_zero_comes_after_them() {
        let rows = [(1, 5, 1), (2, 9, 0), (3, 9, 1), (4, 5, 0), (5, 5, 3)];
        let table = crate::testing::table(Strategy::Weighted, &rows);
        let route = table.route("m").unwrap();
        let tiers: Vec<_> = route
            .candidates()
            .iter()
            .map(|candidate| (candidate.id().0, candidate.tier()))
            .collect();
        assert_eq!(tiers, [(3, 0), (1, 1), (5, 1), (2, 2), (4, 3)]);
    }
}
