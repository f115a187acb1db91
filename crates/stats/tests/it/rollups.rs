//! What is told by roll-ups is what the rows would tell.

use std::collections::BTreeMap;

use chrono::{DateTime, Days, NaiveTime, SubsecRound, TimeDelta, Utc};
use entities::{log_period, log_rollup, request_log};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use stats::query::{
    Figures, Percentiles, Series, SeriesOf, Totals, UsageBy, UsageOf, UsageRow, series, summary,
    usage,
};
use stats::{RequestRecord, roll_up};

use crate::database::{PROVIDERS, TestDatabase};
use crate::records::{Running, eventually, random_record};

crate::on_every_engine!(
    figures_are_those_of_the_rows,
    nothing_slips_between_rows_and_roll_ups,
    a_gateway_that_slept_has_little_to_look_at,
);

/// All rows of these tests arrive within twelve hours.
fn begin() -> DateTime<Utc> {
    "2026-03-01T18:00:00Z".parse().unwrap()
}

const SPAN: i64 = 12 * 3600;
const MODELS: [&str; 4] = ["gpt", "GPT", "a 'model' of \u{1f511}", ""];

fn record() -> RequestRecord {
    let mut arrived_at = begin() + TimeDelta::microseconds(fastrand::i64(0..SPAN * 1_000_000));
    match fastrand::u8(0..4) {
        0 => arrived_at = quarter(arrived_at),
        1 => arrived_at = quarter(arrived_at) - TimeDelta::microseconds(1),
        _ => {}
    }
    let took = match fastrand::u8(0..3) {
        0 => fastrand::u64(0..120),
        1 => fastrand::u64(0..12_000),
        _ => fastrand::u64(0..300_000),
    };
    RequestRecord {
        arrived_at,
        model: MODELS[fastrand::usize(0..MODELS.len())].to_owned(),
        latency: std::time::Duration::from_millis(took),
        ttft: fastrand::bool().then(|| std::time::Duration::from_millis(took / 3)),
        error_message: None,
        ..random_record(begin())
    }
}

fn quarter(at: DateTime<Utc>) -> DateTime<Utc> {
    let seconds = at.timestamp();
    DateTime::from_timestamp(seconds - seconds % 900, 0).unwrap()
}

async fn write(database: &TestDatabase, count: usize) {
    let running = Running::start(database).await;
    for _ in 0..count {
        running.recorder.record(record());
    }
    running.stop().await;
}

/// Rows that lie in the spool while others are rolled up.
async fn spool(database: &TestDatabase, count: usize) {
    let running = Running::start(database).await;
    let metrics = running.recorder.metrics().clone();
    let outage = database.outage().await;
    for _ in 0..count {
        running.recorder.record(record());
    }
    eventually("the rows are on disk", || metrics.spooled() == count as u64).await;
    running.kill().await;
    outage.end().await;
}

async fn figures_are_those_of_the_rows(database: &TestDatabase) {
    let db = &database.db;
    for round in 0..8 {
        write(database, fastrand::usize(50..150)).await;
        check(database, &format!("{round}: written")).await;
        if round % 2 == 1 {
            spool(database, 40).await;
        }
        let now = begin() + TimeDelta::seconds(fastrand::i64(0..SPAN + 7200));
        roll_up(db, now).await.unwrap();
        check(database, &format!("{round}: rolled up until {now}")).await;
        if round == 5 {
            let before = begin() + TimeDelta::seconds(fastrand::i64(0..SPAN / 2));
            stats::delete_before(db, before).await.unwrap();
            check(database, &format!("{round}: deleted before {before}")).await;
        }
    }
    // What was spooled last comes late.
    let running = Running::start(database).await;
    let metrics = running.recorder.metrics().clone();
    eventually("the spool is empty", || metrics.spooled() == 0).await;
    running.stop().await;
    check(database, "late rows").await;
    let all = begin() + TimeDelta::seconds(SPAN + 3600);
    roll_up(db, all).await.unwrap();
    check(database, "all is rolled up").await;
    assert_eq!(roll_up(db, all).await.unwrap(), 0, "nothing is left to do");
    let marked = log_period::Entity::find()
        .filter(log_period::Column::IsRolledUp.eq(true))
        .count(db)
        .await
        .unwrap();
    assert!(marked > 24, "only {marked} periods are rolled up");

    stats::delete_before(db, all).await.unwrap();
    check(database, "nothing is left").await;
    roll_up(db, all).await.unwrap();
    let left = log_rollup::Entity::find().count(db).await.unwrap();
    assert_eq!(left, 0, "roll-ups do not outlive their rows");
}

/// Writers and those who roll up are at the same periods at the same time.
async fn nothing_slips_between_rows_and_roll_ups(database: &TestDatabase) {
    let now = begin() + TimeDelta::seconds(SPAN + 3600);
    let replicas = [
        Running::start(database).await,
        Running::start(database).await,
    ];
    let rolling = async |times: usize| {
        let db = database.connect_patient().await;
        for _ in 0..times {
            // Two may be in each other's way.
            let _ = roll_up(&db, now).await;
        }
    };
    let writing = async {
        for _ in 0..40 {
            for running in &replicas {
                for _ in 0..20 {
                    running.recorder.record(record());
                }
            }
            tokio::time::sleep(std::time::Duration::from_millis(60)).await;
        }
    };
    tokio::join!(writing, rolling(12), rolling(12));
    for running in replicas {
        running.stop().await;
    }
    let rest = Running::start(database).await;
    let metrics = rest.recorder.metrics().clone();
    eventually("the spool is empty", || metrics.spooled() == 0).await;
    rest.stop().await;
    check(database, "as they left it").await;
    roll_up(&database.db, now).await.unwrap();
    check(database, "rolled up").await;
}

async fn a_gateway_that_slept_has_little_to_look_at(database: &TestDatabase) {
    let db = &database.db;
    write(database, 30).await;
    let wakes = begin() + TimeDelta::days(20);
    let done = roll_up(db, wakes).await.unwrap();
    assert!(done > 1800, "{done}");
    // One is looked at only if there may be rows in it: hence few statements, and parts of those alone.
    let parts = log_rollup::Entity::find()
        .filter(log_rollup::Column::RolledBy.eq("all"))
        .count(db)
        .await
        .unwrap();
    assert!((1..=49).contains(&parts), "{parts}");
    check(database, "woken").await;
    // A year later nobody asks for it, and its rows are still there.
    roll_up(db, wakes + TimeDelta::days(400)).await.unwrap();
    let left = log_rollup::Entity::find().count(db).await.unwrap();
    assert_eq!(left, 0);
    check(database, "forgotten").await;
}

/// What handlers of the admin API await has to be.
fn movable<F: Future + Send>(asking: F) -> F {
    asking
}

/// Asks for anything, and compares with the rows.
async fn check(database: &TestDatabase, context: &str) {
    let rows = database.logs().await;
    let db = &database.db;
    for number in 0..12 {
        let mut since =
            begin() + TimeDelta::microseconds(fastrand::i64(-7200..SPAN) * 1_000_000 + 5);
        if number % 3 == 0 {
            since = quarter(since);
        }
        let of = SeriesOf {
            since,
            step: [300, 900, 1800, 3600, 21_600, 86_400][fastrand::usize(0..6)],
            provider_id: fastrand::bool().then(|| fastrand::i64(1..=PROVIDERS)),
            model: fastrand::bool().then(|| MODELS[fastrand::usize(0..MODELS.len())].to_owned()),
        };
        let context = format!("{:?}, {context}: {of:?}", database.engine);
        let found = movable(series(db, &of)).await.unwrap();
        assert_eq!(found, expected_series(&rows, &of), "{context}");

        let found = movable(summary(db, since)).await.unwrap();
        let wanted = |row: &&request_log::Model| row.created_at >= since;
        let of_range: Vec<_> = rows.iter().filter(wanted).collect();
        assert_eq!(found.totals, totals(&of_range), "{context}");
        let providers = found.providers.iter();
        let providers: BTreeMap<_, _> = providers
            .map(|one| (one.provider_id, &one.totals))
            .collect();
        let expected = parts(&of_range, |row| row.provider_id);
        assert_eq!(
            providers,
            expected.iter().map(|(id, of)| (*id, of)).collect(),
            "{context}"
        );
        let models: Vec<_> = found
            .models
            .iter()
            .map(|one| (&*one.model, &one.totals))
            .collect();
        let expected = parts(&of_range, |row| row.model.as_str());
        let mut expected: Vec<_> = expected.iter().map(|(name, of)| (*name, of)).collect();
        expected.sort_by_key(|(name, of)| (-of.requests, *name));
        let sorted = |mut models: Vec<(_, _)>| {
            models.sort_by_key(|(name, of): &(&str, &Totals)| (-of.requests, *name));
            models
        };
        assert!(models.is_sorted_by_key(|(_, of)| -of.requests), "{context}");
        assert_eq!(sorted(models), expected, "{context}");
    }
    let (from, to) = (
        begin().date_naive(),
        begin().date_naive() + TimeDelta::days(1),
    );
    for (from, to) in [(from, from), (from, to), (to, to)] {
        let mut found = movable(usage(db, UsageBy::Model, from, to)).await.unwrap();
        let start = from.and_time(NaiveTime::MIN).and_utc();
        let end = (to + Days::new(1)).and_time(NaiveTime::MIN).and_utc();
        let of_range: Vec<_> = rows
            .iter()
            .filter(|row| row.created_at >= start && row.created_at < end)
            .collect();
        let mut expected: Vec<_> = parts(&of_range, |row| row.model.clone())
            .into_iter()
            .map(|(name, of)| UsageRow {
                of: UsageOf::Model(name),
                count: of.requests,
                prompt_tokens: of.prompt_tokens,
                completion_tokens: of.completion_tokens,
                total_tokens: of.total_tokens,
                cost: of.cost,
            })
            .collect();
        for rows in [&mut found, &mut expected] {
            rows.sort_by_key(|row| format!("{:?}", row.of));
        }
        assert_eq!(
            found, expected,
            "{:?}, {context}: {from} {to}",
            database.engine
        );
    }
}

type Row = request_log::Model;

fn expected_series(rows: &[Row], of: &SeriesOf) -> Series {
    let wanted: Vec<&Row> = rows
        .iter()
        .filter(|row| row.created_at >= of.since)
        .filter(|row| of.provider_id.is_none_or(|id| row.provider_id == Some(id)))
        .filter(|row| of.model.as_ref().is_none_or(|model| row.model == *model))
        .collect();
    let mut steps: BTreeMap<i64, Vec<&Row>> = BTreeMap::new();
    for row in &wanted {
        let second = row.created_at.trunc_subsecs(0).timestamp();
        steps
            .entry(second - second % of.step)
            .or_default()
            .push(row);
    }
    Series {
        all: figures(&wanted),
        steps: steps
            .iter()
            .map(|(at, rows)| (*at, figures(rows)))
            .collect(),
    }
}

fn figures(rows: &[&Row]) -> Figures {
    Figures {
        totals: totals(rows),
        latency_ms: percentiles(rows.iter().map(|row| row.latency_ms).collect()),
        ttft_ms: percentiles(rows.iter().filter_map(|row| row.ttft_ms).collect()),
    }
}

fn totals(rows: &[&Row]) -> Totals {
    let sum = |of: fn(&Row) -> Option<i64>| rows.iter().filter_map(|row| of(row)).sum();
    let (requests, latency_ms): (i64, i64) = (rows.len() as i64, sum(|row| Some(row.latency_ms)));
    let successes = rows.iter().filter(|row| row.status_code < 400).count() as i64;
    Totals {
        requests,
        successes,
        success_rate: (requests > 0).then(|| successes as f64 / requests as f64),
        prompt_tokens: sum(|row| row.prompt_tokens),
        completion_tokens: sum(|row| row.completion_tokens),
        total_tokens: sum(|row| row.total_tokens),
        cost: rows.iter().filter_map(|row| row.cost).reduce(|a, b| a + b),
        avg_latency_ms: (requests > 0).then(|| latency_ms / requests),
    }
}

fn parts<'a, K: Ord>(rows: &[&'a Row], key: impl Fn(&'a Row) -> K) -> BTreeMap<K, Totals> {
    let mut parts: BTreeMap<K, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        parts.entry(key(row)).or_default().push(row);
    }
    parts
        .into_iter()
        .map(|(key, rows)| (key, totals(&rows)))
        .collect()
}

/// By nearest rank, of milliseconds cut to two digits where they have more.
fn percentiles(mut took: Vec<i64>) -> Option<Percentiles> {
    took.sort_unstable();
    let at = |percent: usize| {
        let rank = (took.len() * percent).div_ceil(100).max(1);
        let exact = *took.get(rank - 1)?;
        let mut unit = 1;
        while exact / unit >= 100 && unit < 10_000 {
            unit *= 10;
        }
        Some(exact - exact % unit)
    };
    Some(Percentiles {
        p50: at(50)?,
        p95: at(95)?,
        p99: at(99)?,
    })
}
