//! What a budget costs a request: the promise before it, the settlement after it.
#![expect(
    clippy::unwrap_used,
    reason = "a benchmark that cannot go on should panic"
)]

mod caller;

use std::{hint::black_box, sync::Arc, time::Instant};

use access::ClientKey;
use caller::Caller;
use criterion::{Criterion, criterion_group, criterion_main};

/// Keys, limits and budget together: all that they add to a request.
fn all(criterion: &mut Criterion) {
    let (mut caller, secret) = (Caller::new(Instant::now()), Caller::secret());
    criterion.bench_function("key, limits and budget of a request", |bencher| {
        bencher.iter(|| {
            let held = caller.enter(black_box(&secret));
            caller.leave(held);
        });
    });
}

fn account(criterion: &mut Criterion) {
    let now = Instant::now();
    let account = caller::account(now);
    criterion.bench_function("reserve and settle in an account", |bencher| {
        bencher.iter(|| {
            let reservation = account.reserve(black_box(1_000), now);
            reservation.unwrap().settle(black_box(0), now);
        });
    });
}

fn handle(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let database = sea_orm::DatabaseConnection::default();
    let (budgets, _worker) = budgets::start(budgets::Settings::default(), database);
    let keys: Vec<_> = (1..=1_000)
        .map(|id| {
            let mut key = ClientKey::named(format!("key {id}"));
            (key.id, key.budget) = (Some(id), Some(caller::budget()));
            Arc::new(key)
        })
        .collect();
    budgets.configure(&keys);
    // What costs nothing takes the same way, but for one exchange of an atomic, and needs no lease.
    criterion.bench_function("reserve and settle among a thousand keys", |bencher| {
        bencher.to_async(&runtime).iter(async || {
            let charge = budgets.reserve(black_box(&keys[500]), Some(0)).await;
            charge.unwrap().unwrap().settle(0)
        });
    });
    let unlimited = ClientKey::named("none");
    criterion.bench_function("a key without a budget", |bencher| {
        bencher
            .to_async(&runtime)
            .iter(async || budgets.reserve(black_box(&unlimited), Some(0)).await);
    });
}

criterion_group!(benches, all, account, handle);
criterion_main!(benches);
