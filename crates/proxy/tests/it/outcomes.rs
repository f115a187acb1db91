//! What the client is told when attempts fail, how often they are made, and how long they may take.

use entities::model_provider;
use sea_orm::ActiveValue::Set;
use serde_json::{Value, json};
use simulator::{Behaviour, ErrorKind, Fault, KeepAlive, Point, RetryAfter};
use stats::Counted;

use crate::gateway::{Reply, Setup, simulator};

/// Two providers that fail like this, and what is left of it for the client.
async fn all(first: Behaviour, second: Behaviour, status: u16, code: &str) -> Reply {
    let (a, b) = (simulator().await, simulator().await);
    a.fail(first);
    b.fail(second);
    let clocks = json!({"first_content_timeout": 0.3, "response_timeout": 0.3});
    let mut gateway = Setup::of(&[&a, &b])
        .max_retry(1)
        .policy(clocks)
        .start()
        .await;
    let reply = gateway.chat(&json!({})).await;
    assert_eq!(
        (reply.status.as_u16(), &reply.json()["error"]["code"]),
        (status, &json!(code)),
        "{}",
        reply.text()
    );
    let message = reply.json()["error"]["message"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        message.contains("a: ") && message.contains("b: "),
        "{message}"
    );
    assert_eq!(reply.header("x-should-retry"), "false");
    assert_eq!(reply.header("x-gateway-attempts"), "2");
    let record = gateway.record();
    assert_eq!(
        (
            record.status_code,
            record.attempts.len(),
            record.answered_by
        ),
        (status, 2, None)
    );
    reply
}

#[tokio::test]
async fn when_all_fail_alike_the_client_is_told_so() {
    let limited = |told| Behaviour::status(429).retry_after(told);
    let overloaded = |told| Behaviour::status(503).retry_after(told);
    let hang = || {
        Behaviour::fault(Fault::Hang {
            at: Point::BeforeHeaders,
        })
    };
    let (late, soon) = (RetryAfter::Seconds(40), RetryAfter::Seconds(20));
    let reply = all(limited(late), limited(soon), 429, "rate_limit_exceeded").await;
    assert!(
        ["19", "20"].contains(&reply.header("retry-after")),
        "{}",
        reply.header("retry-after")
    );
    let reply = all(overloaded(soon), overloaded(late), 503, "overloaded").await;
    assert!(
        ["19", "20"].contains(&reply.header("retry-after")),
        "{}",
        reply.header("retry-after")
    );
    all(Behaviour::status(529), overloaded(soon), 503, "overloaded").await;
    all(hang(), hang(), 504, "upstream_timeout").await;
    all(
        Behaviour::status(404),
        Behaviour::status(404),
        404,
        "model_not_found",
    )
    .await;
    all(
        Behaviour::status(500),
        Behaviour::status(502),
        502,
        "upstream_error",
    )
    .await;
    all(limited(soon), Behaviour::status(500), 502, "upstream_error").await;
    all(
        Behaviour::status(404),
        Behaviour::status(401),
        502,
        "upstream_error",
    )
    .await;
}

async fn retries(behaviour: Behaviour, max_retry: i32, calls: u64) -> u16 {
    let simulator = simulator().await;
    simulator.fail_next(1, behaviour.clone());
    let mut gateway = Setup::of(&[&simulator]).max_retry(max_retry).start().await;
    let status = gateway.chat(&json!({})).await.status.as_u16();
    assert_eq!(simulator.counts().received, calls, "{behaviour:?}");
    assert_eq!(gateway.record().attempts.len() as u64, calls);
    status
}

#[tokio::test]
async fn a_lone_provider_is_asked_again_after_what_passes() {
    assert_eq!(retries(Behaviour::status(500), 1, 2).await, 200);
    assert_eq!(retries(Behaviour::status(500), 0, 1).await, 502);
    assert_eq!(retries(Behaviour::status(401), 1, 1).await, 502);
    assert_eq!(retries(Behaviour::status(400), 1, 1).await, 400);
    assert_eq!(
        retries(Behaviour::status(429).retry_after(RetryAfter::Ms(50)), 1, 2).await,
        200
    );
    assert_eq!(
        retries(
            Behaviour::status(429).retry_after(RetryAfter::Seconds(10)),
            1,
            1
        )
        .await,
        429
    );
}

#[tokio::test]
async fn a_provider_that_cools_is_passed_over() {
    let (limited, good) = (simulator().await, simulator().await);
    limited.fail(Behaviour::status(429).retry_after(RetryAfter::Seconds(60)));
    let gateway = Setup::of(&[&limited, &good]).max_retry(2).start().await;
    for _ in 0..3 {
        assert_eq!(
            gateway.chat(&json!({})).await.header("x-gateway-provider"),
            "b"
        );
    }
    assert_eq!((limited.counts().received, good.counts().received), (1, 3));
    assert_eq!(gateway.health_of(0).0.error_count, 0);
}

#[tokio::test]
async fn when_all_cool_one_trial_a_second_is_made_and_the_others_wait() {
    let (a, b) = (simulator().await, simulator().await);
    for simulator in [&a, &b] {
        simulator.fail(Behaviour::status(429).retry_after(RetryAfter::Seconds(60)));
    }
    let mut gateway = Setup::of(&[&a, &b]).max_retry(1).start().await;
    gateway.chat(&json!({})).await;
    gateway.record();
    let mut refused = 0;
    for _ in 0..5 {
        let reply = gateway.chat(&json!({})).await;
        assert_eq!(reply.status, 429);
        let wait: u64 = reply.header("retry-after").parse().unwrap();
        assert!((50..=60).contains(&wait), "{wait}");
        refused += usize::from(gateway.record().attempts.is_empty());
    }
    assert!(refused >= 3, "{refused}");
}

#[tokio::test]
async fn a_storm_of_failures_is_not_multiplied() {
    let bad = [simulator().await, simulator().await, simulator().await];
    for simulator in &bad {
        simulator.fail(Behaviour::fault(Fault::Empty));
    }
    let gateway = Setup::of(&[&bad[0], &bad[1], &bad[2]])
        .max_retry(2)
        .start()
        .await;
    for _ in 0..60 {
        gateway.chat(&json!({"n": 1})).await;
    }
    let calls: u64 = bad
        .iter()
        .map(|simulator| simulator.counts().received)
        .sum();
    assert!(calls < 160, "{calls} calls for 60 requests");
}

async fn overflowing(second_model: fn(usize, &mut model_provider::ActiveModel)) -> (Value, u64) {
    let (small, other) = (simulator().await, simulator().await);
    small.fail(Behaviour::error(ErrorKind::ContextLengthExceeded));
    let mut gateway = Setup::of(&[&small, &other])
        .max_retry(3)
        .association(second_model)
        .start()
        .await;
    let reply = gateway.chat(&json!({})).await;
    let told = json!({"status": reply.status.as_u16(), "body": reply.json()});
    assert_eq!(
        gateway.record().attempts[0].error_class,
        Some("client_context_length")
    );
    assert_eq!(gateway.health_of(0).0.error_count, 0);
    (told, other.counts().received)
}

#[tokio::test]
async fn a_prompt_too_long_goes_to_another_provider_model_only() {
    let (told, calls) = overflowing(|_, _| {}).await;
    assert_eq!((&told["status"], calls), (&json!(200), 1));
    let (told, calls) = overflowing(|_, it| it.provider_model = Set("same".into())).await;
    assert_eq!((&told["status"], calls), (&json!(400), 0));
    assert_eq!(told["body"]["error"]["code"], "context_length_exceeded");
}

#[tokio::test]
async fn a_prompt_too_long_for_two_goes_back_in_the_providers_words() {
    let small = [simulator().await, simulator().await, simulator().await];
    for simulator in &small {
        simulator.fail(Behaviour::error(ErrorKind::ContextLengthExceeded));
    }
    let gateway = Setup::of(&[&small[0], &small[1], &small[2]])
        .max_retry(3)
        .start()
        .await;
    let reply = gateway.chat(&json!({})).await;
    assert_eq!(
        (reply.status.as_u16(), &reply.json()["error"]["code"]),
        (400, &json!("context_length_exceeded"))
    );
    assert_eq!(small[2].counts().received, 0);
}

fn hanging() -> Behaviour {
    Behaviour::fault(Fault::Hang {
        at: Point::BeforeHeaders,
    })
}

/// A client's own limit ends the request, and nobody is blamed for its hurry.
#[tokio::test]
async fn a_clients_time_limit_is_its_own() {
    for (body, header) in [(json!({}), Some("0.2")), (json!({"timeout": 0.2}), None)] {
        for stream in [false, true] {
            let (silent, spare) = (simulator().await, simulator().await);
            silent.fail(hanging());
            let mut gateway = Setup::of(&[&silent, &spare]).max_retry(3).start().await;
            let mut body = body.clone();
            body["stream"] = stream.into();
            let headers: Vec<_> = header
                .map(|value| ("x-gateway-timeout", value))
                .into_iter()
                .collect();
            let reply = gateway.chat_with(&body, &headers).await;
            assert_eq!(
                (reply.status.as_u16(), &reply.json()["error"]["code"]),
                (504, &json!("upstream_timeout"))
            );
            assert_eq!(spare.counts().received, 0);
            let record = gateway.record();
            assert_eq!(
                (record.attempts[0].error_class, record.attempts[0].counted),
                (Some("client_timeout"), Counted::Success)
            );
            let (provider, association) = gateway.health_of(0);
            assert_eq!((provider.error_count, association.error_count), (0, 0));
            assert!(!String::from_utf8_lossy(&silent.requests()[0].body).contains("timeout"));
        }
    }
}

#[tokio::test]
async fn an_operators_total_limit_spans_all_attempts() {
    let (silent, spare) = (simulator().await, simulator().await);
    silent.fail(hanging());
    spare.fail(hanging());
    let policy = json!({"total_timeout": 0.4, "response_timeout": 0.25});
    let mut gateway = Setup::of(&[&silent, &spare])
        .max_retry(1)
        .policy(policy)
        .start()
        .await;
    assert_eq!(gateway.chat(&json!({})).await.status, 504);
    assert_eq!((silent.counts().received, spare.counts().received), (1, 1));
    assert_eq!(gateway.record().attempts.len(), 2);
    assert_eq!(
        (
            gateway.health_of(0).1.error_count,
            gateway.health_of(1).1.error_count
        ),
        (1, 1)
    );
}

/// A total limit ends with the commit.
#[tokio::test]
async fn a_committed_stream_has_no_total_limit() {
    let simulator = simulator().await;
    simulator.fail(Behaviour {
        tokens: Some(8),
        tokens_per_second: Some(20.0),
        ..Behaviour::default()
    });
    let gateway = Setup::of(&[&simulator]).start().await;
    gateway
        .chat(&json!({"stream": true, "timeout": 0.25}))
        .await
        .assert_is_complete_stream();
}

/// A pooled connection that the provider had given up is not the provider's failure.
#[tokio::test]
async fn stale_connections_cost_nothing() {
    let simulator = simulator().await;
    let slow = Behaviour {
        ttft_ms: Some(50),
        keep_alive: Some(KeepAlive::ResetOnReuse),
        ..Behaviour::default()
    };
    simulator.fail(slow);
    let gateway = Setup::of(&[&simulator]).start().await;
    let ask = json!({});
    // Several connections at once, all of which will be dead.
    let (one, two, three) =
        tokio::join!(gateway.chat(&ask), gateway.chat(&ask), gateway.chat(&ask));
    for reply in [one, two, three] {
        assert_eq!(reply.status, 200);
    }
    for stream in [false, true, false] {
        let reply = gateway.chat(&json!({"stream": stream})).await;
        assert_eq!(
            (reply.status.as_u16(), reply.header("x-gateway-attempts")),
            (200, "1")
        );
    }
    assert_eq!(gateway.health_of(0).0.error_count, 0);
    assert_eq!(simulator.counts().received, 9);
}

/// Asked again at once, as it wishes, it refuses every time: soon requests pass it over without being held up.
#[tokio::test]
async fn who_says_at_once_and_refuses_all_the_same_is_passed_over() {
    let (busy, well) = (simulator().await, simulator().await);
    busy.fail(Behaviour::status(429).retry_after(RetryAfter::Seconds(0)));
    let mut gateway = Setup::of(&[&busy, &well]).max_retry(3).start().await;
    let mut at_once = 0;
    for _ in 0..40 {
        assert_eq!(gateway.chat(&json!({})).await.status, 200);
        at_once += usize::from(gateway.record().attempts.len() == 1);
    }
    assert!(at_once >= 20, "{at_once} of 40");
}
