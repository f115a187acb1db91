//! What every request and every event of a stream costs.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use protocol::{
    Endpoint,
    openai::{Answer, Chunk, Envelope},
    sse::Decoder,
};

const CHAT: Endpoint = Endpoint::ChatCompletions;

/// A chat request of about `bytes`, in messages of up to two kilobytes with an escape in each.
fn request(bytes: usize) -> Bytes {
    let mut messages = Vec::new();
    let mut left = bytes.saturating_sub(140);
    while left > 0 {
        let size = left.min(2000);
        messages.push(format!(
            r#"{{"role":"user","content":"{}\n{}"}}"#,
            "word ".repeat(size / 10),
            "text ".repeat(size / 10)
        ));
        left -= size;
    }
    format!(
        r#"{{"model":"fast","stream":true,"messages":[{}],"temperature":0.7,"max_tokens":256,"user":"u-1","seed":7}}"#,
        messages.join(",")
    )
    .into()
}

fn answer(bytes: usize) -> Bytes {
    format!(
        r#"{{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"m","choices":[{{"index":0,"message":{{"role":"assistant","content":"{}","refusal":null}},"logprobs":null,"finish_reason":"stop"}}],"usage":{{"prompt_tokens":9,"completion_tokens":12,"total_tokens":21,"prompt_tokens_details":{{"cached_tokens":0}},"completion_tokens_details":{{"reasoning_tokens":0}}}}}}"#,
        "word ".repeat(bytes / 5)
    )
    .into()
}

const EVENT: &str = r#"{"id":"chatcmpl-9xQ2","object":"chat.completion.chunk","created":1730000000,"model":"gpt-5-mini","system_fingerprint":"fp_1","choices":[{"index":0,"delta":{"content":" token"},"logprobs":null,"finish_reason":null}],"usage":null}"#;

fn requests(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("request");
    for (name, bytes) in [("200 B", 200), ("100 kB", 100_000), ("1 MB", 1_000_000)] {
        let body = request(bytes);
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_with_input(BenchmarkId::new("scan", name), &body, |bencher, body| {
            bencher.iter(|| Envelope::scan(CHAT, black_box(body)).expect("it is a request"));
        });
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
        let envelope = Envelope::scan(CHAT, &body).expect("it is a request");
        group.bench_with_input(BenchmarkId::new("splice", name), &body, |bencher, body| {
            bencher.iter(|| black_box(&envelope).splice("gpt-5-mini").pieces(body));
        });
    }
    group.finish();
}

fn answers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("answer");
    for (name, bytes) in [("500 B", 200), ("100 kB", 100_000)] {
        let body = answer(bytes);
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_with_input(BenchmarkId::new("inspect", name), &body, |bencher, body| {
            bencher.iter(|| Answer::inspect(CHAT, black_box(body)).expect("it is an answer"));
        });
    }
    group.finish();
}

fn streams(criterion: &mut Criterion) {
    criterion.bench_function("chunk inspect", |bencher| {
        bencher.iter(|| Chunk::inspect(black_box(EVENT.as_bytes())).expect("it is an event"));
    });
    let stream = Bytes::from(format!("data: {EVENT}\n\n").repeat(64));
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

criterion_group!(benches, requests, answers, streams);
criterion_main!(benches);
