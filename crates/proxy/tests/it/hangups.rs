//! Clients that leave, and clients that do not.

use http_body_util::BodyExt;
use protocol::UsageSource;
use serde_json::json;
use simulator::{Behaviour, Fault, Point, Simulator};
use stats::Counted;

use crate::{
    gateway::{Gateway, Reply, Setup, post, simulator, until},
    raw::{Act, FINISH, RawProvider, STREAM_HEAD, say, text_event},
};

async fn beside_a_spare(behaviour: Behaviour) -> (Simulator, Simulator, Gateway) {
    let (first, spare) = (simulator().await, simulator().await);
    first.fail(behaviour);
    let gateway = Setup::of(&[&first, &spare]).max_retry(3).start().await;
    (first, spare, gateway)
}

#[tokio::test]
async fn leaving_before_the_answer_cancels_the_call_and_is_recorded() {
    for at in [
        Point::BeforeHeaders,
        Point::AfterHeaders,
        Point::AfterEvents(1),
    ] {
        for stream in [false, true] {
            let (hanging, spare, mut gateway) =
                beside_a_spare(Behaviour::fault(Fault::Hang { at })).await;
            let extra = json!({"stream": stream});
            {
                let waiting = std::pin::pin!(gateway.open(&extra, &[]));
                tokio::select! {
                    response = waiting => panic!("{response:?}"),
                    () = until(|| hanging.counts().received == 1) => {}
                }
            }
            until(|| hanging.counts().client_cut == 1).await;
            let record = gateway.record();
            assert_eq!(
                (record.status_code, record.error_class),
                (499, Some("client_closed"))
            );
            let [attempt] = &record.attempts[..] else {
                panic!("{record:?}")
            };
            assert_eq!(
                (attempt.error_class, attempt.counted),
                (Some("client_closed"), Counted::Success)
            );
            assert_eq!((record.answered_by, spare.counts().received), (None, 0));
            let (provider, association) = gateway.health_of(0);
            assert_eq!(
                (
                    provider.error_count,
                    association.error_count,
                    provider.in_flight
                ),
                (0, 0, 0)
            );
        }
    }
}

#[tokio::test]
async fn leaving_mid_stream_records_what_was_used() {
    let (hanging, spare, mut gateway) = beside_a_spare(Behaviour::fault(Fault::Hang {
        at: Point::AfterEvents(6),
    }))
    .await;
    let mut body = gateway
        .open(&json!({"stream": true}), &[])
        .await
        .into_body();
    for _ in 0..4 {
        body.frame().await.unwrap().unwrap();
    }
    gateway.assert_no_record();
    drop(body);
    until(|| hanging.counts().client_cut == 1).await;
    let record = gateway.record();
    assert_eq!(
        (record.status_code, record.error_class, record.answered_by),
        (499, Some("client_closed"), Some(0))
    );
    let attempt = &record.attempts[0];
    assert_eq!(
        (attempt.status, attempt.counted),
        (Some(200), Counted::Success)
    );
    let usage = attempt.usage.unwrap();
    assert!(usage.source == UsageSource::Estimated && usage.completion > 0 && usage.prompt > 0);
    assert_eq!(
        (
            gateway.health_of(0).0.error_count,
            gateway.health_of(0).0.in_flight
        ),
        (0, 0)
    );
    assert_eq!(spare.counts().received, 0);
}

#[tokio::test]
async fn a_body_that_is_never_read_is_a_hang_up() {
    let (provider, _spare, mut gateway) = beside_a_spare(Behaviour::fault(Fault::Hang {
        at: Point::AfterEvents(6),
    }))
    .await;
    drop(gateway.open(&json!({"stream": true}), &[]).await);
    until(|| provider.counts().client_cut == 1).await;
    assert_eq!(gateway.record().status_code, 499);
}

/// Most SDKs close as soon as they read the end marker.
#[tokio::test]
async fn leaving_after_the_end_marker_is_no_hang_up() {
    let simulator = simulator().await;
    let mut gateway = Setup::of(&[&simulator]).start().await;
    let mut body = gateway
        .open(&json!({"stream": true}), &[])
        .await
        .into_body();
    loop {
        let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
        if frame.starts_with(b"data: [DONE]") {
            break;
        }
    }
    drop(body);
    let record = gateway.record();
    assert_eq!(
        (
            record.status_code,
            record.error_class,
            record.attempts[0].error_class
        ),
        (200, None, None)
    );
    assert_eq!(
        record.attempts[0].usage.unwrap().source,
        UsageSource::Provider
    );
    assert_eq!(gateway.health_of(0).0.consecutive_successes, 1);
    gateway.idle().await;
}

/// Gemini's streams have no end marker: a client knows that it has all by the finish reason.
#[tokio::test]
async fn leaving_after_the_last_chunk_of_a_stream_without_end_marker_is_no_hang_up() {
    let text = |text: &str, end: &str| {
        format!(
            "data: {{\"candidates\":[{{\"content\":{{\"role\":\"model\",\"parts\":[{{\"text\":\"{text}\"}}]}}{end}}}]}}\n\n"
        )
    };
    let open = text("hi", "");
    let last = text("!", ",\"finishReason\":\"STOP\"");
    for (says, frames, path, status) in [
        (format!("{open}{last}"), 2, "?alt=sse", 200),
        (open.clone(), 1, "?alt=sse", 499),
        // As an array it is not all without its bracket.
        (format!("{open}{last}"), 2, "", 499),
    ] {
        let acts = vec![say(format!("{STREAM_HEAD}{says}")), Act::Stay];
        let provider = RawProvider::start(acts).await;
        let config = json!({"base_url": provider.base_url().trim_end_matches("/v1")});
        let mut gateway = Setup::new().provider_of("gemini", &config).start().await;
        let body = json!({"contents": [{"parts": [{"text": "hello"}]}]}).to_string();
        let path = format!("/v1/models/m:streamGenerateContent{path}");
        let response = gateway.serve(post(&path, body, &[])).await;
        let mut body = response.into_body();
        for _ in 0..frames {
            body.frame().await.unwrap().unwrap();
        }
        drop(body);
        let record = gateway.record();
        assert_eq!(record.status_code, status, "{path}");
        assert_eq!(record.error_class.is_none(), status == 200);
    }
}

/// The gateway leaves: what still runs ends in the error event, and nobody is blamed.
#[tokio::test]
async fn a_stream_that_is_cut_ends_in_the_error_event_unless_it_was_complete() {
    let head = format!("{STREAM_HEAD}{}", text_event("hi"));
    for (text, complete) in [(head.clone(), false), (format!("{head}{FINISH}"), true)] {
        let provider = RawProvider::start(vec![say(text), Act::Stay]).await;
        let mut gateway = Setup::at(&[provider.base_url()]).start().await;
        let response = gateway.open(&json!({"stream": true}), &[]).await;
        gateway.cut.cancel();
        let reply = Reply::of(response).await;
        let record = gateway.record();
        if complete {
            reply.assert_is_complete_stream();
            assert_eq!(record.error_class, None);
        } else {
            reply.assert_ends_in_error();
            assert_eq!(record.attempts[0].error_class, Some("client_shutdown"));
            assert_eq!(record.attempts[0].counted, Counted::Success);
        }
        assert_eq!(gateway.health_of(0).0.error_count, 0);
    }
}
