//! What can go wrong, in words an operator can act on.

use std::path::PathBuf;

use sea_orm::DbErr;

/// Why rows were not moved. Nothing has changed then. No message holds a password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Gateways work with the database.
    #[error(
        "{} at work with this database ({names}): stop {} first",
        if *.count == 1 { "a gateway is" } else { "gateways are" },
        if *.count == 1 { "it" } else { "them" }
    )]
    Alive {
        /// How many.
        count: usize,
        /// Their names.
        names: String,
    },
    /// The database lives in memory, where there is no place for a backup.
    #[error("a database in memory cannot be rebuilt")]
    InMemory,
    /// The rows of a table cannot be told from each other.
    #[error("table {0} has no primary key of one column, so its rows cannot be moved one by one")]
    NoKey(String),
    /// A value in the dump does not fit where it belongs.
    #[error("{table} {key}: {reason}")]
    Misfit {
        /// The table.
        table: String,
        /// The row's primary key.
        key: String,
        /// The column, and what is wrong with the value.
        reason: String,
    },
    /// Fewer or more rows arrived than were sent.
    #[error("{table} has {found} rows where there should be {expected}")]
    Count {
        /// The table.
        table: String,
        /// How many were sent.
        expected: u64,
        /// How many arrived.
        found: u64,
    },
    /// A dump is loaded into a database without rows only.
    #[error("the database is not empty ({table} has rows): --replace deletes what is there")]
    NotEmpty {
        /// The first table with rows.
        table: String,
    },
    /// The file is no dump, or not a whole one.
    #[error("{}, line {line}: {reason}", .path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Which line, from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The file cannot be read or written.
    #[error("{}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Whoever follows the work has ended it.
    #[error("interrupted")]
    Interrupted,
    /// The schema, the lock or the connection.
    #[error(transparent)]
    Migration(#[from] migration::Error),
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        Self::Migration(error.into())
    }
}
