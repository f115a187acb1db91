//! Requests, answers and streams that are read in one format and written in another.

use protocol::{Format, Target, Traits};

use super::samples::{self, Piece};
use crate::count;

const EVENTS: usize = 64;

/// A request of 200 bytes, from the client's format to the provider's.
pub(super) fn request(from: Format, to: Format) {
    let body = samples::request(from, 200);
    let target = Target {
        model: "gpt-5-mini",
        traits: Traits::of(to, "gpt-5-mini"),
    };
    count(
        || &body[..],
        |body| {
            let request = protocol::read_request(from, body).expect("it is a request");
            protocol::write_request(&request, from, to, &target).expect("every format can say it")
        },
    );
}

/// An answer of 1 kB, from the provider's format to the client's.
pub(super) fn answer(from: Format, to: Format) {
    let (body, reply) = (samples::answer(from, 1_000), samples::reply(to));
    count(
        || &body[..],
        |body| {
            let response = protocol::read_response(from, body).expect("it is an answer");
            protocol::write_response(to, &response, &reply)
        },
    );
}

/// Pieces of text of a stream that has begun, from the provider's format to the client's.
pub(super) fn events(from: Format, to: Format) {
    let event = samples::piece(from, Piece::Text);
    count(
        || {
            let events = vec![event.clone(); EVENTS];
            (samples::begun(from, to, Piece::Text), events)
        },
        |(mut stream, events)| {
            for event in events {
                drop(stream.look(event).expect("it is an event"));
            }
            stream
        },
    );
}
