//! From a model's name to candidates in order.

use std::hint::black_box;
use std::time::{Duration, Instant};

use router::{
    AssociationSpec, CandidateId, CandidateState, Capabilities, EndpointSet, Load, ModelId,
    ModelSpec, ProviderId, ProviderSpec, Request, RetryBudget, RouteTable, Seeded, Standing,
    Strategy, Verdict,
};

use crate::count;

const CANDIDATES: i64 = 10;

/// Everyone is well; load and cost differ by candidate.
struct Well;

impl CandidateState for Well {
    fn standing(&self, _: CandidateId, _: ProviderId, _: Instant) -> Standing {
        Standing::Ready { share: 1.0 }
    }

    fn load(&self, candidate: CandidateId, _: Instant) -> Load {
        Load {
            in_flight: candidate.0 as u32 % 7,
            latency: Some(Duration::from_millis(candidate.0 as u64 % 50)),
        }
    }

    fn cost(&self, candidate: CandidateId) -> Option<u64> {
        Some(candidate.0 as u64 % 5)
    }

    fn claim_cooling_trial(&self, _: CandidateId, _: Instant) -> bool {
        false
    }
}

/// One model with ten candidates, half of them in a lower tier.
fn table(strategy: Strategy) -> RouteTable {
    let model = ModelSpec {
        id: ModelId(0),
        name: "model".into(),
        enabled: true,
        max_retry: 3,
        strategy,
    };
    let provider = |id| ProviderSpec {
        id: ProviderId(id),
        name: format!("provider-{id}").into(),
        enabled: true,
        priority: if id % 2 == 0 { 100 } else { 50 },
        weight: 100,
        endpoints: EndpointSet::ALL,
    };
    let association = |id: i64| AssociationSpec {
        id: CandidateId(id),
        model: ModelId(0),
        provider: ProviderId(id),
        provider_model: "upstream".into(),
        weight: 1 + id as u32 % 3,
        capabilities: Capabilities::ALL,
        enabled: true,
    };
    RouteTable::build(
        [model],
        (0..CANDIDATES).map(provider),
        (0..CANDIDATES).map(association),
    )
    .expect("ids are unique")
}

fn plan(strategy: Strategy) {
    let (table, now, mut dice) = (table(strategy), Instant::now(), Seeded(1));
    let request = Request {
        requirements: Capabilities::TOOL_CALL,
        ..Request::default()
    };
    count(
        || "model",
        |name| {
            let route = table.route(name).expect("it is in the table");
            let plan = route.plan(&request, &Well, now, &mut dice);
            drop(black_box(plan.expect("everyone is well")));
        },
    );
}

pub(super) fn weighted() {
    plan(Strategy::Weighted);
}

pub(super) fn least_latency() {
    plan(Strategy::LeastLatency);
}

/// The first candidate fails, the second answers.
pub(super) fn failover() {
    let (table, now, mut dice) = (table(Strategy::Weighted), Instant::now(), Seeded(1));
    let budget = RetryBudget::new(now);
    count(
        || "model",
        |name| {
            let route = table.route(name).expect("it is in the table");
            let plan = route.plan(&Request::default(), &Well, now, &mut dice);
            let mut walk = plan.expect("everyone is well").walk(&budget);
            for verdict in [None, Some(Verdict::Failed), Some(Verdict::Answered)] {
                black_box(walk.next(verdict, now, &mut dice));
            }
        },
    );
}
