//! `model_providers`: which provider serves a model, under which name, with which capabilities.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// An association. The nullable columns carry a default in the schema; readers fall back to the same value.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "model_providers")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub model_id: i64,
    pub provider_id: i64,
    pub provider_model: String,
    pub weight: Option<i32>,
    pub tool_call: Option<bool>,
    pub structured_output: Option<bool>,
    pub image: Option<bool>,
    pub enabled: Option<bool>,
    pub created_at: Option<DateTimeUtc>,
    pub updated_at: Option<DateTimeUtc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
