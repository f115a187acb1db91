//! A second candidate beside one that lets the client wait.

use futures_util::future::join_all;
use health::Outcome;
use http_body_util::BodyExt;
use router::{CandidateId, ProviderId, Verdict};
use serde_json::{Value, json};
use simulator::{Behaviour, Fault, Point, Simulator};
use stats::{Counted, RequestRecord};

use crate::{
    gateway::{Gateway, Setup, simulator, until},
    protocols::CLIENTS,
    raw::{Act, DONE, FINISH, RawProvider, STREAM_HEAD, say, text_event, waiting},
};

fn hang() -> Behaviour {
    Behaviour::fault(Fault::Hang {
        at: Point::BeforeHeaders,
    })
}

fn setup(bases: &[String], policy: Value) -> Setup {
    Setup::at(bases).max_retry(3).policy(policy)
}

/// A gateway whose first provider is silent.
async fn beside_silence(policy: Value) -> (Simulator, Simulator, Gateway) {
    let (silent, spare) = (simulator().await, simulator().await);
    silent.fail(hang());
    let bases = [silent.base_url(), spare.base_url()];
    (silent, spare, setup(&bases, policy).start().await)
}

fn classes(record: &RequestRecord) -> Vec<Option<&'static str>> {
    let attempts = record.attempts.iter();
    attempts.map(|attempt| attempt.error_class).collect()
}

#[tokio::test]
async fn a_silent_first_is_overtaken_in_every_protocol() {
    for client in CLIENTS {
        for stream in [false, true] {
            let (silent, spare, mut gateway) = beside_silence(json!({"hedge_after_ms": 20})).await;
            let reply = client.ask(&gateway, stream, false).await;
            assert_eq!(reply.status, 200, "{client:?}: {}", reply.text());
            assert!(!stream || reply.text().contains(client.end_marker()));
            assert_eq!(
                (
                    reply.header("x-gateway-provider"),
                    reply.header("x-gateway-attempts")
                ),
                ("b", "2")
            );
            until(|| silent.counts().client_cut == 1).await;
            let record = gateway.record();
            assert_eq!(classes(&record), [Some("hedge_lost"), None]);
            assert_eq!((record.status_code, record.answered_by), (200, Some(1)));
            let [lost, won] = &record.attempts[..] else {
                panic!("{record:?}")
            };
            assert_eq!((lost.counted, lost.usage), (Counted::Success, None));
            assert!(won.usage.is_some() && lost.elapsed >= won.elapsed);
            assert_eq!(spare.counts().received, 1);
            let (provider, association) = gateway.health_of(0);
            assert_eq!((provider.error_count, association.error_count), (0, 0));
            gateway.idle().await;
            let counted = ["sent", "won", "lost", "failed", "unpaid"].map(|it| gateway.hedges(it));
            assert_eq!(counted, [1, 1, 0, 0, 0]);
        }
    }
}

/// Role and lifecycle frames are no content: a stream that got no further can be overtaken.
#[tokio::test]
async fn a_stream_without_content_is_overtaken() {
    let role = "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\"}}]}\n\n";
    let stalled = RawProvider::start(vec![say(format!("{STREAM_HEAD}{role}")), Act::Stay]).await;
    let spare = simulator().await;
    let bases = [stalled.base_url(), spare.base_url()];
    let mut gateway = setup(&bases, json!({"hedge_after_ms": 20})).start().await;
    let reply = gateway.chat(&json!({"stream": true})).await;
    reply.assert_is_complete_stream();
    assert_eq!(classes(&gateway.record()), [Some("hedge_lost"), None]);
}

#[tokio::test]
async fn a_hedge_that_is_not_quicker_is_cancelled() {
    let rest = format!("{}{FINISH}{DONE}", text_event("late"));
    let (late, go) = waiting(STREAM_HEAD.to_owned(), rest).await;
    let silent = simulator().await;
    silent.fail(hang());
    let bases = [late.base_url(), silent.base_url()];
    let mut gateway = setup(&bases, json!({"hedge_after_ms": 20})).start().await;
    let extra = json!({"stream": true});
    let (reply, ()) = tokio::join!(gateway.chat(&extra), async {
        until(|| silent.counts().received == 1).await;
        go.notify_one();
    });
    assert_eq!(reply.content(), "late");
    assert_eq!(
        (
            reply.header("x-gateway-provider"),
            reply.header("x-gateway-attempts")
        ),
        ("a", "2")
    );
    until(|| silent.counts().client_cut == 1).await;
    let record = gateway.record();
    assert_eq!(classes(&record), [None, Some("hedge_lost")]);
    assert_eq!(record.answered_by, Some(0));
    gateway.idle().await;
    assert_eq!((gateway.hedges("lost"), gateway.hedges("won")), (1, 0));
}

#[tokio::test]
async fn when_one_leg_fails_the_other_goes_on() {
    let rest = format!("{}{FINISH}{DONE}", text_event("late"));
    for (rest, status, expected) in [
        (rest.as_str(), 200, [None, Some("server_error")]),
        // Both fail: the walk has taken in both, and goes on.
        ("", 200, [Some("empty_stream"), Some("server_error")]),
    ] {
        let (late, go) = waiting(STREAM_HEAD.to_owned(), rest.to_owned()).await;
        let (broken, third) = (simulator().await, simulator().await);
        broken.fail(Behaviour::status(500));
        let bases = [late.base_url(), broken.base_url(), third.base_url()];
        let policy = json!({"hedge_after_ms": 20});
        let mut gateway = setup(&bases, policy).max_retry(2).start().await;
        let extra = json!({"stream": true});
        let (reply, ()) = tokio::join!(gateway.chat(&extra), async {
            until(|| broken.counts().received == 1).await;
            until(|| gateway.hedges("failed") == 1).await;
            go.notify_one();
        });
        assert_eq!(reply.status, status);
        reply.assert_is_complete_stream();
        let record = gateway.record();
        assert_eq!(classes(&record)[..2], expected);
        let is_over = expected[0].is_none();
        assert_eq!(third.counts().received, u64::from(!is_over));
        assert_eq!(record.answered_by, Some(if is_over { 0 } else { 2 }));
    }
}

#[tokio::test]
async fn the_client_is_told_of_both_when_both_fail() {
    let (late, go) = waiting(STREAM_HEAD.to_owned(), String::new()).await;
    let broken = simulator().await;
    broken.fail(Behaviour::status(500));
    let bases = [late.base_url(), broken.base_url()];
    let gateway = setup(&bases, json!({"hedge_after_ms": 20})).max_retry(1);
    let gateway = gateway.start().await;
    let extra = json!({"stream": true});
    let (reply, ()) = tokio::join!(gateway.chat(&extra), async {
        until(|| gateway.hedges("failed") == 1).await;
        go.notify_one();
    });
    assert_eq!(reply.status, 502);
    let told = reply.json()["error"]["message"].to_string();
    assert!(told.contains("b: server_error, a: empty_stream"), "{told}");
}

/// What the client did wrong it did wrong for both.
#[tokio::test]
async fn a_clients_fault_ends_the_race() {
    let (silent, spare, mut gateway) = beside_silence(json!({"hedge_after_ms": 20})).await;
    spare.fail(Behaviour::status(422));
    assert_eq!(gateway.chat(&json!({})).await.status, 422);
    until(|| silent.counts().client_cut == 1).await;
    let record = gateway.record();
    assert_eq!(classes(&record)[0], Some("hedge_lost"));
    assert!(
        record
            .attempts
            .iter()
            .all(|it| it.counted == Counted::Success)
    );
}

#[tokio::test]
async fn the_extra_load_is_bounded_by_the_budget() {
    const REQUESTS: u64 = 80;
    let policy = json!({"hedge_after_ms": 1, "response_timeout": 2});
    let silent = simulator().await;
    silent.fail(hang());
    let spare = simulator().await;
    let bases = [silent.base_url(), spare.base_url()];
    let gateway = setup(&bases, policy).max_retry(1).start().await;
    let extra = json!({});
    let replies = join_all((0..REQUESTS).map(|_| gateway.open(&extra, &[]))).await;
    assert!(replies.iter().all(|reply| reply.status() == 200));
    let (sent, unpaid) = (gateway.hedges("sent"), gateway.hedges("unpaid"));
    assert_eq!(sent + unpaid, REQUESTS);
    // 10 in each second, or a fifth of the requests; they all came within a few seconds.
    assert!((10..REQUESTS / 2).contains(&sent), "{sent}");
}

#[tokio::test]
async fn a_percentile_comes_from_answers_that_came() {
    let policy = json!({"hedge_percentile": 95, "response_timeout": 0.3});
    let (_silent, _spare, mut gateway) = beside_silence(policy).await;
    let reply = gateway.chat(&json!({})).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    // Nothing is known yet, so that the first has all its time.
    assert_eq!(classes(&gateway.record()), [Some("timeout"), None]);

    for stream in [false, true] {
        let (first, spare) = (simulator().await, simulator().await);
        let bases = [first.base_url(), spare.base_url()];
        let policy = json!({"hedge_percentile": 95});
        let mut gateway = setup(&bases, policy).start().await;
        let extra = json!({"stream": stream});
        for _ in 0..20 {
            assert_eq!(gateway.chat(&extra).await.status, 200);
            assert_eq!(gateway.record().attempts.len(), 1);
        }
        first.fail(hang());
        assert_eq!(gateway.chat(&extra).await.status, 200);
        assert_eq!(classes(&gateway.record()), [Some("hedge_lost"), None]);
    }
}

#[tokio::test]
async fn without_a_policy_nothing_is_hedged() {
    let (silent, spare, mut gateway) = beside_silence(json!({"response_timeout": 0.2})).await;
    assert_eq!(gateway.chat(&json!({})).await.status, 200);
    assert_eq!(classes(&gateway.record()), [Some("timeout"), None]);
    assert_eq!((silent.counts().received, spare.counts().received), (1, 1));
    assert_eq!(gateway.hedges("sent"), 0);
}

#[tokio::test]
async fn who_became_unhealthy_meanwhile_is_no_hedge() {
    let (silent, ill, spare) = (simulator().await, simulator().await, simulator().await);
    silent.fail(hang());
    let bases = [silent.base_url(), ill.base_url(), spare.base_url()];
    let policy = json!({"hedge_after_ms": 400});
    let mut gateway = setup(&bases, policy).start().await;
    let extra = json!({});
    let (reply, ()) = tokio::join!(gateway.chat(&extra), async {
        until(|| silent.counts().received == 1).await;
        let now = tokio::time::Instant::now().into_std();
        let attempt = gateway
            .health
            .begin_anyway(CandidateId(2), ProviderId(2), now);
        attempt.finish(Outcome::new(Verdict::Misconfigured), now);
    });
    assert_eq!(reply.header("x-gateway-provider"), "c");
    assert_eq!(classes(&gateway.record()), [Some("hedge_lost"), None]);
    assert_eq!(ill.counts().received, 0);
}

/// Nothing stays open: no account, nothing in flight, no trial.
#[tokio::test]
async fn a_client_that_leaves_a_race_ends_both_legs() {
    let (silent, other, mut gateway) = beside_silence(json!({"hedge_after_ms": 20})).await;
    other.fail(hang());
    {
        let extra = json!({});
        let waiting = std::pin::pin!(gateway.open(&extra, &[]));
        tokio::select! {
            response = waiting => panic!("{response:?}"),
            () = until(|| other.counts().received == 1) => {}
        }
    }
    until(|| silent.counts().client_cut + other.counts().client_cut == 2).await;
    let record = gateway.record();
    assert_eq!(record.status_code, 499);
    assert_eq!(classes(&record), [Some("client_closed"); 2]);
    assert!(
        record
            .attempts
            .iter()
            .all(|it| it.counted == Counted::Success)
    );
    gateway.idle().await;
    for index in [0, 1] {
        let (provider, association) = gateway.health_of(index);
        assert_eq!((provider.error_count, association.error_count), (0, 0));
    }
}

/// The request's own time is over for both legs, and neither provider is to blame.
#[tokio::test]
async fn a_deadline_cuts_both_legs_short() {
    for stream in [false, true] {
        let (silent, other, mut gateway) = beside_silence(json!({"hedge_after_ms": 20})).await;
        other.fail(hang());
        let timeout = [("x-gateway-timeout", "0.4")];
        let reply = gateway
            .chat_with(&json!({"stream": stream}), &timeout)
            .await;
        assert_eq!(reply.status, 504);
        until(|| silent.counts().client_cut + other.counts().client_cut == 2).await;
        let record = gateway.record();
        assert_eq!(classes(&record), [Some("client_timeout"); 2]);
        gateway.idle().await;
        for index in [0, 1] {
            let (provider, association) = gateway.health_of(index);
            assert_eq!((provider.error_count, association.error_count), (0, 0));
        }
    }
}

/// After the commit nothing is hedged, and no deadline ends the stream.
#[tokio::test]
async fn the_deadline_ends_at_the_commit() {
    let head = format!("{STREAM_HEAD}{}", text_event("hi"));
    let (provider, go) = waiting(head, format!("{FINISH}{DONE}")).await;
    let spare = simulator().await;
    let bases = [provider.base_url(), spare.base_url()];
    let policy = json!({"hedge_after_ms": 200});
    let mut gateway = setup(&bases, policy).start().await;
    let timeout = [("x-gateway-timeout", "0.4")];
    let response = gateway.open(&json!({"stream": true}), &timeout).await;
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    go.notify_one();
    let text = response.into_body().collect().await.unwrap().to_bytes();
    assert!(text.ends_with(DONE.as_bytes()));
    assert_eq!(classes(&gateway.record()), [None]);
    assert_eq!(spare.counts().received, 0);
}
