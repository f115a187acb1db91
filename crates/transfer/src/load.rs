//! Reading the rows of a dump into a database.

use std::io::BufRead;
use std::path::Path;

use migration::{LiveColumn, LiveTable, Lock, Schema, Table};
use sea_orm::{ConnectionTrait, DatabaseTransaction};
use serde_json::value::RawValue;

use crate::alive::refuse_if_alive;
use crate::copy::{expect_count, nothing_kept, verify};
use crate::dump::kind_of;
use crate::fit::{Fitting, Kept, Misfits};
use crate::format::{self, DERIVED, Mark, Totals, is_dumped};
use crate::rebuild::{Options, close};
use crate::report::TableReport;
use crate::sink::Sink;
use crate::sql::{count, quote};
use crate::{Error, Pace, Report, Step, counter};

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// What became of the rows: all were kept.
    pub report: Report,
}

/// Reads the rows of the dump at `path` into a database that [`migration::up`] has prepared, all or none. With
/// `replaces`, what is there goes first. Holds the lock that `up` takes. Blocks the thread while it reads.
///
/// # Errors
/// Any error leaves the database as it was: [`Error::NotEmpty`], [`Error::Alive`], [`Error::Format`] for a file that is
/// no whole dump, and [`Error::Misfit`] for a value that does not fit its column here.
pub async fn load(
    url: &str,
    path: &Path,
    replaces: bool,
    options: Options,
    pace: &mut impl Pace,
) -> Result<Loaded, Error> {
    let input = format::open(path).map_err(|source| Error::File {
        path: path.to_owned(),
        source,
    })?;
    let db = migration::connect_existing(url).await?;
    let outcome = async {
        migration::verify(&db).await?;
        let lock = Lock::take(&db).await?;
        let outcome = locked(lock.connection(), path, input, (replaces, options), pace).await;
        lock.release(outcome).await
    }
    .await;
    close(db, outcome).await
}

async fn locked(
    db: &DatabaseTransaction,
    path: &Path,
    input: Box<dyn BufRead + Send>,
    (replaces, options): (bool, Options),
    pace: &mut impl Pace,
) -> Result<Loaded, Error> {
    let live = migration::live_tables(db).await?;
    if !options.even_if_alive {
        refuse_if_alive(db, &live).await?;
    }
    let schema = migration::schema();
    empty(db, &schema, replaces).await?;
    let mut reading = Reading {
        db,
        schema: &schema,
        path,
        line: 0,
        kept: nothing_kept(&schema),
        report: Report::default(),
        counters: Vec::new(),
    };
    reading.all(input, pace).await?;
    pace.at(Step::Verify)?;
    let engine = db.get_database_backend();
    for table in &reading.report.tables {
        verify(db, table, &quote(engine, &table.table)).await?;
    }
    pace.at(Step::Commit)?;
    for (table, last) in &reading.counters {
        counter::write(db, table, *last).await?;
    }
    Ok(Loaded {
        report: reading.report,
    })
}

/// Sees to it that no table of ours has rows.
async fn empty(db: &DatabaseTransaction, schema: &Schema, replaces: bool) -> Result<(), Error> {
    let engine = db.get_database_backend();
    for table in schema.tables.iter().rev() {
        let place = quote(engine, table.name);
        let is_derived = DERIVED.contains(&table.name);
        if is_derived || (replaces && is_dumped(table)) {
            db.execute_unprepared(&format!("DELETE FROM {place}"))
                .await?;
        } else if is_dumped(table) && count(db, &place).await? > 0 {
            return Err(Error::NotEmpty {
                table: table.name.to_owned(),
            });
        }
    }
    Ok(())
}

struct Reading<'a> {
    db: &'a DatabaseTransaction,
    schema: &'a Schema,
    path: &'a Path,
    line: u64,
    kept: Kept,
    report: Report,
    counters: Vec<(&'static str, Option<i64>)>,
}

/// A table whose rows are being read.
struct Current<'a> {
    table: &'a Table,
    names: Vec<String>,
    key: Option<usize>,
    expected: u64,
    fitting: Fitting<'a>,
    report: TableReport,
    sink: Sink,
    untold: u64,
}

/// Rows between two words on how far the work is.
const TOLD: u64 = 500;

impl<'a> Reading<'a> {
    async fn all(
        &mut self,
        input: Box<dyn BufRead + Send>,
        pace: &mut impl Pace,
    ) -> Result<(), Error> {
        let mut current: Option<Current<'a>> = None;
        let mut totals = Totals::default();
        let mut end = None;
        for line in input.lines() {
            self.line += 1;
            let line = line.map_err(|source| Error::File {
                path: self.path.to_owned(),
                source,
            })?;
            if end.is_some() {
                return Err(self.wrong("something follows the end"));
            }
            if line.starts_with('[') {
                let current = current
                    .as_mut()
                    .ok_or_else(|| self.wrong("a row without a table"))?;
                self.row(current, &line, pace).await?;
                totals.rows += 1;
                continue;
            }
            let mark: Mark = serde_json::from_str(&line)
                .map_err(|_| self.wrong("neither a row nor the beginning of a table"))?;
            if (self.line == 1) != matches!(mark, Mark::Head { .. }) {
                return Err(self.wrong("this is no dump of the gateway's tables"));
            }
            match mark {
                Mark::Head { dump, format, .. } => self.head(&dump, format)?,
                Mark::Table {
                    table,
                    columns,
                    rows,
                    last_id,
                } => {
                    self.finish(current.take(), pace).await?;
                    totals.tables += 1;
                    pace.at(Step::Copy {
                        table: &table,
                        rows,
                    })?;
                    current = Some(self.begin(&table, columns, rows, last_id)?);
                }
                Mark::End { end: expected } => {
                    self.finish(current.take(), pace).await?;
                    end = Some(expected);
                }
            }
        }
        match end {
            None => Err(self.wrong("the file ends before its end: it was cut off")),
            Some(expected) if expected != totals => {
                Err(self.wrong("the file has other rows than its end says"))
            }
            Some(_) => Ok(()),
        }
    }

    fn head(&self, dump: &str, format: u32) -> Result<(), Error> {
        if dump != format::NAME {
            return Err(self.wrong("this is no dump of the gateway's tables"));
        }
        if format != format::FORMAT {
            return Err(self.wrong(&format!(
                "the dump has format {format}, this build reads {}",
                format::FORMAT
            )));
        }
        Ok(())
    }

    fn begin(
        &mut self,
        name: &str,
        names: Vec<String>,
        expected: u64,
        last: Option<i64>,
    ) -> Result<Current<'a>, Error> {
        let schema: &'a Schema = self.schema;
        let table = schema.tables.iter().find(|table| table.name == name);
        let Some(table) = table.filter(|table| is_dumped(table)) else {
            return Err(self.wrong(&format!("this build has no table {name}")));
        };
        if self.report.tables.iter().any(|it| it.table == name) {
            return Err(self.wrong(&format!("table {name} was there before")));
        }
        let engine = self.db.get_database_backend();
        let fitting = Fitting::new(table, &written(table, &names), engine, Misfits::Refuse);
        if counter::counts(table) {
            self.counters.push((table.name, last));
        }
        Ok(Current {
            table,
            key: names.iter().position(|it| it == table.primary_key),
            names,
            expected,
            report: fitting.report(),
            sink: Sink::new(engine, &quote(engine, table.name), &fitting.columns()),
            fitting,
            untold: 0,
        })
    }

    async fn row(
        &mut self,
        current: &mut Current<'_>,
        line: &str,
        pace: &mut impl Pace,
    ) -> Result<(), Error> {
        let values: Vec<Option<&RawValue>> =
            serde_json::from_str(line).map_err(|error| self.wrong(&error.to_string()))?;
        if values.len() != current.names.len() {
            let reason = format!(
                "{} values for {} columns",
                values.len(),
                current.names.len()
            );
            return Err(self.wrong(&reason));
        }
        let key = current.key.and_then(|it| values[it]);
        let key = key.map_or_else(|| format!("line {}", self.line), |it| it.get().to_owned());
        let mut row = Vec::with_capacity(values.len());
        for (value, name) in values.into_iter().zip(&current.names) {
            row.push(match value {
                None => None,
                Some(value) => {
                    let raw = format::read_cell(value, kind_of(current.table, name));
                    Some(raw.map_err(|reason| self.wrong(&format!("{name}: {reason}")))?)
                }
            });
        }
        let fitted = current
            .fitting
            .fit(&key, &row, &mut self.kept, &mut current.report)?;
        if let Some(cells) = fitted {
            current.sink.push(self.db, cells).await?;
        }
        current.untold += 1;
        if current.untold == TOLD {
            current.untold = 0;
            pace.at(Step::Moved(TOLD))?;
        }
        Ok(())
    }

    /// Writes what waits, and makes sure that nothing is missing.
    async fn finish(
        &mut self,
        current: Option<Current<'_>>,
        pace: &mut impl Pace,
    ) -> Result<(), Error> {
        let Some(mut current) = current else {
            return Ok(());
        };
        current.sink.flush(self.db).await?;
        pace.at(Step::Moved(current.untold))?;
        let name = current.table.name;
        expect_count(name, current.expected, current.report.kept)?;
        let lost = current
            .report
            .dropped_columns
            .iter()
            .find(|&(_, &values)| values > 0);
        if let Some((column, values)) = lost {
            let reason =
                format!("this build has no column {name}.{column}, which has {values} values");
            return Err(self.wrong(&reason));
        }
        self.report.tables.push(current.report);
        Ok(())
    }

    fn wrong(&self, reason: &str) -> Error {
        Error::Format {
            path: self.path.to_owned(),
            line: self.line,
            reason: reason.to_owned(),
        }
    }
}

/// The table as the file has it. What is unique is seen to by the database.
fn written(table: &Table, names: &[String]) -> LiveTable {
    let owned = |names: &Vec<&str>| names.iter().map(|&name| name.to_owned()).collect();
    LiveTable {
        name: table.name.to_owned(),
        columns: names
            .iter()
            .map(|name| LiveColumn {
                name: name.clone(),
                kind: "varchar".to_owned(),
            })
            .collect(),
        primary_key: vec![table.primary_key.to_owned()],
        unique: table.unique.iter().map(owned).collect(),
    }
}
