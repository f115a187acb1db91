//! Every fault of a provider before the client got anything: alone, beside a healthy provider, streamed and not.

use std::collections::BTreeMap;

use health::State;
use serde_json::{Value, json};
use simulator::{Behaviour, ErrorKind, Fault, Point, RetryAfter, Simulator};
use stats::Counted;
use tokio::task::JoinSet;

use crate::gateway::{Gateway, PROVIDER_KEY, Setup, simulator};

/// What a failure is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Against {
    Nothing,
    Association,
    Both,
    Cooling,
    Misconfigured,
}

/// A fault, and what must be seen of it.
struct Row {
    id: &'static str,
    behaviour: Behaviour,
    /// Only streams, or only what is none.
    stream: Option<bool>,
    /// What the client gets when there is no other provider.
    status: u16,
    code: &'static str,
    class: &'static str,
    upstream_status: Option<u16>,
    against: Against,
}

fn row(
    id: &'static str,
    behaviour: Behaviour,
    (status, code): (u16, &'static str),
    (class, upstream_status): (&'static str, Option<u16>),
    against: Against,
) -> Row {
    Row {
        id,
        behaviour,
        stream: None,
        status,
        code,
        class,
        upstream_status,
        against,
    }
}

impl Row {
    fn streams(self, stream: bool) -> Self {
        Self {
            stream: Some(stream),
            ..self
        }
    }
}

fn html(status: u16) -> Behaviour {
    Behaviour {
        status: Some(status),
        ..Behaviour::error(ErrorKind::Html)
    }
}

const BAD_GATEWAY: (u16, &str) = (502, "upstream_error");
const TIMEOUT: (u16, &str) = (504, "upstream_timeout");

fn silent() -> Vec<Row> {
    let silent = |id, fault, status| {
        let met = ("timeout", status);
        row(
            id,
            Behaviour::fault(fault),
            TIMEOUT,
            met,
            Against::Association,
        )
    };
    let hang = |at| Fault::Hang { at };
    let slow = Fault::SlowHeaders {
        bytes: 1,
        every_ms: 40,
    };
    vec![
        silent("U02", hang(Point::BeforeHeaders), None),
        silent("U02 in the head", hang(Point::InHeaders), None),
        silent("U04", slow, None),
        silent("U04 body", hang(Point::AfterHeaders), Some(200)),
    ]
}

fn broken() -> Vec<Row> {
    let failed = |id, fault, met| row(id, Behaviour::fault(fault), BAD_GATEWAY, met, Against::Both);
    let (reset, cut) = (("reset", None), ("upstream_truncated", Some(200)));
    let (rst, fin) = (|at| Fault::Reset { at }, |at| Fault::Close { at });
    vec![
        failed("U03", rst(Point::BeforeHeaders), reset),
        failed("U03 in the head", rst(Point::InHeaders), reset),
        failed("U03 closed", fin(Point::BeforeHeaders), reset),
        failed("U06", fin(Point::AfterHeaders), cut).streams(false),
        failed("U06 stream", fin(Point::AfterEvents(1)), cut).streams(true),
        failed("U07", fin(Point::MidBody), cut).streams(false),
        failed("U07 reset", rst(Point::MidBody), cut).streams(false),
    ]
}

fn payloads() -> Vec<Row> {
    let failed = |id, behaviour, class| {
        row(
            id,
            behaviour,
            BAD_GATEWAY,
            (class, Some(200)),
            Against::Both,
        )
    };
    let bad = |id, behaviour| failed(id, behaviour, "bad_payload");
    let fault = Behaviour::fault;
    let body = |body: Value| Behaviour {
        body: Some(body),
        ..Behaviour::default()
    };
    let called = |kind: &str| Behaviour {
        content_type: Some(kind.to_owned()),
        ..Behaviour::default()
    };
    let malformed = |after_events| fault(Fault::Malformed { after_events });
    let error = |after_events| fault(Fault::ErrorEvent { after_events });
    let huge = |bytes| fault(Fault::Huge { bytes });
    vec![
        bad("U08", html(200)),
        bad("U08 cut", malformed(0)),
        bad("U08 shape", body(json!({"object": "list"}))),
        bad("U08 no choice", body(json!({"choices": []}))),
        bad("U08 type", called("text/plain")),
        bad("U09", fault(Fault::JsonForStream)).streams(true),
        bad("U10", fault(Fault::Gzip)),
        failed("U11", huge(2 << 20), "too_large").streams(false),
        bad("U11 stream", huge(17 << 20)).streams(true),
        failed("U17", error(0), "stream_error").streams(true),
        failed("U17 role", error(1), "stream_error").streams(true),
        bad("U17 whole", error(0)).streams(false),
        failed("U19", fault(Fault::Empty), "empty_stream").streams(true),
        bad("U19 whole", fault(Fault::Empty)).streams(false),
        bad("U20", malformed(1)),
    ]
}

fn pauses() -> Vec<Row> {
    let limited = |id, behaviour| {
        let told = (429, "rate_limit_exceeded");
        row(
            id,
            behaviour,
            told,
            ("rate_limited", Some(429)),
            Against::Cooling,
        )
    };
    let overloaded = |id, behaviour, status| {
        let told = (503, "overloaded");
        row(
            id,
            behaviour,
            told,
            ("overloaded", Some(status)),
            Against::Cooling,
        )
    };
    let told = |status, told| Behaviour::status(status).retry_after(told);
    vec![
        limited("U14", Behaviour::status(429)),
        limited("U14 s", told(429, RetryAfter::Seconds(7))),
        limited("U14 ms", told(429, RetryAfter::Ms(6500))),
        limited("U14 date", told(429, RetryAfter::DateIn(7))),
        limited("U14 reset", told(429, RetryAfter::RateLimitReset(7))),
        limited("U14 quota", Behaviour::error(ErrorKind::InsufficientQuota)),
        overloaded("U15", Behaviour::status(529), 529),
        overloaded("U15 503", told(503, RetryAfter::Seconds(7)), 503),
    ]
}

fn statuses() -> Vec<Row> {
    let status = Behaviour::status;
    let failed = |id, behaviour, class, status, against| {
        row(id, behaviour, BAD_GATEWAY, (class, Some(status)), against)
    };
    let misconfigured =
        |id, behaviour, class, status| failed(id, behaviour, class, status, Against::Misconfigured);
    let no_model = (404, "model_not_found");
    let unknown = ("not_found", Some(404));
    let mut rows = vec![
        failed("U16", html(500), "server_error", 500, Against::Both),
        row(
            "U21 404",
            status(404),
            no_model,
            unknown,
            Against::Association,
        ),
    ];
    for code in [408, 409, 500, 502, 503, 504] {
        rows.push(failed(
            "U16 status",
            status(code),
            "server_error",
            code,
            Against::Both,
        ));
    }
    for code in [401, 402, 403] {
        rows.push(misconfigured("U21", status(code), "misconfigured", code));
    }
    for code in [301, 302, 307, 308] {
        rows.push(misconfigured("U23", status(code), "redirect", code));
    }
    let echo = Behaviour::error(ErrorKind::EchoKey);
    rows.push(misconfigured("U24", echo, "misconfigured", 401));
    rows
}

fn clients_own() -> Vec<Row> {
    let own = |id, behaviour, status| {
        let met = ("client_error", Some(status));
        row(id, behaviour, (status, "*"), met, Against::Nothing)
    };
    let policy = Behaviour::error(ErrorKind::ContentPolicy);
    let mut rows = vec![own("U22 policy", policy, 400)];
    for code in [400, 413, 422] {
        rows.push(own("U22", Behaviour::status(code), code));
        rows.push(own("U22 HTML", html(code), code));
    }
    rows
}

fn setup(simulators: &[&Simulator], row: &Row) -> Setup {
    let settings = proxy::Settings {
        max_response_bytes: 1 << 20,
        ..Default::default()
    };
    // Only where silence is what is met: elsewhere a slow machine must not be taken for a silent provider.
    let clocks = match row.class {
        "timeout" => json!({"first_content_timeout": 0.5, "response_timeout": 0.5}),
        _ => json!({}),
    };
    Setup::of(simulators).policy(clocks).settings(settings)
}

async fn alone(row: &Row, stream: bool) {
    let simulator = simulator().await;
    simulator.fail(row.behaviour.clone());
    let mut gateway = setup(&[&simulator], row).start().await;
    let reply = gateway.chat(&json!({"stream": stream})).await;
    let name = format!("{} (stream: {stream}): {}", row.id, reply.text());
    assert_eq!(reply.status, row.status, "{name}");
    let error = &reply.json()["error"];
    assert!(row.code == "*" || error["code"] == row.code, "{name}");
    assert!(
        error["message"]
            .as_str()
            .is_some_and(|message| !message.is_empty()),
        "{name}"
    );
    assert_eq!(reply.header("content-type"), "application/json", "{name}");
    assert_eq!(reply.header("x-request-id").len(), 36, "{name}");
    assert_eq!(
        (
            reply.header("x-gateway-provider"),
            reply.header("x-gateway-attempts")
        ),
        ("a", "1"),
        "{name}"
    );
    assert_says_nothing_of(&reply.headers, reply.text(), &simulator, &name);
    assert_eq!(simulator.counts().received, 1, "{name}");

    let record = gateway.record();
    assert_eq!(record.status_code, row.status, "{name}");
    assert_eq!(record.stream, stream, "{name}");
    assert!(
        record.error_class.is_some() && record.error_message.is_some(),
        "{name}"
    );
    let [attempt] = &record.attempts[..] else {
        panic!("{name}: {record:?}")
    };
    assert_eq!(
        (attempt.error_class, attempt.status),
        (Some(row.class), row.upstream_status),
        "{name}"
    );
    let counted = if row.against == Against::Nothing {
        Counted::Success
    } else {
        Counted::Failed
    };
    assert_eq!(attempt.counted, counted, "{name}");
    assert!(
        attempt.usage.is_none() && record.answered_by.is_none() && record.ttft.is_none(),
        "{name}"
    );
    assert_eq!(against(&gateway), row.against, "{name}");
    if row.against == Against::Cooling && row.id.len() > 4 && !row.id.ends_with("quota") {
        let seconds: u64 = reply
            .header("retry-after")
            .parse()
            .unwrap_or_else(|_| panic!("{name}: no retry-after"));
        assert!((5..=7).contains(&seconds), "{name}: {seconds}");
    }
}

/// What the first provider's fault was held against.
fn against(gateway: &Gateway) -> Against {
    let (provider, association) = gateway.health_of(0);
    assert_eq!((provider.in_flight, association.in_flight), (0, 0));
    match (
        provider.state,
        provider.error_count,
        association.error_count,
        association.cooling_until,
    ) {
        (State::Unhealthy, ..) => Against::Misconfigured,
        (_, 0, 0, None) => Against::Nothing,
        (_, 0, 0, Some(_)) => Against::Cooling,
        (_, 0, 1, None) => Against::Association,
        (_, 1, 1, None) => Against::Both,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn assert_says_nothing_of(
    headers: &http::HeaderMap,
    body: &str,
    simulator: &Simulator,
    name: &str,
) {
    let told = format!("{body} {headers:?}");
    let port = simulator.address().port().to_string();
    for secret in [
        PROVIDER_KEY,
        "127.0.0.1",
        "http://",
        "/v1",
        "<html",
        "<!DOCTYPE",
        port.as_str(),
    ] {
        assert!(!told.contains(secret), "{name}: tells {secret} in {told}");
    }
}

async fn beside(row: &Row, stream: bool) {
    let (bad, good) = (simulator().await, simulator().await);
    bad.fail(row.behaviour.clone());
    let mut gateway = setup(&[&bad, &good], row).max_retry(1).start().await;
    let reply = gateway.chat(&json!({"stream": stream})).await;
    let name = format!("{} (stream: {stream}): {}", row.id, reply.text());
    let record = gateway.record();
    assert_eq!(bad.counts().received, 1, "{name}");
    assert_eq!(against(&gateway), row.against, "{name}");
    if row.against == Against::Nothing {
        assert_eq!(reply.status, row.status, "{name}");
        assert_eq!(
            (good.counts().received, record.attempts.len()),
            (0, 1),
            "{name}"
        );
        return;
    }
    assert_eq!(reply.status, 200, "{name}");
    assert_eq!(
        (
            reply.header("x-gateway-provider"),
            reply.header("x-gateway-attempts")
        ),
        ("b", "2"),
        "{name}"
    );
    if stream {
        reply.assert_is_complete_stream();
    } else {
        assert_eq!(reply.json()["model"], "up-b", "{name}");
    }
    assert_eq!(
        (good.counts().received, record.status_code),
        (1, 200),
        "{name}"
    );
    assert_eq!(
        (record.error_class, record.answered_by),
        (None, Some(1)),
        "{name}"
    );
    let [failed, answered] = &record.attempts[..] else {
        panic!("{name}: {record:?}")
    };
    assert_eq!(
        (failed.error_class, failed.status),
        (Some(row.class), row.upstream_status),
        "{name}"
    );
    assert_eq!(
        (answered.error_class, answered.status, answered.counted),
        (None, Some(200), Counted::Success),
        "{name}"
    );
    assert!(
        answered.usage.is_some_and(|usage| usage.total > 0),
        "{name}"
    );
    assert_eq!(record.ttft.is_some(), stream, "{name}");
    let (other, _) = gateway.health_of(1);
    assert_eq!(
        (other.error_count, other.consecutive_successes),
        (0, 1),
        "{name}"
    );
}

async fn check(rows: Vec<Row>) {
    let mut cases = JoinSet::new();
    for row in rows {
        cases.spawn(async move {
            for stream in [false, true] {
                if row.stream.is_none_or(|only| only == stream) {
                    alone(&row, stream).await;
                    beside(&row, stream).await;
                }
            }
        });
    }
    let mut failed = 0;
    while let Some(ended) = cases.join_next().await {
        failed += usize::from(ended.is_err());
    }
    assert_eq!(failed, 0, "so many rows failed, see above");
}

#[tokio::test]
async fn connections_that_fail_mean_the_next_provider() {
    check(broken()).await;
}

#[tokio::test]
async fn silence_means_the_next_provider() {
    check(silent()).await;
}

#[tokio::test]
async fn answers_that_are_none_mean_the_next_provider() {
    check(payloads()).await;
}

#[tokio::test]
async fn statuses_mean_what_the_table_says() {
    check(statuses()).await;
}

#[tokio::test]
async fn a_provider_that_asks_for_a_pause_gets_it() {
    check(pauses()).await;
}

#[tokio::test]
async fn the_clients_own_fault_is_told_and_blamed_on_nobody() {
    check(clients_own()).await;
}

/// U01: refused, and a name that does not resolve.
#[tokio::test]
async fn no_connection_means_the_next_provider() {
    let (down, good) = (simulator().await, simulator().await);
    down.refuse().await;
    for base in [
        down.base_url(),
        "http://no-such-host.invalid/v1".into(),
        format!("https://{}/v1", good.address()),
    ] {
        let mut single = Setup::at(std::slice::from_ref(&base)).start().await;
        let reply = single.chat(&json!({})).await;
        assert_eq!(
            (reply.status.as_u16(), &reply.json()["error"]["code"]),
            (502, &json!("upstream_error")),
            "{base}"
        );
        assert_says_nothing_of(&reply.headers, reply.text(), &down, &base);
        assert!(!reply.text().contains("no-such-host"));
        assert_eq!(
            single.record().attempts[0].error_class,
            Some("connect_error"),
            "{base}"
        );
        assert_eq!(against(&single), Against::Both, "{base}");
        let mut pair = Setup::at(&[base.clone(), good.base_url()])
            .max_retry(1)
            .start()
            .await;
        assert_eq!(
            pair.chat(&json!({"stream": true}))
                .await
                .header("x-gateway-provider"),
            "b",
            "{base}"
        );
        assert_eq!(pair.record().attempts.len(), 2);
    }
}

/// U12: informational answers are passed over.
#[tokio::test]
async fn informational_answers_are_ignored() {
    for status in [100, 102, 103] {
        let simulator = simulator().await;
        simulator.fail(Behaviour {
            informational: Some(status),
            ..Behaviour::default()
        });
        let gateway = Setup::of(&[&simulator]).start().await;
        assert_eq!(gateway.chat(&json!({})).await.status, 200, "{status}");
        gateway
            .chat(&json!({"stream": true}))
            .await
            .assert_is_complete_stream();
    }
}

/// U24: the key is taken out wherever a provider repeats it.
#[tokio::test]
async fn an_echoed_key_is_starred_out() {
    let simulator = simulator().await;
    let told = json!({"error": {"message": format!("bad field near {PROVIDER_KEY}"), "type": "t", "extra": PROVIDER_KEY}});
    simulator.fail(Behaviour {
        body: Some(told),
        ..Behaviour::status(400)
    });
    let mut gateway = Setup::of(&[&simulator]).start().await;
    let reply = gateway.chat(&json!({})).await;
    assert_eq!(reply.status, 400);
    assert_eq!(reply.json()["error"]["message"], "bad field near ***");
    assert!(!reply.text().contains(PROVIDER_KEY));
    let record = gateway.record();
    assert!(!format!("{record:?}").contains(PROVIDER_KEY));
    let headers = BTreeMap::from([("content-type".to_owned(), "text/event-stream".to_owned())]);
    let event = format!("data: {{\"error\":{{\"message\":\"{PROVIDER_KEY}\"}}}}\n\n");
    simulator.fail(Behaviour {
        body: Some(event.into()),
        headers,
        ..Behaviour::default()
    });
    let reply = gateway.chat(&json!({"stream": true})).await;
    assert_eq!(reply.status, 502);
    assert!(
        !format!(
            "{reply:?} {:?} {:?}",
            gateway.record(),
            gateway.health_of(0)
        )
        .contains(PROVIDER_KEY)
    );
}
