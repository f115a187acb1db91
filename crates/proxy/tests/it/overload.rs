//! More requests than may run at once.

use http_body_util::BodyExt;
use serde_json::json;
use simulator::{Behaviour, Fault, Point};

use crate::gateway::{Reply, Setup, chat, post, simulator, until};

/// A stream that goes on until it is dropped.
fn endless() -> Behaviour {
    Behaviour::fault(Fault::Hang {
        at: Point::AfterEvents(6),
    })
}

#[tokio::test]
async fn what_is_too_much_is_refused_in_the_clients_format_and_recorded_once() {
    let simulator = simulator().await;
    simulator.fail(endless());
    let settings = proxy::Settings {
        max_concurrent: 1,
        ..proxy::Settings::default()
    };
    let mut gateway = Setup::of(&[&simulator]).settings(settings).start().await;
    let mut stream = gateway
        .open(&json!({"stream": true}), &[])
        .await
        .into_body();
    stream.frame().await.unwrap().unwrap();
    for (path, status, told) in [
        ("/v1/chat/completions", 503, "/error/code"),
        ("/v1/messages", 529, "/error/type"),
        ("/v1beta/models/m:generateContent", 503, "/error/status"),
    ] {
        let request = post(
            path,
            chat(&json!({"max_tokens": 9})).to_string(),
            &[("anthropic-version", "2023-06-01")],
        );
        let reply = Reply::of(gateway.serve(request).await).await;
        assert_eq!(reply.status, status, "{path}");
        assert_eq!(reply.header("retry-after"), "1", "{path}");
        assert!(reply.json().pointer(told).is_some(), "{}", reply.text());
        let record = gateway.record();
        assert_eq!(
            (record.status_code, record.error_class),
            (status, Some("shed"))
        );
        assert!(record.attempts.is_empty(), "{record:?}");
    }
    assert_eq!(simulator.counts().received, 1);
    assert_eq!(gateway.metric("requests_shed", &[("full", "gateway")]), 3);
    drop(stream);
    until(|| simulator.counts().client_cut == 1).await;
    assert_eq!(gateway.record().status_code, 499);
    simulator.fail(Behaviour::default());
    assert_eq!(gateway.chat(&json!({})).await.status, 200);
}

#[tokio::test]
async fn a_full_provider_is_passed_over_and_blamed_for_nothing() {
    let (first, spare) = (simulator().await, simulator().await);
    first.fail(endless());
    spare.fail(endless());
    let limited = |base: String, priority| json!({"base_url": base, "priority": priority, "max_concurrent": 1});
    let mut gateway = Setup::new()
        .provider(&limited(first.base_url(), 100))
        .provider(&limited(spare.base_url(), 99))
        .start()
        .await;
    let mut streams = Vec::new();
    for _ in 0..2 {
        let mut stream = gateway
            .open(&json!({"stream": true}), &[])
            .await
            .into_body();
        stream.frame().await.unwrap().unwrap();
        streams.push(stream);
    }
    assert_eq!((first.counts().received, spare.counts().received), (1, 1));
    let reply = gateway.chat(&json!({})).await;
    assert_eq!(
        (reply.status.as_u16(), reply.header("retry-after")),
        (429, "1")
    );
    let record = gateway.record();
    assert_eq!((record.status_code, record.attempts.len()), (429, 0));
    for index in 0..2 {
        assert_eq!(gateway.health_of(index).0.error_count, 0);
    }
    drop(streams);
    until(|| first.counts().client_cut + spare.counts().client_cut == 2).await;
    first.fail(Behaviour::default());
    assert_eq!(gateway.chat(&json!({})).await.status, 200);
    assert_eq!(first.counts().received, 2);
}
