//! `declared_objects`: which objects of the configuration files declare.

use sea_orm::entity::prelude::*;

/// An object that is changed in its file only.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "declared_objects")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    /// `provider`, `model`, `association`, `policy`, `price` or `key`.
    pub kind: String,
    /// The id of its row.
    pub object_id: i64,
    /// The file's name, or what else it goes by.
    pub declared_by: String,
    pub created_at: DateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
