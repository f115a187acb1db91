//! Whatever a provider streams, the translation neither panics nor writes an event that cannot be read.

#![no_main]

use std::sync::Arc;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use protocol::{ClientError, ErrorKind, Format, Reply, Stream, canonical::Request, json, sse::Decoder};

fn reply(as_array: bool) -> Reply {
    Reply {
        request: Arc::new(Request::default()),
        id: "0".repeat(32),
        created: 1,
        model: "model".to_owned(),
        include_usage: true,
        prompt_tokens: 1,
        as_array,
    }
}

/// What a client of `to` reads of a stream of `from`.
fn translated(from: Format, to: Format, as_array: bool, input: &Bytes) -> Vec<u8> {
    let mut stream = Stream::translate(from, to, reply(as_array), 10);
    let mut decoder = Decoder::new(1 << 20);
    let mut out = Vec::new();
    decoder.push(input.clone());
    while let Ok(Some(event)) = decoder.next_event() {
        match stream.look(event) {
            Ok(step) if step.error.is_none() => out.extend_from_slice(&step.bytes),
            _ => break,
        }
        if stream.is_done() {
            return out;
        }
    }
    let end = if stream.is_complete() {
        stream.finish()
    } else {
        stream.fail(&ClientError::new(ErrorKind::BadGateway, "broke off"))
    };
    out.extend_from_slice(&end);
    out
}

fuzz_target!(|input: (u8, &[u8])| {
    let from = Format::ALL[usize::from(input.0) % Format::ALL.len()];
    let bytes = Bytes::copy_from_slice(input.1);
    for to in Format::ALL {
        let out = Bytes::from(translated(from, to, false, &bytes));
        let mut decoder = Decoder::new(usize::MAX);
        decoder.push(out);
        while let Ok(Some(event)) = decoder.next_event() {
            let data = event.data().unwrap_or_default();
            assert!(&*data == b"[DONE]" || json::validate(&data).is_ok(), "{}", String::from_utf8_lossy(&data));
        }
        assert!(decoder.finish().is_none(), "an event is cut off");
    }
    let array = translated(from, Format::Gemini, true, &bytes);
    assert!(array.is_empty() || json::validate(&array).is_ok(), "{}", String::from_utf8_lossy(&array));
});
