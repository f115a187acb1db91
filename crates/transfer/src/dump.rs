//! Writing every row of ours to a file.

use std::io;
use std::path::{Path, PathBuf};

use migration::{Kind, Table};
use sea_orm::{
    AccessMode, ConnectionTrait, DatabaseTransaction, DbBackend, IsolationLevel, TransactionTrait,
};

use crate::cell::Cell;
use crate::convert::{convert, now};
use crate::copy::expect_count;
use crate::format::{self, Mark, Output, Totals, is_dumped};
use crate::rebuild::close;
use crate::source::Source;
use crate::sql::{self, quote};
use crate::{Error, Pace, Step, counter};

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dumped {
    /// How many tables.
    pub tables: u64,
    /// How many rows.
    pub rows: u64,
}

/// Writes every row of our tables to a new file at `path`, as one moment has them, whoever works with the database
/// meanwhile. A name that ends in `.gz` is compressed. Blocks the thread while it writes.
///
/// # Errors
/// [`migration::Error::Different`] when the database's schema is another build's, and [`Error::File`] when there is
/// such a file already or it cannot be written. No file is left then.
pub async fn dump(url: &str, path: &Path, pace: &mut impl Pace) -> Result<Dumped, Error> {
    let failed = |source: io::Error| Error::File {
        path: path.to_owned(),
        source,
    };
    if path.exists() {
        return Err(failed(io::ErrorKind::AlreadyExists.into()));
    }
    let db = migration::connect_existing(url).await?;
    let partial = partial(path);
    let outcome = async {
        migration::verify(&db).await?;
        let snapshot = snapshot(&db).await?;
        let output = Output::create(&partial, format::is_compressed(path)).map_err(failed)?;
        let mut writing = Writing {
            path,
            output,
            totals: Totals::default(),
        };
        writing.all(&snapshot, pace).await?;
        snapshot.commit().await?;
        pace.at(Step::Commit)?;
        writing.output.finish().map_err(failed)?;
        std::fs::rename(&partial, path).map_err(failed)?;
        Ok(Dumped {
            tables: writing.totals.tables,
            rows: writing.totals.rows,
        })
    }
    .await;
    if outcome.is_err() {
        // What stays of it says by its name that it is not whole.
        let _ = std::fs::remove_file(&partial);
    }
    close(db, outcome).await
}

/// A transaction in which the database stands still. On SQLite each does.
async fn snapshot(db: &sea_orm::DatabaseConnection) -> Result<DatabaseTransaction, Error> {
    let (isolation, access) = match db.get_database_backend() {
        DbBackend::Sqlite => (None, None),
        _ => (
            Some(IsolationLevel::RepeatableRead),
            Some(AccessMode::ReadOnly),
        ),
    };
    Ok(db.begin_with_config(isolation, access).await?)
}

fn partial(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    PathBuf::from(name)
}

struct Writing<'a> {
    path: &'a Path,
    output: Output,
    totals: Totals,
}

impl Writing<'_> {
    async fn all(&mut self, db: &DatabaseTransaction, pace: &mut impl Pace) -> Result<(), Error> {
        let engine = match db.get_database_backend() {
            DbBackend::Postgres => "postgres",
            DbBackend::MySql => "mysql",
            _ => "sqlite",
        };
        self.mark(&Mark::Head {
            dump: format::NAME.to_owned(),
            format: format::FORMAT,
            schema: format::schema_id(),
            engine: engine.to_owned(),
            made_at: now().to_rfc3339(),
        })?;
        let live = migration::live_tables(db).await?;
        for table in migration::schema().tables {
            let found = live.iter().find(|live| live.name == table.name);
            if let Some(live) = found.filter(|_| is_dumped(&table)) {
                let source = Source::new(live, quote(db.get_database_backend(), table.name))?;
                let columns: Vec<&str> = live.columns.iter().map(|it| it.name.as_str()).collect();
                self.table(db, &table, source, &columns, pace).await?;
            }
        }
        self.mark(&Mark::End { end: self.totals })
    }

    async fn table(
        &mut self,
        db: &DatabaseTransaction,
        table: &Table,
        mut source: Source,
        columns: &[&str],
        pace: &mut impl Pace,
    ) -> Result<(), Error> {
        let rows = sql::count(db, &source.place).await?;
        pace.at(Step::Copy {
            table: table.name,
            rows,
        })?;
        let last_id = match counter::counts(table) {
            true => counter::read(db, None, table.name).await?,
            false => None,
        };
        self.mark(&Mark::Table {
            table: table.name.to_owned(),
            columns: columns.iter().map(|&name| name.to_owned()).collect(),
            rows,
            last_id,
        })?;
        let kinds: Vec<Kind> = columns
            .iter()
            .map(|name| kind_of(table, name).unwrap_or(Kind::Json))
            .collect();
        let mut written = 0;
        loop {
            let batch = source.next(db).await?;
            if batch.is_empty() {
                break;
            }
            let count = batch.len() as u64;
            for row in batch {
                let key = source.key_of(&row);
                let mut line = String::from("[");
                for (index, raw) in row.into_iter().enumerate() {
                    if index > 0 {
                        line.push(',');
                    }
                    let cell = match raw {
                        None => Cell::Null(kinds[index]),
                        // SQLite keeps any text as it is, and so does the file.
                        Some(raw) => {
                            convert(raw, kinds[index], DbBackend::Sqlite).map_err(|reason| {
                                Error::Misfit {
                                    table: table.name.to_owned(),
                                    key: key.clone(),
                                    reason: format!("{}: {reason}", columns[index]),
                                }
                            })?
                        }
                    };
                    format::write_cell(&mut line, &cell);
                }
                line.push(']');
                self.line(&line)?;
            }
            written += count;
            pace.at(Step::Moved(count))?;
        }
        expect_count(table.name, rows, written)?;
        self.totals.tables += 1;
        self.totals.rows += written;
        Ok(())
    }

    fn mark(&mut self, mark: &Mark) -> Result<(), Error> {
        let line = serde_json::to_string(mark).map_err(|error| self.failed(error.into()))?;
        self.line(&line)
    }

    fn line(&mut self, line: &str) -> Result<(), Error> {
        self.output.line(line).map_err(|error| self.failed(error))
    }

    fn failed(&self, source: io::Error) -> Error {
        Error::File {
            path: self.path.to_owned(),
            source,
        }
    }
}

/// What `name` holds; a text may have any length on its way.
pub(crate) fn kind_of(table: &Table, name: &str) -> Option<Kind> {
    let column = table.columns.iter().find(|column| column.name == name)?;
    Some(match column.kind {
        Kind::VarChar(_) => Kind::VarChar(u16::MAX),
        kind => kind,
    })
}
