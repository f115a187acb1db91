//! Requests, answers and streams that are passed on.

use bytes::Bytes;
use protocol::sse::Decoder;
use protocol::{Answer, Endpoint, Envelope, Format, Inspected, Outgoing, Stream};

use super::samples::{self, Piece};
use crate::count;

const CHAT: Endpoint = Endpoint::ChatCompletions;
const CHUNKS: usize = 64;

const OUTGOING: Outgoing<'_> = Outgoing {
    model: Some("gpt-5-mini"),
    is_stream_in_url: false,
    anthropic_version: None,
    anthropic_beta: None,
    extra: &[],
};

/// One pass over a request.
pub(super) fn scan(bytes: usize) {
    let body = samples::request(Format::Chat, bytes);
    count(
        || &body[..],
        |body| Envelope::scan(CHAT, None, body).expect("it is a request"),
    );
}

/// The model replaced, and the stream's usage asked for.
pub(super) fn splice(bytes: usize) {
    let body = samples::request(Format::Chat, bytes);
    let envelope = Envelope::scan(CHAT, None, &body).expect("it is a request");
    count(|| &body, |body| envelope.splice(&OUTGOING).pieces(body));
}

/// One pass over a whole answer.
pub(super) fn inspect(bytes: usize) {
    let body = samples::answer(Format::Chat, bytes);
    count(
        || &body[..],
        |body| Answer::inspect(CHAT, body).expect("it is an answer"),
    );
}

/// A stream of events, each a chunk of its own, from the network to what is passed on.
pub(super) fn stream() {
    let mut events = samples::beginning(Format::Chat, Piece::Text);
    let event = samples::piece(Format::Chat, Piece::Text);
    events.resize(CHUNKS, event);
    let chunks = || -> Vec<Bytes> { events.iter().map(|event| event.raw.clone()).collect() };
    let expected = || Inspected {
        endpoint: CHAT,
        passes_usage: false,
        choices: 1,
        as_array: false,
    };
    count(chunks, |chunks| {
        let (mut decoder, mut stream) = (Decoder::new(1 << 20), Stream::pass(expected(), 0));
        for chunk in chunks {
            decoder.push(chunk);
            while let Some(event) = decoder.next_event().expect("events are short") {
                stream.look(event).expect("it is an event");
            }
        }
        stream
    });
}
