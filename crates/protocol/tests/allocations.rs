//! How often memory is asked for by one event of a translated stream.
//!
//! A count, not a time: it is the same on every machine, so a change that makes a hot path allocate fails here.

#[path = "../benches/samples/mod.rs"]
#[expect(dead_code, reason = "shared with the benchmarks, which use the rest")]
mod samples;

use std::fmt::Write as _;

use protocol::Format;
use samples::{FORMATS, PIECES, Piece, begun, piece};

const EVENTS: u64 = 64;

/// The most that `EVENTS` pieces may cost from a provider of `from` to a client of `to`. Longer buffers, for what is kept
/// until the end and for what the client has not read, come on top.
fn bound(from: Format, to: Format, piece: Piece) -> u64 {
    const GROWTH: u64 = EVENTS / 2;
    let each = match (from, to, piece) {
        // Each of its pieces is a whole call, which Responses opens as an item of its own.
        (Format::Gemini, Format::Responses, Piece::Arguments) => 17,
        (Format::Gemini, Format::Messages, Piece::Arguments) => 4,
        (Format::Gemini, ..) | (Format::Chat, _, Piece::Arguments) => 2,
        (Format::Chat, _, Piece::Text) => 1,
        (Format::Responses | Format::Messages, ..) => 0,
    };
    each * EVENTS + GROWTH
}

/// Allocations of `EVENTS` pieces. A client that lags holds all of them at once.
fn count(from: Format, to: Format, kind: Piece, lags: bool) -> u64 {
    let mut stream = begun(from, to, kind);
    let event = piece(from, kind);
    let mut held = Vec::with_capacity(EVENTS as usize);
    let counted = allocation_counter::measure(|| {
        for _ in 0..EVENTS {
            let step = stream.look(event.clone()).expect("it is an event");
            if lags {
                held.push(step);
            }
        }
    });
    counted.count_total
}

#[test]
fn a_piece_of_a_stream_costs_few_allocations() {
    let mut told = String::new();
    let mut too_many = Vec::new();
    for (what, kind) in PIECES {
        for (provider, from) in FORMATS {
            for (client, to) in FORMATS.into_iter().filter(|(_, to)| *to != from) {
                for lags in [false, true] {
                    let (counted, most) = (count(from, to, kind, lags), bound(from, to, kind));
                    let line = format!("{what} {provider} to {client} (lags: {lags}): {counted}");
                    writeln!(told, "{line} of {most}").unwrap();
                    if counted > most {
                        too_many.push(line);
                    }
                }
            }
        }
    }
    println!("allocations in {EVENTS} events, and the most allowed:\n{told}");
    assert_eq!(too_many, [""; 0]);
}
