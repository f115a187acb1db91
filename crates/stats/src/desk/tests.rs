//! What a defect of ours may cost.

use entities::request_log;
use sea_orm::{EntityTrait, PaginatorTrait};

use super::*;
use crate::row::tests::row;

#[tokio::test]
async fn a_panic_on_the_way_to_the_database_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("test.db");
    let url = format!("sqlite://{}?mode=rwc", file.display());
    let db = migration::connect(&url).await.unwrap();
    migration::up(&db).await.unwrap();
    let spool = Spool::open(folder.path().join("spool"), 1 << 20)
        .await
        .unwrap();
    let metrics = Arc::new(StatsMetrics::default());
    let mut desk = Desk::new(db.clone(), spool, Arc::clone(&metrics), 100);
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
