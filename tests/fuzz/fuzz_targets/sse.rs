//! However a stream is cut into chunks, its events are the same.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use protocol::sse::Decoder;

/// Longer events end a stream; kept low so that the limit is met.
const LIMIT: usize = 1 << 10;

fn events(chunks: impl Iterator<Item = Bytes>) -> Option<Vec<Option<Vec<u8>>>> {
    let mut decoder = Decoder::new(LIMIT);
    let mut events = Vec::new();
    for chunk in chunks {
        decoder.push(chunk);
        while let Some(event) = decoder.next_event().ok()? {
            events.push(event.data().map(|data| data.into_owned()));
        }
    }
    events.extend(decoder.finish().map(|event| event.data().map(|data| data.into_owned())));
    Some(events)
}

fuzz_target!(|input: (u8, &[u8])| {
    let (size, stream) = (usize::from(input.0) + 1, Bytes::copy_from_slice(input.1));
    let whole = events(std::iter::once(stream.clone()));
    let cut = events(stream.chunks(size).map(Bytes::copy_from_slice));
    // Where a chunk ends decides only when a limit is noticed, not whether.
    if let (Some(whole), Some(cut)) = (whole, cut) {
        assert_eq!(whole, cut);
    }
});
