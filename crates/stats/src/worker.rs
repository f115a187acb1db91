//! The writer's side of a recorder.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use sea_orm::DatabaseConnection;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::bodies::{self, BodyWriter};
use crate::desk::Desk;
use crate::period::Roller;
use crate::retention::Retention;
use crate::spool::Spool;
use crate::{Error, Recorder, RequestRecord, Settings};

/// Writes what the recorder takes. Does nothing until it runs.
#[derive(Debug)]
pub struct Worker {
    records: mpsc::Receiver<RequestRecord>,
    retention: Retention,
    roller: Roller,
    bodies: BodyWriter,
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
    recorder.tell(settings.bookings.clone(), settings.observers.clone());
    let metrics = Arc::clone(recorder.metrics());
    metrics.spooled.store(spool.rows(), Relaxed);
    let (bodies, body_writer) = bodies::pair(settings.bodies, db.clone(), Arc::clone(&metrics));
    recorder.with_bodies(bodies);
    let mut desk = Desk::new(db.clone(), spool, Arc::clone(&metrics), settings.queue_rows);
    desk.bookings = settings.bookings;
    desk.observers = settings.observers;
    desk.tail = recorder.tail().clone();
    let worker = Worker {
        records,
        bodies: body_writer,
        roller: Roller::new(db.clone()),
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
            roller,
            bodies,
            mut desk,
            drain_timeout,
        } = self;
        let write = async {
            desk.run(&mut records, &stop).await;
            desk.finish(Instant::now() + drain_timeout).await;
        };
        tokio::join!(
            write,
            retention.run(&stop),
            roller.run(&stop),
            bodies.run(&stop, drain_timeout)
        );
    }
}
