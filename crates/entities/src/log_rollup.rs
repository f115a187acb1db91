//! `log_rollups`: what the rows of `request_logs` add up to in a quarter of an hour.

use sea_orm::entity::prelude::*;

/// A part of a quarter of an hour: all of it, or what is of a provider, of a model, or of both.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "log_rollups")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    /// `all`, `provider`, `model` or `both`.
    pub rolled_by: String,
    /// Of parts by provider; null for requests that no attempt was made for.
    pub provider_id: Option<i64>,
    /// Of parts by model.
    pub model: Option<String>,
    /// Seconds since 1970.
    pub begins: i64,
    pub requests: i64,
    pub successes: i64,
    pub latency_ms: i64,
    pub prompt_tokens: i64,
    pub completion_tokens: i64,
    pub total_tokens: i64,
    /// Nano-USD over the priced requests; null while none was priced.
    pub cost: Option<i64>,
    /// How many requests took how long.
    pub latencies: Vec<u8>,
    /// How many took how long to their first content.
    pub ttfts: Vec<u8>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
