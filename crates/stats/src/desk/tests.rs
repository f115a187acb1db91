//! What a defect of ours may cost.

use entities::request_log;
use sea_orm::{EntityTrait, PaginatorTrait};

use super::*;
use crate::row::tests::row;

/// A desk at a database without tables, and the folder of both.
async fn desk(memory_rows: usize) -> (tempfile::TempDir, DatabaseConnection, Desk) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("test.db");
    let url = format!("sqlite://{}?mode=rwc", file.display());
    let db = migration::connect(&url).await.unwrap();
    let spool = Spool::open(folder.path().join("spool"), 1 << 20)
        .await
        .unwrap();
    let desk = Desk::new(db.clone(), spool, Arc::default(), memory_rows);
    (folder, db, desk)
}

#[tokio::test]
async fn a_panic_on_the_way_to_the_database_loses_nothing() {
    let (_folder, db, mut desk) = desk(100).await;
    let metrics = Arc::clone(&desk.metrics);
    migration::up(&db).await.unwrap();
    let batch = Batch {
        id: Uuid::now_v7(),
        rows: vec![row(1), row(2)],
    };
    metrics.queued.store(2, Relaxed);
    desk.flight = Some(Flight {
        batches: Arc::new(vec![batch]),
        opened_at: Instant::now(),
        is_spooled: false,
        landing: Box::pin(async { panic!("on purpose") }),
    });
    let (queue, mut records) = mpsc::channel(1);
    let stop = CancellationToken::new();
    {
        let running = desk.run(&mut records, &stop);
        let ending = async {
            while metrics.written() < 2 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            drop(queue);
        };
        tokio::join!(running, ending);
    }
    assert_eq!(metrics.panics(), 1);
    assert_eq!(
        (metrics.lost(), metrics.queued(), metrics.spooled()),
        (0, 0, 0)
    );
    let count = request_log::Entity::find().count(&db).await.unwrap();
    assert_eq!(count, 2);
}

#[tokio::test]
async fn what_failed_is_tried_again_in_smaller_groups() {
    let (_folder, db, mut desk) = desk(100_000).await;
    for batch in 0..40 {
        let rows = (0..250).map(|at| row(batch * 250 + at)).collect();
        let batch = Batch {
            id: Uuid::now_v7(),
            rows,
        };
        desk.metrics.queued.fetch_add(250, Relaxed);
        desk.sealed.push_back(Held {
            batch,
            opened_at: Instant::now(),
        });
    }
    let mut sizes = Vec::new();
    while !desk.sealed.is_empty() {
        desk.launch(Instant::now()).await;
        sizes.push(desk.flight.as_ref().map(|it| flight::rows(&it.batches)));
        let landed = landing(&mut desk.flight).await;
        desk.landed(landed).await;
        if sizes.len() == 6 {
            // Until now there was not even a table.
            migration::up(&db).await.unwrap();
        }
    }
    let sizes: Vec<u64> = sizes.into_iter().flatten().collect();
    let expected = [
        8000, 4000, 2000, 1000, 500, 250, 250, 500, 1000, 2000, 4000, 2250,
    ];
    assert_eq!(sizes, expected);
    let count = request_log::Entity::find().count(&db).await.unwrap();
    assert_eq!(count, 10_000);
}
