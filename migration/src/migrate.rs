//! What an operator can ask for: `up`, `fresh`, `refresh`, `reset`, `status`, `check`.

use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction, Statement};
use sea_orm_migration::{MigrationTrait, MigratorTrait, SchemaManager};

use crate::difference::{Aspect, Difference, compare};
use crate::live::{self, Tables};
use crate::lock::Lock;
use crate::schema::Schema;
use crate::shape::Shape;
use crate::{Error, ddl, m20251004_000001_initial_schema, schema};

/// The table in which sea-orm-migration keeps the names of applied migrations.
pub const VERSION_TABLE: &str = "seaql_migrations";

/// The migrations of this build, in order. There is one; where data must be kept, a second is added here.
#[derive(Debug)]
pub struct Migrator;

#[sea_orm_migration::async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(m20251004_000001_initial_schema::Migration)]
    }
}

/// The state of a database, as `migrator status` tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Each migration of this build and whether it was applied.
    pub migrations: Vec<(String, bool)>,
    /// Applied migrations that this build does not have.
    pub unknown: Vec<String>,
    /// Each table of ours and its number of rows; `None` where the table is missing.
    pub tables: Vec<(String, Option<u64>)>,
}

/// Applies what is missing and makes sure that the result is what this build expects. Returns the names of the
/// migrations it applied: none when there was nothing to do.
///
/// Any number of processes may do this at once: one works, the others wait for it. A run that was killed is finished
/// by the next one.
///
/// # Errors
/// [`Error::Different`] or [`Error::UnknownVersion`] when the tables that are there are another build's: nothing is
/// changed then.
pub async fn up(db: &DatabaseConnection) -> Result<Vec<String>, Error> {
    let lock = Lock::take(db).await?;
    let outcome = up_locked(lock.connection()).await;
    lock.release(outcome).await
}

/// Drops our tables, whatever they look like, and creates them anew. Every row in them is lost.
///
/// # Errors
/// [`Error::Referred`] when a table that is not ours has a foreign key to one of ours.
pub async fn fresh(db: &DatabaseConnection) -> Result<Vec<String>, Error> {
    let lock = Lock::take(db).await?;
    let outcome = async {
        refuse_if_referred(lock.connection()).await?;
        drop_tables(lock.connection()).await?;
        up_locked(lock.connection()).await
    }
    .await;
    lock.release(outcome).await
}

/// Rolls back what this build applied and applies it again. Every row in our tables is lost.
///
/// # Errors
/// As [`fresh`], and [`Error::UnknownVersion`] when the database is another build's.
pub async fn refresh(db: &DatabaseConnection) -> Result<Vec<String>, Error> {
    let lock = Lock::take(db).await?;
    let outcome = async {
        roll_back(lock.connection()).await?;
        up_locked(lock.connection()).await
    }
    .await;
    lock.release(outcome).await
}

/// Rolls back what this build applied: our tables and the version table are gone afterwards.
///
/// # Errors
/// As [`refresh`].
pub async fn reset(db: &DatabaseConnection) -> Result<(), Error> {
    let lock = Lock::take(db).await?;
    let outcome = roll_back(lock.connection()).await;
    lock.release(outcome).await
}

/// Which migrations were applied, and how many rows our tables hold. Only reads.
pub async fn status(db: &DatabaseConnection) -> Result<Status, Error> {
    let applied = applied(db).await?;
    let known = names();
    let live = live::read(db).await?;
    let mut tables = Vec::new();
    for table in schema().tables {
        let rows = if live.contains_key(table.name) {
            Some(count_rows(db, table.name).await?)
        } else {
            None
        };
        tables.push((table.name.to_owned(), rows));
    }
    Ok(Status {
        unknown: applied
            .iter()
            .filter(|name| !known.contains(name))
            .cloned()
            .collect(),
        migrations: known
            .into_iter()
            .map(|name| {
                let is_applied = applied.contains(&name);
                (name, is_applied)
            })
            .collect(),
        tables,
    })
}

/// Compares the live schema with what this build expects; empty when they agree. Tables that are not ours are ignored.
///
/// Only reads, so it needs no right to change anything. MySQL shows foreign keys to accounts that may do more than
/// SELECT only; to others they seem to be missing.
pub async fn check(db: &impl ConnectionTrait) -> Result<Vec<Difference>, Error> {
    differences(db).await
}

/// As [`check`], in the form a program wants that must not run on a wrong schema.
///
/// # Errors
/// [`Error::NoSchema`] or [`Error::Different`]; their messages say what to do.
pub async fn verify(db: &DatabaseConnection) -> Result<(), Error> {
    let live = live::read(db).await?;
    if schema()
        .tables
        .iter()
        .all(|table| !live.contains_key(table.name))
    {
        return Err(Error::NoSchema);
    }
    refuse_if_different(differences_in(db, &live).await?)
}

pub(crate) async fn up_locked(db: &DatabaseTransaction) -> Result<Vec<String>, Error> {
    let applied = known_applied(db).await?;
    let pending: Vec<String> = names()
        .into_iter()
        .filter(|name| !applied.contains(name))
        .collect();
    if applied.is_empty() {
        // Left by a killed run, or another's: only the former may be built upon.
        let live = live::read(db).await?;
        let mut present = schema();
        present.tables.retain(|table| live.contains_key(table.name));
        refuse_if_different(compare_all(db, &present, &live))?;
    }
    if !pending.is_empty() {
        Migrator::up(db, None).await?;
    }
    refuse_if_different(differences(db).await?)?;
    Ok(pending)
}

async fn roll_back(db: &DatabaseTransaction) -> Result<(), Error> {
    known_applied(db).await?;
    refuse_if_referred(db).await?;
    // The version goes first: killed after this, the rest is what a killed `up` leaves.
    drop_version_table(db).await?;
    let manager = SchemaManager::new(db);
    for migration in Migrator::migrations().iter().rev() {
        migration.down(&manager).await?;
    }
    Ok(())
}

pub(crate) async fn drop_tables(db: &DatabaseTransaction) -> Result<(), Error> {
    drop_version_table(db).await?;
    for table in schema().tables.iter().rev() {
        let statement = ddl::drop(db.get_database_backend(), table.name);
        db.execute_unprepared(&statement).await?;
    }
    Ok(())
}

async fn drop_version_table(db: &DatabaseTransaction) -> Result<(), Error> {
    let statement = ddl::drop(db.get_database_backend(), VERSION_TABLE);
    db.execute_unprepared(&statement).await?;
    Ok(())
}

/// Dropping a table that others refer to fails on one engine, and empties or breaks the others' table on the next.
pub(crate) async fn refuse_if_referred(db: &DatabaseTransaction) -> Result<(), Error> {
    let schema = schema();
    let is_ours = |name: &str| schema.tables.iter().any(|table| table.name == name);
    for (name, shape) in live::read(db).await? {
        let referred = shape.foreign_keys.iter().find(|key| is_ours(&key.table));
        if let Some(key) = referred
            && !is_ours(&name)
        {
            return Err(Error::Referred {
                table: key.table.clone(),
                by: name,
            });
        }
    }
    Ok(())
}

fn refuse_if_different(differences: Vec<Difference>) -> Result<(), Error> {
    let count = differences.len();
    match differences.into_iter().next() {
        None => Ok(()),
        Some(first) => Err(Error::Different {
            count,
            first: Box::new(first),
        }),
    }
}

async fn differences(db: &impl ConnectionTrait) -> Result<Vec<Difference>, Error> {
    let live = live::read(db).await?;
    differences_in(db, &live).await
}

async fn differences_in(
    db: &impl ConnectionTrait,
    live: &Tables,
) -> Result<Vec<Difference>, Error> {
    let mut differences = compare_all(db, &schema(), live);
    let applied = applied_in(db, live).await?;
    let known = names();
    let version =
        |expected, found| Difference::of_table(VERSION_TABLE, Aspect::Version, expected, found);
    let missing = known.iter().filter(|name| !applied.contains(name));
    differences.extend(missing.map(|name| version(Some(name.clone()), None)));
    let unknown = applied.iter().filter(|name| !known.contains(name));
    differences.extend(unknown.map(|name| version(None, Some(name.clone()))));
    Ok(differences)
}

fn compare_all(db: &impl ConnectionTrait, expected: &Schema, live: &Tables) -> Vec<Difference> {
    let engine = db.get_database_backend();
    expected
        .tables
        .iter()
        .flat_map(|table| compare(&Shape::described(engine, table), live.get(table.name)))
        .collect()
}

/// The names of the migrations of this build, in order.
pub fn names() -> Vec<String> {
    Migrator::migrations()
        .iter()
        .map(|migration| migration.name().to_owned())
        .collect()
}

/// The applied migrations, all of which this build must know.
async fn known_applied(db: &impl ConnectionTrait) -> Result<Vec<String>, Error> {
    let applied = applied(db).await?;
    let known = names();
    match applied.iter().find(|name| !known.contains(name)) {
        Some(unknown) => Err(Error::UnknownVersion(unknown.clone())),
        None => Ok(applied),
    }
}

async fn applied(db: &impl ConnectionTrait) -> Result<Vec<String>, Error> {
    let live = live::read(db).await?;
    applied_in(db, &live).await
}

async fn applied_in(db: &impl ConnectionTrait, live: &Tables) -> Result<Vec<String>, Error> {
    if !live.contains_key(VERSION_TABLE) {
        return Ok(Vec::new());
    }
    let sql = format!("SELECT version FROM {VERSION_TABLE} ORDER BY version");
    let rows = db
        .query_all_raw(Statement::from_string(db.get_database_backend(), sql))
        .await?;
    rows.iter()
        .map(|row| Ok(row.try_get("", "version")?))
        .collect()
}

async fn count_rows(db: &impl ConnectionTrait, table: &str) -> Result<u64, Error> {
    let engine = db.get_database_backend();
    let sql = format!(
        "SELECT COUNT(*) AS rows_there FROM {}",
        ddl::quote(engine, table)
    );
    let row = db
        .query_one_raw(Statement::from_string(engine, sql))
        .await?;
    let count: i64 = match row {
        Some(row) => row.try_get("", "rows_there")?,
        None => 0,
    };
    Ok(count.unsigned_abs())
}
