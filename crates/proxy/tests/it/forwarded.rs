//! What is passed on without being understood: images, audio, moderations, rerank.

use http_body_util::BodyExt;
use serde_json::json;

use crate::{
    gateway::{Gateway, Reply, Setup, post},
    raw::{Act, RawProvider, say},
};

const FORM: &str = "multipart/form-data; boundary=xyz";
const UPLOAD: &str = "--xyz\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\nm\r\n--xyz\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\ncontent-type: audio/wav\r\n\r\n\u{1}\u{2}\r\n--xyz--\r\n";

async fn before(acts: Vec<Act>) -> (RawProvider, Gateway) {
    let provider = RawProvider::start(acts).await;
    let gateway = Setup::at(&[provider.base_url()]).start().await;
    (provider, gateway)
}

fn answer(headers: &str, body: &str) -> Act {
    let length = body.len();
    say(format!(
        "HTTP/1.1 200 OK\r\n{headers}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    ))
}

#[tokio::test]
async fn sound_comes_back_as_it_is() {
    let headers = "content-type: audio/mpeg\r\ncontent-disposition: attachment\r\nset-cookie: a=b";
    let (_provider, mut gateway) = before(vec![answer(headers, "ID3 not json {")]).await;
    let body = json!({"model": "m", "input": "say it", "voice": "alloy"}).to_string();
    let reply = Reply::of(gateway.serve(post("/v1/audio/speech", body, &[])).await).await;
    assert_eq!(
        (reply.status.as_u16(), reply.text()),
        (200, "ID3 not json {")
    );
    assert_eq!(reply.header("content-type"), "audio/mpeg");
    assert_eq!(reply.header("content-disposition"), "attachment");
    assert_eq!(reply.header("set-cookie"), "");
    let record = gateway.record();
    assert_eq!((record.status_code, record.attempts[0].usage), (200, None));
}

#[tokio::test]
async fn an_upload_reaches_the_provider_with_its_model() {
    let json = r#"{"text":"hello","usage":{"type":"tokens","input_tokens":3,"output_tokens":2,"total_tokens":5}}"#;
    let (provider, mut gateway) =
        before(vec![answer("content-type: application/json", json)]).await;
    let request = post(
        "/v1/audio/transcriptions",
        UPLOAD,
        &[("content-type", FORM)],
    );
    let reply = Reply::of(gateway.serve(request).await).await;
    assert_eq!((reply.status.as_u16(), reply.text()), (200, json));
    assert_eq!(gateway.record().attempts[0].usage.unwrap().total, 5);
    let sent = provider.last_request();
    assert!(sent.contains(FORM), "{sent}");
    let expected = UPLOAD.replacen("\r\n\r\nm\r\n", "\r\n\r\nup-a\r\n", 1);
    assert!(sent.ends_with(&expected), "{sent}");
}

#[tokio::test]
async fn bytes_that_break_off_break_the_connection_to_the_client() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: audio/mpeg\r\ncontent-length: 100\r\n\r\nhalf";
    let (_provider, mut gateway) = before(vec![say(head)]).await;
    let body = json!({"model": "m", "input": "say it"}).to_string();
    let response = gateway.serve(post("/v1/audio/speech", body, &[])).await;
    assert_eq!(response.status().as_u16(), 200);
    assert!(response.into_body().collect().await.is_err());
    assert_eq!(gateway.record().error_class, Some("upstream_truncated"));
}

#[tokio::test]
async fn events_pass_as_they_are() {
    let events = "event: image_generation.partial_image\ndata: {\"b64_json\":\"AA==\"}\n\n";
    let (_provider, gateway) =
        before(vec![answer("content-type: text/event-stream", events)]).await;
    let body = json!({"model": "m", "prompt": "a cat", "stream": true}).to_string();
    let reply = Reply::of(
        gateway
            .serve(post("/v1/images/generations", body, &[]))
            .await,
    )
    .await;
    assert_eq!(reply.text(), events);
    assert_eq!(reply.header("content-type"), "text/event-stream");
}
