//! `models`: the names clients ask for.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// A model. The nullable columns carry a default in the schema; readers fall back to the same value.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "models")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub name: String,
    pub remark: Option<String>,
    pub max_retry: Option<i32>,
    /// Seconds.
    pub timeout: Option<i32>,
    pub enabled: Option<bool>,
    pub created_at: Option<DateTimeUtc>,
    pub updated_at: Option<DateTimeUtc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
