//! What translating costs, for each direction, next to passing the same thing through.
//!
//! A group holds one kind of thing; within it `chat to chat` and its like are the pass-through, so the ratios of a group
//! say what translation adds.

mod samples;

use std::{hint::black_box, time::Duration};

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use protocol::{
    Answer, Endpoint, Envelope, Format, Inspected, Outgoing, Reply, Stream, Target, Traits,
    sse::Event,
};
use samples::{FORMATS, PIECES, Piece};

const EVENTS: usize = 64;

const OUTGOING: Outgoing<'_> = Outgoing {
    model: Some("gpt-5-mini"),
    is_stream_in_url: false,
    anthropic_version: None,
    anthropic_beta: None,
    extra: &[],
};

fn endpoint(format: Format) -> Endpoint {
    match format {
        Format::Chat => Endpoint::ChatCompletions,
        Format::Responses => Endpoint::Responses,
        Format::Messages => Endpoint::Messages,
        Format::Gemini => Endpoint::StreamGenerateContent,
    }
}

/// Every direction and what it is called, from who sends to who gets.
fn directions() -> impl Iterator<Item = (String, Format, Format)> {
    FORMATS.into_iter().flat_map(|(source, from)| {
        FORMATS
            .into_iter()
            .map(move |(sink, to)| (format!("{source} to {sink}"), from, to))
    })
}

fn passed(format: Format, body: &Bytes) -> usize {
    let path_model = (format == Format::Gemini).then(|| "fast".into());
    let envelope = Envelope::scan(endpoint(format), path_model, body).expect("it is a request");
    envelope.splice(&OUTGOING).pieces(body).len()
}

fn translated(from: Format, to: Format, body: &[u8]) -> usize {
    let target = Target {
        model: "gpt-5-mini",
        traits: Traits::of(to, "gpt-5-mini"),
    };
    let request = protocol::read_request(from, body).expect("it is a request");
    let written = protocol::write_request(&request, from, to, &target);
    written.expect("every format can say it").body.len()
}

fn requests(criterion: &mut Criterion) {
    for (size, bytes) in [("200 B", 200), ("100 kB", 100_000)] {
        let mut group = criterion.benchmark_group(format!("translate a request of {size}"));
        for (name, from, to) in directions() {
            let body = samples::request(from, bytes);
            group.throughput(Throughput::Bytes(body.len() as u64));
            group.bench_function(name, |bencher| {
                bencher.iter(|| match from == to {
                    true => passed(from, black_box(&body)),
                    false => translated(from, to, black_box(&body)),
                });
            });
        }
        group.finish();
    }
}

fn answered(from: Format, to: Format, body: &[u8], reply: &Reply) -> usize {
    let response = protocol::read_response(from, body).expect("it is an answer");
    protocol::write_response(to, &response, reply).len()
}

fn answers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("translate an answer of 1 kB");
    for (name, from, to) in directions() {
        let body = samples::answer(from, 1000);
        let reply = samples::reply(to);
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| match from == to {
                true => Answer::inspect(endpoint(from), black_box(&body))
                    .map(|_| body.len())
                    .expect("it is an answer"),
                false => answered(from, to, black_box(&body), &reply),
            });
        });
    }
    group.finish();
}

/// A stream that has come as far as its first piece.
fn stream(from: Format, to: Format, piece: Piece) -> Stream {
    if from != to {
        return samples::begun(from, to, piece);
    }
    let expected = Inspected {
        endpoint: endpoint(from),
        passes_usage: false,
        choices: 1,
        as_array: false,
    };
    let mut stream = Stream::pass(expected, 0);
    for event in samples::beginning(from, piece) {
        stream.look(event).expect("it is an event");
    }
    stream
}

fn look(stream: &mut Stream, event: &Event) {
    for _ in 0..EVENTS {
        let step = stream.look(black_box(event).clone());
        black_box(step.expect("it is an event"));
    }
}

fn streams(criterion: &mut Criterion) {
    for (what, piece) in PIECES {
        let mut group = criterion.benchmark_group(format!("translate {EVENTS} events of {what}"));
        group.throughput(Throughput::Elements(EVENTS as u64));
        for (name, from, to) in directions() {
            let event = samples::piece(from, piece);
            group.bench_function(name, |bencher| {
                bencher.iter_batched_ref(
                    || stream(from, to, piece),
                    |stream| look(stream, &event),
                    BatchSize::SmallInput,
                );
            });
        }
        group.finish();
    }
}

/// Ninety-six figures: short turns, since the ratios are wide.
fn short() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(600))
}

criterion_group! {
    name = benches;
    config = short();
    targets = requests, answers, streams
}
criterion_main!(benches);
