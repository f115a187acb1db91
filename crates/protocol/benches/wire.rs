//! What every request and every event of a stream costs.

#[expect(
    dead_code,
    reason = "shared with the benchmarks of translation, which use the rest"
)]
mod samples;

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use protocol::{Answer, Endpoint, Envelope, Format, Inspected, Outgoing, Stream, sse::Decoder};
use samples::{Piece, answer, piece, request};

const CHAT: Endpoint = Endpoint::ChatCompletions;
const OUTGOING: Outgoing<'_> = Outgoing {
    model: Some("gpt-5-mini"),
    is_stream_in_url: false,
    anthropic_version: None,
    anthropic_beta: None,
    extra: &[],
};

/// The formats, and the path's model where it names one.
const FORMATS: [(&str, Format, Endpoint, Option<&str>); 4] = [
    ("chat", Format::Chat, CHAT, None),
    ("responses", Format::Responses, Endpoint::Responses, None),
    ("messages", Format::Messages, Endpoint::Messages, None),
    (
        "gemini",
        Format::Gemini,
        Endpoint::StreamGenerateContent,
        Some("fast"),
    ),
];

fn scan<'a>(endpoint: Endpoint, path_model: Option<&'a str>, body: &'a [u8]) -> Envelope<'a> {
    Envelope::scan(endpoint, path_model.map(Into::into), body).expect("it is a request")
}

fn requests(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("request");
    for (name, bytes) in [("200 B", 200), ("100 kB", 100_000), ("1 MB", 1_000_000)] {
        let body = request(Format::Chat, bytes);
        group.throughput(Throughput::Bytes(body.len() as u64));
        for (name_of, format, endpoint, path_model) in FORMATS {
            let body = request(format, bytes);
            let id = BenchmarkId::new(format!("scan {name_of}"), name);
            group.bench_with_input(id, &body, |bencher, body| {
                bencher.iter(|| black_box(scan(endpoint, path_model, black_box(body)).choices));
            });
        }
        group.bench_with_input(
            BenchmarkId::new("serde_json skips it", name),
            &body,
            |bencher, body| {
                bencher.iter(|| {
                    serde_json::from_slice::<serde::de::IgnoredAny>(black_box(body))
                        .expect("it is JSON")
                });
            },
        );
        let envelope = scan(CHAT, None, &body);
        group.bench_with_input(BenchmarkId::new("splice", name), &body, |bencher, body| {
            bencher.iter(|| black_box(&envelope).splice(&OUTGOING).pieces(body));
        });
    }
    group.finish();
}

fn answers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("answer");
    for (name, bytes) in [("500 B", 200), ("100 kB", 100_000)] {
        let body = answer(Format::Chat, bytes);
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_with_input(BenchmarkId::new("inspect", name), &body, |bencher, body| {
            bencher.iter(|| Answer::inspect(CHAT, black_box(body)).expect("it is an answer"));
        });
    }
    group.finish();
}

fn events(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("event");
    for (name, format, endpoint, _) in FORMATS {
        let expected = Inspected {
            endpoint,
            passes_usage: false,
            choices: 1,
            as_array: false,
        };
        let mut stream = Stream::pass(expected, 0);
        let event = piece(format, Piece::Text);
        group.bench_function(format!("look at {name}"), |bencher| {
            bencher.iter(|| {
                stream
                    .look(black_box(&event).clone())
                    .expect("it is an event")
            });
        });
    }
    group.finish();
}

fn streams(criterion: &mut Criterion) {
    let event = piece(Format::Chat, Piece::Text);
    let stream = Bytes::from(event.raw.repeat(64));
    let decode = |decoder: &mut Decoder, chunk: Bytes| {
        decoder.push(chunk);
        let mut events = 0;
        while let Some(event) = decoder.next_event().expect("events are short") {
            events += usize::from(event.data().is_some());
        }
        events
    };
    let mut group = criterion.benchmark_group("decode 64 events");
    group.throughput(Throughput::Elements(64));
    // 63 cuts that fall within events, so that each is joined from two chunks.
    let size = stream.len().div_ceil(64) - 1;
    for (name, size) in [
        ("in one chunk", stream.len()),
        ("in 64 chunks", stream.len() / 64),
        ("cut askew", size),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut decoder = Decoder::new(1 << 20);
                let mut events = 0;
                let mut rest = stream.clone();
                while !rest.is_empty() {
                    let piece = rest.split_to(size.min(rest.len()));
                    events += decode(&mut decoder, piece);
                }
                assert_eq!(black_box(events), 64);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, requests, answers, events, streams);
criterion_main!(benches);
