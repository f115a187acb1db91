use chrono::TimeDelta;
use entities::request_log::ActiveModel;
use scratch::{ENGINES, Scratch};
use sea_orm::ActiveValue::Set;
use sea_orm::{ConnectionTrait, DbBackend};
use serde_json::json;

use super::*;

/// Those of [`LogFilter`] that may be combined; a request's id is enough by itself.
const FILTERS: [&str; 5] = ["user_id", "model", "provider_id", "status_code", "stream"];

/// Every set of them, by their numbers.
fn combinations() -> impl Iterator<Item = Vec<usize>> {
    let numbers = |set: usize| (0..FILTERS.len()).filter(move |number| set >> number & 1 == 1);
    (0..1 << FILTERS.len()).map(move |set| numbers(set).collect())
}

#[test]
fn every_combination_of_filters_has_an_index_in_the_order_of_pages() {
    let schema = migration::schema();
    let log = schema.tables.iter().find(|it| it.name == "request_logs");
    // Where a status is wanted, the index of some rows has those of failures; without it, all others must do.
    let all_rows = log.unwrap().indexes.iter().filter(|it| it.only.is_none());
    let indexes: Vec<_> = all_rows.map(|index| &index.columns).collect();
    for combination in combinations() {
        let filters: Vec<&str> = combination.iter().map(|it| FILTERS[*it]).collect();
        let serves = |index: &Vec<&str>| {
            let equal = index.iter().take_while(|column| filters.contains(column));
            let ordered = &index[equal.count()..];
            ordered.starts_with(&["created_at", "id"])
                && filters.iter().all(|filter| index.contains(filter))
        };
        assert!(indexes.iter().any(|it| serves(it)), "{filters:?}");
    }
}

/// How the database goes about a page.
async fn plan(db: &DatabaseConnection, filter: &LogFilter) -> String {
    let backend = db.get_database_backend();
    let mut page = latest(Condition::from(filter), 50).into_statement(backend);
    let explain = match backend {
        DbBackend::Sqlite => "EXPLAIN QUERY PLAN",
        _ => "EXPLAIN",
    };
    page.sql = format!("{explain} {}", page.sql);
    let lines = db.query_all_raw(page).await.unwrap();
    let column = if backend == DbBackend::Sqlite { 3 } else { 0 };
    let lines = lines.iter().map(|line| line.try_get_by_index(column));
    lines
        .map(Result::unwrap)
        .collect::<Vec<String>>()
        .join("\n")
}

#[tokio::test]
async fn sqlite_reads_a_page_from_one_index_whatever_the_filters() {
    let scratch = Scratch::migrated(DbBackend::Sqlite).await;
    for combination in combinations() {
        for status in [200, 502] {
            let mut filter = filter(&combination);
            filter.status_code = filter.status_code.map(|_| status);
            let plan = plan(&scratch.db, &filter).await;
            assert!(plan.contains("COVERING INDEX"), "{filter:?}: {plan}");
            assert!(!plan.contains("TEMP B-TREE"), "{filter:?}: {plan}");
        }
    }
}

#[tokio::test]
async fn failures_of_a_status_are_found_by_it_and_successes_by_their_time() {
    for engine in [DbBackend::Sqlite, DbBackend::Postgres] {
        let scratch = Scratch::migrated(engine).await;
        let db = &scratch.db;
        let rows = (1..=2000).map(|number| {
            let mut row = row(number);
            row.status_code = Set(if number % 100 == 0 { 502 } else { 200 });
            row
        });
        for part in rows.collect::<Vec<_>>().chunks(500) {
            let insert = Entity::insert_many(part.to_vec());
            insert.exec_without_returning(db).await.unwrap();
        }
        db.execute_unprepared("ANALYZE").await.unwrap();
        for (status, index) in [
            (502, "idx_request_logs_status_code_created_at_id_stream"),
            (200, "idx_request_logs_created_at_id_status_code_stream"),
        ] {
            let filter = LogFilter {
                status_code: Some(status),
                ..LogFilter::default()
            };
            let plan = plan(db, &filter).await;
            assert!(plan.contains(index), "{engine:?}, {status}: {plan}");
        }
    }
}

/// So far apart that a few of them are many.
fn row(number: i64) -> ActiveModel {
    let noon: DateTime<Utc> = "2026-03-01T12:00:00.25Z".parse().unwrap();
    // Some arrive at the same instant, some are written late.
    let arrived = number / 3 * 3 - if number % 7 == 0 { 10 } else { 0 };
    ActiveModel {
        id: Set(number * SPAN / 4),
        request_id: Set(number.to_string()),
        provider_id: Set(Some(fastrand::i64(1..3))),
        model: Set(format!("model-{}", fastrand::u8(0..2))),
        endpoint: Set("/v1/chat/completions".to_owned()),
        method: Set("POST".to_owned()),
        status_code: Set(if fastrand::bool() { 200 } else { 502 }),
        latency_ms: Set(1),
        usage_source: Set("none".to_owned()),
        user_id: Set(format!("key-{}", fastrand::u8(0..2))),
        stream: Set(fastrand::bool()),
        attempts: Set(json!([])),
        created_at: Set(noon + TimeDelta::seconds(arrived)),
        ..ActiveModel::default()
    }
}

fn filter(combination: &[usize]) -> LogFilter {
    let has = |number| combination.contains(&number);
    LogFilter {
        key: has(0).then(|| "key-1".to_owned()),
        model: has(1).then(|| "model-1".to_owned()),
        provider_id: has(2).then_some(1),
        status_code: has(3).then_some(502),
        stream: has(4).then_some(true),
        ..LogFilter::default()
    }
}

fn is_wanted(filter: &LogFilter, row: &Model) -> bool {
    filter.key.as_ref().is_none_or(|it| *it == row.user_id)
        && filter.model.as_ref().is_none_or(|it| *it == row.model)
        && (filter.provider_id.is_none() || filter.provider_id == row.provider_id)
        && filter
            .status_code
            .is_none_or(|it| i32::from(it) == row.status_code)
        && filter.stream.is_none_or(|it| it == row.stream)
        && filter.from.is_none_or(|it| row.created_at >= it)
        && filter.to.is_none_or(|it| row.created_at < it)
}

/// All pages, and how many they are.
async fn pages(
    db: &DatabaseConnection,
    filter: &LogFilter,
    patience: Duration,
) -> (Vec<i64>, usize) {
    let (mut ids, mut count, mut cursor) = (Vec::new(), 0, None);
    loop {
        let found = page(db, filter, cursor, 5, patience).await.unwrap();
        assert!(found.rows.len() <= 5);
        ids.extend(found.rows.iter().map(|row| row.id));
        count += 1;
        assert!(count < 1000, "it goes on and on");
        cursor = found.next;
        if cursor.is_none() {
            return (ids, count);
        }
    }
}

#[tokio::test]
async fn pages_have_what_all_filters_want_in_order_however_soon_they_end() {
    for engine in ENGINES {
        let scratch = Scratch::migrated(engine).await;
        let db = &scratch.db;
        let rows = (1..=120).map(row);
        Entity::insert_many(rows)
            .exec_without_returning(db)
            .await
            .unwrap();
        let mut all = Entity::find().all(db).await.unwrap();
        all.sort_by_key(|row| std::cmp::Reverse((row.created_at, row.id)));
        for combination in combinations() {
            let mut filter = filter(&combination);
            filter.from = fastrand::bool().then(|| all[100].created_at);
            filter.to = fastrand::bool().then(|| all[20].created_at);
            let wanted = all.iter().filter(|row| is_wanted(&filter, row));
            let wanted: Vec<i64> = wanted.map(|row| row.id).collect();
            let (found, few) = pages(db, &filter, Duration::MAX).await;
            assert_eq!(found, wanted, "{engine:?} {filter:?}");
            assert!(
                few <= wanted.len() / 5 + 1,
                "{engine:?} {filter:?}: full pages"
            );
            let (found, many) = pages(db, &filter, Duration::ZERO).await;
            assert_eq!(found, wanted, "{engine:?} {filter:?}, impatiently");
            assert!(
                combination.len() < 4 || many > few,
                "{engine:?} {filter:?}: {many} pages"
            );
        }
    }
}
