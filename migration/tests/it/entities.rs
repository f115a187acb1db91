//! The entities read back what they wrote, on every engine, in the tables as they were migrated.

use std::fmt::Debug;

use entities::{
    api_key, budget_lease, config_version, key_usage, model, model_provider, provider,
    provider_health, provider_stats, recorded_body, request_log, routing_policy, write_batch,
};
use scratch::{ENGINES, Scratch};
use sea_orm::prelude::{Date, DateTimeUtc};
use sea_orm::{
    ActiveModelBehavior, ActiveModelTrait, DatabaseConnection, EntityTrait, IntoActiveModel,
    ModelTrait,
};
use serde_json::json;

/// With microseconds, the least that every engine keeps.
fn at(seconds: i64) -> DateTimeUtc {
    DateTimeUtc::from_timestamp(seconds, 123_456_000).unwrap()
}

fn day() -> Date {
    Date::from_ymd_opt(2026, 2, 28).unwrap()
}

/// Writes `row` with all its columns, and reads it back.
async fn kept<M, A>(db: &DatabaseConnection, row: M)
where
    M: ModelTrait + IntoActiveModel<A> + Clone + PartialEq + Debug,
    A: ActiveModelTrait<Entity = M::Entity> + ActiveModelBehavior + Send,
    M::Entity: EntityTrait<Model = M>,
    <M::Entity as EntityTrait>::Model: IntoActiveModel<A> + Sync,
{
    let values = row.clone().into_active_model().reset_all();
    M::Entity::insert(values)
        .exec_without_returning(db)
        .await
        .unwrap();
    let found = M::Entity::find().all(db).await.unwrap();
    assert!(found.contains(&row), "{row:?} is not in {found:?}");
}

#[tokio::test]
async fn every_entity_comes_back_as_it_went() {
    for engine in ENGINES {
        let scratch = Scratch::migrated(engine).await;
        configuration(&scratch.db).await;
        policies_and_keys(&scratch.db).await;
        accounting(&scratch.db).await;
    }
}

async fn configuration(db: &DatabaseConnection) {
    for (id, full) in [(1, true), (2, false)] {
        kept(
            db,
            model::Model {
                id,
                name: format!("gpt-{id}"),
                remark: full.then(|| "größer 模型 🦀".to_owned()),
                max_retry: full.then_some(5),
                timeout: full.then_some(60),
                enabled: full.then_some(false),
                created_at: full.then(|| at(1_700_000_000)),
                updated_at: full.then(|| at(1_800_000_000)),
            },
        )
        .await;
        kept(db, provider::Model {
            id,
            name: format!("p{id}"),
            kind: "openai".to_owned(),
            config: json!({"base_url": "https://x/v1", "nested": {"list": [1, 2.5, null, "é"]}}),
            enabled: full,
            created_at: at(1_700_000_000),
            updated_at: at(1_700_000_001),
        })
        .await;
        kept(
            db,
            model_provider::Model {
                id,
                model_id: id,
                provider_id: id,
                provider_model: "m".to_owned(),
                weight: full.then_some(0),
                tool_call: full.then_some(true),
                structured_output: full.then_some(false),
                image: full.then_some(true),
                enabled: full.then_some(true),
                created_at: full.then(|| at(1)),
                updated_at: full.then(|| at(2)),
            },
        )
        .await;
    }
}

async fn policies_and_keys(db: &DatabaseConnection) {
    for (id, full) in [(1, true), (2, false)] {
        kept(
            db,
            routing_policy::Model {
                id,
                model_id: id,
                strategy: "least_latency".to_owned(),
                connect_timeout: full.then_some(0.1),
                first_content_timeout: full.then_some(2.5),
                response_timeout: full.then_some(300.0),
                stream_idle_timeout: None,
                total_timeout: None,
                hedge_after_ms: full.then_some(250),
                hedge_percentile: full.then_some(95),
                heartbeat_after_ms: None,
                verified_resume: full,
                guards: full.then(|| json!({"rules": []})),
                record_bodies: full,
                skip_malformed_events: !full,
                created_at: at(3),
                updated_at: at(4),
            },
        )
        .await;
        kept(
            db,
            api_key::Model {
                id,
                name: format!("key {id}"),
                key_hash: format!("{id:064}"),
                key_prefix: "sk-abc".to_owned(),
                enabled: full,
                expires_at: full.then(|| at(5)),
                allowed_models: full.then(|| json!(["a", "b"])),
                allowed_providers: full.then(|| json!([])),
                limits: full.then(|| json!({"rpm": 60})),
                budgets: full.then(|| json!({"day": "1.5"})),
                guards: full.then(|| json!({"rules": []})),
                record_bodies: full,
                metadata: full.then(|| json!("5")),
                previous_hash: full.then(|| format!("{:064}", id + 10)),
                previous_expires_at: full.then(|| at(8)),
                created_at: at(6),
                updated_at: at(7),
            },
        )
        .await;
        kept(
            db,
            budget_lease::Model {
                id,
                key_id: id,
                holder: format!("{id:036}"),
                amount: i64::MAX,
                expires_at: at(9),
                updated_at: at(10),
            },
        )
        .await;
    }
    kept(
        db,
        config_version::Model {
            id: 1,
            version: i64::MAX,
            updated_at: at(8),
        },
    )
    .await;
}

async fn accounting(db: &DatabaseConnection) {
    for (id, full) in [(1, true), (2, false)] {
        kept(
            db,
            provider_health::Model {
                id,
                provider_id: id,
                is_healthy: full,
                error_count: 3,
                last_error: full.then(|| "é".repeat(1000)),
                last_status_code: full.then_some(503),
                last_validated_at: full.then(|| at(9)),
                last_success_at: None,
                next_retry_at: full.then(|| at(10)),
                consecutive_successes: 2,
                transitions: full.then(|| json!([{"to": "unhealthy"}])),
            },
        )
        .await;
        kept(
            db,
            provider_stats::Model {
                id,
                provider_id: id,
                date: day(),
                total_requests: 3,
                success_requests: 2,
                failed_requests: 1,
                total_tokens: i64::MAX,
                prompt_tokens: 1,
                completion_tokens: 2,
                avg_response_time: 4,
                response_ms_total: 12,
                cost: full.then_some(i64::MIN),
                last_used_at: full.then(|| at(11)),
            },
        )
        .await;
        kept(
            db,
            key_usage::Model {
                id,
                key_name: format!("key {id}"),
                date: day(),
                total_requests: 1,
                success_requests: 1,
                failed_requests: 0,
                total_tokens: 3,
                prompt_tokens: 1,
                completion_tokens: 2,
                cost: full.then_some(42),
                last_used_at: full.then(|| at(12)),
            },
        )
        .await;
        kept(db, request_log(id, full)).await;
    }
    kept(
        db,
        recorded_body::Model {
            request_id: "0190b6a0-0000-7000-8000-000000000001".to_owned(),
            request_body: Some("🦀".repeat(100_000).into_bytes()),
            response_body: None,
            created_at: at(14),
        },
    )
    .await;
    kept(
        db,
        write_batch::Model {
            id: "0190b6a0-0000-7000-8000-000000000001".to_owned(),
            created_at: at(14),
        },
    )
    .await;
}

fn request_log(id: i64, full: bool) -> request_log::Model {
    let count = full.then_some(1_000_000_000_000);
    request_log::Model {
        id,
        request_id: format!("{id:036}"),
        provider_id: full.then_some(99), // no foreign key: the provider may be gone
        model: "gpt".to_owned(),
        provider_model: full.then(|| "gpt-4".to_owned()),
        endpoint: "/v1/chat/completions".to_owned(),
        method: "POST".to_owned(),
        status_code: 200,
        error_class: full.then(|| "timeout".to_owned()),
        error_message: full.then(|| "🦀".repeat(1000)),
        latency_ms: 12,
        ttft_ms: count,
        prompt_tokens: count,
        completion_tokens: count,
        total_tokens: count,
        cached_tokens: count,
        cache_write_tokens: count,
        reasoning_tokens: count,
        usage_source: "provider".to_owned(),
        cost: count,
        user_id: "key 1".to_owned(),
        ip_address: full.then(|| "2001:db8::1".to_owned()),
        stream: full,
        attempts: json!([{"provider_id": 1, "ms": 12}]),
        created_at: at(13),
    }
}
