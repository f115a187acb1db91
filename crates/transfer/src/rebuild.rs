//! Recreating the tables around the rows they hold.

mod mysql;
mod postgres;
mod sqlite;

use migration::{LiveTable, Lock, Schema, Table};
use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend};

use crate::alive::refuse_if_alive;
use crate::format::DERIVED;
use crate::{Error, Pace, Report};

/// What an operator may decide.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// Whether gateways that are at work with the database are no reason to refuse.
    pub even_if_alive: bool,
}

/// What a rebuild did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rebuilt {
    /// The schema is what this build expects: nothing was changed.
    Unneeded,
    /// The tables are new.
    Done {
        /// What became of the rows.
        report: Report,
        /// Where the old ones are.
        backup: String,
    },
}

/// Replaces tables of another edit of the schema by those of this build, with every row that fits.
///
/// The old rows stay beside the new: on SQLite in a file, on PostgreSQL in a schema, on MySQL in tables with another
/// name. Holds the lock that [`migration::up`] takes.
///
/// # Errors
/// Any error leaves the database as it was. [`Error::Alive`] while gateways work with it, and
/// [`migration::Error::Referred`] when a table that is not ours refers to one of ours.
pub async fn rebuild(url: &str, options: Options, pace: &mut impl Pace) -> Result<Rebuilt, Error> {
    let db = migration::connect_existing(url).await?;
    let lock = Lock::take(&db).await?;
    let outcome = locked(url, lock.connection(), options, pace).await;
    let outcome = lock.release(outcome).await;
    close(db, outcome).await
}

async fn locked(
    url: &str,
    db: &DatabaseTransaction,
    options: Options,
    pace: &mut impl Pace,
) -> Result<Rebuilt, Error> {
    let tables = migration::live_tables(db).await?;
    let schema = migration::schema();
    if schema
        .tables
        .iter()
        .all(|table| find(&tables, table).is_none())
    {
        return Err(migration::Error::NoSchema.into());
    }
    if !options.even_if_alive {
        refuse_if_alive(db, &tables).await?;
    }
    if migration::check(db).await?.is_empty() {
        return Ok(Rebuilt::Unneeded);
    }
    migration::refuse_if_referred(db).await?;
    let job = Job {
        db,
        schema: &schema,
        tables: &tables,
        stamp: chrono::Utc::now().format("%Y%m%d%H%M%S%3f").to_string(),
    };
    let (report, backup) = match db.get_database_backend() {
        DbBackend::Postgres => postgres::rebuild(&job, pace).await?,
        DbBackend::MySql => mysql::rebuild(&job, pace).await?,
        _ => sqlite::rebuild(&job, url, pace).await?,
    };
    Ok(Rebuilt::Done { report, backup })
}

/// What all engines need for it.
struct Job<'a> {
    db: &'a DatabaseTransaction,
    schema: &'a Schema,
    /// What is there.
    tables: &'a [LiveTable],
    /// Tells this backup from others: the time in milliseconds, for a rebuild takes longer and a second may see two.
    stamp: String,
}

impl<'a> Job<'a> {
    /// Our tables of which there is an old one with rows worth keeping, parents before their children. Heartbeats are
    /// worth nothing, and what was made of rows may not be what those make that are kept.
    fn moving(&self) -> impl Iterator<Item = (&'a Table, &'a LiveTable)> {
        let live = self.tables;
        self.schema
            .tables
            .iter()
            .filter(|table| table.name != "replicas" && !DERIVED.contains(&table.name))
            .filter_map(move |table| Some((table, find(live, table)?)))
    }
}

fn find<'a>(tables: &'a [LiveTable], table: &Table) -> Option<&'a LiveTable> {
    tables.iter().find(|live| live.name == table.name)
}

/// What was done counts more than a connection that does not close well.
pub(crate) async fn close<T>(
    db: DatabaseConnection,
    outcome: Result<T, Error>,
) -> Result<T, Error> {
    let closed = db.close().await;
    let done = outcome?;
    closed?;
    Ok(done)
}
