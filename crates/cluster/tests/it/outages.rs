//! Redis slow, away, and back.

use std::time::{Duration, Instant};

use access::limit::Scope;

use crate::{
    replica::{Replica, now, rule, until},
    wire::Wire,
};

fn key() -> Scope {
    Scope::Key("ci".into())
}

/// Redis loses everything while it is away: what each has let pass in the last minute is told anew.
#[tokio::test]
async fn without_redis_each_has_its_part_and_afterwards_nothing_is_forgotten() {
    let wire = Wire::new().await;
    let (one, two) = (
        Replica::of_three(&wire).await,
        Replica::of_three(&wire).await,
    );
    let rules = [rule(key(), Some(30), Some(3000), None)];
    for replica in [&one, &two] {
        for _ in 0..4 {
            replica.admit(&rules, 10).await.unwrap().settle(10, now());
        }
    }
    wire.cut();
    until("the outage is noticed", async || {
        !one.cluster.is_up() && !two.cluster.is_up()
    })
    .await;
    wire.empty().await;
    for replica in [&one, &two] {
        let mut passed = 4;
        while let Some(admission) = replica.admit(&rules, 10).await {
            admission.settle(10, now());
            passed += 1;
        }
        assert_eq!(
            passed, 10,
            "a third of the limit, with what was let pass before"
        );
    }
    assert!(one.cluster.metrics().alone() >= 6);
    wire.mend();
    until("Redis is back", async || {
        one.cluster.is_up() && two.cluster.is_up()
    })
    .await;
    let (granted, _) = one.ask(&rules, &[], 10).await.unwrap().unwrap();
    assert_eq!(granted.standings.requests.unwrap().remaining, 30 - 21);
    assert_eq!(granted.standings.tokens.unwrap().remaining, 3000 - 210);
    assert_eq!(one.cluster.metrics().outages(), 1);
}

/// The connection breaks, and Redis goes on: only what it missed is told.
#[tokio::test]
async fn what_was_known_before_a_broken_connection_is_not_counted_twice() {
    let wire = Wire::new().await;
    let (one, two) = (
        Replica::of_three(&wire).await,
        Replica::of_three(&wire).await,
    );
    let rules = [rule(key(), Some(30), Some(3000), Some(9))];
    let held = one.admit(&rules, 100).await.unwrap();
    two.admit(&rules, 100).await.unwrap().settle(100, now());
    wire.cut();
    until("the outage is noticed", async || {
        !one.cluster.is_up() && !two.cluster.is_up()
    })
    .await;
    held.settle(40, now());
    let _runs = one.admit(&rules, 100).await.unwrap();
    wire.mend();
    until("Redis is back", async || {
        one.cluster.is_up() && two.cluster.is_up()
    })
    .await;
    let (granted, _) = two.ask(&rules, &[], 0).await.unwrap().unwrap();
    assert_eq!(granted.standings.requests.unwrap().remaining, 30 - 4);
    assert_eq!(granted.standings.tokens.unwrap().remaining, 3000 - 240);
    let mut running = wire.direct().await;
    let counts: std::collections::HashMap<String, i64> = redis::cmd("HGETALL")
        .arg("{gateway}:running:key:ci")
        .query_async(&mut running)
        .await
        .unwrap();
    assert_eq!(counts.values().sum::<i64>(), 1, "{counts:?}");
}

/// Data that vanishes under a connection that holds.
#[tokio::test]
async fn a_count_that_is_lost_is_told_anew() {
    let wire = Wire::new().await;
    let replica = Replica::of_three(&wire).await;
    let rules = [rule(key(), Some(10), None, None)];
    for _ in 0..4 {
        drop(replica.admit(&rules, 0).await.unwrap());
    }
    wire.empty().await;
    let (granted, _) = replica.ask(&rules, &[], 0).await.unwrap().unwrap();
    assert_eq!(granted.standings.requests.unwrap().remaining, 5);
}

/// Nor is what is owed forgiven.
#[tokio::test]
async fn a_debt_that_is_lost_is_told_anew() {
    let wire = Wire::new().await;
    let replica = Replica::of_three(&wire).await;
    let rules = [rule(key(), None, Some(100), None)];
    replica
        .admit(&rules, 100)
        .await
        .unwrap()
        .settle(1000, now());
    wire.empty().await;
    until("it has been told", async || {
        let refused = replica.ask(&rules, &[], 1).await;
        let limited = refused.and_then(Result::err);
        limited.is_some_and(|limited| limited.retry_after > Duration::from_secs(500))
    })
    .await;
}

/// One request pays the timeout, the others nothing, until it answers quickly again.
#[tokio::test]
async fn a_redis_that_hangs_costs_one_request_its_timeout() {
    const PATIENCE: Duration = Duration::from_millis(300);
    let wire = Wire::new().await;
    let replica = Replica::new(&wire, PATIENCE).await;
    until("Redis answers", async || replica.cluster.is_up()).await;
    let rules = [rule(key(), Some(3000), None, Some(500))];
    wire.hold(true);
    let begun = Instant::now();
    for _ in 0..200 {
        drop(replica.admit(&rules, 0).await.unwrap());
    }
    assert!(begun.elapsed() < 4 * PATIENCE, "{:?}", begun.elapsed());
    assert!(!replica.cluster.is_up());
    wire.hold(false);
    until("it is quick again", async || replica.cluster.is_up()).await;
    let (granted, admission) = replica.ask(&rules, &[], 0).await.unwrap().unwrap();
    let left = granted.standings.requests.unwrap().remaining;
    // What hung in the call that was on its way may have been counted too, once.
    assert!((3000 - 202..=3000 - 201).contains(&left), "{left}");
    admission.settle(0, now());
    let mut direct = wire.direct().await;
    until("nothing runs", async || {
        let counts: Vec<i64> = redis::cmd("HVALS")
            .arg("{gateway}:running:key:ci")
            .query_async(&mut direct)
            .await
            .unwrap();
        counts.iter().sum::<i64>() == 0
    })
    .await;
}

#[tokio::test]
async fn a_request_that_is_given_up_while_it_waits_holds_nothing() {
    let wire = Wire::new().await;
    let replica = Replica::of_three(&wire).await;
    let rules = [rule(key(), Some(10), Some(100), Some(1))];
    wire.hold(true);
    let asking = replica.ask(&rules, &[], 50);
    assert!(
        tokio::time::timeout(Duration::from_millis(50), asking)
            .await
            .is_err()
    );
    wire.hold(false);
    until("what it took is given back", async || {
        let Some(Ok((granted, admission))) = replica.ask(&rules, &[], 0).await else {
            return false;
        };
        admission.refund(now());
        let standings = granted.standings;
        standings.requests.unwrap().remaining == 9 && standings.tokens.unwrap().remaining == 100
    })
    .await;
}

#[tokio::test]
async fn a_gateway_that_is_gone_runs_nothing() {
    let wire = Wire::new().await;
    let rules = [rule(key(), None, None, Some(1))];
    let (one, two) = (
        Replica::of_three(&wire).await,
        Replica::of_three(&wire).await,
    );
    let running = one.admit(&rules, 0).await.unwrap();
    assert!(two.admit(&rules, 0).await.is_none());
    drop(one);
    std::mem::forget(running);
    // As 15 seconds later.
    let mut direct = wire.direct().await;
    until("the other one lives on", async || {
        redis::cmd("ZREMRANGEBYSCORE")
            .arg("{gateway}:alive")
            .arg("-inf")
            .arg("+inf")
            .exec_async(&mut direct)
            .await
            .unwrap();
        two.admit(&rules, 0).await.is_some()
    })
    .await;
}
