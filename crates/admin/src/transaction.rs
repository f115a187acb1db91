//! A transaction that writes times as every engine can keep them.

use std::fmt;

use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, ExecResult, QueryResult, Statement,
    Value, prelude::async_trait::async_trait,
};

/// Passes everything on but that MySQL and MariaDB are told times as `DATETIME`, which their columns are. The driver calls
/// them `TIMESTAMP`, which ends in January 2038, and MariaDB makes null of what comes after: a key that is to expire later
/// would never do so.
pub(crate) struct Transaction(DatabaseTransaction);

impl Transaction {
    pub(crate) fn of(transaction: DatabaseTransaction) -> Self {
        Self(transaction)
    }

    pub(crate) async fn commit(self) -> Result<(), DbErr> {
        self.0.commit().await
    }

    pub(crate) async fn rollback(self) -> Result<(), DbErr> {
        self.0.rollback().await
    }
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Transaction").finish()
    }
}

#[async_trait]
impl ConnectionTrait for Transaction {
    fn get_database_backend(&self) -> DbBackend {
        self.0.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.0.execute_raw(with_wide_times(statement)).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.0.execute_unprepared(sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.0.query_one_raw(with_wide_times(statement)).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.0.query_all_raw(with_wide_times(statement)).await
    }
}

fn with_wide_times(mut statement: Statement) -> Statement {
    if statement.db_backend == DbBackend::MySql
        && let Some(values) = &mut statement.values
    {
        for value in &mut values.0 {
            if let Value::ChronoDateTimeUtc(time) = value {
                *value = Value::ChronoDateTime(time.map(|time| time.naive_utc()));
            }
        }
    }
    statement
}
