//! What health care costs a request.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use health::{Health, Moment, Outcome, Settings, WatchedAssociation, WatchedProvider};
use router::{CandidateId, CandidateState, ProviderId, Verdict};

/// A gateway with 100 providers of 10 models each.
fn gateway() -> Health {
    let health = Health::new(&Settings::default());
    let providers: Vec<_> = (0..100)
        .map(|id| WatchedProvider {
            provider: ProviderId(id),
            revision: 0,
        })
        .collect();
    let associations: Vec<_> = (0..1000)
        .map(|id| WatchedAssociation {
            candidate: CandidateId(id),
            provider: ProviderId(id % 100),
            revision: 0,
            cost: None,
        })
        .collect();
    health.configure(&providers, &associations, Moment::now());
    health
}

fn hot_path(bench: &mut Criterion) {
    let (candidate, provider) = (CandidateId(517), ProviderId(17));
    let health = gateway();
    let start = Instant::now();
    let mut elapsed = 0u64;
    let mut tick = || {
        elapsed += 50;
        start + Duration::from_micros(elapsed)
    };
    let answered = || {
        Outcome::new(Verdict::Answered)
            .status(200)
            .latency(Duration::from_millis(40))
    };

    bench.bench_function("standing", |bencher| {
        bencher.iter(|| black_box(health.standing(candidate, provider, start)));
    });
    bench.bench_function("standing, begin, finish", |bencher| {
        bencher.iter(|| {
            let now = tick();
            black_box(health.standing(candidate, provider, now));
            let attempt = health.begin(candidate, provider, now).expect("all is well");
            attempt.finish(answered(), now);
        });
    });
    let failing = CandidateId(617);
    for _ in 0..100 {
        let attempt = health.begin_anyway(failing, provider, tick());
        attempt.finish(Outcome::new(Verdict::Timeout), tick());
    }
    bench.bench_function("standing of an open one", |bencher| {
        bencher.iter(|| black_box(health.standing(failing, provider, start)));
    });
}

criterion_group!(benches, hot_path);
criterion_main!(benches);
