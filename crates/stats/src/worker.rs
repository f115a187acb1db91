//! The writer's side of a recorder.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use sea_orm::DatabaseConnection;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::desk::Desk;
use crate::retention::Retention;
use crate::spool::Spool;
use crate::{Error, Recorder, RequestRecord, Settings};

/// Writes what the recorder takes. Does nothing until it runs.
#[derive(Debug)]
pub struct Worker {
    records: mpsc::Receiver<RequestRecord>,
    retention: Retention,
    desk: Desk,
    drain_timeout: Duration,
}

/// Opens the spool and makes the pair of recorder and worker.
///
/// # Errors
/// If the spool cannot be opened. The database is not asked.
pub async fn start(
    settings: Settings,
    db: DatabaseConnection,
) -> Result<(Recorder, Worker), Error> {
    let spool = Spool::open(settings.spool_dir, settings.spool_bytes).await?;
    let (recorder, records) = Recorder::channel(settings.queue_rows);
    let metrics = Arc::clone(recorder.metrics());
    metrics.spooled.store(spool.rows(), Relaxed);
    let desk = Desk::new(db.clone(), spool, Arc::clone(&metrics), settings.queue_rows);
    let worker = Worker {
        records,
        retention: Retention::new(db, settings.retention, metrics),
        desk,
        drain_timeout: settings.drain_timeout,
    };
    Ok((recorder, worker))
}

impl Worker {
    /// Runs until `stop` is cancelled; then no record is taken any more, and what was taken is committed or, if the
    /// database does not take it in time, left in the spool for the next start.
    pub async fn run(self, stop: CancellationToken) {
        let Self {
            mut records,
            retention,
            mut desk,
            drain_timeout,
        } = self;
        let write = async {
            desk.serve(&mut records, &stop).await;
            desk.finish(Instant::now() + drain_timeout).await;
        };
        tokio::join!(write, retention.run(&stop));
    }
}
