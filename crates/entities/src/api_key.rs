//! `api_keys`: client keys, held as hashes.

use sea_orm::entity::prelude::*;

/// A client key.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "api_keys")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub name: String,
    /// BLAKE3 of the key, 64 hex digits.
    pub key_hash: String,
    /// The first characters of the key, to recognise it by.
    pub key_prefix: String,
    pub enabled: bool,
    pub expires_at: Option<DateTimeUtc>,
    /// A list of model names; null allows all.
    pub allowed_models: Option<Json>,
    /// A list of provider names; null allows all.
    pub allowed_providers: Option<Json>,
    pub limits: Option<Json>,
    pub metadata: Option<Json>,
    pub last_used_at: Option<DateTimeUtc>,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
