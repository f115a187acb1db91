//! What a record costs the request that hands it over.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use stats::{AttemptRecord, Counted, Recorder, RequestRecord, Usage, UsageSource};
use uuid::Uuid;

fn example(key_name: &Arc<str>, provider_model: &Arc<str>) -> RequestRecord {
    RequestRecord {
        request_id: Uuid::nil(),
        arrived_at: chrono::DateTime::UNIX_EPOCH,
        endpoint: "/v1/chat/completions",
        method: "POST",
        model: "gpt-4o-mini".to_owned(),
        stream: true,
        key_name: Arc::clone(key_name),
        ip: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        status_code: 200,
        error_class: None,
        error_message: None,
        latency: Duration::from_millis(1_234),
        ttft: Some(Duration::from_millis(321)),
        attempts: vec![AttemptRecord {
            provider_id: 1,
            provider_model: Arc::clone(provider_model),
            status: Some(200),
            error_class: None,
            counted: Counted::Success,
            elapsed: Duration::from_millis(1_200),
            usage: Some(Usage {
                prompt: 1_000,
                completion: 200,
                total: 1_200,
                cached: 0,
                cache_write: 0,
                reasoning: 0,
                source: UsageSource::Provider,
            }),
            cost: Some(123_456),
        }],
        answered_by: Some(0),
    }
}

fn record(criterion: &mut Criterion) {
    let (key_name, provider_model) = (Arc::from("team-a"), Arc::from("gpt-4o-mini-2024-07-18"));
    let (recorder, mut records) = Recorder::channel(65_536);
    criterion.bench_function("record, queue has room", |bencher| {
        bencher.iter_batched(
            || {
                while records.try_recv().is_ok() {}
                example(&key_name, &provider_model)
            },
            |record| recorder.record(black_box(record)),
            BatchSize::SmallInput,
        );
    });
    let (recorder, _records) = Recorder::channel(1);
    criterion.bench_function("record, queue is full", |bencher| {
        bencher.iter_batched(
            || example(&key_name, &provider_model),
            |record| recorder.record(black_box(record)),
            BatchSize::SmallInput,
        );
    });
}

criterion_group!(benches, record);
criterion_main!(benches);
