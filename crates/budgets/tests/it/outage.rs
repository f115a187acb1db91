//! The database is away.

use std::time::Duration;

use budgets::{Refusal, Settings};

use crate::{
    database::TestDatabase,
    on_every_engine,
    replica::{PATIENT, Replica, budget},
};

on_every_engine!(
    what_is_leased_can_be_spent_and_then_requests_are_refused,
    on_credit_requests_are_served,
);

async fn what_is_leased_can_be_spent_and_then_requests_are_refused(on: &TestDatabase) {
    let replica = Replica::start(on, budget(0, 1_000_000), PATIENT).await;
    replica.begun().await;
    replica.database.clone().close().await.unwrap();
    let (served, refusal) = replica.use_up(100, 100).await;
    assert!(served > 0);
    assert_eq!(refusal, Refusal::Unavailable);
    assert_eq!(refusal.retry_after(), Some(Duration::from_secs(1)));
    let leased: i64 = on.leases().await.values().sum();
    assert!(served * 100 <= leased, "{served} times 100 of {leased}");
    replica.kill().await;
}

async fn on_credit_requests_are_served(on: &TestDatabase) {
    let settings = Settings {
        on_credit: true,
        ..PATIENT
    };
    let replica = Replica::start(on, budget(0, 1_000_000), settings).await;
    replica.begun().await;
    replica.database.clone().close().await.unwrap();
    let charge = replica.reserve(900_000).await.unwrap();
    let second = replica.reserve(900_000).await.unwrap();
    assert_eq!(replica.budgets.metrics().credits(), 2);
    drop((charge, second));
    replica.kill().await;
}
