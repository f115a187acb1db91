//! `routing_policies`: strategy, clocks and guards of a model, where they differ from the defaults.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// A model's policy. Clocks are in seconds, what ends in `_ms` in milliseconds; null takes the default.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "routing_policies")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub model_id: i64,
    pub strategy: String,
    pub connect_timeout: Option<f64>,
    pub first_content_timeout: Option<f64>,
    pub response_timeout: Option<f64>,
    pub stream_idle_timeout: Option<f64>,
    pub total_timeout: Option<f64>,
    pub hedge_after_ms: Option<i32>,
    pub hedge_percentile: Option<i32>,
    pub heartbeat_after_ms: Option<i32>,
    pub verified_resume: bool,
    pub skip_malformed_events: bool,
    /// What requests and their answers may say; null guards nothing.
    pub guards: Option<Json>,
    /// Whether bodies are recorded.
    #[serde(default)]
    pub record_bodies: bool,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
