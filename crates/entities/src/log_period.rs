//! `log_periods`: quarters of an hour of `request_logs`, and whether `log_rollups` has what their rows add up to.

use sea_orm::entity::prelude::*;

/// A quarter of an hour.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "log_periods")]
pub struct Model {
    /// Seconds since 1970.
    #[sea_orm(primary_key, auto_increment = false)]
    pub begins: i64,
    /// Raised by whatever changes rows of the period, in the same transaction.
    pub version: i64,
    pub is_rolled_up: bool,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
