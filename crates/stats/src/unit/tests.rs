use std::time::Duration;

use entities::{Attempt, AttemptTokens};
use sea_orm::{DbBackend, FromQueryResult, TransactionTrait};
use serde_json::Value;

use super::*;
use crate::row::tests::row;
use crate::statement;

const PATIENCE: Duration = Duration::from_millis(20);

/// A row in which no column is empty, and one where as many are as can be.
fn rows(number: u128) -> [Row; 2] {
    let full = Row {
        provider_model: Some("the-provider's".into()),
        error_class: Some("timeout".into()),
        error_message: Some("it took \"too\" long — 30 s".to_owned()),
        ttft_ms: Some(7),
        tokens: Some(AttemptTokens {
            prompt: 1,
            completion: 2,
            total: 3,
            cached: 4,
            cache_write: 5,
            reasoning: 6,
        }),
        cost: Some(-5_000_000_000),
        ip_address: Some("2001:db8::1".parse().unwrap()),
        stream: true,
        attempts: vec![Attempt {
            provider_id: 1,
            provider_model: "the-provider's".into(),
            status: Some(200),
            error_class: None,
            ms: 1_234,
            tokens: None,
            cost: Some(7),
        }],
        created_at: "2026-12-31T23:59:59.999999Z".parse().unwrap(),
        ..row(number)
    };
    [full, row(number + 1)]
}

async fn insert(unit: impl Unit, rows: &[Row]) {
    let rows: Vec<&Row> = rows.iter().collect();
    for (sql, part) in statement::inserts(DbBackend::Sqlite, &rows) {
        unit.insert(sql, part).await.unwrap();
    }
    unit.commit().await.unwrap();
}

/// All that is in the table but what differs on purpose, with the type that SQLite keeps each value in.
async fn kept(db: &impl ConnectionTrait) -> Vec<Value> {
    let columns: Vec<String> = (Row::COLUMNS.iter())
        .map(|column| sea_orm::IdenStatic::as_str(column).to_owned())
        .filter(|name| name != "request_id")
        .map(|name| format!("typeof({name}) AS type_{name}, CAST({name} AS TEXT) AS {name}"))
        .collect();
    let sql = format!(
        "SELECT {} FROM request_logs ORDER BY id",
        columns.join(", ")
    );
    let select = Statement::from_string(DbBackend::Sqlite, sql);
    let found = sea_orm::JsonValue::find_by_statement(select).all(db).await;
    found.unwrap()
}

#[tokio::test]
async fn what_the_driver_binds_itself_is_kept_as_what_any_engine_is_given() {
    let scratch = scratch::Scratch::migrated(DbBackend::Sqlite).await;
    insert(scratch.db.begin().await.unwrap(), &rows(1)).await;
    let pool = scratch.db.get_sqlite_connection_pool();
    insert(
        SqliteTransaction::begin(pool, PATIENCE).await.unwrap(),
        &rows(3),
    )
    .await;

    let kept = kept(&scratch.db).await;
    assert_eq!(kept.len(), 4);
    assert_eq!(kept[..2], kept[2..]);
}

#[tokio::test]
async fn what_is_not_committed_is_not_there() {
    let scratch = scratch::Scratch::migrated(DbBackend::Sqlite).await;
    let pool = scratch.db.get_sqlite_connection_pool();
    let [full, empty] = rows(1);
    for ends in [true, false] {
        let transaction = SqliteTransaction::begin(pool, PATIENCE).await.unwrap();
        let (sql, _) = statement::inserts(DbBackend::Sqlite, &[&full])
            .next()
            .unwrap();
        transaction.insert(sql, &[&full]).await.unwrap();
        assert_eq!(kept(&transaction).await.len(), 1);
        if ends {
            transaction.rollback().await.unwrap();
        }
    }
    insert(
        SqliteTransaction::begin(pool, PATIENCE).await.unwrap(),
        &[empty],
    )
    .await;
    assert_eq!(kept(&scratch.db).await.len(), 1);
}
