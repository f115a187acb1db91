//! Streams: what passes, what commits, how they end, and what is recorded of them.

use std::time::Duration;

use http_body_util::BodyExt;
use protocol::UsageSource;
use serde_json::{Value, json};
use simulator::{Behaviour, Fault, LineEnd, Point, SseShape};
use stats::Counted;

use crate::{
    gateway::{Gateway, Reply, Setup, post, simulator},
    raw::{Act, DONE, FINISH, RawProvider, STREAM_HEAD, say, text_event},
};

/// A gateway before one provider that streams these bytes.
async fn before(text: &str) -> (Gateway, RawProvider) {
    let provider = RawProvider::streaming(text).await;
    (Setup::at(&[provider.base_url()]).start().await, provider)
}

async fn stream(gateway: &Gateway, extra: Value) -> Reply {
    let mut body = json!({"stream": true});
    body.as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    gateway.chat(&body).await
}

const USAGE: &str = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3,\"total_tokens\":10}}\n\n";

#[tokio::test]
async fn bytes_pass_as_they_came_but_for_usage_that_was_not_asked_for() {
    let head = ": hello\n\nevent: x\nretry: 5\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\"}}],\"own\":1}\n\n";
    let rest = format!("{}{}", text_event("hi"), FINISH);
    let (mut gateway, _provider) = before(&format!("{head}{rest}{USAGE}{DONE}")).await;
    let hidden = stream(&gateway, json!({})).await;
    assert_eq!(hidden.text(), format!("{head}{rest}{DONE}"));
    assert_eq!(hidden.header("content-type"), "text/event-stream");
    let usage = gateway.record().attempts[0].usage.unwrap();
    assert_eq!(
        (usage.prompt, usage.completion, usage.source),
        (7, 3, UsageSource::Provider)
    );
    let shown = stream(&gateway, json!({"stream_options": {"include_usage": true}})).await;
    assert_eq!(shown.text(), format!("{head}{rest}{USAGE}{DONE}"));
}

#[tokio::test]
async fn usage_is_estimated_where_the_provider_tells_none() {
    let (mut gateway, _provider) =
        before(&format!("{}{FINISH}{DONE}", text_event("12345678"))).await;
    stream(&gateway, json!({}))
        .await
        .assert_is_complete_stream();
    let record = gateway.record();
    let usage = record.attempts[0].usage.unwrap();
    assert_eq!(
        (usage.prompt, usage.completion, usage.source),
        (2, 2, UsageSource::Estimated)
    );
    assert_eq!(
        (record.status_code, record.answered_by, record.error_class),
        (200, Some(0), None)
    );
}

#[tokio::test]
async fn a_stream_reads_alike_however_it_is_written() {
    let simulator = simulator().await;
    let gateway = Setup::of(&[&simulator]).start().await;
    let plain = stream(&gateway, json!({})).await.content();
    assert!(plain.len() > 20);
    let shape = SseShape::default();
    for shape in [
        SseShape {
            split_bytes: 1,
            ..shape
        },
        SseShape {
            split_bytes: 7,
            line_end: LineEnd::CrLf,
            ..shape
        },
        SseShape {
            split_bytes: 1,
            line_end: LineEnd::CrLf,
            comments: true,
            ..shape
        },
        SseShape {
            tight: true,
            coalesce: true,
            ..shape
        },
        SseShape {
            comments: true,
            ..shape
        },
    ] {
        simulator.fail(Behaviour {
            sse: Some(shape),
            ..Behaviour::default()
        });
        let reply = stream(&gateway, json!({})).await;
        reply.assert_is_complete_stream();
        assert_eq!(reply.content(), plain, "{shape:?}");
    }
    for split_bytes in [0, 1] {
        let shape = SseShape {
            line_end: LineEnd::Cr,
            split_bytes,
            ..shape
        };
        simulator.fail(Behaviour {
            sse: Some(shape),
            ..Behaviour::default()
        });
        let reply = stream(&gateway, json!({})).await;
        assert!(
            reply.text().ends_with("data: [DONE]\r\r"),
            "{}",
            reply.text()
        );
    }
}

/// What ends a committed stream too early: the client sees the error event, and it is held against the provider.
async fn breaks(behaviour: Behaviour, class: &str) {
    let (bad, good) = (simulator().await, simulator().await);
    bad.fail(behaviour.clone());
    let mut gateway = Setup::of(&[&bad, &good])
        .max_retry(3)
        .policy(json!({"stream_idle_timeout": 0.3}))
        .start()
        .await;
    let reply = stream(&gateway, json!({})).await;
    assert_eq!(
        (reply.status.as_u16(), reply.header("x-gateway-provider")),
        (200, "a"),
        "{behaviour:?}"
    );
    reply.assert_ends_in_error();
    assert!(
        !reply.content().is_empty() && !reply.text().contains("\"stop\""),
        "{behaviour:?}: {}",
        reply.text()
    );
    assert_eq!(good.counts().received, 0, "{behaviour:?}");
    let record = gateway.record();
    assert_eq!(
        (record.status_code, record.error_class),
        (200, Some(class)),
        "{behaviour:?}"
    );
    let attempt = &record.attempts[0];
    assert_eq!(
        (attempt.error_class, attempt.counted),
        (Some(class), Counted::Failed),
        "{behaviour:?}"
    );
    let usage = attempt.usage.unwrap();
    assert!(
        usage.source == UsageSource::Estimated && usage.completion > 0,
        "{behaviour:?}"
    );
    assert_eq!(record.answered_by, Some(0));
    let (_, association) = gateway.health_of(0);
    assert_eq!(
        (association.error_count, association.in_flight),
        (1, 0),
        "{behaviour:?}"
    );
}

#[tokio::test]
async fn after_its_first_content_a_broken_stream_ends_in_the_error_event() {
    let fault = Behaviour::fault;
    breaks(fault(Fault::ErrorEvent { after_events: 4 }), "stream_error").await;
    breaks(
        fault(Fault::Close {
            at: Point::AfterEvents(4),
        }),
        "upstream_truncated",
    )
    .await;
    breaks(
        fault(Fault::Close { at: Point::MidBody }),
        "upstream_truncated",
    )
    .await;
    breaks(
        fault(Fault::Reset {
            at: Point::AfterEvents(4),
        }),
        "upstream_truncated",
    )
    .await;
    breaks(fault(Fault::Malformed { after_events: 4 }), "bad_payload").await;
    breaks(
        fault(Fault::Hang {
            at: Point::AfterEvents(4),
        }),
        "stream_idle",
    )
    .await;
    breaks(fault(Fault::Hang { at: Point::MidBody }), "stream_idle").await;
}

#[tokio::test]
async fn malformed_events_are_left_out_where_the_policy_says_so() {
    let simulator = simulator().await;
    simulator.fail(Behaviour::fault(Fault::Malformed { after_events: 4 }));
    let gateway = Setup::of(&[&simulator])
        .policy(json!({"skip_malformed_events": true}))
        .start()
        .await;
    let reply = stream(&gateway, json!({})).await;
    reply.assert_is_complete_stream();
    assert!(!reply.text().contains("chatcmpl-broken"));
}

/// The stream `text`, and whether it is a complete answer to a request for `n` of them.
async fn ends(extra: Value, text: &str, complete: bool) {
    let (mut gateway, _provider) = before(text).await;
    let reply = stream(&gateway, extra).await;
    if complete {
        reply.assert_is_complete_stream();
    } else {
        reply.assert_ends_in_error();
    }
    assert_eq!(gateway.record().error_class.is_none(), complete, "{text}");
    assert_eq!(
        reply.text().matches("[DONE]").count(),
        usize::from(complete),
        "{text}"
    );
}

fn finish(index: u32) -> String {
    FINISH.replace("\"index\":0", &format!("\"index\":{index}"))
}

#[tokio::test]
async fn a_stream_is_finished_for_the_provider_only_when_every_answer_is_complete() {
    let text = text_event("hi");
    ends(json!({}), &format!("{text}{FINISH}"), true).await;
    ends(json!({}), &format!("{text}{FINISH}{USAGE}"), true).await;
    ends(json!({}), &text, false).await;
    ends(json!({}), &format!("{text}{DONE}"), true).await;
    let two = || json!({"n": 2});
    ends(two(), &format!("{text}{FINISH}"), false).await;
    ends(two(), &format!("{text}{FINISH}{FINISH}"), false).await;
    ends(two(), &format!("{text}{}{}", finish(1), finish(0)), true).await;
    // Some servers send an empty finish reason for "not yet".
    let unfinished = text.replace("null", "\"\"");
    ends(json!({}), &unfinished, false).await;
    ends(json!({}), &format!("{unfinished}{FINISH}"), true).await;
}

#[tokio::test]
async fn a_complete_answer_is_not_taken_back_where_it_has_no_end_marker() {
    let text = text_event("hi");
    for behind in [
        "data: {broken\n\n",
        "data: {\"error\":{\"message\":\"late\"}}\n\n",
    ] {
        for (body, complete) in [
            (format!("{text}{FINISH}{behind}"), true),
            (format!("{text}{behind}"), false),
        ] {
            let (mut gateway, _provider) = before(&body).await;
            let asked = json!({"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]});
            let path = "/v1beta/models/m:streamGenerateContent?alt=sse";
            let response = gateway.serve(post(path, asked.to_string(), &[])).await;
            let reply = Reply::of(response).await;
            let last: Value = serde_json::from_str(reply.events().last().unwrap()).unwrap();
            assert_eq!(last.get("error").is_none(), complete, "{}", reply.text());
            assert_eq!(last["candidates"][0]["finishReason"] == "STOP", complete);
            assert_eq!(gateway.record().error_class.is_none(), complete);
        }
    }
}

#[tokio::test]
async fn each_prompt_of_a_completion_is_an_answer_of_its_own() {
    let part = |index: u32, reason: &str| {
        format!(
            "data: {{\"choices\":[{{\"index\":{index},\"text\":\"x\",\"finish_reason\":{reason}}}]}}\n\n"
        )
    };
    let one = format!("{}{}", part(0, "null"), part(0, "\"stop\""));
    for (prompt, n, text, complete) in [
        (json!("a"), 1, one.clone(), true),
        (json!(["a", "b"]), 1, one.clone(), false),
        (
            json!(["a", "b"]),
            1,
            format!("{one}{}", part(1, "\"stop\"")),
            true,
        ),
        (json!(["a"]), 2, one.clone(), false),
        (json!([1, 2, 3]), 1, one.clone(), true),
        (json!([[1, 2], [3]]), 1, one.clone(), false),
    ] {
        let (gateway, _provider) = before(&text).await;
        let body = json!({"model": "m", "prompt": prompt, "n": n, "stream": true}).to_string();
        let reply = Reply::of(gateway.serve(post("/v1/completions", body, &[])).await).await;
        if complete {
            reply.assert_is_complete_stream();
        } else {
            reply.assert_ends_in_error();
        }
    }
}

#[tokio::test]
async fn nothing_follows_the_end_marker() {
    for after in [
        text_event("more"),
        "data: {\"error\":{\"message\":\"late\"}}\n\n".into(),
        "data: {broken\n\n".into(),
        DONE.into(),
    ] {
        let good = format!("{}{FINISH}{DONE}", text_event("hi"));
        let (mut gateway, _provider) = before(&format!("{good}{after}")).await;
        assert_eq!(stream(&gateway, json!({})).await.text(), good, "{after}");
        assert_eq!(gateway.record().error_class, None, "{after}");
        assert_eq!(gateway.health_of(0).0.error_count, 0);
    }
}

#[tokio::test]
async fn a_provider_that_never_closes_does_not_hold_the_client() {
    let text = format!("{STREAM_HEAD}{}{FINISH}{DONE}", text_event("hi"));
    let provider = RawProvider::start(vec![say(text), Act::Stay]).await;
    let mut gateway = Setup::at(&[provider.base_url()]).start().await;
    stream(&gateway, json!({}))
        .await
        .assert_is_complete_stream();
    assert_eq!(gateway.record().error_class, None);
}

#[tokio::test]
async fn a_complete_answer_whose_provider_falls_silent_is_finished() {
    let text = format!("{STREAM_HEAD}{}{FINISH}", text_event("hi"));
    let provider = RawProvider::start(vec![say(text), Act::Stay]).await;
    let gateway = Setup::at(&[provider.base_url()])
        .policy(json!({"stream_idle_timeout": 0.2}))
        .start()
        .await;
    stream(&gateway, json!({}))
        .await
        .assert_is_complete_stream();
}

/// A client that reads slowly is not the provider's silence.
#[tokio::test]
async fn the_silence_clock_runs_only_while_the_provider_is_waited_for() {
    let rest = format!("{}{FINISH}{DONE}", text_event("second"));
    let acts = vec![
        say(format!("{STREAM_HEAD}{}", text_event("first"))),
        Act::Pause(Duration::from_millis(900)),
        say(rest),
    ];
    let provider = RawProvider::start(acts).await;
    let mut gateway = Setup::at(&[provider.base_url()])
        .policy(json!({"stream_idle_timeout": 0.6}))
        .start()
        .await;
    let mut body = gateway
        .open(&json!({"stream": true}), &[])
        .await
        .into_body();
    body.frame().await.unwrap().unwrap();
    tokio::time::sleep(Duration::from_millis(700)).await;
    let rest = body.collect().await.unwrap().to_bytes();
    assert!(rest.ends_with(DONE.as_bytes()), "{rest:?}");
    assert_eq!(gateway.record().error_class, None);
}

/// Whatever a client would keep commits the stream; a failure after it is not another provider's.
#[tokio::test]
async fn every_kind_of_content_commits() {
    for delta in [
        r#"{"content":"a"}"#,
        r#"{"tool_calls":[{"index":0,"id":"c","type":"function","function":{"name":"f","arguments":""}}]}"#,
        r#"{"refusal":"no"}"#,
        r#"{"reasoning_content":"hm"}"#,
        r#"{"reasoning":"hm"}"#,
        r#"{"content":[{"type":"thinking","thinking":"hm"}]}"#,
    ] {
        let event = format!(
            "data: {{\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":null}}]}}\n\n"
        );
        let bad = RawProvider::streaming(&event).await;
        let good = simulator().await;
        let gateway = Setup::at(&[bad.base_url(), good.base_url()])
            .max_retry(3)
            .start()
            .await;
        let reply = stream(&gateway, json!({})).await;
        assert!(reply.text().starts_with(&event), "{delta}");
        reply.assert_ends_in_error();
        assert_eq!(good.counts().received, 0, "{delta}");
    }
}

#[tokio::test]
async fn an_answer_without_text_is_an_answer() {
    for text in [
        format!("{FINISH}{DONE}"),
        FINISH.replace("stop", "content_filter") + DONE,
    ] {
        let (mut gateway, _provider) = before(&text).await;
        assert_eq!(stream(&gateway, json!({})).await.text(), text);
        assert_eq!(gateway.record().attempts[0].error_class, None);
    }
}

#[tokio::test]
async fn what_is_no_content_does_not_commit() {
    let role = "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[]},\"finish_reason\":\"\"}]}\n\n";
    for text in [
        role.to_owned(),
        ": ping\n\n".repeat(50),
        "data:\n\n".repeat(3),
        USAGE.to_owned(),
        DONE.to_owned(),
        ": x\n\n".repeat(400_000),
    ] {
        let bad = RawProvider::streaming(&text).await;
        let good = simulator().await;
        let mut gateway = Setup::at(&[bad.base_url(), good.base_url()])
            .max_retry(1)
            .start()
            .await;
        let reply = stream(&gateway, json!({})).await;
        assert_eq!(reply.header("x-gateway-provider"), "b");
        reply.assert_is_complete_stream();
        assert_eq!(gateway.record().attempts.len(), 2);
    }
}

#[tokio::test]
async fn events_without_data_and_a_byte_order_mark_do_no_harm() {
    let good = format!("{}{FINISH}{DONE}", text_event("hi"));
    let (gateway, _provider) = before(&format!("\u{feff}{good}")).await;
    assert_eq!(stream(&gateway, json!({})).await.text(), good);
    let (mut gateway, _provider) = before(&format!(
        "data:\n\n{}data: \n\n{FINISH}{DONE}",
        text_event("hi")
    ))
    .await;
    assert_eq!(stream(&gateway, json!({})).await.text(), good);
    assert_eq!(gateway.record().error_class, None);
}

#[tokio::test]
async fn a_trickle_is_no_silence() {
    let simulator = simulator().await;
    simulator.fail(Behaviour {
        tokens: Some(3),
        ..Behaviour::fault(Fault::Trickle {
            bytes: 20,
            every_ms: 10,
        })
    });
    let gateway = Setup::of(&[&simulator])
        .policy(json!({"stream_idle_timeout": 0.5}))
        .start()
        .await;
    stream(&gateway, json!({}))
        .await
        .assert_is_complete_stream();
}
