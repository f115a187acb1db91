//! `budget_leases`: what replicas may spend of a key's budgets before they ask again.

use sea_orm::entity::prelude::*;

/// What one replica has leased for one key.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "budget_leases")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub key_id: i64,
    /// The process that has it.
    pub holder: String,
    /// Nano-USD: what it may spend, and what it has spent that is not in `key_usage` yet.
    pub amount: i64,
    pub expires_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
