//! What a budget costs a request: the promise before it, the settlement after it.
#![expect(
    clippy::unwrap_used,
    reason = "a benchmark that cannot go on should panic"
)]

use std::{hint::black_box, sync::Arc, time::Duration};

use access::{
    ClientKey,
    budget::{Account, Budget, BudgetFields, Standing, Turn},
};
use criterion::{Criterion, criterion_group, criterion_main};

fn limited() -> Budget {
    let fields = BudgetFields {
        day: Some("1000000".to_owned()),
        ..BudgetFields::default()
    };
    Budget::of(&fields).unwrap().unwrap()
}

fn account(criterion: &mut Criterion) {
    let now = std::time::Instant::now();
    let account = Arc::new(Account::new(1, "key".into(), limited(), now));
    let mut turn = Turn::begin(&account, now);
    turn.decide(&Standing::default());
    turn.committed(now, now + Duration::from_secs(3600), chrono::NaiveDate::MIN);
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
            (key.id, key.budget) = (Some(id), Some(limited()));
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

criterion_group!(benches, account, handle);
criterion_main!(benches);
