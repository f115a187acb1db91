//! What the admin API asks.

use chrono::{DateTime, TimeDelta, Utc};
use stats::query::{LogFilter, Totals, daily, logs, summary};
use stats::{Counted, RequestRecord};

use crate::database::TestDatabase;
use crate::records::{Running, attempt, record};

crate::on_every_engine!(pages_and_filters, totals_of_the_last_hours, figures_per_day);

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
        pages.push(page.len());
        ids.extend(page.iter().map(|row| row.id));
        cursor = ids.last().copied();
        if page.len() < 10 {
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
        let found = logs(db, &filter, None, 10).await.unwrap();
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
    assert_eq!(logs(db, &case_matters, None, 10).await.unwrap(), []);
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
