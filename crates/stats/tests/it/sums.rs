//! Every figure is the sum over the rows' attempts.

use chrono::{DateTime, Utc};

use crate::database::TestDatabase;
use crate::records::{Running, check_days, random_record, record, settings};

crate::on_every_engine!(
    two_replicas_write_exact_sums,
    values_are_cut_to_their_columns,
    a_refused_row_is_set_aside_and_the_others_are_written,
);

async fn two_replicas_write_exact_sums(database: &TestDatabase) {
    let day: DateTime<Utc> = "2026-03-01T00:00:00Z".parse().unwrap();
    let first = Running::start(database).await;
    let second = Running::start(database).await;
    let mut attempts = [0, 0];
    for round in 0..2_000 {
        for running in [&first, &second] {
            let record = random_record(day);
            for attempt in &record.attempts {
                attempts[usize::from(attempt.counted == stats::Counted::Failed)] += 1;
            }
            running.recorder.record(record);
        }
        if round % 100 == 0 {
            tokio::task::yield_now().await;
        }
    }
    let metrics = [
        first.recorder.metrics().clone(),
        second.recorder.metrics().clone(),
    ];
    first.stop().await;
    second.stop().await;
    // SQLite may have left some in the spools, under contention; the next run writes them.
    let third = Running::start(database).await;
    let rest = third.recorder.metrics().clone();
    crate::records::eventually("the spool is empty", || rest.spooled() == 0).await;
    third.stop().await;
    let lost: u64 = metrics
        .iter()
        .map(|metrics| metrics.lost() + metrics.set_aside())
        .sum();
    assert_eq!(lost, 0);
    assert_eq!(database.log_count().await, 4_000);
    check_days(database).await;
    let counted = database
        .logs()
        .await
        .iter()
        .fold([0, 0], |[success, failed], row| {
            let attempts: Vec<entities::Attempt> =
                serde_json::from_value(row.attempts.clone()).unwrap();
            let successes = attempts
                .iter()
                .filter(|attempt| stats::counted(attempt) == stats::Counted::Success);
            let successes = successes.count();
            [success + successes, failed + attempts.len() - successes]
        });
    assert_eq!(counted, attempts, "what the proxy counted can be read back");
}

async fn values_are_cut_to_their_columns(database: &TestDatabase) {
    let running = Running::start(database).await;
    let mut long = record();
    long.model = "\u{1f600}".repeat(500);
    long.error_message = Some(format!(
        "{}\0{}",
        "\u{e9}".repeat(999),
        "\u{1f600}".repeat(500)
    ));
    long.error_class = Some("a_class_with_a_name_that_is_far_longer_than_the_column_for_classes");
    long.key_name = "k".repeat(300).into();
    long.endpoint = "/v1/an/endpoint/whose/path/is/longer/than/what/the/column/for/it/takes/and/then/some/more/of/it/to/be/sure";
    long.method = "PROPPATCHES";
    long.latency = std::time::Duration::MAX;
    long.attempts[0].cost = Some(i64::MAX);
    long.attempts[0].elapsed = std::time::Duration::MAX;
    long.attempts[0].provider_model = "p".repeat(200).into();
    let mut usage = long.attempts[0].usage.unwrap();
    usage.prompt = u64::MAX;
    long.attempts[0].usage = Some(usage);
    for _ in 0..50 {
        let request_id = uuid::Uuid::now_v7();
        running.recorder.record(stats::RequestRecord {
            request_id,
            ..long.clone()
        });
    }
    let metrics = running.recorder.metrics().clone();
    running.stop().await;
    assert_eq!((metrics.written(), metrics.set_aside()), (50, 0));
    let rows = database.logs().await;
    let row = &rows[0];
    assert_eq!(row.model.chars().count(), 100);
    assert_eq!(
        row.error_message.as_ref().unwrap().chars().count(),
        1000 - 1
    );
    assert_eq!(row.user_id.len(), 100);
    assert_eq!(row.provider_model.as_ref().unwrap().len(), 100);
    assert_eq!(row.endpoint.len(), 100);
    assert_eq!(row.method.len(), 10);
    assert_eq!(row.error_class.as_ref().unwrap().len(), 50);
    check_days(database).await;
}

async fn a_refused_row_is_set_aside_and_the_others_are_written(database: &TestDatabase) {
    let running = Running::start(database).await;
    let metrics = running.recorder.metrics().clone();
    let bad = record();
    for round in 0..400 {
        running.recorder.record(record());
        if [7, 8, 200, 399].contains(&round) {
            running.recorder.record(bad.clone());
        }
    }
    running.stop().await;
    assert_eq!(
        (metrics.written(), metrics.set_aside(), metrics.lost()),
        (401, 3, 0)
    );
    assert_eq!(database.log_count().await, 401);
    check_days(database).await;
    let folder = settings(database).spool_dir;
    assert!(
        folder.join("spool-0.db").exists(),
        "the refused row is kept there"
    );
}
