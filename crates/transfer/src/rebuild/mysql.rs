//! On MySQL and MariaDB, where each statement that changes a table commits by itself: the new tables are made beside the
//! old ones under other names, and one statement, which is atomic, gives each its place.

use migration::VERSION_TABLE;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend};

use super::Job;
use crate::copy::{copy, nothing_kept, verify};
use crate::sql::quote;
use crate::{Error, Pace, Report, Step, counter};

const ENGINE: DbBackend = DbBackend::MySql;
/// What names of tables that are not finished begin with.
const NEW: &str = "orchestrator_new_";

pub(super) async fn rebuild(
    job: &Job<'_>,
    pace: &mut impl Pace,
) -> Result<(Report, String), Error> {
    let outcome = build(job, pace).await;
    if outcome.is_err() {
        // Were they to stay, the next rebuild would remove them.
        let _ = clear(job.db, job).await;
    }
    outcome
}

async fn build(job: &Job<'_>, pace: &mut impl Pace) -> Result<(Report, String), Error> {
    let db = job.db;
    pace.at(Step::Create)?;
    clear(db, job).await?;
    create(job).await?;
    // Ends with the first statement that changes a table.
    db.execute_unprepared("START TRANSACTION").await?;
    let mut report = Report::default();
    let mut kept = nothing_kept(job.schema);
    for (table, live) in job.moving() {
        let from = quote(ENGINE, table.name);
        let into = quote(ENGINE, &format!("{NEW}{}", table.name));
        report
            .tables
            .push(copy((db, live, from), (db, table, &into), &mut kept, pace).await?);
    }
    pace.at(Step::Verify)?;
    for table in &report.tables {
        verify(db, table, &quote(ENGINE, &format!("{NEW}{}", table.table))).await?;
    }
    for (table, _) in job.moving().filter(|(table, _)| counter::counts(table)) {
        let last = counter::read(db, None, table.name).await?;
        counter::write(db, &format!("{NEW}{}", table.name), last).await?;
    }
    pace.at(Step::Replace)?;
    db.execute_unprepared("COMMIT").await?;
    let backup = format!("backup_{}_", job.stamp);
    db.execute_unprepared(&replacement(job, &backup)).await?;
    Ok((report, format!("tables {backup}*")))
}

/// The new tables, and a version table that says what made them.
async fn create(job: &Job<'_>) -> Result<(), Error> {
    let db = job.db;
    for table in &job.schema.tables {
        for statement in migration::create_statements_as(ENGINE, table, NEW) {
            db.execute_unprepared(&statement).await?;
        }
    }
    migration::install(db).await?;
    let version = quote(ENGINE, &format!("{NEW}{VERSION_TABLE}"));
    db.execute_unprepared(&format!("CREATE TABLE {version} LIKE {VERSION_TABLE}"))
        .await?;
    for name in migration::names() {
        db.execute_unprepared(&format!(
            "INSERT INTO {version} (version, applied_at) VALUES ('{name}', UNIX_TIMESTAMP())"
        ))
        .await?;
    }
    Ok(())
}

/// All tables take their places at once. Foreign keys follow the tables they refer to.
fn replacement(job: &Job<'_>, backup: &str) -> String {
    let is_there = |name: &str| job.tables.iter().any(|table| table.name == name);
    let names = || {
        let ours = job.schema.tables.iter().map(|table| table.name);
        ours.chain([VERSION_TABLE])
    };
    let rename = |from: &str, to: &str| format!("{} TO {}", quote(ENGINE, from), quote(ENGINE, to));
    let away = names()
        .filter(|name| is_there(name) || *name == VERSION_TABLE)
        .map(|name| rename(name, &format!("{backup}{name}")));
    let into_place = names().map(|name| rename(&format!("{NEW}{name}"), name));
    let moves: Vec<String> = away.chain(into_place).collect();
    format!("RENAME TABLE {}", moves.join(", "))
}

/// Removes what a rebuild that was killed has left.
async fn clear(db: &DatabaseTransaction, job: &Job<'_>) -> Result<(), Error> {
    let tables = migration::live_tables(db).await?;
    let is_left = |name: &str| {
        tables
            .iter()
            .any(|table| table.name == format!("{NEW}{name}"))
    };
    let children_first = job.schema.tables.iter().rev().map(|table| table.name);
    for name in children_first
        .chain([VERSION_TABLE])
        .filter(|name| is_left(name))
    {
        let place = quote(ENGINE, &format!("{NEW}{name}"));
        db.execute_unprepared(&format!("DROP TABLE {place}"))
            .await?;
    }
    Ok(())
}
