//! The caller's side: hands a record over and is done.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::row::{MESSAGE_CHARS, MODEL_CHARS, shorten};
use crate::{RequestRecord, StatsMetrics};

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
        let reason = match self.shared.queue.try_send(record) {
            Ok(()) => return,
            Err(TrySendError::Full(_)) => "the queue is full",
            Err(TrySendError::Closed(_)) => "the writer has ended",
        };
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

    /// The figures of the writer behind this recorder.
    pub fn metrics(&self) -> &Arc<StatsMetrics> {
        &self.shared.metrics
    }
}
