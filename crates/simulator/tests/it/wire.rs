//! Faults below HTTP: resets, cuts, silence, and connections that do not last.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use simulator::{Behaviour, Fault, KeepAlive, Outcome, Place, Point, SseShape};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{
    End, chat, exchange_raw, pool, post, post_chat, raw_chat, read_to_end, send, start,
    start_failing, until,
};

fn stream() -> Value {
    json!({"stream": true})
}

#[tokio::test]
async fn connections_break_where_they_are_told_to() {
    // (where, stream, is the head whole, events that came whole)
    let table = [
        (Point::BeforeHeaders, false, false, 0),
        (Point::BeforeHeaders, true, false, 0),
        (Point::InHeaders, false, false, 0),
        (Point::InHeaders, true, false, 0),
        (Point::AfterHeaders, false, true, 0),
        (Point::AfterHeaders, true, true, 0),
        (Point::MidBody, false, true, 0),
        (Point::MidBody, true, true, 9),
        (Point::AfterEvents(3), true, true, 3),
    ];
    for (at, streams, head, events) in table {
        for reset in [true, false] {
            let fault = if reset {
                Fault::Reset { at }
            } else {
                Fault::Close { at }
            };
            let sim = start_failing(Behaviour::fault(fault.clone())).await;
            let raw = exchange_raw(&sim, json!({"stream": streams})).await;
            let text = raw.text();
            assert_eq!(
                raw.end,
                if reset { End::Reset } else { End::Closed },
                "{fault:?} {streams}"
            );
            assert_eq!(
                text.contains("\r\n\r\n"),
                head,
                "{fault:?} {streams}: {text}"
            );
            assert_eq!(
                text.matches("}\n\n").count(),
                events,
                "{fault:?} {streams}: {text}"
            );
            assert_eq!(
                text.is_empty(),
                at == Point::BeforeHeaders,
                "{fault:?} {streams}: {text}"
            );
            assert!(
                !text.ends_with("0\r\n\r\n"),
                "{fault:?} {streams} must not end as complete"
            );
            until(|| sim.requests()[0].outcome == Outcome::Faulted).await;
        }
    }
}

#[tokio::test]
async fn a_stream_is_cut_where_within_an_event_it_is_told_to() {
    let text = "The eggs are twelve, and each is \u{fc}ber alles \u{1f95a}.";
    // (where, what the bytes that came end with)
    let table: [(Place, &[u8]); 4] = [
        (Place::Field, b"\n\ndata:"),
        (Place::Json, b""),
        (Place::Character, b"\xc3"),
        (Place::LineEnd, b"}"),
    ];
    for (place, end) in table {
        let at = Point::Within {
            after_events: 3,
            place,
        };
        let sim = start_failing(Behaviour {
            text: Some(text.to_owned()),
            ..Behaviour::fault(Fault::Close { at })
        })
        .await;
        let reply = post_chat(&sim, stream()).await;
        let sent = &reply.body;
        let text = String::from_utf8_lossy(sent);
        assert!(!reply.complete, "{place:?}");
        assert!(sent.ends_with(end), "{place:?}: {text}");
        assert!(!sent.ends_with(b"\n"), "{place:?}: {text}");
        // The first character of several bytes comes later.
        let is_later = place == Place::Character;
        let whole = text.matches("}\n\n").count();
        assert_eq!(
            (whole > 3, whole < 3),
            (is_later, false),
            "{place:?}: {text}"
        );
    }
}

#[tokio::test]
async fn a_body_that_is_cut_promised_its_whole_length() {
    let sim = start_failing(Behaviour::fault(Fault::Close { at: Point::MidBody })).await;
    let text = exchange_raw(&sim, json!({})).await.text();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .unwrap();
    assert_eq!(body.len(), length.parse::<usize>().unwrap() / 2);
    assert!(!post_chat(&sim, json!({})).await.complete);
}

#[tokio::test]
async fn a_hang_lasts_until_the_caller_leaves() {
    let table = [
        (Point::BeforeHeaders, false, ""),
        (Point::InHeaders, true, "HTTP/1.1 200 OK"),
        (Point::AfterHeaders, true, "\r\n\r\n"),
        (Point::AfterEvents(2), true, "Lorem"),
        (Point::MidBody, false, "chat.comp"),
    ];
    for (at, streams, seen) in table {
        let sim = start_failing(Behaviour::fault(Fault::Hang { at })).await;
        let mut connection = TcpStream::connect(sim.address()).await.unwrap();
        connection
            .write_all(&raw_chat(json!({"stream": streams}), "keep-alive"))
            .await
            .unwrap();
        let mut text = Vec::new();
        while !String::from_utf8_lossy(&text).contains(seen) {
            assert_ne!(connection.read_buf(&mut text).await.unwrap(), 0);
        }
        until(|| sim.requests().len() == 1).await;
        assert_eq!(sim.requests()[0].outcome, Outcome::Running, "{at:?}");
        drop(connection);
        until(|| sim.requests()[0].client_cut()).await;
        assert_eq!(sim.counts().client_cut, 1);
    }
}

#[tokio::test]
async fn a_caller_that_leaves_a_stream_is_noticed() {
    let slow = Behaviour {
        tokens_per_second: Some(0.001),
        ..Behaviour::default()
    };
    let sim = start_failing(slow).await;
    let mut connection = TcpStream::connect(sim.address()).await.unwrap();
    connection
        .write_all(&raw_chat(stream(), "keep-alive"))
        .await
        .unwrap();
    let mut text = Vec::new();
    while !String::from_utf8_lossy(&text).contains("Lorem") {
        connection.read_buf(&mut text).await.unwrap();
    }
    drop(connection);
    until(|| sim.requests()[0].client_cut()).await;
}

#[tokio::test]
async fn each_event_is_its_own_write_and_pieces_are_as_small_as_asked() {
    // A raw reader may find two writes in one read, so the frames of the chunked body are what is counted.
    let sizes = |text: &str| -> Vec<usize> {
        let (_, mut rest) = text.split_once("\r\n\r\n").unwrap();
        let mut sizes = Vec::new();
        while let Some((size, tail)) = rest.split_once("\r\n") {
            let size = usize::from_str_radix(size, 16).unwrap();
            sizes.push(size);
            rest = tail.get(size + 2..).unwrap_or("");
        }
        sizes
    };
    let sim = start().await;
    let frames = sizes(&exchange_raw(&sim, stream()).await.text());
    assert_eq!(
        frames.len(),
        20,
        "role, 16 tokens, finish reason, [DONE], end: {frames:?}"
    );
    sim.fail(Behaviour {
        sse: Some(SseShape {
            split_bytes: 5,
            ..SseShape::default()
        }),
        ..Behaviour::default()
    });
    let frames = sizes(&exchange_raw(&sim, stream()).await.text());
    assert!(frames.iter().all(|size| *size <= 5));
}

#[tokio::test]
async fn slow_heads_arrive_whole() {
    let sim = start_failing(Behaviour::fault(Fault::SlowHeaders {
        bytes: 40,
        every_ms: 1,
    }))
    .await;
    let raw = exchange_raw(&sim, json!({})).await;
    assert!(raw.reads.len() > 3, "{:?}", raw.reads.len());
    assert!(raw.text().contains("chat.completion"));
    assert!(
        post_chat(&sim, stream())
            .await
            .content()
            .starts_with("Lorem")
    );
}

#[tokio::test]
async fn informational_answers_come_first() {
    for status in [100, 102, 103] {
        let behaviour = Behaviour {
            informational: Some(status),
            ..Behaviour::default()
        };
        let sim = start_failing(behaviour).await;
        let text = exchange_raw(&sim, json!({})).await.text();
        assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{text}");
        assert!(text.contains("\r\n\r\nHTTP/1.1 200 OK\r\n"), "{text}");
        assert_eq!(
            post_chat(&sim, json!({})).await.json()["object"],
            "chat.completion"
        );
    }
}

#[tokio::test]
async fn a_kept_connection_closes_right_after_the_answer() {
    for extra in [json!({}), stream()] {
        let behaviour = Behaviour {
            keep_alive: Some(KeepAlive::CloseAfterAnswer),
            ..Behaviour::default()
        };
        let sim = start_failing(behaviour).await;
        let mut connection = TcpStream::connect(sim.address()).await.unwrap();
        connection
            .write_all(&raw_chat(extra.clone(), "keep-alive"))
            .await
            .unwrap();
        let raw = read_to_end(&mut connection).await;
        assert_eq!(raw.end, End::Closed);
        assert!(
            !raw.text()
                .to_ascii_lowercase()
                .contains("connection: close")
        );
        assert!(
            raw.text().ends_with("0\r\n\r\n") || raw.text().ends_with('}'),
            "{}",
            raw.text()
        );
        assert_eq!(sim.requests()[0].outcome, Outcome::Answered);
    }
}

#[tokio::test]
async fn a_stale_connection_resets_the_next_request_only() {
    let sim = start().await;
    sim.fail_next(
        1,
        Behaviour {
            keep_alive: Some(KeepAlive::ResetOnReuse),
            ..Behaviour::default()
        },
    );
    let mut connection = TcpStream::connect(sim.address()).await.unwrap();
    connection
        .write_all(&raw_chat(json!({}), "keep-alive"))
        .await
        .unwrap();
    let mut text = Vec::new();
    while !String::from_utf8_lossy(&text).ends_with('}') {
        connection.read_buf(&mut text).await.unwrap();
    }
    connection
        .write_all(&raw_chat(json!({}), "keep-alive"))
        .await
        .unwrap();
    let raw = read_to_end(&mut connection).await;
    assert_eq!((raw.text().as_str(), raw.end), ("", End::Reset));
    let requests = sim.requests();
    assert_eq!(
        (requests[0].outcome, requests[1].outcome),
        (Outcome::Answered, Outcome::Faulted)
    );
    assert_eq!(requests[0].connection, requests[1].connection);
    assert_eq!(post_chat(&sim, json!({})).await.status, 200);
}

#[tokio::test]
async fn a_refusing_simulator_listens_again_on_its_port() {
    let sim = start().await;
    let client = pool(false);
    let ask = || chat(json!({})).to_string();
    send(&client, &sim, Method::POST, "/v1/chat/completions", ask())
        .await
        .unwrap();
    sim.refuse().await;
    assert!(
        send(&client, &sim, Method::POST, "/v1/chat/completions", ask())
            .await
            .unwrap_err()
            .is_connect()
    );
    sim.accept().await.unwrap();
    assert_eq!(
        send(&client, &sim, Method::POST, "/v1/chat/completions", ask())
            .await
            .unwrap()
            .status,
        200
    );

    post(&sim, "/_sim/refuse", &json!({"ms": 30})).await;
    while TcpStream::connect(sim.address()).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    while TcpStream::connect(sim.address()).await.is_err() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn http2_streams_break_too() {
    for at in [Point::AfterEvents(2), Point::MidBody] {
        let sim = start_failing(Behaviour::fault(Fault::Reset { at })).await;
        let body = chat(stream()).to_string();
        let reply = send(
            &pool(true),
            &sim,
            Method::POST,
            "/v1/chat/completions",
            body,
        )
        .await
        .unwrap();
        assert!(!reply.complete, "{at:?}");
    }
    let sim = start_failing(Behaviour::fault(Fault::Reset {
        at: Point::BeforeHeaders,
    }))
    .await;
    let body = chat(json!({})).to_string();
    assert!(
        send(
            &pool(true),
            &sim,
            Method::POST,
            "/v1/chat/completions",
            body
        )
        .await
        .is_err()
    );
}

#[tokio::test]
async fn dropping_and_shutting_down_close_everything() {
    for by_drop in [true, false] {
        let sim = start_failing(Behaviour::fault(Fault::Hang {
            at: Point::AfterHeaders,
        }))
        .await;
        let address = sim.address();
        let mut connection = TcpStream::connect(address).await.unwrap();
        connection
            .write_all(&raw_chat(json!({}), "keep-alive"))
            .await
            .unwrap();
        let mut head = [0; 64];
        connection.read_exact(&mut head).await.unwrap();
        if by_drop {
            drop(sim);
        } else {
            sim.shutdown().await;
        }
        read_to_end(&mut connection).await;
        until(|| std::net::TcpStream::connect(address).is_err()).await;
    }
}
