//! `admin_keys`: keys of the admin API, held as hashes.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// An admin key.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "admin_keys")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub name: String,
    /// BLAKE3 of the key, 64 hex digits.
    pub key_hash: String,
    /// The first characters of the key, to recognise it by.
    pub key_prefix: String,
    /// `read-only`, `operator` or `admin`.
    pub role: String,
    pub enabled: bool,
    pub expires_at: Option<DateTimeUtc>,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
