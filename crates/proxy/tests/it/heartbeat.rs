//! Signs of life before the first content of a stream.

use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body_util::BodyExt;
use proxy::Body;
use serde_json::json;
use simulator::{Behaviour, Fault, Point};
use stats::Counted;

use crate::{
    gateway::{Gateway, Reply, Setup, post, simulator, until},
    protocols::{CLIENTS, Client},
    raw::{DONE, FINISH, STREAM_HEAD, text_event, waiting},
};

/// Every client that is sent any, and what.
const BEATS: [(Client, &str); 3] = [
    (Client::Chat, ": heartbeat\n\n"),
    (Client::Responses, ": heartbeat\n\n"),
    (
        Client::Messages,
        "event: ping\ndata: {\"type\":\"ping\"}\n\n",
    ),
];

async fn gateway(bases: &[String]) -> Gateway {
    let policy = json!({"heartbeat_after_ms": 100});
    let mut setup = Setup::new().max_retry(1).policy(policy);
    for (index, base) in bases.iter().enumerate() {
        setup = setup.provider(&json!({"base_url": base, "api": "chat", "priority": 9 - index}));
    }
    setup.start().await
}

fn answer() -> String {
    format!("{}{FINISH}{DONE}", text_event("late"))
}

async fn open(gateway: &Gateway, client: Client) -> Response<Body> {
    let body = client.body(true, false).to_string();
    gateway.serve(post(client.path(true), body, &[])).await
}

async fn frame(response: &mut Response<Body>) -> Bytes {
    let frame = response.body_mut().frame().await.unwrap().unwrap();
    frame.into_data().unwrap()
}

#[tokio::test]
async fn a_stream_that_is_late_is_preceded_by_heartbeats() {
    for (client, beat) in BEATS {
        let (late, go) = waiting(STREAM_HEAD.to_owned(), answer()).await;
        let mut gateway = gateway(&[late.base_url()]).await;
        let mut response = open(&gateway, client).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert!(response.headers().contains_key("x-request-id"));
        // Nobody has answered yet.
        assert!(!response.headers().contains_key("x-gateway-provider"));
        for _ in 0..2 {
            assert_eq!(frame(&mut response).await, beat);
        }
        gateway.assert_no_record();
        go.notify_one();
        let reply = Reply::of(response).await;
        assert!(client.streamed(&reply).contains("late"), "{}", reply.text());
        assert!(reply.text().contains(client.end_marker()));
        let record = gateway.record();
        assert_eq!(
            (record.status_code, record.answered_by, record.error_class),
            (200, Some(0), None)
        );
        assert!(record.ttft.unwrap() >= Duration::from_millis(100));
        gateway.idle().await;
    }
}

#[tokio::test]
async fn failover_goes_on_beneath_them() {
    let (late, go) = waiting(STREAM_HEAD.to_owned(), String::new()).await;
    let spare = simulator().await;
    let mut gateway = gateway(&[late.base_url(), spare.base_url()]).await;
    let mut response = open(&gateway, Client::Chat).await;
    assert_eq!(frame(&mut response).await, ": heartbeat\n\n");
    go.notify_one();
    Reply::of(response).await.assert_is_complete_stream();
    let record = gateway.record();
    let classes: Vec<_> = record.attempts.iter().map(|it| it.error_class).collect();
    assert_eq!(classes, [Some("empty_stream"), None]);
    assert_eq!((record.answered_by, record.error_class), (Some(1), None));
}

#[tokio::test]
async fn when_all_fail_the_error_event_ends_the_stream() {
    for (client, beat) in BEATS {
        let (late, go) = waiting(STREAM_HEAD.to_owned(), String::new()).await;
        let broken = simulator().await;
        broken.fail(Behaviour::status(500));
        let mut gateway = gateway(&[late.base_url(), broken.base_url()]).await;
        let mut response = open(&gateway, client).await;
        assert_eq!(frame(&mut response).await, beat);
        go.notify_one();
        let reply = Reply::of(response).await;
        let last = reply.events().last().unwrap().to_string();
        assert!(last.contains("a: empty_stream, b: "), "{last}");
        assert!(last.contains("error"), "{last}");
        assert!(!reply.text().contains(client.end_marker()));
        let record = gateway.record();
        assert_eq!(
            (
                record.status_code,
                record.error_class,
                record.attempts.len()
            ),
            (200, Some("upstream_error"), 2)
        );
        gateway.idle().await;
    }
}

#[tokio::test]
async fn who_is_quick_or_speaks_gemini_gets_none() {
    for client in CLIENTS {
        let simulator = simulator().await;
        let gateway = gateway(&[simulator.base_url()]).await;
        let reply = Reply::of(open(&gateway, client).await).await;
        assert_eq!(reply.header("x-gateway-provider"), "a", "{client:?}");
        assert!(!reply.text().contains("heartbeat") && !reply.text().contains("ping"));
        // What is known at once is told by its status.
        simulator.fail(Behaviour::status(422));
        assert_eq!(open(&gateway, client).await.status(), 422);
    }
    let (late, go) = waiting(STREAM_HEAD.to_owned(), answer()).await;
    let gateway = gateway(&[late.base_url()]).await;
    let (response, ()) = tokio::join!(open(&gateway, Client::Gemini), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        go.notify_one();
    });
    let reply = Reply::of(response).await;
    assert_eq!(reply.header("x-gateway-provider"), "a");
    assert!(reply.text().starts_with("data: {"), "{}", reply.text());
}

#[tokio::test]
async fn leaving_while_they_are_sent_is_a_hang_up() {
    let hanging = simulator().await;
    hanging.fail(Behaviour::fault(Fault::Hang {
        at: Point::BeforeHeaders,
    }));
    let mut gateway = gateway(&[hanging.base_url()]).await;
    let mut response = open(&gateway, Client::Chat).await;
    frame(&mut response).await;
    drop(response);
    until(|| hanging.counts().client_cut == 1).await;
    let record = gateway.record();
    assert_eq!(
        (record.status_code, record.error_class),
        (499, Some("client_closed"))
    );
    assert_eq!(record.attempts[0].counted, Counted::Success);
    assert_eq!(gateway.health_of(0).0.error_count, 0);
    gateway.idle().await;
}

#[tokio::test]
async fn when_the_gateway_leaves_they_end_in_the_error_event() {
    let (late, _go) = waiting(STREAM_HEAD.to_owned(), answer()).await;
    let mut gateway = gateway(&[late.base_url()]).await;
    let mut response = open(&gateway, Client::Chat).await;
    frame(&mut response).await;
    gateway.cut.cancel();
    Reply::of(response).await.assert_ends_in_error();
    let record = gateway.record();
    assert_eq!(record.error_class, Some("client_shutdown"));
    assert_eq!(record.attempts[0].counted, Counted::Success);
    gateway.idle().await;
}

/// The operator's and the client's clocks hold beneath them too.
#[tokio::test]
async fn a_deadline_ends_them() {
    let (late, _go) = waiting(STREAM_HEAD.to_owned(), answer()).await;
    let mut gateway = gateway(&[late.base_url()]).await;
    let timeout = [("x-gateway-timeout", "0.4")];
    let response = gateway.open(&json!({"stream": true}), &timeout).await;
    assert_eq!(response.status(), 200);
    Reply::of(response).await.assert_ends_in_error();
    let record = gateway.record();
    assert_eq!(record.error_class, Some("timeout"));
    assert_eq!(record.attempts[0].error_class, Some("client_timeout"));
    assert_eq!(gateway.health_of(0).1.error_count, 0);
}
