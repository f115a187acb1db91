//! `api_keys`: client keys, held as hashes.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// A client key.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
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
    /// Decimal numbers of USD for day, month and total; null limits nothing.
    pub budgets: Option<Json>,
    /// What its requests and their answers may say; null guards nothing.
    pub guards: Option<Json>,
    /// Whether bodies of its requests are recorded.
    #[serde(default)]
    pub record_bodies: bool,
    pub metadata: Option<Json>,
    /// BLAKE3 of the key before the last rotation, which is accepted until the time beside it.
    pub previous_hash: Option<String>,
    pub previous_expires_at: Option<DateTimeUtc>,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
