//! The counter by which replicas notice each other's changes.

use chrono::Utc;
use entities::config_version::{ActiveModel, Column, Entity};
use sea_orm::{
    ActiveValue::Set,
    ConnectionTrait, DbErr, EntityTrait, ExprTrait,
    sea_query::{Expr, OnConflict},
};

use crate::notices;

/// The one row's id.
const ID: i32 = 1;

/// Raises the version; call it in the transaction that changes the configuration.
///
/// # Errors
/// The database's.
pub async fn bump(connection: &impl ConnectionTrait) -> Result<(), DbErr> {
    let first = ActiveModel {
        id: Set(ID),
        version: Set(1),
        updated_at: Set(Utc::now()),
    };
    let mut raised = OnConflict::column(Column::Id);
    raised
        .value(Column::Version, Expr::col((Entity, Column::Version)).add(1))
        .value(Column::UpdatedAt, Expr::value(Utc::now()));
    Entity::insert(first)
        .on_conflict(raised)
        .exec_without_returning(connection)
        .await?;
    notices::tell(connection).await
}

/// The version now; 0 before the first change.
///
/// # Errors
/// The database's.
pub async fn current(connection: &impl ConnectionTrait) -> Result<i64, DbErr> {
    Ok(Entity::find_by_id(ID)
        .one(connection)
        .await?
        .map_or(0, |row| row.version))
}
