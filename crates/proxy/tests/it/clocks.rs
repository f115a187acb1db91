//! The clocks of a request, at every place where one may end an attempt.

use std::time::Duration;

use protocol::canonical::Request;
use proxy::TokenCounter;
use serde_json::{Value, json};
use simulator::{Behaviour, Fault, Point, RetryAfter, Simulator};
use stats::Counted;
use tokio::net::TcpListener;

use crate::gateway::{Gateway, Reply, Setup, post, simulator};

/// Where a provider falls silent.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Silence {
    /// The TLS handshake is never answered.
    Connect,
    At(Point),
}

const PLACES: [(Silence, bool); 7] = [
    (Silence::Connect, false),
    (Silence::Connect, true),
    (Silence::At(Point::BeforeHeaders), false),
    (Silence::At(Point::BeforeHeaders), true),
    (Silence::At(Point::AfterHeaders), false),
    (Silence::At(Point::AfterHeaders), true),
    // The role is no content.
    (Silence::At(Point::AfterEvents(1)), true),
];

/// A gateway whose only provider is silent there, and what has to be kept meanwhile.
async fn silent(at: Silence, policy: Value) -> (Gateway, Option<TcpListener>, Option<Simulator>) {
    match at {
        Silence::Connect => {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let base = format!("https://{}/v1", listener.local_addr().unwrap());
            let gateway = Setup::at(&[base]).policy(policy).start().await;
            (gateway, Some(listener), None)
        }
        Silence::At(at) => {
            let simulator = simulator().await;
            simulator.fail(Behaviour::fault(Fault::Hang { at }));
            let gateway = Setup::of(&[&simulator]).policy(policy).start().await;
            (gateway, None, Some(simulator))
        }
    }
}

#[tokio::test]
async fn each_clock_ends_an_attempt_that_is_silent_in_its_time() {
    for (at, stream) in PLACES {
        let (clock, class) = match (at, stream) {
            (Silence::Connect, _) => ("connect_timeout", "connect_timeout"),
            (_, true) => ("first_content_timeout", "timeout"),
            (_, false) => ("response_timeout", "timeout"),
        };
        let (mut gateway, _listener, _simulator) = silent(at, json!({clock: 0.2})).await;
        let reply = gateway.chat(&json!({"stream": stream})).await;
        assert_eq!(reply.status, 504, "{at:?} {stream}");
        let record = gateway.record();
        let attempt = &record.attempts[0];
        assert_eq!(
            (attempt.error_class, attempt.counted),
            (Some(class), Counted::Failed),
            "{at:?} {stream}"
        );
        let (provider, association) = gateway.health_of(0);
        let of_provider = u32::from(at == Silence::Connect);
        assert_eq!(
            (provider.error_count, association.error_count),
            (of_provider, 1)
        );
        gateway.idle().await;
    }
}

#[tokio::test]
async fn a_clients_own_timeout_cuts_an_attempt_short_anywhere_and_is_held_against_nobody() {
    for (at, stream) in PLACES {
        let (mut gateway, _listener, _simulator) = silent(at, json!({})).await;
        let timeout = [("x-gateway-timeout", "0.2")];
        let reply = gateway
            .chat_with(&json!({"stream": stream}), &timeout)
            .await;
        assert_eq!(reply.status, 504, "{at:?} {stream}");
        let record = gateway.record();
        let attempt = &record.attempts[0];
        assert_eq!(
            (attempt.error_class, attempt.counted),
            (Some("client_timeout"), Counted::Success),
            "{at:?} {stream}"
        );
        let (provider, association) = gateway.health_of(0);
        assert_eq!((provider.error_count, association.error_count), (0, 0));
        gateway.idle().await;
    }
}

/// A wait that would outlast the request is not begun.
#[tokio::test]
async fn the_deadline_ends_a_wait_between_attempts() {
    let simulator = simulator().await;
    simulator.fail(Behaviour::status(429).retry_after(RetryAfter::Seconds(2)));
    let mut gateway = Setup::of(&[&simulator]).max_retry(3).start().await;
    let timeout = [("x-gateway-timeout", "1.5")];
    assert_eq!(gateway.chat_with(&json!({}), &timeout).await.status, 504);
    let record = gateway.record();
    assert_eq!(record.attempts.len(), 1);
    assert_eq!(record.attempts[0].error_class, Some("rate_limited"));
    assert!(record.latency < Duration::from_millis(1_500));
}

/// A counter that takes its time.
#[derive(Debug)]
struct Slow;

impl TokenCounter for Slow {
    fn count(&self, _: &Request) -> u64 {
        std::thread::sleep(Duration::from_secs(2));
        1
    }
}

#[tokio::test]
async fn the_deadline_also_holds_while_nothing_is_sent_yet() {
    let simulator = simulator().await;
    let mut gateway = Setup::of(&[&simulator]).counter(Slow).start().await;
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "hello"}]});
    let timeout = [("x-gateway-timeout", "0.2")];
    let request = post("/v1/messages/count_tokens", body.to_string(), &timeout);
    let reply = Reply::of(gateway.serve(request).await).await;
    assert_eq!(reply.status, 504, "{}", reply.text());
    let record = gateway.record();
    assert_eq!(
        (record.error_class, record.attempts.len()),
        (Some("timeout"), 0)
    );
}
