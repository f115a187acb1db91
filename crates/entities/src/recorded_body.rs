//! `recorded_bodies`: what clients sent and got, where that is recorded.

use sea_orm::entity::prelude::*;

/// The bodies of one request. The request's row may be missing while it is on its way.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "recorded_bodies")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub request_id: String,
    /// UTF-8.
    pub request_body: Option<Vec<u8>>,
    /// UTF-8; of a stream what it said.
    pub response_body: Option<Vec<u8>>,
    /// The request's arrival.
    pub created_at: DateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
