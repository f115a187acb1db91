//! Streams.

use super::{recorded::RECORDED, *};
use crate::{ErrorKind, Stream, sse::Decoder};

/// What the client of a provider gets whose stream comes in chunks of `size` bytes.
fn translated(from: Format, to: Format, stream: &str, size: usize) -> Vec<u8> {
    let mut translation = Stream::translate(from, to, reply(false), 0);
    let mut decoder = Decoder::new(1 << 20);
    let mut out = Vec::new();
    for chunk in stream.as_bytes().chunks(size) {
        decoder.push(Bytes::copy_from_slice(chunk));
        while let Some(event) = decoder.next_event().unwrap() {
            let step = translation.look(event).unwrap();
            assert_eq!(step.error, None);
            out.extend_from_slice(&step.bytes);
        }
    }
    assert!(translation.is_complete(), "{from:?}");
    if !translation.is_done() {
        out.extend_from_slice(&translation.finish());
    }
    out
}

/// What a client of `format` reads.
fn heard(format: Format, stream: &[u8]) -> Told {
    let mut decoder = Decoder::new(1 << 20);
    let mut reader = Reader::new(format);
    let mut listener = Listener::default();
    decoder.push(Bytes::copy_from_slice(stream));
    while let Some(event) = decoder.next_event().unwrap() {
        if let Some(data) = event.data() {
            reader
                .read(&data, &mut |event| listener.hear(event))
                .unwrap();
        }
    }
    assert!(decoder.finish().is_none(), "an event is cut off");
    listener.told()
}

#[test]
fn a_stream_says_the_same_in_every_format() {
    for (name, from, stream) in RECORDED {
        let said = heard(*from, stream.as_bytes());
        for to in Format::ALL {
            let out = translated(*from, to, stream, usize::MAX);
            let text = String::from_utf8_lossy(&out);
            assert_eq!(heard(to, &out), said, "{name}, {from:?} to {to:?}:\n{text}");
        }
    }
}

#[test]
fn a_stream_is_translated_alike_however_it_is_cut() {
    for (name, from, stream) in RECORDED {
        for to in Format::ALL {
            let whole = translated(*from, to, stream, usize::MAX);
            for size in [1, 2, 3, 7, 61, 256] {
                let cut = translated(*from, to, stream, size);
                assert!(cut == whole, "{name}, {from:?} to {to:?}, {size} bytes");
            }
        }
    }
}

/// What `stream` says after its events up to `count`.
fn up_to(stream: &mut Stream, recorded: &str, count: usize) -> Vec<u8> {
    let mut decoder = Decoder::new(1 << 20);
    let mut out = Vec::new();
    decoder.push(Bytes::copy_from_slice(recorded.as_bytes()));
    for _ in 0..count {
        let Some(event) = decoder.next_event().unwrap() else {
            break;
        };
        out.extend_from_slice(&stream.look(event).unwrap().bytes);
    }
    out
}

#[test]
fn a_stream_that_breaks_off_anywhere_ends_with_an_error_that_its_format_knows() {
    let error = ClientError::new(ErrorKind::BadGateway, "it broke off");
    for (name, from, recorded) in RECORDED {
        for to in Format::ALL {
            for count in 0..recorded.matches("\n\n").count() - 1 {
                let mut stream = Stream::translate(*from, to, reply(false), 0);
                let mut out = up_to(&mut stream, recorded, count);
                out.extend_from_slice(&stream.fail(&error));
                let (mut decoder, mut reader) = (Decoder::new(1 << 20), Reader::new(to));
                let mut errors = Vec::new();
                decoder.push(out.into());
                while let Some(event) = decoder.next_event().unwrap() {
                    let before = errors.len();
                    let data = event.data().unwrap_or_default();
                    reader
                        .read(&data, &mut |event| {
                            if let Event::Error(error) = event {
                                errors.push(error.message);
                            }
                        })
                        .unwrap();
                    // Responses tells of it twice: in an `error` event, and in the state that the answer is left in.
                    assert!(
                        before == 0 || errors.len() > before,
                        "{name}, {from:?} to {to:?}: more follows"
                    );
                }
                let is_told = errors.iter().all(|error| error == "it broke off");
                assert!(is_told && !errors.is_empty(), "{name}, {from:?} to {to:?}");
            }
        }
    }
}

#[test]
fn an_array_is_whole_however_its_stream_ends() {
    let error = ClientError::new(ErrorKind::BadGateway, "it broke off");
    for (name, from, recorded) in RECORDED {
        for count in 0..=recorded.matches("\n\n").count() {
            let mut stream = Stream::translate(*from, Format::Gemini, reply(true), 0);
            let mut out = up_to(&mut stream, recorded, count);
            if !stream.is_done() {
                out.extend_from_slice(&if stream.is_complete() {
                    stream.finish()
                } else {
                    stream.fail(&error)
                });
            }
            let elements: Vec<Value> = serde_json::from_slice(&out).unwrap();
            let last = elements.last().unwrap();
            assert!(
                last["error"]["code"] == 502 || last["candidates"][0]["finishReason"].is_string(),
                "{name}, {from:?}, {count} events: {last}"
            );
        }
    }
}

#[test]
fn the_output_of_a_stream_that_breaks_off_is_estimated_where_its_provider_tells_it_late() {
    let late = [
        r#"{"type":"message_start","message":{"id":"msg_1","model":"m","usage":{"input_tokens":9,"output_tokens":1}}}"#,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"0123456789abcdef"}}"#,
    ];
    let stream: String = late.map(|data| format!("data: {data}\n\n")).concat();
    let mut cut = Stream::translate(Format::Messages, Format::Chat, reply(false), 0);
    up_to(&mut cut, &stream, 2);
    assert_eq!(cut.usage().completion, 1);
    up_to(&mut cut, late_delta(&stream), 1);
    let usage = cut.usage();
    assert_eq!((usage.prompt, usage.completion, usage.total), (9, 4, 13));
    assert_eq!(usage.source, crate::UsageSource::Estimated);
    up_to(
        &mut cut,
        "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":3}}\n\n",
        1,
    );
    assert_eq!(cut.usage().completion, 3);
    assert_eq!(cut.usage().source, crate::UsageSource::Provider);
}

/// The last event.
fn late_delta(stream: &str) -> &str {
    &stream[stream.trim_end().rfind("data: ").unwrap()..]
}
