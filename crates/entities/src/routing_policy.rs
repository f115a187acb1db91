//! `routing_policies`: strategy and clocks of a model, where they differ from the defaults.

use sea_orm::entity::prelude::*;

/// A model's policy. Clocks are in seconds; null takes the default.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
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
    pub heartbeat_after_ms: Option<i32>,
    pub verified_resume: bool,
    pub skip_malformed_events: bool,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
