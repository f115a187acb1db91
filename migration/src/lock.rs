//! One process at a time: everything that changes the schema runs on one connection that took a lock first.

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr,
    SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait,
};

use crate::{Error, LOCK_TIMEOUT};

/// Any number will do, as long as every build of ours takes the same; locks of PostgreSQL are per database.
const POSTGRES_LOCK: i64 = 0x6f72_6368_6573_7472;
/// Locks of MySQL are per server, so the name holds the database's; hashed, since lock names end at 64 characters.
const MYSQL_LOCK: &str = "CONCAT('orchestrator:', SHA1(DATABASE()))";

/// The lock, and the one connection that holds it.
///
/// On SQLite and PostgreSQL the connection is in a transaction that holds every change until [`Lock::release`]. MySQL
/// commits at each DDL statement: what runs there must leave the database so that a second run can finish it.
#[derive(Debug)]
#[must_use = "the lock is held until it is released"]
pub struct Lock(DatabaseTransaction);

impl Lock {
    /// Waits for the lock, [`LOCK_TIMEOUT`] at most.
    ///
    /// # Errors
    /// [`Error::Busy`] when another process holds it for longer.
    pub async fn take(db: &DatabaseConnection) -> Result<Self, Error> {
        // SQLite locks by beginning; its wait is the connection's busy timeout.
        let transaction = db
            .begin_with_options(TransactionOptions {
                sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
                ..TransactionOptions::default()
            })
            .await?;
        let seconds = LOCK_TIMEOUT.as_secs();
        match db.get_database_backend() {
            DbBackend::Postgres => {
                // Also for the tables themselves, which a running gateway may be using.
                transaction
                    .execute_unprepared(&format!("SET LOCAL lock_timeout = '{seconds}s'"))
                    .await?;
                transaction
                    .execute_unprepared(&format!("SELECT pg_advisory_xact_lock({POSTGRES_LOCK})"))
                    .await?;
            }
            DbBackend::MySql => {
                transaction
                    .execute_unprepared(&format!("SET SESSION lock_wait_timeout = {seconds}"))
                    .await?;
                let sql = format!("SELECT GET_LOCK({MYSQL_LOCK}, {seconds}) AS is_ours");
                let row = transaction
                    .query_one_raw(Statement::from_string(DbBackend::MySql, sql))
                    .await?;
                let is_ours = match row {
                    Some(row) => row.try_get::<Option<i64>>("", "is_ours")?,
                    None => None,
                };
                if is_ours != Some(1) {
                    return Err(Error::Busy);
                }
            }
            _ => {}
        }
        Ok(Self(transaction))
    }

    /// The connection to work on.
    pub fn connection(&self) -> &DatabaseTransaction {
        &self.0
    }

    /// Keeps what was done if it went well, takes it back otherwise (not on MySQL), and gives the lock up.
    ///
    /// # Errors
    /// The outcome's own, else that of a database that could not keep it.
    pub async fn release<T, E: From<DbErr>>(self, outcome: Result<T, E>) -> Result<T, E> {
        // The connection outlives the transaction in its pool, and would hold the lock there.
        if self.0.get_database_backend() == DbBackend::MySql {
            let sql = format!("DO RELEASE_LOCK({MYSQL_LOCK})");
            self.0.execute_unprepared(&sql).await?;
        }
        match outcome {
            Ok(value) => {
                self.0.commit().await?;
                Ok(value)
            }
            Err(error) => {
                // The first error says more than a rollback that fails after it.
                let _ = self.0.rollback().await;
                Err(error)
            }
        }
    }
}
