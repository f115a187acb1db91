//! A batch is written once, however often it is sent.

use std::path::Path;
use std::time::Duration;

use crate::database::TestDatabase;
use crate::link::Mode;
use crate::records::{Running, check_days, eventually, random_record, record, settings};

crate::on_every_engine!(a_spool_that_is_replayed_again_adds_nothing);

// An embedded database cannot commit without answering.
mod a_commit_whose_answer_is_lost_is_not_repeated {
    crate::on_every_server!(lose_the_answer);
}

async fn lose_the_answer(database: &TestDatabase) {
    let link = database.link.as_ref().unwrap();
    let running = Running::start(database).await;
    let metrics = running.recorder.metrics().clone();
    link.set(Mode::SwallowCommits);
    for _ in 0..300 {
        running.recorder.record(record());
    }
    eventually("the write fails", || metrics.failures() > 0).await;
    eventually("the rows are on disk", || metrics.spooled() == 300).await;
    for _ in 0..1_000 {
        if database.log_count().await == 300 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!((database.log_count().await, metrics.written()), (300, 0));
    link.set(Mode::Open);
    eventually("the batch is recognised", || metrics.written() == 300).await;
    running.stop().await;
    assert_eq!((metrics.spooled(), metrics.set_aside()), (0, 0));
    assert_eq!(database.log_count().await, 300);
    check_days(database).await;
}

async fn a_spool_that_is_replayed_again_adds_nothing(database: &TestDatabase) {
    let folder = settings(database).spool_dir;
    let running = Running::start(database).await;
    let outage = database.outage().await;
    let metrics = running.recorder.metrics().clone();
    for _ in 0..10 {
        for _ in 0..100 {
            running.recorder.record(random_record(chrono::Utc::now()));
        }
        let before = metrics.spooled();
        eventually("another batch is on disk", || metrics.spooled() > before).await;
    }
    eventually("all rows are on disk", || metrics.queued() == 0).await;
    running.kill().await;
    outage.end().await;
    let copy = database.folder().join("copy");
    copy_folder(&folder, &copy);
    for folder in [folder, copy] {
        let running = Running::start_with(database, stats::Settings::new(folder)).await;
        let metrics = running.recorder.metrics().clone();
        // Not until its spool is empty: while who was killed still holds the slot, it has another, which is.
        eventually("all rows are written", || metrics.written() == 1_000).await;
        running.stop().await;
        assert_eq!((metrics.spooled(), metrics.set_aside()), (0, 0));
        assert_eq!(database.log_count().await, 1_000);
        check_days(database).await;
    }
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}
