//! Connecting to the database that the gateway works with.

use std::time::Duration;

use anyhow::Context;
use sea_orm::{
    ConnectOptions, Database, DatabaseConnection,
    sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous},
};

/// How long a statement waits for SQLite's one writer.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a caller waits for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// Requests never touch the database, so that a handful of connections serves the writer, the admin API and the workers.
const CONNECTIONS: u32 = 8;

/// Opens the database and makes sure that its schema is the one this build works with.
pub(crate) async fn open(url: &str) -> anyhow::Result<DatabaseConnection> {
    let place = migration::place(url);
    let checked = migration::connect_existing(url).await?;
    migration::verify(&checked)
        .await
        .with_context(|| format!("the database {place}"))?;
    checked
        .close()
        .await
        .with_context(|| format!("the database {place}"))?;
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(CONNECTIONS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_timeout(ACQUIRE_TIMEOUT)
        .sqlx_logging(false)
        .map_sqlx_sqlite_opts(|sqlite| {
            sqlite
                .create_if_missing(false)
                .foreign_keys(true)
                .busy_timeout(BUSY_TIMEOUT)
                .journal_mode(SqliteJournalMode::Wal)
                // With the write-ahead log this loses nothing when the process dies, and syncs once per checkpoint.
                .synchronous(SqliteSynchronous::Normal)
        });
    Database::connect(options)
        .await
        .with_context(|| format!("cannot connect to the database {place}"))
}
