//! Old rows go, new ones and daily figures stay.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use entities::{audit_log, provider_stats, write_batch};
use sea_orm::ActiveValue::Set;
use sea_orm::{EntityTrait, PaginatorTrait};
use stats::RequestRecord;

use crate::database::TestDatabase;
use crate::records::{Running, eventually, record, settings};

crate::on_every_engine!(old_rows_are_deleted_in_chunks);

async fn old_rows_are_deleted_in_chunks(database: &TestDatabase) {
    let now = Utc::now();
    let running = Running::start(database).await;
    for number in 0..1_300 {
        let age = if number < 1_200 {
            TimeDelta::days(40)
        } else {
            TimeDelta::days(20)
        };
        running.recorder.record(RequestRecord {
            arrived_at: now - age,
            ..record()
        });
    }
    running.stop().await;
    for (id, age) in [("old", 8), ("recent", 6)] {
        let batch = write_batch::ActiveModel {
            id: Set(id.to_owned()),
            created_at: Set(now - TimeDelta::days(age)),
        };
        write_batch::Entity::insert(batch)
            .exec_without_returning(&database.db)
            .await
            .unwrap();
    }
    for (action, age) in [("old", 400), ("recent", 300)] {
        let change = audit_log::ActiveModel {
            actor: Set("env".to_owned()),
            action: Set(action.to_owned()),
            object_type: Set("model".to_owned()),
            created_at: Set(now - TimeDelta::days(age)),
            ..Default::default()
        };
        audit_log::Entity::insert(change)
            .exec_without_returning(&database.db)
            .await
            .unwrap();
    }
    let days = provider_stats::Entity::find()
        .count(&database.db)
        .await
        .unwrap();

    let mut settings = settings(database);
    settings.retention.requests = Some(Duration::from_secs(30 * 86_400));
    settings.retention.audit = Some(Duration::from_secs(365 * 86_400));
    let running = Running::start_with(database, settings).await;
    let metrics = running.recorder.metrics().clone();
    eventually("the old rows are gone", || metrics.expired() == 1_200).await;
    for _ in 0..1_000 {
        if write_batch::Entity::find_by_id("old".to_owned())
            .one(&database.db)
            .await
            .unwrap()
            .is_none()
        {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    running.stop().await;
    assert_eq!(database.log_count().await, 100);
    let kept = |id: &str| write_batch::Entity::find_by_id(id.to_owned()).one(&database.db);
    assert!(kept("old").await.unwrap().is_none());
    assert!(kept("recent").await.unwrap().is_some());
    let changes = audit_log::Entity::find().all(&database.db).await.unwrap();
    assert_eq!(changes.len(), 1, "the old change is forgotten");
    assert_eq!(changes[0].action, "recent");
    assert_eq!(
        provider_stats::Entity::find()
            .count(&database.db)
            .await
            .unwrap(),
        days
    );

    let deleted = stats::delete_before(&database.db, now - TimeDelta::days(10))
        .await
        .unwrap();
    assert_eq!((deleted, database.log_count().await), (100, 0));
}
