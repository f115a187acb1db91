//! What the tests of this crate share: a route in one line, and a state that says what it is told.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::*;

/// A model `m` with one candidate per row: (id, priority, association weight). Candidate 3 belongs to provider 3, `p3`, which
/// calls the model `pm3`.
pub(crate) fn specs(
    strategy: Strategy,
    rows: &[(i64, i32, u32)],
) -> (ModelSpec, Vec<ProviderSpec>, Vec<AssociationSpec>) {
    let model = ModelSpec {
        id: ModelId(1),
        name: "m".into(),
        enabled: true,
        max_retry: 3,
        strategy,
    };
    let provider = |&(id, priority, _): &(i64, i32, u32)| ProviderSpec {
        id: ProviderId(id),
        name: format!("p{id}").into(),
        enabled: true,
        priority,
        weight: 1,
        endpoints: EndpointSet::ALL,
    };
    let association = |&(id, _, weight): &(i64, i32, u32)| AssociationSpec {
        id: CandidateId(id),
        model: ModelId(1),
        provider: ProviderId(id),
        provider_model: format!("pm{id}").into(),
        weight,
        capabilities: Capabilities::ALL,
        enabled: true,
    };
    (
        model,
        rows.iter().map(provider).collect(),
        rows.iter().map(association).collect(),
    )
}

pub(crate) fn table(strategy: Strategy, rows: &[(i64, i32, u32)]) -> RouteTable {
    let (model, providers, associations) = specs(strategy, rows);
    RouteTable::build([model], providers, associations).unwrap()
}

/// Everyone is well, idle and unpriced unless told otherwise.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) standings: HashMap<i64, Standing>,
    pub(crate) loads: HashMap<i64, Load>,
    pub(crate) costs: HashMap<i64, u64>,
    pub(crate) grants_trial: Cell<bool>,
    pub(crate) claims: RefCell<Vec<i64>>,
}

impl State {
    pub(crate) fn with(mut self, id: i64, standing: Standing) -> Self {
        self.standings.insert(id, standing);
        self
    }

    pub(crate) fn load(mut self, id: i64, in_flight: u32, latency_ms: Option<u64>) -> Self {
        self.loads.insert(
            id,
            Load {
                in_flight,
                latency: latency_ms.map(Duration::from_millis),
            },
        );
        self
    }

    pub(crate) fn cost(mut self, id: i64, cost: u64) -> Self {
        self.costs.insert(id, cost);
        self
    }
}

impl CandidateState for State {
    fn standing(&self, candidate: CandidateId, _: ProviderId, _: Instant) -> Standing {
        self.standings
            .get(&candidate.0)
            .copied()
            .unwrap_or(Standing::Ready { share: 1.0 })
    }

    fn load(&self, candidate: CandidateId, _: Instant) -> Load {
        self.loads.get(&candidate.0).copied().unwrap_or_default()
    }

    fn cost(&self, candidate: CandidateId) -> Option<u64> {
        self.costs.get(&candidate.0).copied()
    }

    fn claim_cooling_trial(&self, candidate: CandidateId, _: Instant) -> bool {
        self.claims.borrow_mut().push(candidate.0);
        self.grants_trial.get()
    }
}

/// The ids of a plan, in order.
pub(crate) fn ids(plan: &Plan<'_>) -> Vec<i64> {
    plan.candidates()
        .map(|candidate| candidate.id().0)
        .collect()
}

/// Standings, by seconds from `now`.
pub(crate) fn open(now: Instant, seconds: u64, errors: u32) -> Standing {
    Standing::Open {
        until: now + Duration::from_secs(seconds),
        errors,
    }
}

pub(crate) fn cooling(now: Instant, seconds: u64) -> Standing {
    Standing::Cooling {
        until: now + Duration::from_secs(seconds),
    }
}
