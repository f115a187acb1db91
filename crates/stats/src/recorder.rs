//! The caller's side: hands a record over and is done.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, OnceLock};

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::bodies::Bodies;
use crate::row::{MESSAGE_CHARS, MODEL_CHARS, shorten};
use crate::{BodyRecord, Bookings, Observer, RequestRecord, StatsMetrics, Tail, bookings};

/// Takes the records of ended requests. A cheap clone.
#[derive(Debug, Clone)]
pub struct Recorder {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    queue: mpsc::Sender<RequestRecord>,
    metrics: Arc<StatsMetrics>,
    /// Losses since the process started, for the log line's pace.
    refused: AtomicU64,
    tail: Tail,
    /// Told of what is lost.
    told: OnceLock<Told>,
    /// Where bodies are recorded.
    bodies: OnceLock<Bodies>,
}

/// Who has to know also of a record that is lost.
#[derive(Debug)]
struct Told {
    /// It will never come into the books.
    bookings: Option<Arc<dyn Bookings>>,
    /// It has ended all the same.
    observers: Vec<Arc<dyn Observer>>,
}

impl Told {
    fn tell(&self, record: RequestRecord) {
        for observer in &self.observers {
            observer.ended(&record);
        }
        if let Some(bookings) = &self.bookings {
            bookings::tell(&**bookings, [&record.into()]);
        }
    }
}

impl Recorder {
    /// A recorder whose records come out of the receiver: what `start` is built on, and what a test reads.
    /// At most `rows` records wait in it.
    pub fn channel(rows: usize) -> (Self, mpsc::Receiver<RequestRecord>) {
        let (queue, receiver) = mpsc::channel(rows);
        let shared = Shared {
            queue,
            metrics: Arc::default(),
            refused: AtomicU64::new(0),
            tail: Tail::default(),
            told: OnceLock::new(),
            bodies: OnceLock::new(),
        };
        let recorder = Self {
            shared: Arc::new(shared),
        };
        (recorder, receiver)
    }

    /// Hands a record to the writer. Never blocks, never waits, never touches the database. If the queue is full,
    /// or the writer has ended, the record is lost: counted and logged.
    pub fn record(&self, mut record: RequestRecord) {
        // What a client or a provider wrote may be long, and the queue is bounded in records.
        shorten(&mut record.model, MODEL_CHARS);
        if let Some(message) = &mut record.error_message {
            shorten(message, MESSAGE_CHARS);
        }
        let metrics = &self.shared.metrics;
        metrics.queued.fetch_add(1, Relaxed);
        let (record, reason) = match self.shared.queue.try_send(record) {
            Ok(()) => return,
            Err(TrySendError::Full(record)) => (record, "the queue is full"),
            Err(TrySendError::Closed(record)) => (record, "the writer has ended"),
        };
        if let Some(told) = self.shared.told.get() {
            told.tell(record);
        }
        metrics.queued.fetch_sub(1, Relaxed);
        metrics.lost.fetch_add(1, Relaxed);
        // A loss comes in thousands: each power of two is a line, so the log tells of it without drowning in it.
        let refused = self.shared.refused.fetch_add(1, Relaxed) + 1;
        if refused.is_power_of_two() {
            tracing::error!(
                records.lost = refused,
                reason,
                "request records are being lost"
            );
        }
    }

    /// Bytes of a stream's text that are worth keeping, where bodies can be recorded.
    pub fn hears(&self) -> Option<usize> {
        self.shared.bodies.get().map(Bodies::heard)
    }

    /// Hands the bodies of a request to their writer. Never waits; where there is no room they are dropped and counted.
    pub fn record_bodies(&self, record: BodyRecord) {
        if let Some(bodies) = self.shared.bodies.get() {
            bodies.record(record);
        }
    }

    /// Has bodies recorded there; only the first call counts.
    pub(crate) fn with_bodies(&self, bodies: Bodies) {
        let _ = self.shared.bodies.set(bodies);
    }

    /// Has these told of what is lost; only the first call counts.
    pub(crate) fn tell(
        &self,
        bookings: Option<Arc<dyn Bookings>>,
        observers: Vec<Arc<dyn Observer>>,
    ) {
        let _ = self.shared.told.set(Told {
            bookings,
            observers,
        });
    }

    /// Where the requests whose records come here can be watched.
    pub fn tail(&self) -> &Tail {
        &self.shared.tail
    }

    /// The figures of the writer behind this recorder.
    pub fn metrics(&self) -> &Arc<StatsMetrics> {
        &self.shared.metrics
    }
}
