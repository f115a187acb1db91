//! The folder on local disk.

use std::time::Duration;

use sea_orm::{ConnectionTrait, Database};
use stats::{Error, Settings};

use crate::database::{Engine, TestDatabase, run};
use crate::records::{Running, check_days, eventually, record, settings};

#[tokio::test]
async fn processes_share_a_folder_and_inherit_from_each_other() {
    run(Engine::Sqlite, async |database: &TestDatabase| {
        let first = Running::start(database).await;
        let second = Running::start(database).await;
        let outage = database.outage().await;
        for running in [&first, &second] {
            for _ in 0..50 {
                running.recorder.record(record());
            }
            let metrics = running.recorder.metrics().clone();
            eventually("all rows are on disk", || metrics.spooled() == 50).await;
        }
        first.kill().await;
        second.kill().await;
        outage.end().await;
        let folder = settings(database).spool_dir;
        assert!(folder.join("spool-1.db").exists());

        let heir = Running::start(database).await;
        let metrics = heir.recorder.metrics().clone();
        eventually("both spools are written", || metrics.written() == 100).await;
        let emptied = folder.join("spool-1.db");
        eventually("the inherited spool is removed", || !emptied.exists()).await;
        heir.stop().await;
        assert_eq!(database.log_count().await, 100);
        check_days(database).await;
    })
    .await;
}

#[tokio::test]
async fn a_damaged_spool_of_another_does_not_hide_the_rest() {
    run(Engine::Sqlite, async |database: &TestDatabase| {
        let mut all = Vec::new();
        for _ in 0..3 {
            all.push(Running::start(database).await);
        }
        let outage = database.outage().await;
        for running in &all {
            for _ in 0..50 {
                running.recorder.record(record());
            }
            let metrics = running.recorder.metrics().clone();
            eventually("all rows are on disk", || metrics.spooled() == 50).await;
        }
        for running in all {
            running.kill().await;
        }
        outage.end().await;
        let folder = settings(database).spool_dir;
        let damaged = folder.join("spool-1.db");
        // A connection writes to its file until it is closed.
        let log = folder.join("spool-1.db-wal");
        eventually("the file is let go of", || !log.exists()).await;
        std::fs::write(&damaged, "this is no database".repeat(1_000)).unwrap();

        let heir = Running::start(database).await;
        let metrics = heir.recorder.metrics().clone();
        eventually("what lies behind is written", || metrics.written() == 100).await;
        heir.stop().await;
        assert!(damaged.exists());
    })
    .await;
}

#[tokio::test]
async fn a_batch_that_cannot_be_read_does_not_hold_up_the_others() {
    run(Engine::Sqlite, async |database: &TestDatabase| {
        let mut settings = settings(database);
        settings.drain_timeout = Duration::from_millis(100);
        let outage = database.outage().await;
        let running = Running::start_with(database, settings.clone()).await;
        for _ in 0..20 {
            running.recorder.record(record());
        }
        running.stop().await;
        outage.end().await;
        let path = settings.spool_dir.join("spool-0.db");
        let spool = Database::connect(format!("sqlite://{}", path.display()))
            .await
            .unwrap();
        let garbage =
            "INSERT INTO batches VALUES ('00000000-0000-7000-8000-000000000000', 3, 5, '[{\"a')";
        spool.execute_unprepared(garbage).await.unwrap();
        spool.close().await.unwrap();

        let running = Running::start_with(database, settings).await;
        let metrics = running.recorder.metrics().clone();
        eventually("the readable batch is written", || metrics.written() == 20).await;
        running.stop().await;
        assert_eq!((metrics.spooled(), metrics.set_aside()), (0, 3));
    })
    .await;
}

#[tokio::test]
async fn a_damaged_file_is_put_aside() {
    run(Engine::Sqlite, async |database: &TestDatabase| {
        let settings = settings(database);
        std::fs::create_dir_all(&settings.spool_dir).unwrap();
        std::fs::write(
            settings.spool_dir.join("spool-0.db"),
            "this is no database".repeat(1_000),
        )
        .unwrap();
        let running = Running::start_with(database, settings.clone()).await;
        running.recorder.record(record());
        running.stop().await;
        assert_eq!(database.log_count().await, 1);
        assert!(settings.spool_dir.join("spool-0.db.damaged").exists());
    })
    .await;
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_stops_the_start() {
    run(Engine::Sqlite, async |database: &TestDatabase| {
        let file = database.folder().join("file");
        std::fs::write(&file, "").unwrap();
        let pool = database.connect().await;
        let error = stats::start(Settings::new(file.join("spool")), pool.clone(), pool)
            .await
            .unwrap_err();
        assert!(matches!(error, Error::SpoolDir { .. }), "{error}");
    })
    .await;
}
