//! Providers that break HTTP, or bend it.

use serde_json::json;
use std::time::Duration;

use crate::{
    gateway::{Reply, Setup, post, simulator},
    raw::{Act, DONE, FINISH, RawProvider, say, text_event},
};

const ANSWER: &str = r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}]}"#;

/// What a provider sends, and what becomes of it: an answer, or the class of the failure.
async fn meets(acts: Vec<Act>, stream: bool, expected: Result<(), &str>) {
    let bad = RawProvider::start(acts.clone()).await;
    let good = simulator().await;
    let mut gateway = Setup::at(&[bad.base_url(), good.base_url()])
        .max_retry(1)
        .start()
        .await;
    let reply = gateway.chat(&json!({"stream": stream})).await;
    let record = gateway.record();
    assert_eq!(reply.status, 200, "{acts:?}");
    assert_eq!(record.attempts[0].error_class, expected.err(), "{acts:?}");
    assert_eq!(bad.requests(), 1, "{acts:?}");
}

#[tokio::test]
async fn heads_and_lengths_that_lie_are_failures_not_panics() {
    let whole = |head: &str| vec![say(format!("{head}\r\n\r\n{ANSWER}"))];
    let ok = "HTTP/1.1 200 OK";
    meets(whole(&format!("{ok}\r\nconnection: close")), false, Ok(())).await;
    meets(
        whole(&format!(
            "HTTP/1.0 200 OK\r\ncontent-length: {}",
            ANSWER.len()
        )),
        false,
        Ok(()),
    )
    .await;
    meets(
        whole(&format!("{ok}\r\ncontent-length: {}", ANSWER.len() + 5)),
        false,
        Err("upstream_truncated"),
    )
    .await;
    meets(
        whole(&format!("{ok}\r\ncontent-length: {}", ANSWER.len() - 5)),
        false,
        Err("bad_payload"),
    )
    .await;
    meets(
        whole(&format!("{ok}\r\ncontent-length: 5\r\ncontent-length: 6")),
        false,
        Err("reset"),
    )
    .await;
    meets(
        whole(&format!("{ok}\r\ncontent-length: -1")),
        false,
        Err("reset"),
    )
    .await;
    meets(
        whole(&format!("{ok}\r\ntransfer-encoding: chunked")),
        false,
        Err("upstream_truncated"),
    )
    .await;
    meets(
        whole(&format!("{ok}\r\ncontent-length: 0")),
        false,
        Err("bad_payload"),
    )
    .await;
    meets(whole("HTTP/1.1 204 No Content"), false, Err("bad_payload")).await;
    meets(whole("HTTP/1.1 999 What"), false, Err("server_error")).await;
    meets(
        whole("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade"),
        false,
        Err("bad_payload"),
    )
    .await;
    meets(vec![say("SSH-2.0-OpenSSH_9.6\r\n")], false, Err("reset")).await;
    meets(vec![say([0xff; 64])], false, Err("reset")).await;
    meets(
        vec![say(format!("{ok}\r\nx: {}\r\n\r\n", "a".repeat(2 << 20)))],
        false,
        Err("reset"),
    )
    .await;
    let many: String = (0..5000).map(|index| format!("x-{index}: a\r\n")).collect();
    meets(
        vec![say(format!("{ok}\r\n{many}\r\n"))],
        false,
        Err("reset"),
    )
    .await;
}

#[tokio::test]
async fn a_stream_in_any_pieces_and_with_any_end_is_read() {
    let events = format!("{}{FINISH}{DONE}", text_event("hi"));
    let head = "HTTP/1.1 200 OK\r\ncontent-type: Text/Event-Stream; charset=utf-8\r\n";
    let close = format!("{head}connection: close\r\n\r\n");
    let bytewise: Vec<Act> = std::iter::once(say(close.clone()))
        .chain(
            events
                .bytes()
                .flat_map(|byte| [say([byte]), Act::Pause(Duration::from_micros(10))]),
        )
        .collect();
    meets(bytewise, true, Ok(())).await;
    let length = format!("{head}content-length: {}\r\n\r\n{events}", events.len());
    meets(vec![say(length)], true, Ok(())).await;
    let trailers = format!(
        "{head}transfer-encoding: chunked\r\n\r\n{:x}\r\n{events}\r\n0\r\nx-sum: 1\r\n\r\n",
        events.len()
    );
    meets(vec![say(trailers)], true, Ok(())).await;
    meets(
        vec![say(format!(
            "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{events}"
        ))],
        true,
        Err("bad_payload"),
    )
    .await;
    meets(
        vec![say(format!("{close}{}", text_event("hi").trim_end()))],
        true,
        Err("empty_stream"),
    )
    .await;
}

/// A provider may refuse a body by its head, and answer before it has read it.
#[tokio::test]
async fn an_early_refusal_of_a_large_body_is_the_answer() {
    let told = r#"{"error":{"message":"too much"}}"#;
    let answer = format!(
        "HTTP/1.1 413 Too Large\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{told}",
        told.len()
    );
    let provider = RawProvider::hasty(vec![say(answer)]).await;
    let mut gateway = Setup::at(&[provider.base_url()]).start().await;
    let reply = gateway
        .chat(&json!({"messages": [{"role": "user", "content": "x".repeat(8 << 20)}]}))
        .await;
    assert_eq!((reply.status.as_u16(), reply.text()), (413, told));
    assert_eq!(
        gateway.record().attempts[0].error_class,
        Some("client_error")
    );
    assert_eq!(gateway.health_of(0).0.error_count, 0);
}

/// Unknown fields, odd spacing and escapes reach the provider as they came.
#[tokio::test]
async fn a_body_passes_through_but_for_what_is_the_gateways() {
    let simulator = simulator().await;
    let gateway = Setup::of(&[&simulator]).start().await;
    let body = "\t{ \"mod\\u0065l\" : \"\\u006d\" ,\n\"provider\":\"a\",\"messages\":[{\"content\":\"\\ud83d\\ude42 \\u2028\",\"role\":\"user\"}],\
                \"temperature\":1E-2,\"timeout\":9 ,\"seed\":12345678901 }  ";
    let request = post("/v1/chat/completions", body, &[]);
    let reply = Reply::of(gateway.serve(request).await).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let sent = simulator.requests()[0].body.clone();
    assert_eq!(
        str::from_utf8(&sent).unwrap(),
        "\t{ \"mod\\u0065l\" : \"up-a\",\"messages\":[{\"content\":\"\\ud83d\\ude42 \\u2028\",\"role\":\"user\"}],\
         \"temperature\":1E-2 ,\"seed\":12345678901 }  "
    );
}
