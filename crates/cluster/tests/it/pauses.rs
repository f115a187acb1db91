//! Pauses that one gateway learnt of.

use std::time::Duration;

use health::Outcome;
use router::{CandidateId, CandidateState, ProviderId, Standing, Verdict};

use crate::{
    replica::{Replica, now, until},
    wire::Wire,
};

const CANDIDATE: CandidateId = CandidateId(1);
const PROVIDER: ProviderId = ProviderId(1);

/// How long it pauses still.
fn pause(replica: &Replica) -> Option<Duration> {
    match replica.health.standing(CANDIDATE, PROVIDER, now()) {
        Standing::Cooling { until } => Some(until - now()),
        _ => None,
    }
}

#[tokio::test]
async fn a_pause_that_one_was_asked_for_is_kept_by_all_also_those_that_come_later() {
    let wire = Wire::new().await;
    let (one, two) = (
        Replica::of_three(&wire).await,
        Replica::of_three(&wire).await,
    );
    let attempt = one.health.begin(CANDIDATE, PROVIDER, now()).unwrap();
    let retry_after = Some(Duration::from_secs(60));
    attempt.finish(Outcome::new(Verdict::RateLimited { retry_after }), now());
    until("the other one keeps it", async || pause(&two).is_some()).await;
    let left = pause(&two).unwrap();
    assert!((25..=60).contains(&left.as_secs()), "{left:?}");
    let three = Replica::of_three(&wire).await;
    until("a new one keeps it", async || pause(&three).is_some()).await;
}

#[tokio::test]
async fn a_pause_that_was_learnt_without_redis_is_told_when_it_is_back() {
    let wire = Wire::new().await;
    let (one, two) = (
        Replica::of_three(&wire).await,
        Replica::of_three(&wire).await,
    );
    wire.cut();
    until("the outage is noticed", async || !one.cluster.is_up()).await;
    one.health.pause(CANDIDATE, Duration::from_secs(90), now());
    wire.mend();
    until("the other one keeps it", async || pause(&two).is_some()).await;
    assert!(pause(&one).unwrap() >= Duration::from_secs(30));
}
