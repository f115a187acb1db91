//! Limits that hold for all gateways together.

use std::time::Duration;

use access::limit::{Kind, Scope};

use crate::{
    replica::{Replica, now, rule, until},
    wire::Wire,
};

/// Where the key's last minute is counted.
const MINUTE: &str = "{gateway}:minute:key:ci";

fn key() -> Scope {
    Scope::Key("ci".into())
}

#[tokio::test(flavor = "multi_thread")]
async fn three_together_let_pass_what_one_would() {
    let wire = Wire::new().await;
    let rules = [rule(key(), Some(100), Some(10_000), None)];
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..3 {
        let replica = std::sync::Arc::new(Replica::of_three(&wire).await);
        for _ in 0..10 {
            let (replica, rules) = (replica.clone(), rules.clone());
            clients.spawn(async move {
                let mut passed = 0;
                for _ in 0..10 {
                    let decision = replica.ask(&rules, &[], 10).await;
                    if let Ok((_, admission)) = decision.expect("Redis answers") {
                        admission.settle(10, now());
                        passed += 1;
                    }
                }
                passed
            });
        }
    }
    assert_eq!(clients.join_all().await.iter().sum::<u32>(), 100);
}

#[tokio::test]
async fn a_refusal_tells_what_lacks_and_takes_nothing() {
    let wire = Wire::new().await;
    let (one, two) = (
        Replica::of_three(&wire).await,
        Replica::of_three(&wire).await,
    );
    let wide = rule(key(), Some(10), Some(1000), None);
    let narrow = rule(
        Scope::ModelOfKey("ci".into(), "gpt-*".into()),
        Some(2),
        None,
        None,
    );
    let both = [wide.clone(), narrow];
    for replica in [&one, &two] {
        replica.admit(&both, 100).await.unwrap().settle(100, now());
    }
    let limited = one.ask(&both, &[], 100).await.unwrap().unwrap_err();
    assert_eq!(limited.scope, both[1].scope);
    assert_eq!((limited.kind, limited.limit), (Kind::Requests, 2));
    assert!(limited.retry_after > Duration::from_secs(58), "{limited:?}");
    assert!(limited.retry_after <= Duration::from_millis(60_500));
    assert_eq!(limited.standings.requests.unwrap().remaining, 0);
    let (granted, _) = two.ask(&[wide], &[], 100).await.unwrap().unwrap();
    let standings = granted.standings;
    assert_eq!(standings.requests.unwrap().remaining, 7);
    assert_eq!(standings.tokens.unwrap().remaining, 700);
    assert!(standings.tokens.unwrap().reset > Duration::from_secs(58));
}

#[tokio::test]
async fn what_is_settled_and_given_back_counts_at_once_for_who_tells_it() {
    let wire = Wire::new().await;
    let (one, two) = (
        Replica::of_three(&wire).await,
        Replica::of_three(&wire).await,
    );
    let rules = [rule(key(), Some(10), Some(1000), None)];
    let left = async |replica: &Replica| {
        let (granted, admission) = replica.ask(&rules, &[], 0).await.unwrap().unwrap();
        admission.refund(now());
        let standings = granted.standings;
        (
            standings.requests.unwrap().remaining,
            standings.tokens.unwrap().remaining,
        )
    };
    let first = one.admit(&rules, 600).await.unwrap();
    let second = one.admit(&rules, 300).await.unwrap();
    assert!(one.admit(&rules, 300).await.is_none());
    first.settle(100, now());
    second.refund(now());
    assert_eq!(left(&one).await, (8, 900));
    until("the other one hears of it", async || {
        left(&two).await == (8, 900)
    })
    .await;
}

#[tokio::test]
async fn so_many_at_a_time_wherever_they_run() {
    let wire = Wire::new().await;
    let (one, two) = (
        Replica::of_three(&wire).await,
        Replica::of_three(&wire).await,
    );
    let rules = [rule(key(), None, None, Some(2))];
    let first = one.admit(&rules, 0).await.unwrap();
    let second = two.admit(&rules, 0).await.unwrap();
    let refused = one.ask(&rules, &[], 0).await.unwrap().unwrap_err();
    assert_eq!(refused.kind, Kind::Concurrent);
    // Who ends one may begin another at once.
    first.settle(0, now());
    let third = one.admit(&rules, 0).await.unwrap();
    assert!(two.admit(&rules, 0).await.is_none());
    drop(second);
    drop(third);
    until("all have ended", async || {
        let (a, b) = (one.admit(&rules, 0).await, two.admit(&rules, 0).await);
        a.is_some() && b.is_some()
    })
    .await;
}

#[tokio::test]
async fn the_first_choice_that_has_room_is_taken_together_with_the_rest() {
    let wire = Wire::new().await;
    let replica = Replica::of_three(&wire).await;
    let rules = [rule(key(), Some(100), None, None)];
    let provider = |id| vec![rule(Scope::Provider(id), Some(1), None, Some(1))];
    let choices = [provider(1), provider(2)];
    let (first, held) = replica.ask(&rules, &choices, 0).await.unwrap().unwrap();
    assert_eq!(first.lacks, []);
    let (second, _) = replica.ask(&rules, &choices, 0).await.unwrap().unwrap();
    assert_eq!(second.lacks.len(), 1);
    assert_eq!(second.lacks[0].kind, Kind::Requests);
    let (third, _) = replica.ask(&rules, &choices, 0).await.unwrap().unwrap();
    assert_eq!(third.lacks.len(), 2, "neither has room");
    assert_eq!(third.standings.requests.unwrap().remaining, 97);
    held.refund(now());
    let (fourth, _) = replica.ask(&rules, &choices, 0).await.unwrap().unwrap();
    assert_eq!(fourth.lacks, [], "it was given back");
}

#[tokio::test]
async fn what_a_long_request_used_beyond_its_reservation_counts_everywhere() {
    let wire = Wire::new().await;
    let (one, two) = (
        Replica::of_three(&wire).await,
        Replica::of_three(&wire).await,
    );
    let rules = [rule(key(), Some(10), Some(1000), None)];
    let left = async |replica: &Replica| {
        let (granted, admission) = replica.ask(&rules, &[], 0).await.unwrap().unwrap();
        admission.refund(now());
        granted.standings.tokens.unwrap().remaining
    };
    // As of requests that were let pass more than a minute ago.
    let long = one.admit_earlier(&rules, 100, 130);
    let short = one.admit_earlier(&rules, 100, 130);
    assert_eq!(left(&one).await, 1000);
    short.settle(50, now());
    long.settle(700, now());
    until("the other one hears of it", async || {
        left(&two).await == 400
    })
    .await;
    assert_eq!(left(&one).await, 400);
}

#[tokio::test]
async fn a_minute_later_there_is_room_again() {
    let wire = Wire::new().await;
    let replica = Replica::of_three(&wire).await;
    let rules = [rule(key(), Some(1), Some(100), None)];
    replica.admit(&rules, 10).await.unwrap().settle(70, now());
    assert!(replica.admit(&rules, 10).await.is_none());
    until("what was settled has arrived", async || {
        counted(&wire, "t").await == 70
    })
    .await;
    // What a minute of waiting would come to.
    age(&wire, 122).await;
    let (granted, _) = replica.ask(&rules, &[], 10).await.unwrap().unwrap();
    assert_eq!(granted.standings.tokens.unwrap().remaining, 90);
}

/// Has everything of the key be counted so many steps earlier.
async fn age(wire: &Wire, steps: u32) {
    let age = redis::Script::new(
        "local function by(field) return tonumber(redis.call('HGET', KEYS[1], field)) - ARGV[1] end
         redis.call('HSET', KEYS[1], 'newest', by('newest'), 'rl', by('rl'), 'tl', by('tl'))",
    );
    let mut direct = wire.direct().await;
    let mut age = age.key(MINUTE);
    let aged = age.arg(steps).invoke_async::<()>(&mut direct).await;
    aged.unwrap();
}

/// A number of the key's last minute.
async fn counted(wire: &Wire, field: &str) -> i64 {
    let mut direct = wire.direct().await;
    let mut read = redis::cmd("HGET");
    let read = read.arg(MINUTE).arg(field);
    read.query_async(&mut direct).await.unwrap()
}

#[tokio::test]
async fn what_no_minute_has_room_for_is_owed_to_those_that_follow() {
    let wire = Wire::new().await;
    let (one, two) = (
        Replica::of_three(&wire).await,
        Replica::of_three(&wire).await,
    );
    let rules = [rule(key(), None, Some(1000), None)];
    one.admit(&rules, 1000).await.unwrap().settle(3300, now());
    until("it has arrived", async || {
        counted(&wire, "t").await + counted(&wire, "o").await == 3300
    })
    .await;
    assert_eq!(counted(&wire, "t").await, 1000);
    let waits = async |replica: &Replica, tokens: u64| {
        let refused = replica.ask(&rules, &[], tokens).await.unwrap();
        let limited = refused.unwrap_err();
        assert_eq!(limited.standings.tokens.unwrap().remaining, 0);
        (limited.retry_after, limited.standings.tokens.unwrap().reset)
    };
    // By the minutes that it takes, less what this test does.
    let near = |told: Duration, minutes: u32| {
        let whole = minutes * Duration::from_millis(60_500);
        told <= whole && told + Duration::from_secs(50) > whole
    };
    let (retry, reset) = waits(&two, 100).await;
    assert!(near(retry, 3) && near(reset, 4), "{retry:?} {reset:?}");
    // Part of a limit is enough for what needs less.
    let (retry, _) = waits(&two, 750).await;
    assert!(near(retry, 4), "{retry:?}");
    age(&wire, 121).await;
    let (retry, reset) = waits(&one, 100).await;
    assert!(near(retry, 2) && near(reset, 3), "{retry:?} {reset:?}");
    age(&wire, 121).await;
    let (retry, reset) = waits(&two, 100).await;
    assert!(near(retry, 1) && near(reset, 2), "{retry:?} {reset:?}");
    // A limit that is raised pays more at once.
    let wider = [rule(key(), None, Some(1250), None)];
    let limited = two.ask(&wider, &[], 1250).await.unwrap().unwrap_err();
    assert!(near(limited.retry_after, 2), "{:?}", limited.retry_after);
    assert_eq!(counted(&wire, "o").await, 50);
    // In minutes of silence all is paid, and forgotten when it is a minute old.
    age(&wire, 5 * 121).await;
    let (granted, _) = one.ask(&rules, &[], 1000).await.unwrap().unwrap();
    assert_eq!(granted.standings.tokens.unwrap().remaining, 0);
    assert_eq!(
        (counted(&wire, "t").await, counted(&wire, "o").await),
        (1000, 0)
    );
}

#[tokio::test]
async fn what_is_given_back_pays_what_is_owed() {
    let wire = Wire::new().await;
    let replica = Replica::of_three(&wire).await;
    let rules = [rule(key(), None, Some(1000), None)];
    let first = replica.admit(&rules, 400).await.unwrap();
    let second = replica.admit(&rules, 600).await.unwrap();
    first.settle(900, now());
    second.settle(200, now());
    until("both have arrived", async || {
        (counted(&wire, "t").await, counted(&wire, "o").await) == (1000, 100)
    })
    .await;
}
