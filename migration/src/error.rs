//! What can go wrong, in words an operator can act on.

use std::path::PathBuf;

use sea_orm::{DbErr, RuntimeErr, SqlxError};

use crate::Difference;

/// Why the database could not be migrated or checked. No message holds a password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The URL is none of the three kinds, or lacks the database's name.
    #[error("the database URL {0}")]
    Url(&'static str),
    /// The SQLite file's folder could not be made.
    #[error("cannot create the folder {}", .path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The SQLite file is not there, and is not to be created: only `up` and its like do, and only with `mode=rwc`.
    #[error(
        "there is no database at {}: `migrator up` creates it if the URL ends in ?mode=rwc",
        .0.display()
    )]
    NoFile(PathBuf),
    /// Nobody answers at the server's address.
    #[error("no answer from {database} within {} seconds", crate::CONNECT_TIMEOUT.as_secs())]
    Unreachable {
        /// The database's place, without user and password.
        database: String,
    },
    /// The server refuses us.
    #[error("cannot connect to {database}")]
    Connect {
        /// The database's place, without user and password.
        database: String,
        /// Why.
        #[source]
        source: DbErr,
    },
    /// Another process holds what a migration needs for longer than it waits.
    #[error("another process has been holding the database for {} seconds; try again when it is done", crate::LOCK_TIMEOUT.as_secs())]
    Busy,
    /// None of our tables is there.
    #[error("the database has no schema yet: `migrator up` creates it")]
    NoSchema,
    /// Our tables are there but not as this build expects them, as after another edit of the migration.
    #[error(
        "the schema differs from what this build expects in {count} place{} ({first}): `migrator check` lists all, `migrator rebuild` recreates the tables and keeps every row that fits",
        if *.count == 1 { "" } else { "s" }
    )]
    Different {
        /// How many differences there are.
        count: usize,
        /// The first of them.
        first: Box<Difference>,
    },
    /// The version table names a migration this build does not have.
    #[error(
        "the database was migrated by another build: its version {0} is unknown to this one; `migrator check` compares them, `migrator rebuild` recreates the tables and keeps every row that fits"
    )]
    UnknownVersion(String),
    /// A table that is not ours refers to one that would go.
    #[error("table {by}, which is not ours, has a foreign key to {table}: drop that key first")]
    Referred {
        /// Our table.
        table: String,
        /// The table that refers to it.
        by: String,
    },
    /// Everything else the database said.
    #[error("the database answered with an error")]
    Database(#[source] DbErr),
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        if is_busy(&error) {
            Self::Busy
        } else {
            Self::Database(error)
        }
    }
}

/// Whether the engine gave up waiting for a lock.
fn is_busy(error: &DbErr) -> bool {
    let (DbErr::Exec(RuntimeErr::SqlxError(cause)) | DbErr::Query(RuntimeErr::SqlxError(cause))) =
        error
    else {
        return false;
    };
    let SqlxError::Database(cause) = cause.as_ref() else {
        return false;
    };
    // SQLite: SQLITE_BUSY and its extended codes; PostgreSQL: lock_not_available; MySQL: lock wait timeout.
    let code = cause.code().unwrap_or_default();
    matches!(code.as_ref(), "5" | "261" | "517" | "773" | "55P03")
        || (code == "HY000" && cause.message().contains("Lock wait timeout"))
}
