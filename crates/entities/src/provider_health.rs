//! `provider_health`: what is known of a provider's health, kept across restarts.

use sea_orm::entity::prelude::*;

/// Health of one provider.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "provider_health")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub provider_id: i64,
    pub is_healthy: bool,
    pub error_count: i32,
    pub last_error: Option<String>,
    pub last_status_code: Option<i32>,
    pub last_validated_at: Option<DateTimeUtc>,
    pub last_success_at: Option<DateTimeUtc>,
    pub next_retry_at: Option<DateTimeUtc>,
    pub consecutive_successes: i32,
    /// The last changes of its state, the newest first.
    pub transitions: Option<Json>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
