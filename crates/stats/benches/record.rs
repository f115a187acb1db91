//! What a record costs the request that hands it over, and what it costs to write it.
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on should panic")]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use stats::{AttemptRecord, Counted, Recorder, RequestRecord, Settings, Usage, UsageSource};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const ROWS: u64 = 20_000;

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
        charged_to: None,
        trace: None,
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

/// From the first record to the last commit, on an embedded database.
fn write(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let (key_name, provider_model) = (Arc::from("team-a"), Arc::from("gpt-4o-mini-2024-07-18"));
    let mut group = criterion.benchmark_group("write");
    group.throughput(Throughput::Elements(ROWS)).sample_size(10);
    group.bench_function("20,000 rows to SQLite", |bencher| {
        bencher.iter_batched(
            || {
                let record = || RequestRecord {
                    request_id: Uuid::now_v7(),
                    ..example(&key_name, &provider_model)
                };
                let folder = tempfile::tempdir().unwrap();
                let started = runtime.block_on(async {
                    let url = format!(
                        "sqlite://{}?mode=rwc",
                        folder.path().join("main.db").display()
                    );
                    let db = migration::connect(&url).await.unwrap();
                    migration::up(&db).await.unwrap();
                    stats::start(Settings::new(folder.path().join("spool")), db.clone(), db)
                        .await
                        .unwrap()
                });
                (
                    folder,
                    started,
                    (0..ROWS).map(|_| record()).collect::<Vec<_>>(),
                )
            },
            |(folder, (recorder, worker), records)| {
                records
                    .into_iter()
                    .for_each(|record| recorder.record(record));
                let stop = CancellationToken::new();
                stop.cancel();
                runtime.block_on(worker.run(stop));
                let metrics = recorder.metrics();
                assert_eq!((metrics.written(), metrics.lost()), (ROWS, 0));
                folder
            },
            BatchSize::PerIteration,
        );
    });
}

criterion_group!(benches, record, write);
criterion_main!(benches);
