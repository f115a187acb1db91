//! Where records lie until they are written: from the queue to the database, by way of the spool if need be.
//!
//! One loop holds everything, so there is nothing to lock. Records become rows of an open batch; a batch is sealed after
//! [`GATHER`] or when it is large; one group of sealed batches at a time is in flight to the database. What the database
//! has not confirmed [`RESCUE`] after its batch was opened goes to the spool, whether it is in flight or still waits, and
//! from there again to the database under the same batch ids, so it does not matter what became of the first flight.

use std::collections::VecDeque;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use sea_orm::{DatabaseConnection, DbErr};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::row::Row;
use crate::spool::{PutError, Spool};
use crate::write::{Batch, Written, write};
use crate::{RequestRecord, StatsMetrics};

/// How long a batch gathers rows.
const GATHER: Duration = Duration::from_millis(50);
/// Rows that seal a batch at once.
const BATCH_ROWS: usize = 512;
/// Rows of one transaction.
const GROUP_ROWS: usize = 2048;
/// Age at which a batch that is not committed goes to the spool.
const RESCUE: Duration = Duration::from_millis(150);
/// A write that takes longer is given up, and repeated from the spool.
const GIVE_UP: Duration = Duration::from_secs(30);
/// Pauses between writes while the database is away, the first and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// How often the folder is searched for spools that nobody holds.
const ADOPT_EVERY: Duration = Duration::from_secs(60);

type Landing = Pin<Box<dyn Future<Output = Result<Written, DbErr>> + Send>>;

/// A group on its way to the database.
struct Flight {
    batches: Arc<Vec<Batch>>,
    opened_at: Instant,
    /// Whether it is in the spool too.
    is_spooled: bool,
    landing: Landing,
}

impl std::fmt::Debug for Flight {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Flight")
            .field("batches", &self.batches.len())
            .finish_non_exhaustive()
    }
}

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
    /// Fresh batches and the backlog take turns.
    backlog_next: bool,
    away: Option<Away>,
    spool_away: Option<Away>,
    adopt_at: Instant,
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
            backlog_next: true,
            away: None,
            spool_away: None,
            adopt_at: Instant::now(),
        }
    }

    /// Takes records until `stop` is cancelled and the queue is empty.
    pub(crate) async fn serve(
        &mut self,
        records: &mut mpsc::Receiver<RequestRecord>,
        stop: &CancellationToken,
    ) {
        let mut taken = Vec::with_capacity(BATCH_ROWS);
        loop {
            let wake = self.wake();
            tokio::select! {
                landed = landing(&mut self.flight) => self.landed(landed).await,
                count = records.recv_many(&mut taken, BATCH_ROWS) => match count {
                    0 => return,
                    _ => self.take(taken.drain(..)),
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
            open.batch.rows.push(Row::from(record));
            if open.batch.rows.len() >= BATCH_ROWS {
                self.seal();
            }
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

    /// Sends the next group on its way, if none is.
    async fn launch(&mut self, now: Instant) {
        if self.flight.is_some() {
            return;
        }
        let backlog = self.spool.rows() > 0 && (self.backlog_next || self.sealed.is_empty());
        self.backlog_next = !backlog;
        let (batches, opened_at) = match backlog {
            true => (self.backlog_group().await, now),
            false => self.fresh_group(now),
        };
        if batches.is_empty() {
            return;
        }
        let (db, batches) = (self.db.clone(), Arc::new(batches));
        let group = Arc::clone(&batches);
        let landing = Box::pin(async move {
            match tokio::time::timeout(GIVE_UP, write(&db, &group)).await {
                Ok(result) => result,
                Err(_) => Err(DbErr::Custom(format!(
                    "no answer within {} s",
                    GIVE_UP.as_secs()
                ))),
            }
        });
        self.flight = Some(Flight {
            batches,
            opened_at,
            is_spooled: backlog,
            landing,
        });
    }

    /// The front of the spool. If nothing comes out of it, the spool is left alone for a while.
    async fn backlog_group(&mut self) -> Vec<Batch> {
        let batches = match self.spool.head(GROUP_ROWS as u64).await {
            Ok(head) => {
                self.metrics
                    .set_aside
                    .fetch_add(head.unreadable_rows, Relaxed);
                head.batches
            }
            Err(error) => {
                tracing::error!(%error, "cannot read the spool");
                Vec::new()
            }
        };
        if batches.is_empty() {
            self.away = Some(Away::longer(self.away));
        }
        batches
    }

    fn fresh_group(&mut self, now: Instant) -> (Vec<Batch>, Instant) {
        let opened_at = self.sealed.front().map_or(now, |held| held.opened_at);
        let (mut batches, mut rows) = (Vec::new(), 0);
        while let Some(held) = self.sealed.front() {
            rows += held.batch.rows.len();
            if rows > GROUP_ROWS && !batches.is_empty() {
                break;
            }
            batches.extend(self.sealed.pop_front().map(|held| held.batch));
        }
        (batches, opened_at)
    }

    async fn landed(&mut self, result: Result<Written, DbErr>) {
        let Some(flight) = self.flight.take() else {
            return;
        };
        match result {
            Ok(written) => self.confirmed(flight, written).await,
            Err(error) => {
                self.metrics.failures.fetch_add(1, Relaxed);
                if self.away.is_none() {
                    tracing::warn!(%error, "the database does not take request rows; they wait on disk");
                } else {
                    tracing::debug!(%error, "the database still does not take request rows");
                }
                self.away = Some(Away::longer(self.away));
                self.keep(flight);
            }
        }
    }

    async fn confirmed(&mut self, flight: Flight, written: Written) {
        if self.away.take().is_some() {
            tracing::info!("the database takes request rows again");
        }
        for (row, reason) in &written.refused {
            tracing::error!(
                request.id = row.request_id,
                reason,
                "the database refused a request row"
            );
            if let Err(error) = self.spool.set_aside(row, reason).await {
                tracing::error!(request.id = row.request_id, %error, "the refused row could not be kept");
            }
        }
        let metrics = &self.metrics;
        metrics.written.fetch_add(written.rows as u64, Relaxed);
        metrics
            .set_aside
            .fetch_add(written.refused.len() as u64, Relaxed);
        metrics
            .batches
            .fetch_add(flight.batches.len() as u64, Relaxed);
        metrics.lag_ms.store(
            flight.batches.first().map_or(0, |batch| age_ms(batch.id)),
            Relaxed,
        );
        if !flight.is_spooled {
            metrics.queued.fetch_sub(rows(&flight.batches), Relaxed);
            return;
        }
        if let Err(error) = self.spool.remove(&flight.batches).await {
            // They will be written once more, and be recognised.
            tracing::error!(%error, "cannot remove written rows from the spool");
            self.away = Some(Away::longer(self.away));
        }
        self.spool_away = None; // it may have been full
        self.metrics.spooled.store(self.spool.rows(), Relaxed);
    }

    /// Puts the batches of a failed flight back where they came from.
    fn keep(&mut self, flight: Flight) {
        if flight.is_spooled {
            return;
        }
        let opened_at = flight.opened_at;
        drop(flight.landing);
        let batches = Arc::unwrap_or_clone(flight.batches);
        for batch in batches.into_iter().rev() {
            self.sealed.push_front(Held { batch, opened_at });
        }
    }

    /// At the end: the flight is given up, its batches are kept.
    async fn land_unconfirmed(&mut self) {
        if let Some(flight) = self.flight.take() {
            self.keep(flight);
        }
    }

    /// Brings to disk what is due, and drops what neither disk nor memory can hold.
    async fn rescue(&mut self, now: Instant) {
        if self.spool_away.is_some_and(|away| away.until > now) {
            self.shed();
            return;
        }
        // While the database is away there is nothing to wait for.
        let patience = if self.away.is_some() {
            Duration::ZERO
        } else {
            RESCUE
        };
        if let Some(flight) = self.flight.as_mut().filter(|flight| !flight.is_spooled)
            && flight.opened_at + RESCUE <= now
        {
            let result = self.spool.put(flight.batches.iter()).await;
            flight.is_spooled = result.is_ok();
            let count = rows(&flight.batches);
            self.spooled(&result, count);
        }
        self.spool_sealed(now, patience).await;
        self.shed();
    }

    async fn spool_sealed(&mut self, now: Instant, patience: Duration) {
        let due = self
            .sealed
            .iter()
            .take_while(|held| held.opened_at + patience <= now)
            .count();
        if due == 0 {
            return;
        }
        let result = self.spool_first(due).await;
        // Full for all of them may still have room for some.
        if due > 1 && matches!(result, Err(PutError::Full)) {
            let mut result = Ok(());
            while result.is_ok() && !self.sealed.is_empty() {
                result = self.spool_first(1).await;
            }
        }
    }

    async fn spool_first(&mut self, batches: usize) -> Result<(), PutError> {
        let first = || self.sealed.iter().take(batches).map(|held| &held.batch);
        let count = first().map(|batch| batch.rows.len() as u64).sum();
        let result = self.spool.put(first()).await;
        if result.is_ok() {
            self.sealed.drain(..batches);
        }
        self.spooled(&result, count);
        result
    }

    fn spooled(&mut self, result: &Result<(), PutError>, count: u64) {
        match result {
            Ok(()) => {
                self.spool_away = None;
                self.metrics.queued.fetch_sub(count, Relaxed);
                self.metrics.spooled.store(self.spool.rows(), Relaxed);
            }
            Err(error) => {
                if self.spool_away.is_none() {
                    tracing::error!(%error, rows = count, "request rows wait in memory only");
                }
                self.spool_away = Some(Away::longer(self.spool_away));
            }
        }
    }

    /// Bounds memory while both database and spool are away: the newest batches go.
    fn shed(&mut self) {
        let mut held: usize = self.sealed.iter().map(|held| held.batch.rows.len()).sum();
        while held > self.memory_rows
            && let Some(last) = self.sealed.pop_back()
        {
            held -= last.batch.rows.len();
            self.lose(&last, "database and spool take nothing, and memory is full");
        }
    }

    fn lose(&self, held: &Held, reason: &str) {
        let count = held.batch.rows.len() as u64;
        self.metrics.queued.fetch_sub(count, Relaxed);
        self.metrics.lost.fetch_add(count, Relaxed);
        tracing::error!(rows = count, reason, "request records are lost");
    }
}

async fn landing(flight: &mut Option<Flight>) -> Result<Written, DbErr> {
    match flight {
        Some(flight) => flight.landing.as_mut().await,
        None => pending().await,
    }
}

fn rows(batches: &[Batch]) -> u64 {
    batches.iter().map(|batch| batch.rows.len() as u64).sum()
}

/// Time since the batch was opened, also when that was in an earlier run.
fn age_ms(id: Uuid) -> u64 {
    let (seconds, nanos) = id.get_timestamp().map_or((0, 0), |stamp| stamp.to_unix());
    let opened = Duration::new(seconds, nanos);
    let now = Duration::from_millis(chrono::Utc::now().timestamp_millis().unsigned_abs());
    u64::try_from(now.saturating_sub(opened).as_millis()).unwrap_or(u64::MAX)
}
