//! What a plan costs, by number of candidates and strategy, and what a walk adds.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use router::{
    AssociationSpec, CandidateId, CandidateState, Capabilities, EndpointSet, Load, ModelId,
    ModelSpec, ProviderId, ProviderSpec, Request, RetryBudget, RouteTable, Seeded, Standing,
    Strategy, Verdict,
};

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

/// `models` models with `candidates` candidates each, half of them in a lower tier.
fn table(models: i64, candidates: i64, strategy: Strategy) -> RouteTable {
    let model = |id| ModelSpec {
        id: ModelId(id),
        name: format!("model-{id}").into(),
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
    let association = |model: i64, provider: i64| AssociationSpec {
        id: CandidateId(model * 10_000 + provider),
        model: ModelId(model),
        provider: ProviderId(provider),
        provider_model: format!("upstream-{model}").into(),
        weight: 1 + provider as u32 % 3,
        capabilities: Capabilities::ALL,
        enabled: true,
    };
    let associations = (0..models)
        .flat_map(|model| (0..candidates).map(move |provider| association(model, provider)));
    RouteTable::build(
        (0..models).map(model),
        (0..candidates).map(provider),
        associations,
    )
    .expect("ids are unique")
}

fn plans(criterion: &mut Criterion) {
    let now = Instant::now();
    let request = Request {
        requirements: Capabilities::TOOL_CALL,
        session: Some(7),
        ..Request::default()
    };
    for strategy in Strategy::ALL {
        let mut group = criterion.benchmark_group(format!("plan/{strategy}"));
        for candidates in [1, 10, 1_000] {
            let table = table(1, candidates, strategy);
            let mut dice = Seeded(1);
            group.bench_function(BenchmarkId::from_parameter(candidates), |bencher| {
                bencher.iter(|| {
                    let route = table
                        .route(black_box("model-0"))
                        .expect("it is in the table");
                    route
                        .plan(&request, &Well, now, &mut dice)
                        .expect("everyone is well")
                });
            });
        }
    }
    let mut group = criterion.benchmark_group("plan/by_models");
    for models in [1, 10_000] {
        let table = table(models, 10, Strategy::Weighted);
        let mut dice = Seeded(1);
        group.bench_function(BenchmarkId::from_parameter(models), |bencher| {
            bencher.iter(|| {
                let route = table
                    .route(black_box("model-0"))
                    .expect("it is in the table");
                route
                    .plan(&request, &Well, now, &mut dice)
                    .expect("everyone is well")
            });
        });
    }
}

fn walks(criterion: &mut Criterion) {
    let now = Instant::now();
    let budget = RetryBudget::new(now);
    let table = table(1, 10, Strategy::Weighted);
    let route = table.route("model-0").expect("it is in the table");
    let mut dice = Seeded(1);
    let scripts: [(&str, &[Verdict]); 2] = [
        ("answered", &[Verdict::Answered]),
        ("one_failover", &[Verdict::Failed, Verdict::Answered]),
    ];
    for (name, script) in scripts {
        criterion.bench_function(&format!("plan_and_walk/{name}"), |bencher| {
            bencher.iter(|| {
                let plan = route
                    .plan(&Request::default(), &Well, now, &mut dice)
                    .expect("everyone is well");
                let mut walk = plan.walk(&budget);
                black_box(walk.next(None, now, &mut dice));
                for verdict in script {
                    black_box(walk.next(Some(*verdict), now, &mut dice));
                }
            });
        });
    }
}

criterion_group!(benches, plans, walks);
criterion_main!(benches);
