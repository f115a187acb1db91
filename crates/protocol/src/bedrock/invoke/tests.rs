use bytes::Bytes;

use super::*;
use crate::bedrock::event_stream::Decoder;

/// A message with text headers.
fn message(headers: &[(&str, &str)], payload: &str) -> Message {
    let mut written = Vec::new();
    for (name, value) in headers {
        written.push(name.len() as u8);
        written.extend(name.as_bytes());
        written.push(7);
        written.extend((value.len() as u16).to_be_bytes());
        written.extend(value.as_bytes());
    }
    let mut bytes = Vec::from(((16 + written.len() + payload.len()) as u32).to_be_bytes());
    bytes.extend((written.len() as u32).to_be_bytes());
    bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
    bytes.extend(written);
    bytes.extend(payload.as_bytes());
    bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
    let mut decoder = Decoder::new(1 << 20);
    decoder.push(Bytes::from(bytes));
    decoder.next_message().unwrap().unwrap()
}

fn chunk_of(json: &str) -> Message {
    let payload = format!(r#"{{"bytes":"{}","p":"abcdefg"}}"#, STANDARD.encode(json));
    let headers = [
        (":event-type", "chunk"),
        (":content-type", "application/json"),
        (":message-type", "event"),
    ];
    message(&headers, &payload)
}

#[track_caller]
fn fails(name: &str, payload: &str, status: u16, told: &str) {
    let headers = [(":exception-type", name), (":message-type", "exception")];
    match unwrap_message(&message(&headers, payload)).unwrap_err() {
        ChunkError::Exception {
            status: found,
            error,
        } => {
            assert_eq!((found, &*error.message), (status, told), "{name}");
            assert_eq!(error.kind.as_deref(), Some(name));
        }
        other => panic!("{name}: {other}"),
    }
}

#[test]
fn a_chunk_becomes_the_event_of_the_model_s_own_api() {
    for (json, raw) in [
        (
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hé\n"}}"#,
            "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hé\\n\"}}\n\n",
        ),
        (
            r#"{"completion":"old"}"#,
            "data: {\"completion\":\"old\"}\n\n",
        ),
        (r#"{"type":"a\nb"}"#, "data: {\"type\":\"a\\nb\"}\n\n"),
        (r#"{"type":7}"#, "data: {\"type\":7}\n\n"),
    ] {
        let event = unwrap_message(&chunk_of(json)).unwrap().unwrap();
        assert_eq!(event.raw, raw);
        assert_eq!(event.data().as_deref(), Some(json.as_bytes()));
    }
}

#[test]
fn events_of_other_kinds_are_skipped() {
    let headers = [
        (":event-type", "initial-response"),
        (":message-type", "event"),
    ];
    assert_eq!(unwrap_message(&message(&headers, "{}")), Ok(None));
}

#[test]
fn exceptions_have_the_status_that_they_have_as_answers() {
    fails(
        "throttlingException",
        r#"{"message":"Too many tokens"}"#,
        429,
        "Too many tokens",
    );
    fails(
        "modelTimeoutException",
        r#"{"message":"slow"}"#,
        408,
        "slow",
    );
    fails(
        "internalServerException",
        r#"{"Message":"oops"}"#,
        500,
        "oops",
    );
    fails(
        "serviceUnavailableException",
        "",
        503,
        "serviceUnavailableException",
    );
    fails(
        "validationException",
        "not json",
        400,
        "validationException",
    );
    fails("somethingNew", "{}", 500, "somethingNew");
    fails(
        "modelStreamErrorException",
        r#"{"message":"stream error","originalStatusCode":529,"originalMessage":"overloaded"}"#,
        502,
        "overloaded",
    );
}

#[test]
fn an_unmodelled_error_is_told_too() {
    let headers = [
        (":message-type", "error"),
        (":error-code", "InternalError"),
        (":error-message", "broken pipe"),
    ];
    let error = unwrap_message(&message(&headers, "")).unwrap_err();
    assert!(
        matches!(&error, ChunkError::Exception { status: 500, error } if error.message == "broken pipe")
    );
}

#[test]
fn what_cannot_be_read_is_malformed() {
    let event = [(":event-type", "chunk"), (":message-type", "event")];
    for message in [
        message(&event, "{}"),
        message(&event, r#"{"bytes":"!"}"#),
        message(&event, r#"{"bytes":7}"#),
        message(&[(":event-type", "chunk")], "{}"),
        chunk_of("{\n}"),
    ] {
        assert!(matches!(
            unwrap_message(&message),
            Err(ChunkError::Malformed(_))
        ));
    }
}
