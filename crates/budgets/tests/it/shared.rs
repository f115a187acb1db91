//! What replicas spend together.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use access::budget::Period;
use budgets::{Refusal, Settings};
use chrono::{Datelike, Days, Utc};
use futures_util::future::{join, join_all};
use stats::Bookings;

use crate::{
    database::TestDatabase,
    on_every_engine,
    replica::{PATIENT, Replica, budget},
};

on_every_engine!(
    a_thousand_requests_at_once_on_three_replicas_spend_no_more_than_the_budget,
    a_budget_is_used_up_to_less_than_one_request,
    a_restart_forgets_nothing,
    what_a_killed_replica_had_leased_comes_back,
    only_the_days_of_a_period_count,
    what_is_being_booked_is_waited_for_and_not_for_long,
);

/// Three replicas of one key, whose budget is so much in all.
async fn three(on: &TestDatabase, total: i64) -> Vec<Arc<Replica>> {
    let mut replicas = Vec::new();
    for _ in 0..3 {
        let replica = Replica::start(on, budget(0, total), PATIENT).await;
        replicas.push(Arc::new(replica));
    }
    replicas
}

async fn stop(replicas: Vec<Arc<Replica>>) {
    for replica in replicas {
        Arc::into_inner(replica).unwrap().stop().await;
    }
}

async fn a_thousand_requests_at_once_on_three_replicas_spend_no_more_than_the_budget(
    on: &TestDatabase,
) {
    const COST: i64 = 1_000;
    const FIT: i64 = 400;
    let replicas = three(on, FIT * COST + COST / 2).await;
    let requests = (0..1_000).map(|number| {
        let replica = Arc::clone(&replicas[number % 3]);
        tokio::spawn(async move {
            match replica.reserve(COST).await {
                Ok(charge) => {
                    tokio::time::sleep(Duration::from_millis(number as u64 % 20)).await;
                    replica.end(charge, COST);
                    true
                }
                Err(refusal) => {
                    let is_exceeded = matches!(refusal, Refusal::Exceeded { .. });
                    assert!(is_exceeded, "{refusal:?}");
                    false
                }
            }
        })
    });
    let served = join_all(requests).await;
    let served = served
        .into_iter()
        .filter(|it| *it.as_ref().unwrap())
        .count() as i64;
    stop(replicas).await;
    assert_eq!(on.spent().await, served * COST);
    assert!(served <= FIT, "{served} of {FIT}");
    // What one has leased and does not need the others have for want: they may have to come again for it.
    assert!(served > FIT / 2, "{served} of {FIT}");
    assert_eq!(on.leases().await.len(), 0, "nothing is leased at the end");
}

async fn a_budget_is_used_up_to_less_than_one_request(on: &TestDatabase) {
    let (total, estimate, cost) = (1_000_000, 9_000, 7_000);
    let replicas = three(on, total).await;
    let mut served = 0;
    // What others hold comes back when they find that it is too little, or that nobody wants it.
    while total - served * cost >= estimate {
        for replica in &replicas {
            served += replica.use_up(estimate, cost).await.0;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    for replica in &replicas {
        let (more, refusal) = replica.use_up(estimate, cost).await;
        assert_eq!(more, 0);
        assert!(matches!(refusal, Refusal::Exceeded { cap: 1_000_000, .. }));
    }
    stop(replicas).await;
    assert_eq!(on.spent().await, served * cost);
    assert!(served * cost <= total);
}

async fn a_restart_forgets_nothing(on: &TestDatabase) {
    let replica = Replica::start(on, budget(0, 10_000), PATIENT).await;
    let charge = replica.reserve(8_000).await.unwrap();
    replica.end(charge, 7_500);
    replica.stop().await;
    let replica = Replica::start(on, budget(0, 10_000), PATIENT).await;
    let refusal = replica.reserve(2_501).await.unwrap_err();
    let expected = Refusal::Exceeded {
        period: Period::Total,
        cap: 10_000,
        left: 2_500,
        cost: 2_501,
    };
    assert_eq!(refusal, expected);
    let charge = replica.reserve(2_500).await.unwrap();
    replica.end(charge, 0);
    replica.stop().await;
}

async fn what_a_killed_replica_had_leased_comes_back(on: &TestDatabase) {
    let settings = Settings {
        lease: Duration::from_secs(3),
        ..PATIENT
    };
    let replica = Replica::start(on, budget(0, 10_000), settings).await;
    let charge = replica.reserve(6_000).await.unwrap();
    replica.end(charge, 4_000);
    let lost = replica.reserve(5_000).await.unwrap();
    replica.kill().await;
    std::mem::forget(lost);
    let leased: i64 = on.leases().await.values().sum();
    assert!(leased >= 5_000, "{leased}");
    let other = Replica::start(on, budget(0, 10_000), PATIENT).await;
    let refusal = other.reserve(6_000).await.unwrap_err();
    assert!(matches!(refusal, Refusal::Exceeded { .. }), "{refusal:?}");
    let charge = loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        match other.reserve(6_000).await {
            Ok(charge) => break charge,
            Err(refusal) => assert!(matches!(refusal, Refusal::Exceeded { .. }), "{refusal:?}"),
        }
    };
    other.end(charge, 6_000);
    other.stop().await;
    assert_eq!(on.spent().await, 10_000);
}

async fn what_is_being_booked_is_waited_for_and_not_for_long(on: &TestDatabase) {
    let replica = Replica::start(on, budget(0, 2_000), PATIENT).await;
    // Else its first turn may lease what is asked for, and another one, which that asked for, be under way below.
    replica.begun().await;
    let charge = replica.reserve(1_000).await.unwrap();
    let holder = charge.settle(1_000);
    // The row is in the books, and the gateway has not heard of it: for now 1,000 are spent and leased.
    on.spend(Utc::now().date_naive(), 1_000).await;
    let begun = Instant::now();
    let refusal = replica.reserve(1_000).await.unwrap_err();
    assert!(matches!(refusal, Refusal::Exceeded { .. }), "{refusal:?}");
    assert!(
        begun.elapsed() >= Duration::from_millis(200),
        "{:?}",
        begun.elapsed()
    );
    let heard = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        replica.budgets.booked(holder, "k", 1_000);
    };
    let (charge, ()) = join(replica.reserve(1_000), heard).await;
    let holder = charge.unwrap().settle(1_000);
    on.spend(Utc::now().date_naive() - Days::new(1), 1_000)
        .await;
    replica.budgets.booked(holder, "k", 1_000);
    let refusal = replica.reserve(1).await.unwrap_err();
    assert!(
        matches!(refusal, Refusal::Exceeded { left: 0, .. }),
        "{refusal:?}"
    );
    replica.stop().await;
    assert_eq!(on.spent().await, 2_000);
}

async fn only_the_days_of_a_period_count(on: &TestDatabase) {
    let today = Utc::now().date_naive();
    let first = today.with_day(1).unwrap();
    on.spend(today, 300).await;
    on.spend(first - Days::new(1), 4_000).await;
    let replica = Replica::start(on, budget(1_000, 5_000), PATIENT).await;
    let left = async |cost| match replica.reserve(cost).await.unwrap_err() {
        Refusal::Exceeded { period, left, .. } => (period, left),
        other => panic!("{other:?}"),
    };
    // 700 are left of the day and 700 in all; the longer period tells more.
    assert_eq!(left(701).await, (Period::Total, 700));
    replica.stop().await;
    on.spend(first - Days::new(2), 100).await;
    let replica = Replica::start(on, budget(1_000, 5_000), PATIENT).await;
    let refusal = replica.reserve(601).await.unwrap_err();
    assert!(matches!(
        refusal,
        Refusal::Exceeded {
            period: Period::Total,
            left: 600,
            ..
        }
    ));
    replica.stop().await;
    let replica = Replica::start(on, budget(1_000, 0), PATIENT).await;
    let refusal = replica.reserve(701).await.unwrap_err();
    assert!(matches!(
        refusal,
        Refusal::Exceeded {
            period: Period::Day,
            left: 700,
            ..
        }
    ));
    assert_eq!(refusal.resets_at(today), Period::Day.ends_at(today));
    replica.stop().await;
}
