//! What a program needs that recreates our tables around the rows they hold: a look at what is there, whoever made it,
//! and the steps of [`crate::fresh`] one by one, under a [`crate::Lock`].

use sea_orm::{ConnectionTrait, DatabaseTransaction};
use sea_orm_migration::MigratorTrait;

use crate::{Error, live, migrate};

/// A table that is there, as far as its rows can be read by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveTable {
    /// Its name.
    pub name: String,
    /// Its columns, in their order.
    pub columns: Vec<LiveColumn>,
    /// The columns of the primary key.
    pub primary_key: Vec<String>,
    /// Columns that are unique together; with `DESC`, a collation or a condition where there is one.
    pub unique: Vec<Vec<String>>,
}

/// A column that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveColumn {
    /// Its name.
    pub name: String,
    /// Its type, in the engine's words.
    pub kind: String,
}

/// Every table of the database (on PostgreSQL: of the current schema), ours or not.
///
/// # Errors
/// Those of the database.
pub async fn live_tables(db: &impl ConnectionTrait) -> Result<Vec<LiveTable>, Error> {
    let tables = live::read(db).await?;
    let tables = tables.into_values().map(|shape| LiveTable {
        name: shape.name,
        columns: shape
            .columns
            .into_iter()
            .map(|column| LiveColumn {
                name: column.name,
                kind: column.kind,
            })
            .collect(),
        primary_key: shape.primary_key,
        unique: shape
            .indexes
            .into_iter()
            .filter(|index| index.unique && index.only.is_none())
            .map(|index| index.columns)
            .collect(),
    });
    Ok(tables.collect())
}

/// Makes sure that no table which is not ours refers to one of ours: replacing that one would fail on one engine, and
/// empty or break the other table on the next.
///
/// # Errors
/// [`Error::Referred`] if one does.
pub async fn refuse_if_referred(db: &DatabaseTransaction) -> Result<(), Error> {
    migrate::refuse_if_referred(db).await
}

/// Drops our tables and the version table, whatever they look like.
///
/// # Errors
/// Those of the database.
pub async fn drop_all(db: &DatabaseTransaction) -> Result<(), Error> {
    migrate::drop_tables(db).await
}

/// Creates our tables where none is, and makes sure of the result, as [`crate::up`] does.
///
/// # Errors
/// As [`crate::up`].
pub async fn create(db: &DatabaseTransaction) -> Result<Vec<String>, Error> {
    migrate::up_locked(db).await
}

/// Creates the version table, empty, where it is not there.
///
/// # Errors
/// Those of the database.
pub async fn install(db: &DatabaseTransaction) -> Result<(), Error> {
    Ok(migrate::Migrator::install(db).await?)
}
