//! The writer's side of a recorder.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::Duration;

use sea_orm::DatabaseConnection;
use tokio::runtime;
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

/// Opens the spool and makes the pair of recorder and worker. Rows are written through `writer` from a thread of their own:
/// a pool of another's would do, but one that nobody else uses makes no row wait for a page of the console.
///
/// # Errors
/// If the spool cannot be opened. The database is not asked.
pub async fn start(
    settings: Settings,
    db: DatabaseConnection,
    writer: DatabaseConnection,
) -> Result<(Recorder, Worker), Error> {
    let spool = Spool::open(settings.spool_dir, settings.spool_bytes).await?;
    let (recorder, records) = Recorder::channel(settings.queue_rows);
    recorder.tell(settings.bookings.clone(), settings.observers.clone());
    let metrics = Arc::clone(recorder.metrics());
    metrics.spooled.store(spool.rows(), Relaxed);
    let (bodies, body_writer) = bodies::pair(settings.bodies, db.clone(), Arc::clone(&metrics));
    recorder.with_bodies(bodies);
    let mut desk = Desk::new(writer, spool, Arc::clone(&metrics), settings.queue_rows);
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
    /// database does not take it in time, left in the spool for the next start. It ends before only if no thread can be
    /// started.
    pub async fn run(self, stop: CancellationToken) {
        let Self {
            records,
            retention,
            roller,
            bodies,
            desk,
            drain_timeout,
        } = self;
        let writing = Writing {
            records,
            desk,
            drain_timeout,
        };
        let abandoned = CancellationToken::new();
        let _abandon = abandoned.clone().drop_guard();
        let ended = match writing.start(stop.clone(), abandoned) {
            Ok(ended) => ended,
            Err(error) => {
                tracing::error!(%error, "the writer of request rows cannot be started");
                return;
            }
        };
        tokio::join!(
            ended.cancelled(),
            retention.run(&stop),
            roller.run(&stop),
            bodies.run(&stop, drain_timeout)
        );
    }
}

/// The part that must keep up with the requests.
struct Writing {
    records: mpsc::Receiver<RequestRecord>,
    desk: Desk,
    drain_timeout: Duration,
}

impl Writing {
    /// Starts a thread for it, so that the kernel gives it its share of the processor. A task would have one turn among all
    /// those of the requests, and where there are a thousand of them, the queue fills up between two. When the thread has
    /// ended, which it does without more ado once `abandoned` is cancelled, so is the token that is returned.
    fn start(
        self,
        stop: CancellationToken,
        abandoned: CancellationToken,
    ) -> io::Result<CancellationToken> {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let ended = CancellationToken::new();
        let end = ended.clone().drop_guard();
        let work = move || {
            runtime.block_on(abandoned.run_until_cancelled(self.run(&stop)));
            drop(runtime);
            drop(end);
        };
        thread::Builder::new().name("rows".to_owned()).spawn(work)?;
        Ok(ended)
    }

    async fn run(mut self, stop: &CancellationToken) {
        self.desk.run(&mut self.records, stop).await;
        self.desk.finish(Instant::now() + self.drain_timeout).await;
    }
}
