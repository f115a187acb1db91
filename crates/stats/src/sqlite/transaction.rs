//! A transaction of SQLite that takes values in its driver's own form, as well as statements like any other.

use std::time::Duration;

use futures_util::lock::Mutex;
use sea_orm::entity::prelude::async_trait::async_trait;
use sea_orm::sqlx::query::Query;
use sea_orm::sqlx::sqlite::SqliteArguments;
use sea_orm::sqlx::{AssertSqlSafe, Error, Executor, Sqlite, SqlitePool, Transaction, query_with};
use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr, Statement, Values,
};
use sea_query_sqlx::SqlxValues;

use super::unhurried;

/// An open transaction, rolled back where it is dropped.
pub(crate) struct SqliteTransaction {
    open: Mutex<Transaction<'static, Sqlite>>,
}

impl SqliteTransaction {
    /// One whose statements let others run for as long as `patience`.
    pub(crate) async fn begin(pool: &SqlitePool, patience: Duration) -> Result<Self, DbErr> {
        let connecting = |error| DbErr::Conn(of_driver(error));
        let mut open = pool.begin().await.map_err(connecting)?;
        if !patience.is_zero() {
            let patient = unhurried::let_others_run(&mut open, patience).await;
            patient.map_err(connecting)?;
        }
        Ok(Self {
            open: Mutex::new(open),
        })
    }

    pub(crate) async fn commit(self) -> Result<(), DbErr> {
        let done = self.open.into_inner().commit().await;
        done.map_err(executing)
    }

    pub(crate) async fn rollback(self) -> Result<(), DbErr> {
        let done = self.open.into_inner().rollback().await;
        done.map_err(executing)
    }

    /// Executes a statement with values that are bound as they are.
    pub(crate) async fn bind(
        &self,
        sql: &'static str,
        values: SqliteArguments,
    ) -> Result<(), DbErr> {
        let query = query_with(sql, values);
        let done = query.execute(&mut **self.open.lock().await).await;
        done.map(drop).map_err(executing)
    }
}

#[async_trait]
impl ConnectionTrait for SqliteTransaction {
    fn get_database_backend(&self) -> DbBackend {
        DbBackend::Sqlite
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let done = query(statement)
            .execute(&mut **self.open.lock().await)
            .await;
        done.map(ExecResult::from).map_err(executing)
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let mut open = self.open.lock().await;
        let done = open.execute(AssertSqlSafe(sql.to_owned())).await;
        done.map(ExecResult::from).map_err(executing)
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let row = query(statement)
            .fetch_optional(&mut **self.open.lock().await)
            .await;
        row.map(|row| row.map(QueryResult::from)).map_err(querying)
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let rows = query(statement)
            .fetch_all(&mut **self.open.lock().await)
            .await;
        rows.map(|rows| rows.into_iter().map(QueryResult::from).collect())
            .map_err(querying)
    }
}

/// What was built by our own code, or by a library that sets values apart.
fn query(statement: Statement) -> Query<'static, Sqlite, SqlxValues> {
    let values = statement.values.unwrap_or(Values(Vec::new()));
    query_with(AssertSqlSafe(statement.sql), SqlxValues(values))
}

fn of_driver(error: Error) -> RuntimeErr {
    RuntimeErr::SqlxError(error.into())
}

fn executing(error: Error) -> DbErr {
    DbErr::Exec(of_driver(error))
}

fn querying(error: Error) -> DbErr {
    DbErr::Query(of_driver(error))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    use sea_orm::sqlx::sqlite::SqlitePoolOptions;

    use super::*;

    #[tokio::test]
    async fn only_who_has_patience_lets_others_run() {
        let one = SqlitePoolOptions::new().max_connections(1);
        let pool = one.connect("sqlite::memory:").await.unwrap();
        // Called by the connection until another handler takes its place.
        let looks = Arc::new(AtomicU32::new(0));
        let look = {
            let looks = looks.clone();
            move || looks.fetch_add(1, Relaxed) < u32::MAX
        };
        let mut connection = pool.acquire().await.unwrap();
        let mut handle = connection.lock_handle().await.unwrap();
        handle.set_progress_handler(1, look);
        drop(handle);
        drop(connection);
        for (patience, replaced) in [(Duration::ZERO, false), (Duration::from_secs(60), true)] {
            let transaction = SqliteTransaction::begin(&pool, patience).await.unwrap();
            let before = looks.load(Relaxed);
            transaction.execute_unprepared("SELECT 1").await.unwrap();
            assert_eq!(looks.load(Relaxed) == before, replaced, "{patience:?}");
            transaction.rollback().await.unwrap();
        }
    }
}
