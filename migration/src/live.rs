//! Reading the tables that are there, with nothing but SELECT.

mod mysql;
mod postgres;
mod sqlite;

use std::collections::BTreeMap;

use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult, Statement};

use crate::shape::Shape;

/// The tables of a database by name, whoever made them. Views are not among them.
pub(crate) type Tables = BTreeMap<String, Shape>;

/// Reads every table of the database (on PostgreSQL: of the current schema).
pub(crate) async fn read(db: &impl ConnectionTrait) -> Result<Tables, DbErr> {
    match db.get_database_backend() {
        DbBackend::Postgres => postgres::read(db).await,
        DbBackend::MySql => mysql::read(db).await,
        _ => sqlite::read(db).await,
    }
}

async fn rows(db: &impl ConnectionTrait, sql: &str) -> Result<Vec<QueryResult>, DbErr> {
    db.query_all_raw(Statement::from_string(db.get_database_backend(), sql))
        .await
}

/// A row's column as text.
fn text(row: &QueryResult, column: &str) -> Result<String, DbErr> {
    row.try_get("", column)
}

/// The same where the column may be NULL.
fn optional(row: &QueryResult, column: &str) -> Result<Option<String>, DbErr> {
    row.try_get("", column)
}
