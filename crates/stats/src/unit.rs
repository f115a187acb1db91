//! A transaction that rows are written in.

use sea_orm::entity::prelude::async_trait::async_trait;
use sea_orm::sqlx::Error;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, RuntimeErr, Statement};

use crate::row::{Bound, Row};
use crate::sqlite::{Arguments, SqliteTransaction};

/// An open transaction, in whose own way rows are bound. It is rolled back where it is dropped.
#[async_trait]
pub(crate) trait Unit: ConnectionTrait + Sized {
    /// Executes a statement that has a parameter for each column of each row.
    async fn insert(&self, sql: &'static str, rows: &[&Row]) -> Result<(), DbErr>;

    async fn commit(self) -> Result<(), DbErr>;

    async fn rollback(self) -> Result<(), DbErr>;
}

#[async_trait]
impl Unit for DatabaseTransaction {
    async fn insert(&self, sql: &'static str, rows: &[&Row]) -> Result<(), DbErr> {
        let backend = self.get_database_backend();
        let values = Bound::of(rows.iter().copied());
        let insert = Statement::from_sql_and_values(backend, sql, values);
        self.execute_raw(insert).await.map(drop)
    }

    async fn commit(self) -> Result<(), DbErr> {
        self.commit().await
    }

    async fn rollback(self) -> Result<(), DbErr> {
        self.rollback().await
    }
}

/// Without values for any engine between, which would be cloned on their way: that took a third of the writer's time.
#[async_trait]
impl Unit for SqliteTransaction {
    async fn insert(&self, sql: &'static str, rows: &[&Row]) -> Result<(), DbErr> {
        let values = Arguments::of(rows.iter().copied())
            .map_err(|error| DbErr::Exec(RuntimeErr::SqlxError(Error::Encode(error).into())))?;
        self.bind(sql, values).await
    }

    async fn commit(self) -> Result<(), DbErr> {
        self.commit().await
    }

    async fn rollback(self) -> Result<(), DbErr> {
        self.rollback().await
    }
}

#[cfg(test)]
mod tests;
