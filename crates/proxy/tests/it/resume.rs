//! Streams that break after their first content, and go on with another provider.

use serde_json::json;
use simulator::{Behaviour, Fault, Place, Point, Simulator};
use stats::{Counted, RequestRecord};

use crate::{
    gateway::{Gateway, Reply, Setup, post, simulator},
    protocols::{CLIENTS, Client, KINDS, config},
};

const SAID: &str =
    "Die Antwort ist überall dieselbe: zwölf 🥚, wie jeder weiß, der je welche gezählt hat.";
/// In the middle of the stream, and everywhere within an event.
const CUTS: [Point; 5] = [
    Point::MidBody,
    within(Place::Field),
    within(Place::Json),
    within(Place::Character),
    within(Place::LineEnd),
];

const fn within(place: Place) -> Point {
    Point::Within {
        after_events: 6,
        place,
    }
}

fn saying(text: &str) -> Behaviour {
    Behaviour {
        text: Some(text.to_owned()),
        ..Behaviour::default()
    }
}

fn breaking(fault: Fault) -> Behaviour {
    Behaviour {
        fault: Some(fault),
        ..saying(SAID)
    }
}

async fn gateway(kinds: [&'static str; 2], simulators: [&Simulator; 2], is_on: bool) -> Gateway {
    let policy = json!({"verified_resume": is_on});
    let mut setup = Setup::new().max_retry(1).policy(policy);
    for (index, (kind, simulator)) in kinds.into_iter().zip(simulators).enumerate() {
        setup = setup.provider_of(kind, &config(kind, simulator, index));
    }
    setup.start().await
}

fn assert_broken(client: Client, reply: &Reply) {
    let text = reply.text();
    assert!(!text.contains(client.end_marker()), "{client:?}: {text}");
    assert!(text.contains("error"), "{client:?}: {text}");
}

/// Both legs are in the account, the first held against its provider.
fn assert_both(record: &RequestRecord) {
    assert_eq!(record.attempts.len(), 2);
    assert_eq!(record.attempts[0].counted, Counted::Failed);
    assert!(
        record
            .attempts
            .iter()
            .all(|attempt| attempt.usage.is_some())
    );
}

#[tokio::test]
async fn a_stream_that_breaks_goes_on_with_a_provider_that_says_the_same() {
    let simulators = [simulator().await, simulator().await];
    let both = [&simulators[0], &simulators[1]];
    simulators[1].fail(saying(SAID));
    // Each client meets each cut, though not of each pair of providers.
    let mut cuts = CUTS.iter().cycle();
    for first in KINDS {
        for second in KINDS {
            for client in CLIENTS {
                let at = *cuts.next().unwrap();
                simulators[0].fail(breaking(Fault::Close { at }));
                let mut gateway = gateway([first, second], both, true).await;
                let reply = client.ask(&gateway, true, false).await;
                let context = format!("{first}, {second}, {client:?}, {at:?}: {}", reply.text());
                assert_eq!(client.streamed(&reply), SAID, "{context}");
                assert!(reply.text().contains(client.end_marker()), "{context}");
                let record = gateway.record();
                assert_both(&record);
                assert_eq!(
                    (record.status_code, record.error_class, record.answered_by),
                    (200, None, Some(1)),
                    "{context}"
                );
                gateway.idle().await;
            }
        }
    }
}

/// What came of the event that was cut is not passed on, not even where all but its line end is there.
#[tokio::test]
async fn a_stream_cut_within_an_event_ends_in_the_error_event() {
    let simulator = simulator().await;
    for kind in KINDS {
        let setup = Setup::new().provider_of(kind, &config(kind, &simulator, 0));
        let mut gateway = setup.start().await;
        for client in CLIENTS {
            for at in CUTS {
                simulator.fail(breaking(Fault::Close { at }));
                let reply = client.ask(&gateway, true, false).await;
                let context = format!("{kind}, {client:?}, {at:?}: {}", reply.text());
                assert_broken(client, &reply);
                let said = client.streamed(&reply);
                assert!(SAID.starts_with(&said) && !said.is_empty(), "{context}");
                let record = gateway.record();
                assert_eq!(record.error_class, Some("upstream_truncated"), "{context}");
                gateway.idle().await;
            }
        }
    }
}

#[tokio::test]
async fn a_provider_that_says_something_else_does_not_go_on() {
    for client in CLIENTS {
        let simulators = [simulator().await, simulator().await];
        simulators[0].fail(breaking(Fault::ErrorEvent { after_events: 6 }));
        simulators[1].fail(saying(
            "Die Antwort ist hier eine andere, und länger als die erste war, die anderswo kam.",
        ));
        let both = [&simulators[0], &simulators[1]];
        let mut gateway = gateway(["openai", "anthropic"], both, true).await;
        let reply = client.ask(&gateway, true, false).await;
        assert_broken(client, &reply);
        assert!(
            SAID.starts_with(&client.streamed(&reply)),
            "{}",
            reply.text()
        );
        let record = gateway.record();
        assert_both(&record);
        assert_eq!(record.attempts[1].error_class, Some("resume_differed"));
        assert_eq!(record.attempts[1].counted, Counted::Success);
        gateway.idle().await;
    }
}

#[tokio::test]
async fn the_request_decides_over_the_policy() {
    for (is_on, header, attempts) in [(true, "false", 1), (false, "true", 2)] {
        let simulators = [simulator().await, simulator().await];
        simulators[0].fail(breaking(Fault::Close { at: Point::MidBody }));
        simulators[1].fail(saying(SAID));
        let both = [&simulators[0], &simulators[1]];
        let mut gateway = gateway(["openai", "openai"], both, is_on).await;
        let body = Client::Chat.body(true, false).to_string();
        let headers = [("x-gateway-verified-resume", header)];
        let response = gateway
            .serve(post(Client::Chat.path(true), body, &headers))
            .await;
        let reply = Reply::of(response).await;
        assert_eq!(
            gateway.record().attempts.len(),
            attempts,
            "{}",
            reply.text()
        );
        gateway.idle().await;
    }
}
