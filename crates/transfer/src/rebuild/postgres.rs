//! On PostgreSQL: one transaction, in which the old tables move into a schema of their own.

use migration::VERSION_TABLE;
use sea_orm::{ConnectionTrait, DbBackend};

use super::Job;
use crate::copy::{copy, nothing_kept, verify};
use crate::sql::quote;
use crate::{Error, Pace, Report, Step, counter};

const ENGINE: DbBackend = DbBackend::Postgres;

pub(super) async fn rebuild(
    job: &Job<'_>,
    pace: &mut impl Pace,
) -> Result<(Report, String), Error> {
    let db = job.db;
    pace.at(Step::BackUp)?;
    let backup = format!("orchestrator_backup_{}", job.stamp);
    db.execute_unprepared(&format!("CREATE SCHEMA {backup}"))
        .await?;
    let ours = |name: &str| {
        name == VERSION_TABLE || job.schema.tables.iter().any(|table| table.name == name)
    };
    for table in job.tables.iter().filter(|table| ours(&table.name)) {
        // Keys, indexes and sequences go along.
        let name = quote(ENGINE, &table.name);
        db.execute_unprepared(&format!("ALTER TABLE {name} SET SCHEMA {backup}"))
            .await?;
    }
    pace.at(Step::Create)?;
    migration::create(db).await?;
    let mut report = Report::default();
    let mut kept = nothing_kept(job.schema);
    for (table, live) in job.moving() {
        let name = quote(ENGINE, table.name);
        let from = format!("{backup}.{name}");
        let copied = copy((db, live, from), (db, table, &name), &mut kept, pace).await?;
        if counter::counts(table) {
            let last = match live.columns.iter().any(|column| column.name == "id") {
                true => counter::read(db, Some(&backup), table.name).await?,
                false => None,
            };
            counter::write(db, table.name, last).await?;
        }
        report.tables.push(copied);
    }
    pace.at(Step::Verify)?;
    for table in &report.tables {
        verify(db, table, &quote(ENGINE, &table.table)).await?;
    }
    pace.at(Step::Commit)?;
    Ok((report, format!("schema {backup}")))
}
