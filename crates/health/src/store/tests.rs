use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use entities::{provider, provider_health};
use router::{CandidateId, ProviderId, Verdict};
use sea_orm::sea_query::{ForeignKey, ForeignKeyAction, Index};
use sea_orm::{
    ActiveValue::Set, ConnectOptions, ConnectionTrait, Database, DatabaseConnection, EntityTrait,
    QueryOrder, Schema,
};
use tokio_util::sync::CancellationToken;

use super::{SUCCESS_DEBOUNCE, Store, backoff};
use crate::{
    Health, Moment, Outcome, Probe, ProviderReport, Reason, Settings, State, WatchedAssociation,
    WatchedProvider, start,
};

/// An empty database with the two tables, tied together as the real schema ties them.
async fn database() -> DatabaseConnection {
    let mut options = ConnectOptions::new("sqlite::memory:");
    options.max_connections(1);
    let db = Database::connect(options).await.unwrap();
    let schema = Schema::new(db.get_database_backend());
    let providers = schema.create_table_from_entity(provider::Entity);
    db.execute(&providers).await.unwrap();
    let mut health = schema.create_table_from_entity(provider_health::Entity);
    let unique = Index::create()
        .unique()
        .name("provider_health_provider_id")
        .col(provider_health::Column::ProviderId)
        .to_owned();
    let mut key = ForeignKey::create()
        .from(provider_health::Entity, provider_health::Column::ProviderId)
        .to(provider::Entity, provider::Column::Id)
        .on_delete(ForeignKeyAction::Cascade)
        .to_owned();
    db.execute(health.index(&mut unique.clone()).foreign_key(&mut key))
        .await
        .unwrap();
    db
}

async fn insert_provider(db: &DatabaseConnection, id: i64) {
    let row = provider::ActiveModel {
        id: Set(id),
        name: Set(format!("provider {id}")),
        kind: Set("openai".into()),
        config: Set(serde_json::json!({})),
        enabled: Set(true),
        created_at: Set(Utc::now()),
        updated_at: Set(Utc::now()),
    };
    provider::Entity::insert(row).exec(db).await.unwrap();
}

async fn rows(db: &DatabaseConnection) -> Vec<provider_health::Model> {
    let rows = provider_health::Entity::find();
    let ordered = rows.order_by_asc(provider_health::Column::ProviderId);
    ordered.all(db).await.unwrap()
}

/// Watches providers 1 to `count`, each with the association of the same number.
fn watch(health: &Health, count: i64) {
    let providers: Vec<_> = (1..=count)
        .map(|id| WatchedProvider {
            provider: ProviderId(id),
            revision: 0,
        })
        .collect();
    let associations: Vec<_> = (1..=count)
        .map(|id| WatchedAssociation {
            candidate: CandidateId(id),
            provider: ProviderId(id),
            revision: 0,
            cost: None,
        })
        .collect();
    health.configure(&providers, &associations, Moment::now());
}

fn attempt(health: &Health, id: i64, verdict: Verdict) {
    let now = Moment::now().instant;
    let attempt = health.begin_anyway(CandidateId(id), ProviderId(id), now);
    let outcome = Outcome::new(verdict).status(503).error("down");
    attempt.finish(outcome, now);
}

/// A gateway with `count` providers on a database that has them all.
async fn gateway(count: i64) -> (DatabaseConnection, Health, Store) {
    let db = database().await;
    for id in 1..=count {
        insert_provider(&db, id).await;
    }
    let health = Health::new(&Settings::default());
    watch(&health, count);
    let store = Store::new(db.clone(), health.clone());
    (db, health, store)
}

async fn restarted(db: &DatabaseConnection, count: i64) -> Health {
    let health = Health::new(&Settings::default());
    health.restore(db).await.unwrap();
    watch(&health, count);
    health
}

#[track_caller]
fn assert_close(left: Option<DateTime<Utc>>, right: Option<DateTime<Utc>>) {
    let distance = left.unwrap() - right.unwrap();
    assert!(distance.abs() < TimeDelta::milliseconds(500), "{distance}");
}

#[tokio::test]
async fn an_unhealthy_provider_is_unhealthy_after_a_restart() {
    let (db, health, mut store) = gateway(2).await;
    attempt(&health, 1, Verdict::Answered);
    attempt(&health, 1, Verdict::Failed);
    attempt(&health, 1, Verdict::Misconfigured);
    store.flush(SUCCESS_DEBOUNCE).await.unwrap();
    let row = rows(&db).await.swap_remove(0);
    assert!(!row.is_healthy);
    assert_eq!((row.error_count, row.consecutive_successes), (1, 0));
    assert_eq!(row.last_status_code, Some(503));

    let before: ProviderReport = health.report(Moment::now()).swap_remove(0);
    let restarted = restarted(&db, 2).await;
    let after = restarted.report(Moment::now()).swap_remove(0);
    assert_eq!((after.state, after.error_count), (State::Unhealthy, 1));
    assert_eq!(after.reason, Some(Reason::ConsecutiveFailures));
    assert_eq!(after.last_error.as_deref(), Some("down"));
    assert_close(after.next_retry_at, before.next_retry_at);
    assert_close(after.last_success_at, before.last_success_at);
    assert_eq!(restarted.report(Moment::now())[1].state, State::Healthy);
}

#[tokio::test]
async fn a_provider_that_live_trials_closed_is_saved_as_healthy() {
    let (db, health, mut store) = gateway(1).await;
    attempt(&health, 1, Verdict::Misconfigured);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(5)).await;
    attempt(&health, 1, Verdict::Answered);
    tokio::time::resume();
    store.flush(SUCCESS_DEBOUNCE).await.unwrap();
    assert!(!rows(&db).await[0].is_healthy);
    attempt(&health, 1, Verdict::Answered);
    store.flush(SUCCESS_DEBOUNCE).await.unwrap();
    let row = rows(&db).await.swap_remove(0);
    assert_eq!((row.is_healthy, row.next_retry_at), (true, None));
    assert_eq!(row.consecutive_successes, 2);
}

#[tokio::test]
async fn errors_short_of_unhealthy_survive_as_well() {
    let (db, health, mut store) = gateway(1).await;
    attempt(&health, 1, Verdict::Failed);
    store.flush(SUCCESS_DEBOUNCE).await.unwrap();
    assert!(rows(&db).await[0].is_healthy);
    let restarted = restarted(&db, 1).await;
    let report = restarted.report(Moment::now()).swap_remove(0);
    assert_eq!((report.state, report.error_count), (State::Healthy, 1));
}

#[tokio::test]
async fn stored_times_that_have_passed_or_make_no_sense_do_no_harm() {
    #[track_caller]
    fn check(report: &ProviderReport, reason: Reason, within_s: i64) {
        assert_eq!(
            (report.state, report.reason),
            (State::Unhealthy, Some(reason))
        );
        let ahead = report.next_retry_at.unwrap() - Utc::now();
        assert!((ahead.num_seconds() - within_s).abs() <= 1, "{ahead}");
    }
    let (db, ..) = gateway(3).await;
    let stored = |id, next_retry_at, status| provider_health::ActiveModel {
        provider_id: Set(id),
        is_healthy: Set(false),
        error_count: Set(-3),
        last_status_code: Set(Some(status)),
        next_retry_at: Set(next_retry_at),
        consecutive_successes: Set(0),
        ..Default::default()
    };
    let ago = Utc::now() - TimeDelta::days(400);
    let far = Utc::now() + TimeDelta::days(400);
    let models = [
        stored(1, Some(ago), 401),
        stored(2, Some(far), 500),
        stored(3, None, -7),
    ];
    provider_health::Entity::insert_many(models)
        .exec_without_returning(&db)
        .await
        .unwrap();
    let reports = restarted(&db, 3).await.report(Moment::now());
    check(&reports[0], Reason::Misconfigured, 0);
    check(&reports[1], Reason::ConsecutiveFailures, 3600);
    check(&reports[2], Reason::ConsecutiveFailures, 0);
}

#[tokio::test]
async fn only_what_changed_is_written_and_each_provider_has_one_row() {
    let (db, health, mut store) = gateway(250).await;
    store.flush(SUCCESS_DEBOUNCE).await.unwrap();
    assert!(rows(&db).await.is_empty());
    for id in 1..=250 {
        attempt(&health, id, Verdict::Failed);
    }
    store.flush(SUCCESS_DEBOUNCE).await.unwrap();
    assert_eq!(rows(&db).await.len(), 250);
    attempt(&health, 7, Verdict::Misconfigured);
    assert_eq!(store.changed(SUCCESS_DEBOUNCE).len(), 1);
    store.flush(SUCCESS_DEBOUNCE).await.unwrap();
    assert!(store.changed(SUCCESS_DEBOUNCE).is_empty());
    let rows = rows(&db).await;
    let unhealthy: Vec<_> = rows.iter().filter(|it| !it.is_healthy).collect();
    assert_eq!((rows.len(), unhealthy.len()), (250, 1));
    assert_eq!(unhealthy[0].provider_id, 7);
}

#[tokio::test]
async fn a_further_success_alone_is_written_late() {
    let (_db, health, mut store) = gateway(1).await;
    attempt(&health, 1, Verdict::Answered);
    store.flush(SUCCESS_DEBOUNCE).await.unwrap();
    attempt(&health, 1, Verdict::Answered);
    assert!(store.changed(SUCCESS_DEBOUNCE).is_empty());
    assert_eq!(store.changed(Duration::ZERO).len(), 1);
    tokio::time::pause();
    tokio::time::advance(SUCCESS_DEBOUNCE).await;
    assert_eq!(store.changed(SUCCESS_DEBOUNCE).len(), 1);
}

#[tokio::test]
async fn a_deleted_provider_does_not_keep_the_others_from_being_saved() {
    let (db, health, mut store) = gateway(3).await;
    provider::Entity::delete_by_id(2i64)
        .exec(&db)
        .await
        .unwrap();
    for id in 1..=3 {
        attempt(&health, id, Verdict::Misconfigured);
    }
    store.flush(SUCCESS_DEBOUNCE).await.unwrap();
    let saved: Vec<_> = rows(&db).await.iter().map(|it| it.provider_id).collect();
    assert_eq!(saved, [1, 3]);
    assert!(store.changed(SUCCESS_DEBOUNCE).is_empty());
    // Deleting what was saved takes its health along, and the next snapshot makes it forgotten here.
    watch(&health, 1);
    assert!(store.changed(Duration::ZERO).is_empty());
    assert_eq!(store.written.len(), 1);
}

#[tokio::test]
async fn what_a_database_that_is_away_misses_is_written_later() {
    let (db, health, mut store) = gateway(2).await;
    db.execute_unprepared("ALTER TABLE provider_health RENAME TO away")
        .await
        .unwrap();
    attempt(&health, 1, Verdict::Failed);
    store.flush(SUCCESS_DEBOUNCE).await.unwrap_err();
    attempt(&health, 2, Verdict::Failed);
    attempt(&health, 1, Verdict::Answered);
    store.flush(SUCCESS_DEBOUNCE).await.unwrap_err();
    db.execute_unprepared("ALTER TABLE away RENAME TO provider_health")
        .await
        .unwrap();
    store.flush(SUCCESS_DEBOUNCE).await.unwrap();
    let errors: Vec<_> = rows(&db).await.iter().map(|it| it.error_count).collect();
    assert_eq!(errors, [0, 1]);
}

#[test]
fn tries_become_rarer_while_the_database_is_away() {
    let seconds: Vec<_> = (0..8).map(|it| backoff(it).as_secs()).collect();
    assert_eq!(seconds, [1, 2, 4, 8, 16, 30, 30, 30]);
    assert_eq!(backoff(u32::MAX).as_secs(), 30);
}

/// Answers every probe.
#[derive(Debug)]
struct Answering;

impl Probe for Answering {
    fn targets(&self) -> Vec<ProviderId> {
        vec![ProviderId(1)]
    }

    async fn probe(&self, _provider: ProviderId) -> Outcome {
        Outcome::new(Verdict::Answered)
    }
}

#[tokio::test]
async fn stopping_saves_what_is_left() {
    let (db, ..) = gateway(1).await;
    let (health, worker) = start(&Settings::default(), db.clone(), Answering);
    watch(&health, 1);
    attempt(&health, 1, Verdict::Failed);
    let stop = CancellationToken::new();
    stop.cancel();
    worker.run(stop).await;
    assert_eq!(rows(&db).await[0].error_count, 1);
}

#[tokio::test]
async fn without_a_database_everything_else_goes_on() {
    let db = database().await;
    db.clone().close().await.unwrap();
    tokio::time::pause();
    let (health, worker) = start(&Settings::default(), db, Answering);
    watch(&health, 1);
    let stop = CancellationToken::new();
    let work = tokio::spawn(worker.run(stop.clone()));
    attempt(&health, 1, Verdict::Misconfigured);
    tokio::time::sleep(Duration::from_secs(120)).await;
    let report = health.report(Moment::now()).swap_remove(0);
    assert_eq!(report.state, State::Healthy);
    // Time's own changes are noticed without a request.
    assert_eq!(health.transitions().providers.healthy, 1);
    stop.cancel();
    work.await.unwrap();
}
