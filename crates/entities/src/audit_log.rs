//! `audit_log`: who changed what through the admin API.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// One change of one object.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "audit_log")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Name of the admin key.
    pub actor: String,
    pub action: String,
    pub object_type: String,
    pub object_id: Option<i64>,
    pub object_name: Option<String>,
    /// As the admin API shows it, secrets masked.
    pub before_json: Option<Json>,
    pub after_json: Option<Json>,
    pub ip_address: Option<String>,
    pub request_id: Option<String>,
    pub created_at: DateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
