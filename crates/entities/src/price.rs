//! `prices`: what providers charge for models.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// A price, in nano-USD; `input` to `reasoning` per million tokens. What is null is not priced.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "prices")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Null is every provider.
    pub provider_id: Option<i64>,
    /// The provider's name of the model, or a pattern of names with `*` and `?`.
    pub model_pattern: String,
    pub input: Option<i64>,
    pub output: Option<i64>,
    pub cache_read: Option<i64>,
    pub cache_write: Option<i64>,
    pub reasoning: Option<i64>,
    pub per_request: Option<i64>,
    pub per_image: Option<i64>,
    pub per_second: Option<i64>,
    /// Where it was read.
    pub source: Option<String>,
    /// When it was read.
    pub source_date: Option<Date>,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
