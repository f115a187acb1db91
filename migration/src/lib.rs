//! The lone initial migration, and the check of a live schema against it.
//!
//! [`schema`] is one typed description of every table. [`up`] generates its statements from it, and [`check`] compares
//! a live database with it, on SQLite, PostgreSQL and MySQL or MariaDB alike. The recommended way to change the schema
//! is to edit the description and recreate the database, so a version number alone says little: two edits carry the
//! same one. That is why `check` looks at the tables themselves, and why `up` does not pretend that a database made by
//! another edit is fine.
//!
//! Tables that are not ours are never touched and never reported. This crate imports none of ours: yesterday's
//! migration must not change when a struct does.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), migration::Error> {
//! let db = migration::connect("sqlite::memory:").await?;
//! let applied = migration::up(&db).await?;
//! assert_eq!(applied, ["m20251004_000001_initial_schema"]);
//! assert!(migration::check(&db).await?.is_empty());
//! # Ok(())
//! # }
//! ```

mod connect;
mod ddl;
mod difference;
mod error;
mod live;
mod lock;
mod m20251004_000001_initial_schema;
mod migrate;
mod private_files;
mod recreate;
mod schema;
mod shape;
mod tables;

use std::time::Duration;

pub use connect::{connect, connect_existing, place, sqlite_file, with_known_scheme};
pub use ddl::{create as create_statements, create_as as create_statements_as};
pub use difference::{Aspect, Difference};
pub use error::Error;
pub use lock::Lock;
pub use migrate::{
    Migrator, Status, VERSION_TABLE, check, fresh, names, refresh, reset, status, up, verify,
};
pub use private_files::keep_files_private;
pub use recreate::{
    LiveColumn, LiveTable, create, drop_all, install, live_tables, refuse_if_referred,
};
pub use schema::{Column, ForeignKey, Index, Kind, OnDelete, Schema, Table, Value};
pub use tables::schema;

/// How long a migration waits for another one, or for a table in use.
pub const LOCK_TIMEOUT: Duration = Duration::from_secs(60);
/// How long opening a database waits for a server that does not answer.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
