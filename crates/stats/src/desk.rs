//! Where records lie until they are written: from the queue to the database, by way of the spool if need be.
//!
//! One loop holds everything, so there is nothing to lock. Records become rows of an open batch; a batch is sealed after
//! [`GATHER`] or when it is large; one group of sealed batches at a time is in flight to the database. What the database
//! has not confirmed [`RESCUE`] after its batch was opened goes to the spool, whether it is in flight or still waits, and
//! from there again to the database under the same batch ids, so it does not matter what became of the first flight.

mod flight;
mod rescue;

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use futures_util::FutureExt;
use sea_orm::DatabaseConnection;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::flight::{Flight, landing};
use crate::row::Row;
use crate::spool::Spool;
use crate::write::Batch;
use crate::{Bookings, Observer, RequestRecord, StatsMetrics, Tail, bookings};

/// How long a batch gathers rows.
const GATHER: Duration = Duration::from_millis(50);
/// Rows that seal a batch at once. As many more wait while they are written, and a kilobyte each; a commit is cheap among so many.
const BATCH_ROWS: usize = 1024;
/// Records that are taken at a time.
const TAKEN_RECORDS: usize = 4096;
/// Pause after records were taken: to wake the desk for each of thousands a second would cost more than what it does.
const PAUSE: Duration = Duration::from_millis(10);
/// Rows of one transaction, the most and the least: after each that failed half as many are tried, so that a database which is
/// there for moments only, or which has little time, takes some in each.
const GROUP_ROWS: (usize, usize) = (8192, 256);
/// Age at which a batch that is not committed goes to the spool.
const RESCUE: Duration = Duration::from_millis(150);
/// A write that takes longer is given up, and repeated from the spool.
const GIVE_UP: Duration = Duration::from_secs(30);
/// Pauses between writes while the database is away, the first and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// How often the folder is searched for spools that nobody holds.
const ADOPT_EVERY: Duration = Duration::from_secs(60);

/// A batch in memory.
#[derive(Debug)]
struct Held {
    batch: Batch,
    opened_at: Instant,
}

/// Something that failed, and when to try it again.
#[derive(Debug, Clone, Copy)]
struct Away {
    pause: Duration,
    until: Instant,
}

impl Away {
    fn longer(before: Option<Self>) -> Self {
        let pause = before.map_or(PAUSES.0, |away| (away.pause * 2).min(PAUSES.1));
        // Replicas that lost the same database do not come back to it all at once.
        let jitter = pause.mul_f64(fastrand::f64() / 2.0);
        Self {
            pause,
            until: Instant::now() + pause + jitter,
        }
    }
}

/// Everything that is not written yet.
#[derive(Debug)]
pub(crate) struct Desk {
    db: DatabaseConnection,
    spool: Spool,
    metrics: Arc<StatsMetrics>,
    memory_rows: usize,
    open: Option<Held>,
    sealed: VecDeque<Held>,
    flight: Option<Flight>,
    /// Rows of the next one, unless a single batch has more.
    group_rows: usize,
    /// Fresh batches and the backlog take turns.
    backlog_next: bool,
    away: Option<Away>,
    spool_away: Option<Away>,
    adopt_at: Instant,
    /// Records between the queue and the open batch.
    in_hand: u64,
    /// Told of what has come into the books.
    pub(crate) bookings: Option<Arc<dyn Bookings>>,
    /// Told of every request that has ended.
    pub(crate) observers: Vec<Arc<dyn Observer>>,
    /// Shows every request that has ended.
    pub(crate) tail: Tail,
}

impl Desk {
    /// An empty desk; `memory_rows` bounds what it holds while both database and spool are away.
    pub(crate) fn new(
        db: DatabaseConnection,
        spool: Spool,
        metrics: Arc<StatsMetrics>,
        memory_rows: usize,
    ) -> Self {
        Self {
            db,
            spool,
            metrics,
            memory_rows,
            open: None,
            sealed: VecDeque::new(),
            flight: None,
            group_rows: GROUP_ROWS.0,
            backlog_next: true,
            away: None,
            spool_away: None,
            adopt_at: Instant::now(),
            in_hand: 0,
            bookings: None,
            observers: Vec::new(),
            tail: Tail::default(),
        }
    }

    /// Takes records until `stop` is cancelled and the queue is empty. A defect of ours that panics on the way costs no
    /// more than what it was about: all else is still here, and is served on with after a pause.
    pub(crate) async fn run(
        &mut self,
        records: &mut mpsc::Receiver<RequestRecord>,
        stop: &CancellationToken,
    ) {
        while AssertUnwindSafe(self.serve(records, stop))
            .catch_unwind()
            .await
            .is_err()
        {
            self.recover();
        }
    }

    fn recover(&mut self) {
        self.metrics.panics.fetch_add(1, Relaxed);
        let lost = std::mem::take(&mut self.in_hand);
        tracing::error!(
            rows.lost = lost,
            "the writer of request rows has panicked, and goes on"
        );
        self.metrics.queued.fetch_sub(lost, Relaxed);
        self.metrics.lost.fetch_add(lost, Relaxed);
        // What was about to land cannot be asked again. Its batches can be written again.
        if let Some(flight) = self.flight.take() {
            self.keep(flight);
        }
        self.away = Some(Away::longer(self.away));
    }

    async fn serve(
        &mut self,
        records: &mut mpsc::Receiver<RequestRecord>,
        stop: &CancellationToken,
    ) {
        let mut taken = Vec::new();
        let mut take_at = Instant::now();
        loop {
            let pauses = Instant::now() < take_at;
            let wake = if pauses {
                self.wake().min(take_at)
            } else {
                self.wake()
            };
            tokio::select! {
                landed = landing(&mut self.flight) => self.landed(landed).await,
                count = records.recv_many(&mut taken, TAKEN_RECORDS), if !pauses => match count {
                    0 => return,
                    count => {
                        // Where there are more, the queue is filling up.
                        if count < TAKEN_RECORDS {
                            take_at = Instant::now() + PAUSE;
                        }
                        self.in_hand = count as u64;
                        self.take(taken.drain(..));
                    }
                },
                () = tokio::time::sleep_until(wake) => {}
                () = stop.cancelled(), if !records.is_closed() => records.close(),
            }
            self.advance(Instant::now()).await;
        }
    }

    /// Commits what it can until `deadline`. Whatever happens, nothing is in memory only when it returns, unless the
    /// spool takes nothing either.
    pub(crate) async fn finish(&mut self, deadline: Instant) {
        self.seal();
        loop {
            self.advance(Instant::now()).await;
            let waits_for_database = self.spool.rows() > 0 && self.away.is_none();
            if self.flight.is_none() && self.sealed.is_empty() && !waits_for_database {
                return;
            }
            let wake = self.wake().min(deadline);
            tokio::select! {
                landed = landing(&mut self.flight) => self.landed(landed).await,
                () = tokio::time::sleep_until(wake) => {}
            }
            if Instant::now() >= deadline {
                break;
            }
        }
        self.land_unconfirmed().await;
        self.spool_sealed(Instant::now(), Duration::ZERO).await;
        while let Some(held) = self.sealed.pop_front() {
            self.lose(
                &held,
                "neither the database nor the spool took them before the end",
            );
        }
    }

    /// The next moment at which time alone changes something.
    fn wake(&self) -> Instant {
        let sealed = self.sealed.front().map(|held| held.opened_at + RESCUE);
        let flight = self.flight.as_ref().filter(|flight| !flight.is_spooled);
        let rescue = sealed
            .into_iter()
            .chain(flight.map(|flight| flight.opened_at + RESCUE))
            .min();
        let rescue = rescue.map(|at| self.spool_away.map_or(at, |away| away.until.max(at)));
        let open = self.open.as_ref().map(|held| held.opened_at + GATHER);
        let waits = self.flight.is_none() && (!self.sealed.is_empty() || self.spool.rows() > 0);
        let away = self.away.filter(|_| waits).map(|away| away.until);
        [open, rescue, away]
            .into_iter()
            .flatten()
            .chain([self.adopt_at])
            .min()
            .unwrap_or(self.adopt_at)
    }

    fn take(&mut self, records: impl Iterator<Item = RequestRecord>) {
        for record in records {
            let open = self.open.get_or_insert_with(|| Held {
                batch: Batch {
                    id: Uuid::now_v7(),
                    rows: Vec::new(),
                },
                opened_at: Instant::now(),
            });
            for observer in &self.observers {
                observer.ended(&record);
            }
            let row = Row::from(record);
            self.tail.show(&row);
            open.batch.rows.push(row);
            self.in_hand -= 1;
            if open.batch.rows.len() >= BATCH_ROWS {
                self.seal();
            }
        }
    }

    /// Tells of what was charged to budgets in these batches: they are in the books, or never will be.
    fn tell(&self, batches: &[Batch]) {
        if let Some(bookings) = &self.bookings {
            bookings::tell(&**bookings, batches.iter().flat_map(|batch| &batch.rows));
        }
    }

    fn seal(&mut self) {
        self.sealed.extend(self.open.take());
    }

    async fn advance(&mut self, now: Instant) {
        if self
            .open
            .as_ref()
            .is_some_and(|held| held.opened_at + GATHER <= now)
        {
            self.seal();
        }
        if self.away.is_none_or(|away| away.until <= now) {
            self.launch(now).await;
        }
        self.rescue(now).await;
        if self.adopt_at <= now {
            self.adopt(now).await;
        }
    }

    async fn adopt(&mut self, now: Instant) {
        let pause = match self.spool.adopt().await {
            Ok(true) => GATHER,
            Ok(false) => ADOPT_EVERY,
            Err(error) => {
                tracing::warn!(%error, "cannot take over the spool of a process that is no more");
                ADOPT_EVERY
            }
        };
        self.adopt_at = now + pause;
        self.metrics.spooled.store(self.spool.rows(), Relaxed);
    }
}

#[cfg(test)]
mod tests;
