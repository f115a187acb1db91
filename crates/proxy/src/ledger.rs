//! The account of one request, from authentication to its end.
//!
//! Whatever ends a request ends its ledger, and a ledger that ends writes exactly one record: [`Ledger::close`] when the
//! gateway knows how it ended, the drop when the client left first or the gateway itself failed.

use std::{sync::Arc, time::Instant};

use access::{
    Price,
    limit::{Admission, Standings},
};
use budgets::Charge;
use bytes::Bytes;
use protocol::{Endpoint, Envelope, Media, Usage};
use stats::{AttemptRecord, Counted, Recorder, RequestRecord, Span, Trace};
use uuid::Uuid;

use crate::{
    admission::Permit,
    arrival::Arrival,
    clock,
    failure::{Failure, RESUME_DIFFERED},
    guard::Stage,
    metrics::Metrics,
    recording::Recording,
    trace::{Context, span_id},
};

/// How a request that the client gave up is logged.
const CLIENT_CLOSED: &str = "client_closed";
/// How an attempt is logged that another was quicker than.
const HEDGE_LOST: &str = "hedge_lost";
/// How a request that met a fault of the gateway's is logged.
const INTERNAL: &str = "internal";
/// Status of a request that the client gave up, as nginx has it.
const CLIENT_CLOSED_STATUS: u16 = 499;

/// An open account.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// Taken when it is written.
    record: Option<Box<RequestRecord>>,
    started: Instant,
    /// The attempts that run: one, or two while a hedge does.
    open: [Option<OpenAttempt>; 2],
    /// Attempts begun so far.
    begun: u32,
    recorder: Recorder,
    metrics: Arc<Metrics>,
    /// Whose content the client gets, else whom the last attempt went to.
    provider: Option<Arc<str>>,
    /// The request's place among those that are served.
    permit: Option<Permit>,
    /// What its key's budget has promised it.
    charge: Option<Charge>,
    /// What it holds of its limits.
    admission: Option<Admission>,
    /// How its limits stand, for the client.
    standings: Standings,
    /// What the client sends and gets, where that is recorded.
    recording: Option<Box<Recording>>,
}

/// Names one attempt of a ledger that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AttemptId(u32);

impl AttemptId {
    /// Of what was answered here, without an attempt.
    pub(crate) const NONE: Self = Self(u32::MAX);
}

#[derive(Debug)]
struct OpenAttempt {
    id: AttemptId,
    /// Among the record's attempts.
    index: usize,
    started: Instant,
    provider: Arc<str>,
    price: Option<Arc<Price>>,
    media: Media,
    place: Place,
}

/// What an attempt holds of its provider's limits while it runs.
#[derive(Debug, Default)]
pub(crate) struct Place {
    /// What it reserved, to be settled when it has ended.
    pub(crate) admission: Option<Admission>,
    /// Its place among those that run; free then.
    pub(crate) _slot: Option<Permit>,
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
            charged_to: None,
            trace: None,
        };
        metrics.began();
        Self {
            record: Some(Box::new(record)),
            started: arrival.instant,
            open: [None, None],
            begun: 0,
            recorder,
            metrics,
            provider: None,
            permit: None,
            charge: None,
            admission: None,
            standings: Standings::default(),
            recording: None,
        }
    }

    /// The request, also in the log. A ledger that is closed is of none.
    pub(crate) fn request_id(&self) -> Uuid {
        self.record
            .as_ref()
            .map_or(Uuid::nil(), |record| record.request_id)
    }

    /// The request belongs to this trace.
    pub(crate) fn trace(&mut self, trace: Trace) {
        if let Some(record) = &mut self.record {
            record.trace = Some(Box::new(trace));
        }
    }

    /// What the attempt that was begun last tells its provider of the trace.
    pub(crate) fn trace_context(&self) -> Option<Context> {
        let trace = self.record.as_ref()?.trace.as_ref()?;
        Context::of(trace, trace.attempts.last()?.id)
    }

    /// The request has this place until it has ended.
    pub(crate) fn hold(&mut self, permit: Permit) {
        self.permit = Some(permit);
    }

    /// The request may spend this; what it has cost is settled when it has ended.
    pub(crate) fn charge(&mut self, charge: Option<Charge>) {
        self.charge = charge;
    }

    /// The request is within its limits; what it has used is settled when it has ended.
    pub(crate) fn admit(&mut self, admission: Option<Admission>) {
        self.standings = admission
            .as_ref()
            .map_or_else(Standings::default, |it| it.standings);
        self.admission = admission;
    }

    /// The request is not within its limits.
    pub(crate) fn limited(&mut self, standings: Standings) {
        self.standings = standings;
    }

    /// How the request's limits stand.
    pub(crate) fn standings(&self) -> Standings {
        self.standings
    }

    /// Keeps what the client sends and gets until the request has ended.
    pub(crate) fn keep_bodies(&mut self, endpoint: Endpoint, as_array: bool, body: &Bytes) {
        if let Some(limit) = self.recorder.hears() {
            let recording = Recording::new(body.clone(), endpoint, as_array, limit);
            self.recording = Some(Box::new(recording));
        }
    }

    /// Keeps the whole answer too, where bodies are kept.
    pub(crate) fn keep_answer(&mut self, body: &Bytes) {
        if let Some(recording) = &mut self.recording {
            recording.whole(body);
        }
    }

    /// The bodies that are kept, if they are.
    pub(crate) fn recording(&mut self) -> Option<&mut Recording> {
        self.recording.as_deref_mut()
    }

    /// Counts what a guard did.
    pub(crate) fn guarded(&self, stage: Stage, result: &'static str) {
        self.metrics.guarded(stage, result);
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
        price: Option<Arc<Price>>,
        place: Place,
        now: Instant,
    ) -> AttemptId {
        let id = AttemptId(self.begun);
        self.begun += 1;
        let Some(record) = &mut self.record else {
            return id;
        };
        let opened = OpenAttempt {
            id,
            index: record.attempts.len(),
            started: now,
            provider: provider.clone(),
            price,
            media: Media::default(),
            place,
        };
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
        if let Some(trace) = &mut record.trace {
            trace.attempts.push(Span {
                id: span_id(),
                after: now.saturating_duration_since(self.started),
            });
        }
        self.provider = Some(provider);
        let slot = self.open.iter_mut().find(|slot| slot.is_none());
        debug_assert!(slot.is_some(), "at most one hedge runs beside an attempt");
        if let Some(slot) = slot {
            *slot = Some(opened);
        }
        id
    }

    /// Nothing was sent after all.
    pub(crate) fn withdraw_attempt(&mut self, id: AttemptId) {
        let (Some(opened), Some(record)) = (self.take(id), &mut self.record) else {
            return;
        };
        record.attempts.remove(opened.index);
        if let Some(trace) = &mut record.trace {
            trace.attempts.remove(opened.index);
        }
        if let Some(admission) = opened.place.admission {
            admission.refund(clock::now());
        }
        for other in self.open.iter_mut().flatten() {
            other.index -= usize::from(other.index > opened.index);
        }
    }

    /// The attempt failed.
    pub(crate) fn attempt_failed(&mut self, id: AttemptId, failure: &Failure, now: Instant) {
        let is_nobodys = failure.class.starts_with("client_") || failure.class == RESUME_DIFFERED;
        let counted = if is_nobodys {
            Counted::Success
        } else {
            Counted::Failed
        };
        self.settle(id, now, |attempt| {
            // A stream that breaks has a status already.
            attempt.status = failure.status.or(attempt.status);
            attempt.error_class = Some(failure.class);
            attempt.counted = counted;
        });
    }

    /// The attempt was given up, since the one beside it answered: nobody's fault.
    pub(crate) fn attempt_lost(&mut self, id: AttemptId, now: Instant) {
        self.settle(id, now, |attempt| attempt.error_class = Some(HEDGE_LOST));
    }

    /// The attempt's response head came.
    pub(crate) fn attempt_status(&mut self, id: AttemptId, status: u16) {
        if let Some(attempt) = self.attempt(id) {
            attempt.status = Some(status);
        }
    }

    /// What a running attempt used so far.
    pub(crate) fn attempt_usage(&mut self, id: AttemptId, usage: Option<Usage>) {
        if let Some(attempt) = self.attempt(id) {
            attempt.usage = usage;
        }
    }

    /// The images or the sound of a running attempt's answer.
    pub(crate) fn attempt_media(&mut self, id: AttemptId, media: Media) {
        let opened = self.open.iter_mut().flatten().find(|it| it.id == id);
        if let Some(opened) = opened {
            opened.media = media;
        }
    }

    /// The attempt answered, whole.
    pub(crate) fn attempt_answered(&mut self, id: AttemptId, usage: Option<Usage>, now: Instant) {
        self.mark_answered(id);
        self.settle(id, now, |attempt| {
            attempt.error_class = None;
            attempt.usage = usage;
        });
    }

    /// The client gets the content of this running attempt.
    pub(crate) fn mark_answered(&mut self, id: AttemptId) {
        let opened = self.open.iter().flatten().find(|opened| opened.id == id);
        if let (Some(opened), Some(record)) = (opened, &mut self.record) {
            record.answered_by = Some(opened.index);
            self.provider = Some(opened.provider.clone());
        }
    }

    /// The first content is on its way to the client.
    pub(crate) fn first_content(&mut self, now: Instant) {
        let ttft = now.saturating_duration_since(self.started);
        if let Some(record) = &mut self.record {
            // Of an answer that is resumed the client has had it.
            if record.ttft.is_some() {
                return;
            }
            record.ttft = Some(ttft);
        }
    }

    /// Attempts sent so far, and the provider that answered, else that of the last.
    pub(crate) fn trail(&self) -> Option<(usize, &Arc<str>)> {
        let count = self.record.as_ref()?.attempts.len();
        self.provider
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
        for opened in self.open.iter().flatten() {
            let attempts = self.record.as_mut().map(|record| &mut record.attempts);
            if let Some(attempt) = attempts.and_then(|attempts| attempts.get_mut(opened.index)) {
                attempt.error_class = Some(INTERNAL);
            }
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
        let running = self
            .open
            .each_ref()
            .map(|slot| slot.as_ref().map(|opened| opened.id));
        for id in running.into_iter().flatten() {
            self.settle(id, now, |_| {});
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
        if let Some(admission) = self.admission.take() {
            if record.attempts.is_empty() {
                admission.refund(now);
            } else {
                admission.settle(used(&record), now);
            }
        }
        if let Some(charge) = self.charge.take() {
            record.charged_to = Some(charge.settle(record.cost().unwrap_or(0)));
        }
        if let Some(recording) = self.recording.take() {
            self.recorder.record_bodies(recording.end(&record));
        }
        self.metrics.ended();
        self.recorder.record(*record);
    }

    /// A running attempt.
    fn attempt(&mut self, id: AttemptId) -> Option<&mut AttemptRecord> {
        let opened = self.open.iter().flatten().find(|opened| opened.id == id)?;
        self.record.as_mut()?.attempts.get_mut(opened.index)
    }

    /// A running attempt, which thereby runs no more.
    fn take(&mut self, id: AttemptId) -> Option<OpenAttempt> {
        let is_it = |opened: &mut OpenAttempt| opened.id == id;
        self.open.iter_mut().find_map(|slot| slot.take_if(is_it))
    }

    fn settle(&mut self, id: AttemptId, now: Instant, how: impl FnOnce(&mut AttemptRecord)) {
        let (Some(opened), Some(record)) = (self.take(id), &mut self.record) else {
            return;
        };
        let Some(attempt) = record.attempts.get_mut(opened.index) else {
            return;
        };
        how(attempt);
        attempt.cost = opened
            .price
            .and_then(|price| cost(&price, attempt, opened.media));
        attempt.elapsed = now.saturating_duration_since(opened.started);
        if let Some(admission) = opened.place.admission {
            admission.settle(attempt.usage.map_or(0, |usage| usage.total), now);
        }
    }
}

/// Tokens of all its attempts.
fn used(record: &RequestRecord) -> u64 {
    let usages = record.attempts.iter().filter_map(|attempt| attempt.usage);
    usages.map(|usage| usage.total).sum()
}

/// What an attempt costs that has ended, however it did. One that was refused or never answered, and used nothing that is
/// known of, is not charged by request.
fn cost(price: &Price, attempt: &AttemptRecord, media: Media) -> Option<i64> {
    let is_taken = attempt
        .status
        .is_some_and(|status| (200..300).contains(&status));
    if attempt.usage.is_none() && !is_taken {
        return None;
    }
    price.cost(attempt.usage.as_ref(), media)
}

impl Drop for Ledger {
    fn drop(&mut self) {
        if self.record.is_none() {
            return; // closed; most are
        }
        if std::thread::panicking() {
            return self.broke(500, clock::now());
        }
        let told = "the client closed the connection before the answer was complete";
        self.write(
            CLIENT_CLOSED_STATUS,
            Some((CLIENT_CLOSED, told)),
            clock::now(),
        );
    }
}
