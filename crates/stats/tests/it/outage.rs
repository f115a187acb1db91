//! The database goes away, or is slow: rows wait, none is lost, none is doubled, and no request notices.

use std::time::Duration;

use crate::database::TestDatabase;
use crate::records::{Running, check_days, eventually, random_record, record, settings};

crate::on_every_engine!(
    an_outage_delays_rows,
    outages_that_come_and_go_neither_lose_nor_double,
    a_slow_database_only_delays,
    the_end_during_an_outage_leaves_all_in_the_spool,
    the_end_commits_all,
    a_kill_loses_nothing_that_was_spooled,
    a_full_spool_counts_what_it_loses,
);

async fn an_outage_delays_rows(database: &TestDatabase) {
    let running = Running::start(database).await;
    let metrics = running.recorder.metrics().clone();
    for _ in 0..300 {
        running.recorder.record(record());
    }
    eventually("the database is up", || metrics.written() == 300).await;
    let outage = database.outage().await;
    for _ in 0..700 {
        running.recorder.record(record());
        tokio::task::yield_now().await;
    }
    eventually("all rows are on disk", || metrics.queued() == 0).await;
    assert_eq!((metrics.written(), metrics.spooled()), (300, 700));
    eventually("it keeps trying", || metrics.failures() >= 2).await;
    outage.end().await;
    eventually("all rows are written", || metrics.written() == 1_000).await;
    running.stop().await;
    assert_eq!(
        (metrics.spooled(), metrics.lost(), metrics.set_aside()),
        (0, 0, 0)
    );
    assert_eq!(database.log_count().await, 1_000);
    check_days(database).await;
}

async fn outages_that_come_and_go_neither_lose_nor_double(database: &TestDatabase) {
    let running = Running::start(database).await;
    let metrics = running.recorder.metrics().clone();
    let recorder = running.recorder.clone();
    let load = tokio::spawn(async move {
        for _ in 0..300 {
            for _ in 0..10 {
                recorder.record(random_record(chrono::Utc::now()));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    while !load.is_finished() {
        let outage = database.outage().await;
        tokio::time::sleep(Duration::from_millis(fastrand::u64(0..150))).await;
        outage.end().await;
        tokio::time::sleep(Duration::from_millis(fastrand::u64(0..150))).await;
    }
    load.await.unwrap();
    eventually("all rows are written", || metrics.written() == 3_000).await;
    running.stop().await;
    assert_eq!(
        (metrics.spooled(), metrics.lost(), metrics.set_aside()),
        (0, 0, 0)
    );
    assert_eq!(database.log_count().await, 3_000);
    check_days(database).await;
}

async fn a_slow_database_only_delays(database: &TestDatabase) {
    let (pool, writer) = (database.connect().await, database.connect_patient().await);
    let (recorder, worker) = stats::start(settings(database), pool, writer)
        .await
        .unwrap();
    let running = Running::spawn(recorder, worker);
    let metrics = running.recorder.metrics().clone();
    let slowness = database.slowness(Duration::from_millis(400)).await;
    for _ in 0..20 {
        for _ in 0..10 {
            running.recorder.record(record());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // While the first write still runs, the rows in it and behind it are brought to safety.
    eventually("all rows are on disk", || {
        metrics.queued() == 0 && metrics.spooled() > 0
    })
    .await;
    slowness.end().await;
    eventually("all rows are written", || metrics.written() == 200).await;
    running.stop().await;
    assert_eq!(
        (metrics.spooled(), metrics.lost(), metrics.set_aside()),
        (0, 0, 0)
    );
    assert_eq!(database.log_count().await, 200);
    check_days(database).await;
}

async fn the_end_during_an_outage_leaves_all_in_the_spool(database: &TestDatabase) {
    let mut settings = settings(database);
    settings.drain_timeout = Duration::from_millis(300);
    let running = Running::start_with(database, settings).await;
    let metrics = running.recorder.metrics().clone();
    let outage = database.outage().await;
    for _ in 0..1_500 {
        running.recorder.record(record());
    }
    let late = running.recorder.clone();
    running.stop().await;
    assert_eq!(
        (metrics.queued(), metrics.spooled(), metrics.lost()),
        (0, 1_500, 0)
    );
    late.record(record());
    assert_eq!(metrics.lost(), 1, "what comes after the end is counted");
    outage.end().await;

    let next = Running::start(database).await;
    let metrics = next.recorder.metrics().clone();
    eventually("all rows are written", || metrics.written() == 1_500).await;
    next.stop().await;
    assert_eq!(database.log_count().await, 1_500);
    check_days(database).await;
}

async fn the_end_commits_all(database: &TestDatabase) {
    let running = Running::start(database).await;
    let metrics = running.recorder.metrics().clone();
    for _ in 0..5_000 {
        running.recorder.record(record());
    }
    running.stop().await;
    assert_eq!(
        (metrics.written(), metrics.spooled(), metrics.lost()),
        (5_000, 0, 0)
    );
    assert_eq!(database.log_count().await, 5_000);
    check_days(database).await;
}

async fn a_kill_loses_nothing_that_was_spooled(database: &TestDatabase) {
    let running = Running::start(database).await;
    let metrics = running.recorder.metrics().clone();
    let outage = database.outage().await;
    for _ in 0..900 {
        running.recorder.record(record());
    }
    eventually("all rows are on disk", || metrics.queued() == 0).await;
    running.kill().await;
    outage.end().await;

    let next = Running::start(database).await;
    let metrics = next.recorder.metrics().clone();
    eventually("all rows are written", || metrics.written() == 900).await;
    next.stop().await;
    assert_eq!(database.log_count().await, 900);
    check_days(database).await;
}

async fn a_full_spool_counts_what_it_loses(database: &TestDatabase) {
    let mut settings = settings(database);
    settings.spool_bytes = 500_000;
    settings.queue_rows = 600;
    let running = Running::start_with(database, settings).await;
    let metrics = running.recorder.metrics().clone();
    let outage = database.outage().await;
    for _ in 0..100 {
        for _ in 0..50 {
            running.recorder.record(record());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    eventually("rows are lost", || metrics.lost() > 0).await;
    eventually("the memory is bounded", || metrics.queued() <= 600).await;
    assert!(metrics.spooled() > 0, "the spool took what it could");
    assert_eq!(metrics.lost() + metrics.queued() + metrics.spooled(), 5_000);
    outage.end().await;
    let lost = metrics.lost();
    eventually("the rest is written", || metrics.written() == 5_000 - lost).await;
    running.stop().await;
    assert_eq!(database.log_count().await, 5_000 - lost);
    check_days(database).await;
}
