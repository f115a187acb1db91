//! On SQLite: a copy of the file is the backup and the source; in the file itself all is one transaction.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use sea_orm::{ConnectionTrait, DbBackend, Statement};

use super::{Job, close};
use crate::copy::{copy, nothing_kept, verify};
use crate::sql::quote;
use crate::{Error, Pace, Report, Step, counter};

const ENGINE: DbBackend = DbBackend::Sqlite;

pub(super) async fn rebuild(
    job: &Job<'_>,
    url: &str,
    pace: &mut impl Pace,
) -> Result<(Report, String), Error> {
    let file = migration::sqlite_file(url)?.ok_or(Error::InMemory)?;
    pace.at(Step::BackUp)?;
    let backup = back_up(url, &file, &job.stamp).await?;
    let outcome = refill(job, &backup, pace).await;
    match outcome {
        Ok(report) => Ok((report, backup.display().to_string())),
        Err(error) => {
            // Nothing has changed: a copy of what is there is no backup. One that stays does no harm.
            let _ = fs::remove_file(&backup);
            Err(error)
        }
    }
}

/// Copies the file as it is under our lock, whole or not at all.
async fn back_up(url: &str, file: &Path, stamp: &str) -> Result<PathBuf, Error> {
    let named = |ending: &str| {
        let mut name = file.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    };
    let backup = named(&format!(".backup-{stamp}"));
    let partial = named(&format!(".backup-{stamp}.partial"));
    // Readers are not held up by the lock.
    let reader = migration::connect_existing(url).await?;
    let statement = Statement::from_sql_and_values(
        ENGINE,
        "VACUUM INTO ?",
        [partial.display().to_string().into()],
    );
    let copied = reader.execute_raw(statement).await;
    close(reader, copied.map_err(Error::from)).await?;
    let keep = || -> std::io::Result<()> {
        fs::set_permissions(&partial, fs::metadata(file)?.permissions())?;
        File::open(&partial)?.sync_all()?;
        fs::rename(&partial, &backup)?;
        match backup.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
            _ => Ok(()),
        }
    };
    keep().map_err(|source| Error::File {
        path: backup.clone(),
        source,
    })?;
    Ok(backup)
}

async fn refill(job: &Job<'_>, backup: &Path, pace: &mut impl Pace) -> Result<Report, Error> {
    let db = job.db;
    let old =
        migration::connect_existing(&format!("sqlite://{}?mode=ro", backup.display())).await?;
    let work = async {
        pace.at(Step::Create)?;
        migration::drop_all(db).await?;
        migration::create(db).await?;
        let mut report = Report::default();
        let mut kept = nothing_kept(job.schema);
        for (table, live) in job.moving() {
            let name = quote(ENGINE, table.name);
            let copied = copy(
                (&old, live, name.clone()),
                (db, table, &name),
                &mut kept,
                pace,
            );
            report.tables.push(copied.await?);
            if counter::counts(table) {
                counter::write(db, table.name, counter::read(&old, None, table.name).await?)
                    .await?;
            }
        }
        pace.at(Step::Verify)?;
        for table in &report.tables {
            verify(db, table, &quote(ENGINE, &table.table)).await?;
        }
        pace.at(Step::Commit)?;
        Ok(report)
    };
    let outcome = work.await;
    close(old, outcome).await
}
