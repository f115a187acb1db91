//! Faults that well-formed HTTP can carry, and how they are scripted.

use std::io::Read;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use simulator::{
    Behaviour, ErrorKind, Fault, LineEnd, Outcome, RetryAfter, Rule, Simulator, SimulatorSettings,
    SseShape,
};

use crate::support::{chat, exchange_raw, get, pool, post, post_chat, send, start, start_failing};

const STREAM: fn() -> Value = || json!({"stream": true});

#[tokio::test]
async fn statuses_carry_the_protocols_error() {
    let table = [
        (Behaviour::status(500), 500, "server_error", json!(null)),
        (Behaviour::status(503), 503, "server_error", json!(null)),
        (Behaviour::status(529), 529, "server_error", json!(null)),
        (
            Behaviour::status(401),
            401,
            "invalid_request_error",
            json!("invalid_api_key"),
        ),
        (
            Behaviour::status(403),
            403,
            "invalid_request_error",
            json!("unsupported_country_region_territory"),
        ),
        (
            Behaviour::status(404),
            404,
            "invalid_request_error",
            json!("model_not_found"),
        ),
        (
            Behaviour::status(422),
            422,
            "invalid_request_error",
            json!(null),
        ),
        (
            Behaviour::status(429),
            429,
            "requests",
            json!("rate_limit_exceeded"),
        ),
        (
            Behaviour::error(ErrorKind::InsufficientQuota),
            429,
            "insufficient_quota",
            json!("insufficient_quota"),
        ),
        (
            Behaviour::error(ErrorKind::ContextLengthExceeded),
            400,
            "invalid_request_error",
            json!("context_length_exceeded"),
        ),
        (
            Behaviour::error(ErrorKind::ContentPolicy),
            400,
            "invalid_request_error",
            json!("content_policy_violation"),
        ),
    ];
    for (behaviour, status, kind, code) in table {
        let sim = start_failing(behaviour.clone()).await;
        let reply = post_chat(&sim, json!({})).await;
        assert_eq!(reply.status.as_u16(), status, "{behaviour:?}");
        let error = &reply.json()["error"];
        assert_eq!(
            (&error["type"], &error["code"]),
            (&json!(kind), &code),
            "{behaviour:?}"
        );
    }
}

#[tokio::test]
async fn bodies_headers_and_redirects_are_as_scripted() {
    let sim = start_failing(Behaviour::error(ErrorKind::EchoKey)).await;
    assert!(
        post_chat(&sim, json!({}))
            .await
            .text()
            .contains("sk-test-0123456789")
    );

    sim.fail(Behaviour {
        status: Some(502),
        ..Behaviour::error(ErrorKind::Html)
    });
    let reply = post_chat(&sim, json!({})).await;
    assert_eq!(reply.status, StatusCode::BAD_GATEWAY);
    assert_eq!(reply.header("content-type"), "text/html; charset=utf-8");
    assert!(reply.text().starts_with("<html>"));

    sim.fail(Behaviour::error(ErrorKind::Html));
    assert_eq!(post_chat(&sim, json!({})).await.status, StatusCode::OK);

    sim.fail(Behaviour::status(307));
    let reply = post_chat(&sim, json!({})).await;
    assert_eq!(reply.status, StatusCode::TEMPORARY_REDIRECT);
    assert!(!reply.header("location").is_empty());

    let scripted =
        json!({"body": {"a": [1]}, "content_type": "text/plain", "headers": {"set-cookie": "a=b"}});
    sim.fail(serde_json::from_value(scripted).unwrap());
    let reply = post_chat(&sim, json!({})).await;
    assert_eq!(reply.text(), r#"{"a":[1]}"#);
    assert_eq!(
        (reply.header("content-type"), reply.header("set-cookie")),
        ("text/plain", "a=b")
    );
}

#[tokio::test]
async fn when_to_come_again_is_told_in_each_way() {
    let table = [
        (RetryAfter::Seconds(7), "retry-after", "7"),
        (RetryAfter::Ms(1500), "retry-after-ms", "1500"),
        (RetryAfter::DateIn(60), "retry-after", "GMT"),
        (
            RetryAfter::RateLimitReset(2),
            "x-ratelimit-reset-requests",
            "2s",
        ),
    ];
    for (retry_after, header, expected) in table {
        let sim = start_failing(Behaviour::status(429).retry_after(retry_after)).await;
        let reply = post_chat(&sim, json!({})).await;
        assert!(
            reply.header(header).ends_with(expected),
            "{retry_after:?}: {:?}",
            reply.headers
        );
    }
}

#[tokio::test]
async fn whole_answers_are_spoilt() {
    let sim = start_failing(Behaviour::fault(Fault::Malformed { after_events: 0 })).await;
    let reply = post_chat(&sim, json!({})).await;
    assert!(reply.complete && reply.status == StatusCode::OK);
    assert!(serde_json::from_slice::<Value>(&reply.body).is_err());

    sim.fail(Behaviour::fault(Fault::Empty));
    assert!(post_chat(&sim, json!({})).await.body.is_empty());

    sim.fail(Behaviour::fault(Fault::ErrorEvent { after_events: 0 }));
    let reply = post_chat(&sim, json!({})).await;
    assert_eq!(
        (reply.status, &reply.json()["error"]["type"]),
        (StatusCode::OK, &json!("server_error"))
    );

    sim.fail(Behaviour::fault(Fault::Huge { bytes: 3_000_000 }));
    let body = post_chat(&sim, json!({})).await.json();
    assert!(
        body["choices"][0]["message"]["content"]
            .as_str()
            .unwrap()
            .len()
            >= 3_000_000
    );

    sim.fail(Behaviour::fault(Fault::Trickle {
        bytes: 100,
        every_ms: 1,
    }));
    assert_eq!(
        post_chat(&sim, json!({})).await.json()["object"],
        "chat.completion"
    );
}

#[tokio::test]
async fn streams_are_spoilt() {
    let sim = start_failing(Behaviour::fault(Fault::NoDone)).await;
    let reply = post_chat(&sim, STREAM()).await;
    assert!(reply.complete && !reply.events().contains(&"[DONE]".to_owned()));
    assert_eq!(
        reply.chunks().last().unwrap()["choices"][0]["finish_reason"],
        "stop"
    );

    sim.fail(Behaviour::fault(Fault::Empty));
    let reply = post_chat(&sim, STREAM()).await;
    assert!(
        reply.complete
            && reply.body.is_empty()
            && reply
                .header("content-type")
                .starts_with("text/event-stream")
    );

    for after_events in [0, 3] {
        sim.fail(Behaviour::fault(Fault::ErrorEvent { after_events }));
        let reply = post_chat(&sim, STREAM()).await;
        assert_eq!(reply.events().len(), after_events + 1);
        assert_eq!(
            reply.chunks().last().unwrap()["error"]["type"],
            "server_error"
        );
    }

    sim.fail(Behaviour::fault(Fault::Malformed { after_events: 2 }));
    let events = post_chat(&sim, STREAM()).await.events();
    assert!(serde_json::from_str::<Value>(&events[2]).is_err());
    assert!(serde_json::from_str::<Value>(&events[3]).is_ok());

    sim.fail(Behaviour::fault(Fault::JsonForStream));
    assert_eq!(
        post_chat(&sim, STREAM()).await.json()["object"],
        "chat.completion"
    );

    sim.fail(Behaviour::fault(Fault::Huge { bytes: 2_000_000 }));
    let longest = post_chat(&sim, STREAM())
        .await
        .events()
        .iter()
        .map(String::len)
        .max();
    assert!(longest.unwrap() >= 2_000_000);
}

#[tokio::test]
async fn answers_are_compressed() {
    let sim = start_failing(Behaviour::fault(Fault::Gzip)).await;
    for extra in [json!({}), STREAM()] {
        let reply = post_chat(&sim, extra.clone()).await;
        assert_eq!(reply.header("content-encoding"), "gzip");
        let mut text = Vec::new();
        // A stream is flushed and never finished, so the end of its input is no error of ours.
        let _ = flate2::read::GzDecoder::new(&reply.body[..]).read_to_end(&mut text);
        let text = String::from_utf8(text).unwrap();
        assert!(
            text.contains("chat.completion") && text.contains("Lorem"),
            "{extra}: {text}"
        );
    }
}

#[tokio::test]
async fn events_are_written_in_every_shape() {
    let sim = start().await;
    let expected = post_chat(&sim, STREAM()).await.content();
    let shapes = [
        SseShape {
            split_bytes: 7,
            ..SseShape::default()
        },
        SseShape {
            line_end: LineEnd::CrLf,
            split_bytes: 1,
            ..SseShape::default()
        },
        SseShape {
            line_end: LineEnd::Cr,
            comments: true,
            ..SseShape::default()
        },
        SseShape {
            tight: true,
            ..SseShape::default()
        },
        SseShape {
            coalesce: true,
            ..SseShape::default()
        },
    ];
    for shape in shapes {
        sim.fail(Behaviour {
            sse: Some(shape),
            ..Behaviour::default()
        });
        assert_eq!(
            post_chat(&sim, STREAM()).await.content(),
            expected,
            "{shape:?}"
        );
    }
    sim.fail(Behaviour {
        sse: Some(shapes[2]),
        ..Behaviour::default()
    });
    assert!(
        exchange_raw(&sim, STREAM())
            .await
            .text()
            .contains(": keep-alive\r\r")
    );
}

#[tokio::test]
async fn the_control_calls_script_and_tell() {
    let sim = start().await;
    let rules = json!({"rules": [
        {"model": "m", "stream": true, "do": {"status": 503}},
        {"path": "/embeddings", "next": 1, "do": {"status": 429, "retry_after": {"seconds": 1}}},
    ]});
    assert_eq!(
        post(&sim, "/_sim/script", &rules).await.json(),
        json!({"rules": 2})
    );
    assert_eq!(post_chat(&sim, json!({})).await.status, StatusCode::OK);
    assert_eq!(
        post_chat(&sim, STREAM()).await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
    let embed = json!({"model": "m", "input": "x"});
    assert_eq!(
        post(&sim, "/v1/embeddings", &embed).await.status,
        StatusCode::TOO_MANY_REQUESTS
    );
    assert_eq!(
        post(&sim, "/v1/embeddings", &embed).await.status,
        StatusCode::OK
    );
    assert_eq!(
        get(&sim, "/_sim/script").await.json()["rules"][1]["next"],
        0
    );

    let told = get(&sim, "/_sim/requests").await.json();
    assert_eq!(told["counts"]["answered"], 4);
    let first = &told["requests"][0];
    assert_eq!(
        (&first["method"], &first["path"]),
        (&json!("POST"), &json!("/v1/chat/completions"))
    );
    assert_eq!(
        first["headers"]["authorization"],
        "Bearer sk-test-0123456789"
    );
    assert_eq!(first["body"]["messages"][0]["content"], "hello");
    assert_eq!(
        (&first["status"], &first["outcome"]),
        (&json!(200), &json!("answered"))
    );

    let wrong = post(&sim, "/_sim/script", &json!({"do": {"satus": 503}})).await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    assert!(wrong.text().contains("unknown field `satus`"));

    post(&sim, "/_sim/reset", &json!({})).await;
    assert_eq!(post_chat(&sim, STREAM()).await.status, StatusCode::OK);
    assert_eq!(sim.requests().len(), 1);
}

#[tokio::test]
async fn the_next_requests_fail_before_other_rules_apply() {
    let sim = start_failing(Behaviour::status(500)).await;
    sim.fail_next(1, Behaviour::status(429));
    let mut statuses = Vec::new();
    for _ in 0..2 {
        statuses.push(post_chat(&sim, json!({})).await.status.as_u16());
    }
    assert_eq!(statuses, [429, 500]);
    sim.set_rules(vec![Rule {
        model: Some("other".to_owned()),
        ..Rule::always(Behaviour::status(500))
    }]);
    assert_eq!(post_chat(&sim, json!({})).await.status, StatusCode::OK);
    assert_eq!(
        post_chat(&sim, json!({"model": "other"}))
            .await
            .status
            .as_u16(),
        500
    );
}

#[tokio::test]
async fn a_marker_hits_the_simulator_it_names() {
    let named = SimulatorSettings {
        name: "b".to_owned(),
        ..SimulatorSettings::default()
    };
    let (a, b) = (start().await, Simulator::start(named).await.unwrap());
    let ask = || json!({"messages": [{"role": "user", "content": "[[sim@b:{\"status\":503}]]"}]});
    assert_eq!(post_chat(&a, ask()).await.status, StatusCode::OK);
    assert_eq!(
        post_chat(&b, ask()).await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
}

#[tokio::test]
async fn the_journal_is_bounded_and_counts_on() {
    let sim = Simulator::start(SimulatorSettings {
        journal: 2,
        ..SimulatorSettings::default()
    })
    .await
    .unwrap();
    let client = pool(false);
    for _ in 0..3 {
        let body = chat(json!({})).to_string();
        send(&client, &sim, Method::POST, "/v1/chat/completions", body)
            .await
            .unwrap();
    }
    let numbers: Vec<u64> = sim
        .requests()
        .iter()
        .map(|request| request.number)
        .collect();
    assert_eq!(numbers, [2, 3]);
    assert_eq!((sim.counts().received, sim.counts().connections), (3, 1));
    assert!(
        sim.requests()
            .iter()
            .all(|request| request.outcome == Outcome::Answered)
    );
}

#[tokio::test]
async fn settings_out_of_range_are_refused() {
    let wrong = [
        SimulatorSettings {
            fault_rate: 1.5,
            ..SimulatorSettings::default()
        },
        SimulatorSettings {
            jitter: -0.1,
            ..SimulatorSettings::default()
        },
        SimulatorSettings {
            tokens_per_second: Some(0.0),
            ..SimulatorSettings::default()
        },
    ];
    for settings in wrong {
        assert!(matches!(
            Simulator::start(settings).await,
            Err(simulator::Error::Setting(_))
        ));
    }
}
