//! `provider_stats`: attempts per provider and UTC day.

use sea_orm::entity::prelude::*;

/// One provider's day.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "provider_stats")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub provider_id: i64,
    pub date: Date,
    pub total_requests: i64,
    pub success_requests: i64,
    pub failed_requests: i64,
    pub total_tokens: i64,
    pub prompt_tokens: i64,
    pub completion_tokens: i64,
    /// Milliseconds.
    pub avg_response_time: i64,
    pub response_ms_total: i64,
    /// Nano-USD over the priced attempts; null while none was priced.
    pub cost: Option<i64>,
    pub last_used_at: Option<DateTimeUtc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
