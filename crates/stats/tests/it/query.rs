//! What the admin API asks.

use chrono::{DateTime, TimeDelta, Utc};
use entities::request_log;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, EntityTrait};
use stats::query::{
    LogFilter, Percentiles, SeriesOf, Text, Totals, UsageBy, UsageOf, UsageRow, daily, logs,
    series, summary, usage,
};
use stats::{Counted, RequestRecord};

use crate::database::TestDatabase;
use crate::records::{Running, attempt, record};

crate::on_every_engine!(
    pages_and_filters,
    a_text_is_found_wherever_it_stands,
    a_search_is_bounded,
    totals_of_the_last_hours,
    figures_over_time,
    figures_per_day,
    usage_by_group
);

fn noon() -> DateTime<Utc> {
    "2026-03-01T12:00:00.25Z".parse().unwrap()
}

async fn pages_and_filters(database: &TestDatabase) {
    let running = Running::start(database).await;
    let mut special = record();
    for number in 0..25 {
        let mut record = record();
        record.arrived_at = noon() + TimeDelta::seconds(number);
        if number == 10 {
            record.model = "Special".to_owned();
            record.status_code = 404;
            record.stream = true;
            record.key_name = "other".into();
            record.attempts = vec![attempt(3)];
            special = record.clone();
        }
        running.recorder.record(record);
    }
    running.stop().await;
    let db = &database.db;

    let (mut cursor, mut pages, mut ids) = (None, Vec::new(), Vec::new());
    loop {
        let page = logs(db, &LogFilter::default(), cursor, 10).await.unwrap();
        pages.push(page.rows.len());
        ids.extend(page.rows.iter().map(|row| row.id));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(pages, [10, 10, 5]);
    assert!(
        ids.windows(2).all(|pair| pair[0] > pair[1]),
        "newest first, none twice"
    );

    let mut filters = vec![LogFilter::default(); 7];
    filters[0].model = Some("Special".to_owned());
    filters[1].status_code = Some(404);
    filters[2].stream = Some(true);
    filters[3].key = Some("other".to_owned());
    filters[4].provider_id = Some(3);
    filters[5].request_id = Some(special.request_id.to_string());
    filters[6].from = Some(special.arrived_at);
    filters[6].to = Some(special.arrived_at + TimeDelta::milliseconds(1));
    for filter in filters {
        let found = logs(db, &filter, None, 10).await.unwrap().rows;
        assert_eq!(found.len(), 1, "{filter:?}");
        assert_eq!(
            found[0].request_id,
            special.request_id.to_string(),
            "{filter:?}"
        );
        assert_eq!(found[0].created_at, special.arrived_at);
    }
    let case_matters = LogFilter {
        model: Some("special".to_owned()),
        ..LogFilter::default()
    };
    assert_eq!(logs(db, &case_matters, None, 10).await.unwrap().rows, []);
}

async fn a_text_is_found_wherever_it_stands(database: &TestDatabase) {
    let running = Running::start(database).await;
    let failed = RequestRecord {
        status_code: 502,
        error_class: Some("server_error"),
        error_message: Some("The 100%_Sure thing!".to_owned()),
        key_name: "Team A".into(),
        attempts: vec![attempt(3)],
        ..record()
    };
    let id = failed.request_id.to_string();
    running.recorder.record(record());
    running.recorder.record(failed);
    running.stop().await;

    let found = async |wanted: &str, providers: Vec<i64>| {
        let filter = LogFilter {
            text: Some(Text::new(wanted, providers)),
            ..LogFilter::default()
        };
        let page = logs(&database.db, &filter, None, 10).await.unwrap();
        assert_eq!(page.next, None);
        page.rows.len()
    };
    for wanted in ["team a", "SERVER_", "100%_sure", "thing!", &id[9..30]] {
        assert_eq!(found(wanted, vec![]).await, 1, "{wanted}");
    }
    assert_eq!(found("100_", vec![]).await, 0, "no wildcards");
    assert_eq!(found("nowhere", vec![]).await, 0);
    assert_eq!(found("nowhere", vec![3]).await, 1, "a provider's name");
    assert_eq!(found("gpt", vec![]).await, 2);
}

/// A search ends after so many rows and goes on from there, and stops where its range begins.
async fn a_search_is_bounded(database: &TestDatabase) {
    let running = Running::start(database).await;
    running.recorder.record(RequestRecord {
        arrived_at: noon() - TimeDelta::hours(1),
        ..record()
    });
    running.stop().await;
    let row = request_log::Entity::find()
        .one(&database.db)
        .await
        .unwrap()
        .unwrap();
    for (id, arrived) in [(300_000, noon()), (600_000, noon() + TimeDelta::hours(1))] {
        let mut next = request_log::ActiveModel::from(row.clone());
        next.id = Set(id);
        next.request_id = Set(id.to_string());
        next.created_at = Set(arrived);
        next.insert(&database.db).await.unwrap();
    }
    let search = async |wanted: &str, from| {
        let filter = LogFilter {
            text: Some(Text::new(wanted, Vec::new())),
            from,
            ..LogFilter::default()
        };
        let (mut cursor, mut pages) = (None, Vec::new());
        loop {
            let page = logs(&database.db, &filter, cursor, 10).await.unwrap();
            pages.push(page.rows.len());
            cursor = page.next;
            if cursor.is_none() {
                return pages;
            }
        }
    };
    assert_eq!(search("gpt", None).await, [1, 1, 1]);
    assert_eq!(search("nowhere", None).await, [0, 0, 0]);
    assert_eq!(
        search("gpt", Some(noon() + TimeDelta::minutes(1))).await,
        [1]
    );
    let tomorrow = noon() + TimeDelta::days(1);
    assert_eq!(search("gpt", Some(tomorrow)).await, [0]);
}

/// A request that failed over, one for a model that does not exist, and one of the day before.
async fn write_three(database: &TestDatabase) {
    let running = Running::start(database).await;
    let mut failover = RequestRecord {
        arrived_at: noon(),
        latency: std::time::Duration::from_millis(41),
        ..record()
    };
    failover.attempts = vec![attempt(2), attempt(1)];
    failover.attempts[0].counted = Counted::Failed;
    failover.attempts[0].error_class = Some("server_error");
    failover.attempts[0].usage = None;
    failover.attempts[0].cost = None;
    failover.answered_by = Some(1);
    let unknown_model = RequestRecord {
        arrived_at: noon(),
        model: "nonsense".to_owned(),
        status_code: 404,
        attempts: Vec::new(),
        answered_by: None,
        ..record()
    };
    let old = RequestRecord {
        arrived_at: noon() - TimeDelta::days(1),
        ..record()
    };
    for record in [failover, unknown_model, old] {
        running.recorder.record(record);
    }
    running.stop().await;
}

async fn totals_of_the_last_hours(database: &TestDatabase) {
    write_three(database).await;
    let found = summary(&database.db, noon()).await.unwrap();
    let answered = Totals {
        requests: 1,
        successes: 1,
        success_rate: Some(1.0),
        prompt_tokens: 7,
        completion_tokens: 3,
        total_tokens: 10,
        cost: Some(11),
        avg_latency_ms: Some(41),
    };
    let refused = Totals {
        requests: 1,
        success_rate: Some(0.0),
        avg_latency_ms: Some(20),
        ..Totals::default()
    };
    let both = Totals {
        requests: 2,
        success_rate: Some(0.5),
        avg_latency_ms: Some(30),
        ..answered.clone()
    };
    assert_eq!(found.totals, both);
    let mut providers = found
        .providers
        .iter()
        .map(|part| (part.provider_id, &part.totals))
        .collect::<Vec<_>>();
    providers.sort_by_key(|(id, _)| *id);
    assert_eq!(providers, [(None, &refused), (Some(1), &answered)]);
    let models = found
        .models
        .iter()
        .map(|part| (part.model.as_str(), &part.totals))
        .collect::<Vec<_>>();
    assert_eq!(models, [("gpt", &answered), ("nonsense", &refused)]);
    let nothing = summary(&database.db, noon() + TimeDelta::days(1))
        .await
        .unwrap();
    assert_eq!(nothing.totals, Totals::default());
}

async fn figures_per_day(database: &TestDatabase) {
    write_three(database).await;
    let today = noon().date_naive();
    let days = daily(&database.db, today, today).await.unwrap();
    let figures = |day: &entities::provider_stats::Model| {
        (
            day.provider_id,
            day.total_requests,
            day.success_requests,
            day.failed_requests,
            day.cost,
        )
    };
    let providers: Vec<_> = days.providers.iter().map(figures).collect();
    assert_eq!(providers, [(1, 1, 1, 0, Some(11)), (2, 1, 0, 1, None)]);
    assert_eq!(days.keys.len(), 1);
    let all = daily(&database.db, today - TimeDelta::days(1), today)
        .await
        .unwrap();
    assert_eq!((all.providers.len(), all.keys.len()), (3, 2));
}

async fn usage_by_group(database: &TestDatabase) {
    write_three(database).await;
    let (before, today) = (
        noon().date_naive() - TimeDelta::days(1),
        noon().date_naive(),
    );
    let row = |of, count, answers: i64, is_priced: bool| UsageRow {
        of,
        count,
        prompt_tokens: 7 * answers,
        completion_tokens: 3 * answers,
        total_tokens: 10 * answers,
        cost: is_priced.then_some(11 * answers),
    };
    let key = record().key_name.as_ref().to_owned();
    let model = |name: &str| UsageOf::Model(name.to_owned());
    for (by, from, expected) in [
        (
            UsageBy::Key,
            before,
            vec![row(UsageOf::Key(key), 3, 2, true)],
        ),
        (
            UsageBy::Day,
            before,
            vec![
                row(UsageOf::Day(before), 1, 1, true),
                row(UsageOf::Day(today), 2, 1, true),
            ],
        ),
        (
            UsageBy::Provider,
            before,
            vec![
                row(UsageOf::Provider(1), 2, 2, true),
                row(UsageOf::Provider(2), 1, 0, false),
            ],
        ),
        (
            UsageBy::Model,
            today,
            vec![
                row(model("gpt"), 1, 1, true),
                row(model("nonsense"), 1, 0, false),
            ],
        ),
        (
            UsageBy::Model,
            before,
            vec![
                row(model("gpt"), 2, 2, true),
                row(model("nonsense"), 1, 0, false),
            ],
        ),
    ] {
        let found = usage(&database.db, by, from, today).await.unwrap();
        assert_eq!(found, expected, "{by:?}");
    }
}

async fn figures_over_time(database: &TestDatabase) {
    let running = Running::start(database).await;
    for number in 0..20 {
        let mut record = record();
        record.arrived_at = noon() + TimeDelta::seconds(number * 30);
        record.latency = std::time::Duration::from_millis(if number < 19 { 42 } else { 1234 });
        record.ttft = (number % 2 == 0).then_some(std::time::Duration::from_millis(117));
        record.status_code = if number == 3 { 502 } else { 200 };
        record.model = if number == 7 { "other" } else { "model" }.to_owned();
        running.recorder.record(record);
    }
    running.stop().await;

    let mut of = SeriesOf {
        since: noon() - TimeDelta::hours(1),
        step: 300,
        provider_id: None,
        model: None,
    };
    let found = series(&database.db, &of).await.unwrap();
    assert_eq!(found.all.totals.requests, 20);
    assert_eq!(found.all.totals.successes, 19);
    let whole = summary(&database.db, of.since).await.unwrap();
    assert_eq!(found.all.totals, whole.totals, "both count alike");
    let begins = noon().timestamp();
    let steps: Vec<_> = found
        .steps
        .iter()
        .map(|(at, figures)| (at - begins, figures.totals.requests))
        .collect();
    assert_eq!(steps, [(0, 10), (300, 10)]);
    let took = |p50, p95, p99| Some(Percentiles { p50, p95, p99 });
    assert_eq!(found.steps[&begins].latency_ms, took(42, 42, 42));
    assert_eq!(found.all.latency_ms, took(42, 42, 1200));
    assert_eq!(found.all.ttft_ms, took(110, 110, 110));

    of.model = Some("other".to_owned());
    let found = series(&database.db, &of).await.unwrap();
    assert_eq!((found.all.totals.requests, found.all.ttft_ms), (1, None));
    of.provider_id = Some(404);
    assert!(series(&database.db, &of).await.unwrap().steps.is_empty());
}
