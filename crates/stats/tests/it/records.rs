//! Records to write, and what must come of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use entities::{Attempt, key_usage, provider_stats};
use sea_orm::EntityTrait;
use stats::{
    AttemptRecord, Counted, Recorder, RequestRecord, Settings, Usage, UsageSource, Worker,
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::database::{PROVIDERS, TestDatabase};

/// A plain successful request.
pub(crate) fn record() -> RequestRecord {
    RequestRecord {
        request_id: Uuid::now_v7(),
        arrived_at: Utc::now(),
        endpoint: "/v1/chat/completions",
        method: "POST",
        model: "gpt".to_owned(),
        stream: false,
        key_name: Arc::from("key"),
        ip: None,
        status_code: 200,
        error_class: None,
        error_message: None,
        latency: Duration::from_millis(20),
        ttft: None,
        attempts: vec![attempt(1)],
        answered_by: Some(0),
        charged_to: None,
        trace: None,
    }
}

pub(crate) fn attempt(provider_id: i64) -> AttemptRecord {
    AttemptRecord {
        provider_id,
        provider_model: Arc::from("gpt-provider"),
        status: Some(200),
        error_class: None,
        counted: Counted::Success,
        elapsed: Duration::from_millis(10),
        usage: Some(Usage {
            prompt: 7,
            completion: 3,
            total: 10,
            cached: 2,
            cache_write: 1,
            reasoning: 1,
            source: UsageSource::Provider,
        }),
        cost: Some(11),
    }
}

/// Any request: over two days, four keys, up to four attempts, one provider that does not exist.
pub(crate) fn random_record(day: DateTime<Utc>) -> RequestRecord {
    let attempts: Vec<_> = (0..fastrand::usize(0..=4))
        .map(|_| random_attempt())
        .collect();
    let answers = attempts
        .last()
        .is_some_and(|last| last.error_class.is_none());
    RequestRecord {
        arrived_at: day + TimeDelta::nanoseconds(fastrand::i64(0..2 * 86_400_000_000_000)),
        key_name: Arc::from(["a", "b", "B", "key \u{1f511}"][fastrand::usize(0..4)]),
        model: ["m1", "m2", "x\0y"][fastrand::usize(0..3)].repeat(fastrand::usize(1..80)),
        stream: fastrand::bool(),
        ip: Some([127, 0, 0, fastrand::u8(..)].into()),
        status_code: if answers { 200 } else { 502 },
        error_class: (!answers).then_some("all_failed"),
        error_message: (!answers).then(|| "\u{e9}".repeat(fastrand::usize(0..2_000))),
        latency: Duration::from_micros(fastrand::u64(0..5_000_000)),
        ttft: answers.then_some(Duration::from_millis(3)),
        answered_by: answers.then(|| attempts.len() - 1),
        attempts,
        ..record()
    }
}

fn random_attempt() -> AttemptRecord {
    let (status, error_class, counted) = [
        (Some(200), None, Counted::Success),
        (Some(400), Some("invalid_request"), Counted::Success),
        (None, Some("client_gone"), Counted::Success),
        (Some(500), Some("server_error"), Counted::Failed),
        (Some(429), Some("rate_limited"), Counted::Failed),
        (None, Some("connect"), Counted::Failed),
    ][fastrand::usize(0..6)];
    let usage = Usage {
        prompt: fastrand::u64(0..100_000),
        completion: fastrand::u64(0..10_000),
        total: fastrand::u64(0..110_000),
        source: [UsageSource::Provider, UsageSource::Estimated][fastrand::usize(0..2)],
        ..attempt(1).usage.unwrap()
    };
    AttemptRecord {
        provider_id: fastrand::i64(1..=PROVIDERS + 1),
        status,
        error_class,
        counted,
        elapsed: Duration::from_micros(fastrand::u64(0..3_000_000)),
        usage: fastrand::bool().then_some(usage),
        cost: fastrand::bool().then(|| fastrand::i64(0..1_000_000_000)),
        ..attempt(1)
    }
}

/// A running write-behind.
pub(crate) struct Running {
    pub(crate) recorder: Recorder,
    pub(crate) stop: CancellationToken,
    pub(crate) task: JoinHandle<()>,
}

impl Running {
    /// Runs on the test's own spool folder and by way of what the test can cut.
    pub(crate) async fn start(database: &TestDatabase) -> Self {
        Self::start_with(database, settings(database)).await
    }

    pub(crate) async fn start_with(database: &TestDatabase, settings: Settings) -> Self {
        let (recorder, worker) =
            stats::start(settings, database.connect().await, database.connect().await)
                .await
                .unwrap();
        Self::spawn(recorder, worker)
    }

    pub(crate) fn spawn(recorder: Recorder, worker: Worker) -> Self {
        let stop = CancellationToken::new();
        let task = tokio::spawn(worker.run(stop.clone()));
        Self {
            recorder,
            stop,
            task,
        }
    }

    /// SIGTERM.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }

    /// kill -9, as far as one process can do that to a part of itself.
    pub(crate) async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }
}

/// Patient at the end: what a test writes must be in the database, however busy the machine is.
pub(crate) fn settings(database: &TestDatabase) -> Settings {
    let mut settings = Settings::new(database.folder().join("spool"));
    settings.drain_timeout = Duration::from_secs(60);
    settings
}

/// Waits until something holds; gives up after two minutes, longer than any clock of the writer's.
#[track_caller]
pub(crate) fn eventually<'a>(
    what: &'a str,
    holds: impl Fn() -> bool + 'a,
) -> impl Future<Output = ()> + 'a {
    let caller = std::panic::Location::caller();
    async move {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(120);
        while tokio::time::Instant::now() < deadline {
            if holds() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("never: {what} ({caller})");
    }
}

/// The figures of a day: total, success, failed, tokens, prompt, completion, cost, milliseconds, last use.
type Figures = (
    i64,
    i64,
    i64,
    i64,
    i64,
    i64,
    Option<i64>,
    i64,
    Option<DateTime<Utc>>,
);

/// Recomputes every day from the stored rows and compares with the tables.
pub(crate) async fn check_days(database: &TestDatabase) {
    let mut providers: BTreeMap<(i64, NaiveDate), Figures> = BTreeMap::new();
    let mut keys: BTreeMap<(String, NaiveDate), Figures> = BTreeMap::new();
    for row in database.logs().await {
        let date = row.created_at.date_naive();
        let attempts: Vec<Attempt> = serde_json::from_value(row.attempts).unwrap();
        let tokens = |field: fn(&entities::AttemptTokens) -> i64| {
            attempts
                .iter()
                .filter_map(|a| a.tokens.as_ref().map(field))
                .reduce(|a, b| a + b)
        };
        assert_eq!(row.prompt_tokens, tokens(|t| t.prompt));
        assert_eq!(row.completion_tokens, tokens(|t| t.completion));
        assert_eq!(row.total_tokens, tokens(|t| t.total));
        assert_eq!(
            row.cost,
            attempts.iter().filter_map(|a| a.cost).reduce(|a, b| a + b)
        );
        for attempt in attempts {
            if attempt.provider_id <= PROVIDERS {
                add(
                    providers.entry((attempt.provider_id, date)).or_default(),
                    &attempt,
                    row.created_at,
                );
            }
            add(
                keys.entry((row.user_id.clone(), date)).or_default(),
                &attempt,
                row.created_at,
            );
        }
    }
    let stored = provider_stats::Entity::find()
        .all(&database.db)
        .await
        .unwrap();
    let stored: BTreeMap<_, _> = stored
        .into_iter()
        .map(|day| {
            assert_eq!(
                day.avg_response_time,
                day.response_ms_total / day.total_requests
            );
            ((day.provider_id, day.date), provider_figures(&day))
        })
        .collect();
    assert_eq!(stored, providers);
    let stored = key_usage::Entity::find().all(&database.db).await.unwrap();
    let stored: BTreeMap<_, _> = stored
        .into_iter()
        .map(|day| {
            let ms = keys
                .get(&(day.key_name.clone(), day.date))
                .map_or(0, |figures| figures.7);
            ((day.key_name.clone(), day.date), key_figures(&day, ms))
        })
        .collect();
    assert_eq!(stored, keys);
}

fn add(day: &mut Figures, attempt: &Attempt, at: DateTime<Utc>) {
    day.0 += 1;
    match stats::counted(attempt) {
        Counted::Success => day.1 += 1,
        Counted::Failed => day.2 += 1,
    }
    let tokens = attempt.tokens.unwrap_or_default();
    day.3 += tokens.total;
    day.4 += tokens.prompt;
    day.5 += tokens.completion;
    day.6 = match (day.6, attempt.cost) {
        (Some(sum), Some(cost)) => Some(sum + cost),
        (sum, cost) => sum.or(cost),
    };
    day.7 += attempt.ms;
    day.8 = day.8.max(Some(at));
}

fn provider_figures(day: &provider_stats::Model) -> Figures {
    (
        day.total_requests,
        day.success_requests,
        day.failed_requests,
        day.total_tokens,
        day.prompt_tokens,
        day.completion_tokens,
        day.cost,
        day.response_ms_total,
        day.last_used_at,
    )
}

fn key_figures(day: &key_usage::Model, ms: i64) -> Figures {
    (
        day.total_requests,
        day.success_requests,
        day.failed_requests,
        day.total_tokens,
        day.prompt_tokens,
        day.completion_tokens,
        day.cost,
        ms,
        day.last_used_at,
    )
}
