//! `SQLite` files that somebody sent: read from a copy that is gone afterwards, and trusted with nothing.
//!
//! The schema of the file is data as well. Only tables are read, not views or virtual tables; functions that a schema
//! could call are off; and whatever is read is bounded in rows and in time.

use std::{
    fs,
    io::{self, Write},
    path::Path,
    time::Duration,
};

use bytes::Bytes;
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseBackend, DatabaseConnection, DbErr,
    Statement,
};
use serde_json::Value;
use tempfile::NamedTempFile;

use super::whole;
use crate::error::Error;

const MAGIC: &[u8] = b"SQLite format 3\0";

/// More providers, models or keys than anybody has.
const MOST_ROWS: usize = 50_000;

/// How long one table may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Whether it begins as such a file does.
pub(super) fn is_one(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// A file, open for as long as this lives.
#[derive(Debug)]
pub(super) struct File {
    database: DatabaseConnection,
    _file: NamedTempFile,
}

impl File {
    /// Opens what was sent, kept in `folder` for as long as this lives.
    pub(super) async fn open(bytes: Bytes, folder: &Path) -> Result<Self, Error> {
        let folder = folder.to_owned();
        let written = tokio::task::spawn_blocking(move || {
            fs::create_dir_all(&folder)?;
            let mut file = tempfile::Builder::new()
                .prefix("import-")
                .tempfile_in(fs::canonicalize(folder)?)?;
            file.write_all(&bytes)?;
            file.flush()?;
            Ok::<_, io::Error>(file)
        });
        let file = written.await.ok().and_then(Result::ok);
        let file = file.ok_or(Error::Unavailable(
            "the file could not be kept to be read: the spool folder takes none",
        ))?;
        let url = url::Url::from_file_path(file.path())
            .map_err(|()| Error::Internal("a temporary file has no absolute path"))?;
        let mut options =
            ConnectOptions::new(format!("sqlite://{}?mode=ro&immutable=1", url.path()));
        options.max_connections(1).sqlx_logging(false);
        let database = within(Box::pin(Database::connect(options))).await?;
        for pragma in [
            "PRAGMA trusted_schema = OFF",
            "PRAGMA cell_size_check = ON",
            "PRAGMA mmap_size = 0",
        ] {
            within(database.execute_unprepared(pragma)).await?;
        }
        Ok(Self {
            database,
            _file: file,
        })
    }

    /// Whether there is a table of this name.
    pub(super) async fn has(&self, table: &str) -> Result<bool, Error> {
        let sql = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ? AND sql NOT LIKE 'CREATE VIRTUAL%'";
        let statement =
            Statement::from_sql_and_values(DatabaseBackend::Sqlite, sql, [table.into()]);
        Ok(within(self.database.query_one_raw(statement))
            .await?
            .is_some())
    }

    /// The rows of a table as objects, in the order of `id`; columns that this version of it lacks are absent. No table has
    /// no rows.
    pub(super) async fn rows(&self, table: &str, columns: &[&str]) -> Result<Vec<Value>, Error> {
        if !self.has(table).await? {
            return Ok(Vec::new());
        }
        let sql = "SELECT name FROM pragma_table_info(?)";
        let statement =
            Statement::from_sql_and_values(DatabaseBackend::Sqlite, sql, [table.into()]);
        let mut there: Vec<String> = Vec::new();
        for row in within(self.database.query_all_raw(statement)).await? {
            there.push(
                row.try_get_by_index(0)
                    .map_err(|error| unreadable(&error))?,
            );
        }
        // Some columns of text are stored as bytes.
        let members: Vec<String> = columns
            .iter()
            .filter(|column| there.iter().any(|name| name == *column))
            .map(|column| {
                format!("'{column}', CASE typeof(\"{column}\") WHEN 'blob' THEN CAST(\"{column}\" AS TEXT) ELSE \"{column}\" END")
            })
            .collect();
        let sql = format!(
            "SELECT json_object({}) FROM \"{table}\" ORDER BY \"id\" LIMIT {}",
            members.join(", "),
            MOST_ROWS + 1
        );
        let statement = Statement::from_string(DatabaseBackend::Sqlite, sql);
        let found = within(self.database.query_all_raw(statement)).await?;
        if found.len() > MOST_ROWS {
            return Err(whole(&format!(
                "has more than {MOST_ROWS} rows in '{table}'"
            )));
        }
        let mut rows = Vec::with_capacity(found.len());
        for row in found {
            let text: String = row
                .try_get_by_index(0)
                .map_err(|error| unreadable(&error))?;
            rows.push(serde_json::from_str(&text).map_err(|error| unreadable(&error))?);
        }
        Ok(rows)
    }
}

async fn within<T>(work: impl Future<Output = Result<T, DbErr>>) -> Result<T, Error> {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(done) => done.map_err(|error| unreadable(&error)),
        Err(_) => Err(whole("takes too long to read")),
    }
}

fn unreadable(error: &dyn std::error::Error) -> Error {
    whole(&format!("is no SQLite file that can be read: {error}"))
}
