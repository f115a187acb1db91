//! What must hold of every run, whatever its providers did.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use simulator::Recorded;
use stats::{AttemptRecord, RequestRecord};

use super::{
    schedule::{Ask, ModelSetup, Moderation, Schedule},
    told::Told,
    world::{End, Head, Run, Seen, marker},
};

/// What timers round to, and a little for what follows them.
const ROUNDING: Duration = Duration::from_millis(20);
/// The word that the simulator's moderation endpoint flags.
pub(super) const FLAGGED: &str = "violence";

/// What is wrong with `run`, in words.
pub(super) fn broken(schedule: &Schedule, run: &Run) -> Vec<String> {
    let mut wrong = Vec::new();
    for (number, (ask, seen)) in schedule.asks.iter().zip(&run.seen).enumerate() {
        let mut of_request = Vec::new();
        match seen {
            Some(seen) => request(schedule, run, number, ask, seen, &mut of_request),
            None => of_request.push("it never ended".to_owned()),
        }
        wrong.extend(
            of_request
                .iter()
                .map(|what| format!("request {number}: {what}\n  {ask:?}\n  {seen:?}")),
        );
    }
    if run.records.len() != schedule.asks.len() {
        let (records, asks) = (run.records.len(), schedule.asks.len());
        wrong.push(format!("{records} records of {asks} requests"));
    }
    for provider in &run.health {
        let of_associations = provider.associations.iter().map(|it| it.in_flight);
        if provider.in_flight + of_associations.sum::<u32>() > 0 {
            wrong.push(format!("still in flight: {provider:?}"));
        }
    }
    if !run.stuck.is_empty() {
        wrong.push(format!("never tried again: {:?}", run.stuck));
    }
    if run.tasks_left > 0 {
        wrong.push(format!("{} tasks are left", run.tasks_left));
    }
    wrong
}

/// What is wrong with one request.
fn request(
    schedule: &Schedule,
    run: &Run,
    number: usize,
    ask: &Ask,
    seen: &Seen,
    wrong: &mut Vec<String>,
) {
    let [record] = &records_of(run, number)[..] else {
        wrong.push("it has not exactly one record".to_owned());
        return;
    };
    let config = &schedule.configs[seen.config].1;
    let eligible = config.eligible(ask);
    attempts(run, number, record, &eligible, wrong);
    let had_no_time = |it: &AttemptRecord| {
        it.elapsed.is_zero() && matches!(it.error_class, Some("timeout" | "client_timeout"))
    };
    if record.attempts.iter().any(had_no_time) {
        wrong.push("an attempt began when the time was over".to_owned());
    }
    let model = &config.models[ask.model];
    let most = ask.retry_count.unwrap_or(model.max_retry) as usize + 1;
    if record.attempts.len() > most {
        wrong.push(format!("{} attempts, not {most}", record.attempts.len()));
    }
    // It cools, or what is asked may not be.
    let is_barred = matches!(
        record.error_class,
        Some("rate_limited" | "guard_denied" | "guard_failed")
    );
    if eligible.len() == 1 && record.attempts.is_empty() && ask.hang_up.is_none() && !is_barred {
        wrong.push("its only candidate was not tried".to_owned());
    }
    let Some(head) = &seen.head else {
        if record.status_code != 499 || seen.end != End::HungUp {
            wrong.push(format!("no head, but {} is recorded", record.status_code));
        }
        return;
    };
    let total = match (ask.timeout, model.total) {
        (Some(own), _) => Some(own),
        (None, total) => total,
    };
    if total.is_some_and(|total| head.after > Duration::from_secs_f64(total) + ROUNDING) {
        wrong.push(format!("its head came after {:?}", head.after));
    }
    if head.id != record.request_id.to_string() {
        wrong.push("the record has another id".to_owned());
    }
    // A head that went out with the first heartbeat cannot tell them.
    let is_early = model.heartbeat_after_ms.is_some() && ask.stream && head.status == 200;
    let is_untold = is_early && head.attempts.is_none();
    let may_go_on = ask.stream && head.status == 200 && ask.resume.unwrap_or(model.verified_resume);
    let (told, made) = (head.attempts.unwrap_or(0), record.attempts.len());
    if !is_untold && (told > made || told < made && !may_go_on) {
        wrong.push(format!("{made} attempts are recorded"));
    }
    answer(schedule, model, ask, seen, head, record, wrong);
}

fn records_of(run: &Run, number: usize) -> Vec<&RequestRecord> {
    let ip = format!("10.1.0.{number}");
    let is_its = |record: &&RequestRecord| record.ip.is_some_and(|it| it.to_string() == ip);
    run.records.iter().filter(is_its).collect()
}

/// Whether a provider got this on behalf of that request.
fn is_of(recorded: &Recorded, number: usize) -> bool {
    memchr::memmem::find(&recorded.body, marker(number).as_bytes()).is_some()
}

/// The attempts of the record are what providers saw, as far as they could.
fn attempts(
    run: &Run,
    number: usize,
    record: &RequestRecord,
    eligible: &[usize],
    wrong: &mut Vec<String>,
) {
    for (provider, requests) in run.requests.iter().enumerate() {
        let sent: Vec<_> = requests.iter().filter(|it| is_of(it, number)).collect();
        let recorded: Vec<_> = record
            .attempts
            .iter()
            .filter(|it| usize::try_from(it.provider_id) == Ok(provider))
            .collect();
        let is_asked = !sent.is_empty() || !recorded.is_empty();
        if is_asked && !eligible.contains(&provider) {
            wrong.push(format!("p{provider} was asked, but cannot serve it"));
        }
        let answered = recorded.iter().filter(|it| it.status.is_some()).count();
        // A connection that had been used may have been stale: the request is repeated, and not counted.
        let first_of: HashMap<_, _> = requests
            .iter()
            .rev()
            .map(|it| (it.connection, it.number))
            .collect();
        let reused = sent
            .iter()
            .filter(|it| first_of[&it.connection] != it.number);
        let most = recorded.len() + reused.count();
        if sent.len() < answered || sent.len() > most {
            let (sent, recorded) = (sent.len(), recorded.len());
            wrong.push(format!(
                "p{provider} was asked {sent} times, {recorded} attempts are recorded, {answered} answered: {:?}",
                record.attempts
            ));
        }
    }
}

/// One answer, of one provider, and whole or told to be broken.
fn answer(
    schedule: &Schedule,
    model: &ModelSetup,
    ask: &Ask,
    seen: &Seen,
    head: &Head,
    record: &RequestRecord,
    wrong: &mut Vec<String>,
) {
    let is_ok = head.status == 200;
    let is_stream = is_ok && ask.stream;
    let is_cut = seen.end == End::HungUp;
    if is_stream && is_cut {
        if !matches!(record.status_code, 200 | 499) {
            wrong.push(format!("{} is recorded of a stream", record.status_code));
        }
    } else if record.status_code != head.status {
        wrong.push(format!("{} is recorded", record.status_code));
    }
    if matches!(head.status, 401 | 403 | 500) || !(is_ok || head.status >= 400) {
        wrong.push("no such status may be told".to_owned());
    }
    if seen.end == End::BrokenOff {
        wrong.push("the answer broke off without a word".to_owned());
    }
    if is_cut && !is_stream {
        return;
    }
    let told = if is_stream {
        Told::stream(ask.client, &seen.body)
    } else {
        Told::whole(ask.client, !is_ok, &seen.body)
    };
    if let Some(what) = &told.wrong {
        // Who hangs up may have read half an event.
        if !is_cut || what != "an event is cut off" {
            wrong.push(what.clone());
        }
    }
    if !is_cut && told.is_complete == told.is_error {
        wrong.push(format!("it does not end in exactly one way: {told:?}"));
    }
    if !is_cut && told.is_complete != record.error_class.is_none() {
        wrong.push(format!("recorded as {:?}: {told:?}", record.error_class));
    }
    if !is_ok {
        return;
    }
    let name = |it: &AttemptRecord| format!("p{}", it.provider_id);
    let answered_by = record.answered_by.map(|index| &record.attempts[index]);
    // The head names whose stream was begun with: of those asked until then, one.
    let asked = head.attempts.unwrap_or(0).min(record.attempts.len());
    let has_gone_on = asked < record.attempts.len();
    let mut begun = record.attempts[..asked].iter().map(name);
    let is_told = match &head.provider {
        None => true,
        Some(provider) if has_gone_on => begun.any(|name| name == *provider),
        Some(provider) => answered_by.map(name).as_ref() == Some(provider),
    };
    if !is_told {
        wrong.push(format!("recorded as answered by {answered_by:?}"));
    }
    let text = |it: &AttemptRecord| &*schedule.texts[usize::try_from(it.provider_id).unwrap()];
    let whole = answered_by.map(text).unwrap_or_default();
    if told.is_complete && told.text != whole || !whole.starts_with(&told.text) {
        wrong.push(format!("this is not what {answered_by:?} said: {told:?}"));
    }
    let is_strict = |it: &Moderation| it.on_failure == "deny";
    if model.moderation.as_ref().is_some_and(is_strict) && told.text.contains(FLAGGED) {
        wrong.push(format!("what moderation flags was told: {told:?}"));
    }
}

/// What of a run must be the same the next time: all but ids and dates.
pub(super) fn essence(schedule: &Schedule, run: &Run) -> Vec<String> {
    let mut lines = Vec::new();
    for (number, (ask, seen)) in schedule.asks.iter().zip(&run.seen).enumerate() {
        let seen = seen.as_ref().expect("every request ends");
        let head = seen
            .head
            .as_ref()
            .map(|it| (it.status, it.after, &it.provider));
        let text = Told::stream(ask.client, &seen.body).text;
        let attempts = records_of(run, number)
            .into_iter()
            .flat_map(|it| &it.attempts);
        let attempts: Vec<_> = attempts
            .map(|it| (it.provider_id, it.status, it.error_class, it.elapsed))
            .collect();
        lines.push(format!(
            "{number}: {head:?} {:?} {text:?} {attempts:?}",
            seen.end
        ));
    }
    lines
}

/// How often each outcome was met.
#[derive(Debug, Default)]
pub(super) struct Coverage {
    requests: usize,
    attempts: usize,
    complete: usize,
    broken_streams: usize,
    hung_up: usize,
    failovers: usize,
    /// Answered although a used connection turned out to be dead, and nothing of it was counted.
    repeated: usize,
    /// Heads that went out with a heartbeat, before anybody had answered.
    early_heads: usize,
    classes: BTreeSet<&'static str>,
    /// What the gateway counted, by sample.
    counted: BTreeMap<String, u64>,
}

impl Coverage {
    pub(super) fn add(&mut self, run: &Run) {
        self.requests += run.records.len();
        for (sample, count) in &run.counted {
            *self.counted.entry(sample.clone()).or_default() += count;
        }
        for number in 0..run.seen.len() {
            let sent = |requests: &Vec<Recorded>| {
                let its = |it: &&Recorded| is_of(it, number);
                requests.iter().filter(its).count()
            };
            let sent: usize = run.requests.iter().map(sent).sum();
            let made = records_of(run, number);
            let made: usize = made.iter().map(|it| it.attempts.len()).sum();
            self.repeated += usize::from(sent > made);
        }
        let heads = run.seen.iter().flatten().filter_map(|it| it.head.as_ref());
        let is_early = |it: &&Head| it.status == 200 && it.attempts.is_none();
        self.early_heads += heads.filter(is_early).count();
        for record in &run.records {
            self.attempts += record.attempts.len();
            let is_ok = record.status_code == 200;
            self.complete += usize::from(is_ok && record.error_class.is_none());
            self.broken_streams += usize::from(is_ok && record.error_class.is_some());
            self.hung_up += usize::from(record.status_code == 499);
            self.failovers += usize::from(record.answered_by.is_some_and(|index| index > 0));
            let of_attempts = record.attempts.iter().filter_map(|it| it.error_class);
            self.classes
                .extend(record.error_class.into_iter().chain(of_attempts));
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.requests += other.requests;
        self.attempts += other.attempts;
        self.complete += other.complete;
        self.broken_streams += other.broken_streams;
        self.hung_up += other.hung_up;
        self.failovers += other.failovers;
        self.repeated += other.repeated;
        self.early_heads += other.early_heads;
        self.classes.extend(&other.classes);
        for (sample, count) in &other.counted {
            *self.counted.entry(sample.clone()).or_default() += count;
        }
    }

    /// A simulation that meets nothing proves nothing.
    pub(super) fn assert_wide(&self) {
        /// Samples, and of how many requests one must have met it.
        const COUNTED: [(&str, u64); 16] = [
            ("resumes resumed", 150),
            ("resumes differed", 500),
            ("resumes failed", 200),
            ("hedges won", 100),
            ("hedges lost", 300),
            ("hedges failed", 300),
            ("hedges unpaid", 3_000),
            // A half-open one that closes is degraded, by its slow start, and healthy when that is over.
            ("provider unhealthy", 300),
            ("provider degraded", 300),
            ("provider healthy", 500),
            ("model unhealthy", 300),
            ("model degraded", 300),
            ("model healthy", 500),
            ("guards request failed", 2_000),
            ("guards response failed", 200),
            ("guards response denied", 200),
        ];
        const CLASSES: [&str; 19] = [
            "bad_payload",
            "client_closed",
            "client_context_length",
            "client_error",
            "client_timeout",
            "connect_error",
            "connect_timeout",
            "empty_stream",
            "guard_denied",
            "guard_failed",
            "hedge_lost",
            "misconfigured",
            "overloaded",
            "rate_limited",
            "reset",
            "resume_differed",
            "stream_error",
            "stream_idle",
            "upstream_truncated",
        ];
        let met = [
            self.complete / 10,
            self.broken_streams,
            self.hung_up,
            self.failovers,
            self.repeated,
            self.early_heads,
        ];
        assert!(met.iter().all(|met| *met > self.requests / 150), "{self:?}");
        let rare: Vec<_> = COUNTED
            .iter()
            .filter(|(sample, one_in)| {
                let met = self.counted.get(*sample).copied().unwrap_or_default();
                met < self.requests as u64 / one_in
            })
            .collect();
        assert!(rare.is_empty(), "too seldom: {rare:?} of {self:?}");
        let missed: Vec<_> = CLASSES
            .iter()
            .filter(|class| !self.classes.contains(*class))
            .collect();
        assert!(missed.is_empty(), "never met: {missed:?}");
    }
}
