//! `request_logs`: one row per request that was authenticated and has ended.

use sea_orm::entity::prelude::*;

/// A request. Token counts and cost are sums over its attempts.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "request_logs")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub request_id: String,
    pub provider_id: Option<i64>,
    pub model: String,
    pub provider_model: Option<String>,
    pub endpoint: String,
    pub method: String,
    pub status_code: i32,
    pub error_class: Option<String>,
    pub error_message: Option<String>,
    pub latency_ms: i64,
    pub ttft_ms: Option<i64>,
    pub prompt_tokens: Option<i64>,
    pub completion_tokens: Option<i64>,
    pub total_tokens: Option<i64>,
    pub cached_tokens: Option<i64>,
    pub cache_write_tokens: Option<i64>,
    pub reasoning_tokens: Option<i64>,
    /// `provider`, `estimated` or `none`.
    pub usage_source: String,
    /// Nano-USD; null while unpriced.
    pub cost: Option<i64>,
    /// The client key's name, never the key.
    pub user_id: String,
    pub ip_address: Option<String>,
    pub stream: bool,
    /// A list of [`crate::Attempt`].
    pub attempts: Json,
    /// Arrival.
    pub created_at: DateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
