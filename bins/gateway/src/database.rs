//! Connecting to the database that the gateway works with, and waiting for one that is away.

mod session;

use std::time::Duration;

use anyhow::Context;
use sea_orm::{
    ConnectOptions, Database, DatabaseConnection, SqlxSqliteConnector,
    sqlx::{
        ConnectOptions as _,
        sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
    },
};
use tokio::time::Instant;

/// How long the look at its tables may take.
const VERIFY_TIMEOUT: Duration = Duration::from_secs(30);
/// Pauses between two looks at a database that is away, the first and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// How the database is worked with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pool {
    /// Most connections at a time. Requests never touch the database, so that a handful serves the writer, the admin API
    /// and the workers.
    pub(crate) connections: u32,
    /// How long a caller waits for a connection.
    pub(crate) acquire_timeout: Duration,
    /// How long a statement may take on a server; how long it waits for SQLite's one writer.
    pub(crate) statement_timeout: StatementTimeout,
}

/// How long a statement may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StatementTimeout {
    /// What suits the engine: longer than any statement of ours on a server, and a little for SQLite, whose writer is
    /// never busy for long.
    Usual,
    /// So long.
    After(Duration),
    /// As long as it likes.
    Never,
}

impl StatementTimeout {
    const ON_SERVERS: Duration = Duration::from_secs(30);
    const ON_SQLITE: Duration = Duration::from_secs(5);
    /// SQLite has no word for never.
    const LONGEST_ON_SQLITE: Duration = Duration::from_secs(86_400);

    fn on_server(self) -> Option<Duration> {
        match self {
            Self::Usual => Some(Self::ON_SERVERS),
            Self::After(time) => Some(time),
            Self::Never => None,
        }
    }

    fn on_sqlite(self) -> Duration {
        match self {
            Self::Usual => Self::ON_SQLITE,
            Self::After(time) => time,
            Self::Never => Self::LONGEST_ON_SQLITE,
        }
    }
}

/// Why there is no database to work with.
#[derive(Debug)]
pub(crate) enum Unusable {
    /// It does not answer, or is not there: it may come back.
    Away(anyhow::Error),
    /// Its URL or its schema is wrong: waiting does not help.
    Wrong(anyhow::Error),
}

impl Unusable {
    /// With the database's place, where the message does not name it.
    fn of(error: migration::Error, url: &str) -> Self {
        use migration::Error;
        let place = migration::place(url);
        match error {
            error @ (Error::Unreachable { .. } | Error::Connect { .. } | Error::NoFile(_)) => {
                Self::Away(error.into())
            }
            error @ (Error::Busy | Error::Database(_)) => {
                Self::Away(anyhow::Error::new(error).context(format!("the database {place}")))
            }
            error @ Error::Url(_) => Self::Wrong(error.into()),
            error => {
                Self::Wrong(anyhow::Error::new(error).context(format!("the database {place}")))
            }
        }
    }
}

/// Makes sure that the database is there with the schema this build works with. One that does not answer is tried again
/// for so long: orchestrators start a gateway and its database at once.
pub(crate) async fn await_schema(url: &str, patience: Duration) -> Result<(), Unusable> {
    let end = Instant::now() + patience;
    let mut pause = PAUSES.0;
    let mut last = None;
    loop {
        let unusable = match tokio::time::timeout_at(end, migration::connect_existing(url)).await {
            Ok(Ok(database)) => match verify(database).await {
                Ok(()) => return Ok(()),
                Err(error) => Unusable::of(error, url),
            },
            // Waiting does not make a file.
            Ok(Err(error @ migration::Error::NoFile(_))) => return Err(Unusable::of(error, url)),
            Ok(Err(error)) => Unusable::of(error, url),
            Err(_) => break,
        };
        if matches!(unusable, Unusable::Wrong(_)) {
            return Err(unusable);
        }
        last = Some(unusable);
        if Instant::now() + pause >= end {
            break;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSES.1);
    }
    Err(last.unwrap_or_else(|| no_answer(url, patience)))
}

fn no_answer(url: &str, within: Duration) -> Unusable {
    let (place, seconds) = (migration::place(url), within.as_secs_f64());
    Unusable::Away(anyhow::anyhow!(
        "no answer from {place} within {seconds} seconds"
    ))
}

/// A database that has let us in may take its time: others may be starting on it too.
async fn verify(database: DatabaseConnection) -> Result<(), migration::Error> {
    let checking = async {
        migration::verify(&database).await?;
        Ok(database.close().await?)
    };
    let late = || sea_orm::DbErr::Custom("it does not answer".to_owned());
    tokio::time::timeout(VERIFY_TIMEOUT, checking)
        .await
        .unwrap_or_else(|_| Err(migration::Error::Database(late())))
}

/// Waits until the database is there, with the right schema.
pub(crate) async fn await_return(url: &str) {
    let mut said = String::new();
    loop {
        match await_schema(url, migration::CONNECT_TIMEOUT).await {
            Ok(()) => return,
            Err(Unusable::Away(error)) => {
                tracing::debug!(error = format!("{error:#}"), "the database is still away");
            }
            Err(Unusable::Wrong(error)) => {
                let error = format!("{error:#}");
                if error != said {
                    tracing::error!(
                        error,
                        "the database is back, but cannot be worked with; the configuration kept on disk stays in force"
                    );
                    said = error;
                }
            }
        }
        tokio::time::sleep(PAUSES.1).await;
    }
}

/// Whether the database is a file of the embedded engine.
pub(crate) fn is_sqlite(url: &str) -> bool {
    url.starts_with("sqlite:")
}

/// Opens a database that has the right schema.
pub(crate) async fn open(url: &str, pool: Pool) -> anyhow::Result<DatabaseConnection> {
    connect(options(url, pool)).await
}

/// Opens one that is away: it is connected to when it is back.
pub(crate) async fn open_later(url: &str, pool: Pool) -> anyhow::Result<DatabaseConnection> {
    if !is_sqlite(url) {
        let mut options = options(url, pool);
        options.connect_lazy(true);
        return connect(options).await;
    }
    // SeaORM asks for SQLite's version as soon as it has a pool.
    let file: SqliteConnectOptions = url
        .parse()
        .with_context(|| format!("cannot open the database {}", migration::place(url)))?;
    let connections = stats::close_stuck(SqlitePoolOptions::new())
        .max_connections(pool.connections)
        .acquire_timeout(pool.acquire_timeout)
        .connect_lazy_with(sqlite(file, pool).disable_statement_logging());
    Ok(SqlxSqliteConnector::from_sqlx_sqlite_pool(connections))
}

async fn connect(options: ConnectOptions) -> anyhow::Result<DatabaseConnection> {
    let place = migration::place(options.get_url());
    Database::connect(options)
        .await
        .with_context(|| format!("cannot connect to the database {place}"))
}

fn options(url: &str, pool: Pool) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(pool.connections)
        .acquire_timeout(pool.acquire_timeout)
        .connect_timeout(pool.acquire_timeout)
        .sqlx_logging(false)
        .map_sqlx_sqlite_pool_opts(stats::close_stuck)
        .map_sqlx_sqlite_opts(move |options| sqlite(options, pool));
    if let Some(timeout) = pool.statement_timeout.on_server() {
        session::bound_statements(&mut options, timeout);
    }
    options
}

/// Rows that SQLite may read ahead of who takes them.
const ROWS_AT_ONCE: usize = 1000;

fn sqlite(options: SqliteConnectOptions, pool: Pool) -> SqliteConnectOptions {
    options
        .create_if_missing(false)
        .foreign_keys(true)
        .busy_timeout(pool.statement_timeout.on_sqlite())
        .journal_mode(SqliteJournalMode::Wal)
        // With the write-ahead log this loses nothing when the process dies, and syncs once per checkpoint.
        .synchronous(SqliteSynchronous::Normal)
        // A statement that writes many rows keeps what it would have to undo: in memory, not in a file made for it.
        .pragma("temp_store", "memory")
        // Rows come from a thread of SQLite's own: one by one or nearly so, that costs more than reading them does.
        .row_buffer_size(ROWS_AT_ONCE)
}
