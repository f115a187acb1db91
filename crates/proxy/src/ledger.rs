//! The account of one request, from authentication to its end.
//!
//! Whatever ends a request ends its ledger, and a ledger that ends writes exactly one record: [`Ledger::close`] when the
//! gateway knows how it ended, the drop when the client left first or the gateway itself failed.

use std::{net::IpAddr, sync::Arc, time::Instant};

use chrono::{DateTime, Utc};
use protocol::{Envelope, Usage};
use stats::{AttemptRecord, Counted, Recorder, RequestRecord};
use uuid::Uuid;

use crate::{failure::Failure, metrics::Metrics};

/// How a request that the client gave up is logged.
const CLIENT_CLOSED: &str = "client_closed";
/// How a request that met a fault of the gateway's is logged.
const INTERNAL: &str = "internal";
/// Status of a request that the client gave up, as nginx has it.
const CLIENT_CLOSED_STATUS: u16 = 499;

/// When, where and as what a request arrived.
#[derive(Debug, Clone)]
pub(crate) struct Arrival {
    pub(crate) id: Uuid,
    pub(crate) instant: Instant,
    pub(crate) utc: DateTime<Utc>,
    pub(crate) ip: Option<IpAddr>,
}

/// An open account.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// Taken when it is written.
    record: Option<Box<RequestRecord>>,
    started: Instant,
    /// The attempt that runs, which is the last of the record.
    open: Option<OpenAttempt>,
    recorder: Recorder,
    metrics: Arc<Metrics>,
    last_provider: Option<Arc<str>>,
}

#[derive(Debug)]
struct OpenAttempt {
    started: Instant,
    provider: Arc<str>,
}

impl Ledger {
    pub(crate) fn open(
        arrival: &Arrival,
        endpoint: &'static str,
        method: &'static str,
        key_name: Arc<str>,
        recorder: Recorder,
        metrics: Arc<Metrics>,
    ) -> Self {
        let record = RequestRecord {
            request_id: arrival.id,
            arrived_at: arrival.utc,
            endpoint,
            method,
            model: String::new(),
            stream: false,
            key_name,
            ip: arrival.ip,
            status_code: 0,
            error_class: None,
            error_message: None,
            latency: std::time::Duration::ZERO,
            ttft: None,
            attempts: Vec::new(),
            answered_by: None,
        };
        metrics.in_flight.inc();
        Self {
            record: Some(Box::new(record)),
            started: arrival.instant,
            open: None,
            recorder,
            metrics,
            last_provider: None,
        }
    }

    /// Notes what the client asked for.
    pub(crate) fn asked(&mut self, envelope: &Envelope<'_>) {
        if let Some(record) = &mut self.record {
            record.model = envelope.model.to_string();
            record.stream = envelope.stream;
        }
    }

    /// Notes a model that is asked for by the path.
    pub(crate) fn asked_for_model(&mut self, model: &str) {
        if let Some(record) = &mut self.record {
            record.model = model.to_owned();
        }
    }

    /// An attempt is sent. Until it is settled it counts as one that the client gave up.
    pub(crate) fn begin_attempt(
        &mut self,
        provider_id: i64,
        provider: Arc<str>,
        provider_model: Arc<str>,
        now: Instant,
    ) {
        if let Some(record) = &mut self.record {
            record.attempts.push(AttemptRecord {
                provider_id,
                provider_model,
                status: None,
                error_class: Some(CLIENT_CLOSED),
                counted: Counted::Success,
                elapsed: std::time::Duration::ZERO,
                usage: None,
                cost: None,
            });
        }
        self.last_provider = Some(provider.clone());
        self.open = Some(OpenAttempt {
            started: now,
            provider,
        });
    }

    /// Nothing was sent after all.
    pub(crate) fn withdraw_attempt(&mut self) {
        if let (Some(record), Some(_)) = (&mut self.record, self.open.take()) {
            record.attempts.pop();
        }
    }

    /// The attempt failed.
    pub(crate) fn attempt_failed(&mut self, failure: &Failure, now: Instant) {
        let counted = if failure.class.starts_with("client_") {
            Counted::Success
        } else {
            Counted::Failed
        };
        self.settle(now, |attempt| {
            attempt.status = failure.status;
            attempt.error_class = Some(failure.class);
            attempt.counted = counted;
        });
    }

    /// The attempt's response head came.
    pub(crate) fn attempt_status(&mut self, status: u16) {
        if let Some(attempt) = self.attempt() {
            attempt.status = Some(status);
        }
    }

    /// What the running attempt used so far.
    pub(crate) fn attempt_usage(&mut self, usage: Option<Usage>) {
        if let Some(attempt) = self.attempt() {
            attempt.usage = usage;
        }
    }

    /// The attempt answered, whole.
    pub(crate) fn attempt_answered(&mut self, usage: Option<Usage>, now: Instant) {
        self.settle(now, |attempt| {
            attempt.error_class = None;
            attempt.usage = usage;
        });
        self.mark_answered();
    }

    /// The running attempt is the one whose content the client gets.
    pub(crate) fn mark_answered(&mut self) {
        if let Some(record) = &mut self.record {
            record.answered_by = record.attempts.len().checked_sub(1);
        }
    }

    /// The first content is on its way to the client.
    pub(crate) fn first_content(&mut self, now: Instant) {
        let ttft = now.saturating_duration_since(self.started);
        if let Some(record) = &mut self.record {
            record.ttft = Some(ttft);
        }
        self.metrics.first_content(ttft);
    }

    /// Attempts sent so far, and the provider of the last.
    pub(crate) fn trail(&self) -> Option<(usize, &Arc<str>)> {
        let count = self.record.as_ref()?.attempts.len();
        self.last_provider
            .as_ref()
            .filter(|_| count > 0)
            .map(|provider| (count, provider))
    }

    /// The request ended: what the client got, and why if it was no answer.
    pub(crate) fn close(mut self, status: u16, error: Option<(&'static str, &str)>, now: Instant) {
        self.write(status, error, now);
    }

    /// A panic ended it: no provider is to blame, nor the client.
    fn broke(&mut self, status: u16, now: Instant) {
        if let Some(attempt) = self.attempt() {
            attempt.error_class = Some(INTERNAL);
        }
        let told = "the gateway met an internal error";
        self.write(status, Some((INTERNAL, told)), now);
    }

    /// Notes that a panic ended it after its head was sent.
    pub(crate) fn broke_midway(mut self, now: Instant) {
        self.metrics.panicked();
        self.broke(200, now);
    }

    fn write(&mut self, status: u16, error: Option<(&'static str, &str)>, now: Instant) {
        if self.open.is_some() {
            self.settle(now, |_| {});
        }
        let Some(mut record) = self.record.take() else {
            return;
        };
        record.status_code = status;
        record.latency = now.saturating_duration_since(self.started);
        if let Some((class, message)) = error {
            record.error_class = Some(class);
            record.error_message = Some(message.to_owned());
        }
        self.metrics.request(&record);
        self.metrics.in_flight.dec();
        self.recorder.record(*record);
    }

    fn attempt(&mut self) -> Option<&mut AttemptRecord> {
        self.open.as_ref()?;
        self.record.as_mut()?.attempts.last_mut()
    }

    fn settle(&mut self, now: Instant, how: impl FnOnce(&mut AttemptRecord)) {
        let (Some(record), Some(open)) = (&mut self.record, self.open.take()) else {
            return;
        };
        let Some(attempt) = record.attempts.last_mut() else {
            return;
        };
        how(attempt);
        attempt.elapsed = now.saturating_duration_since(open.started);
        self.metrics.attempt(&open.provider, attempt.error_class);
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return self.broke(500, Instant::now());
        }
        let told = "the client closed the connection before the answer was complete";
        self.write(
            CLIENT_CLOSED_STATUS,
            Some((CLIENT_CLOSED, told)),
            Instant::now(),
        );
    }
}
