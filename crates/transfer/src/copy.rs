//! From one table into another, row by row.

use std::collections::HashSet;

use migration::{LiveTable, Schema, Table};
use sea_orm::ConnectionTrait;

use crate::fit::{Fitting, Kept, Misfits};
use crate::report::TableReport;
use crate::sink::Sink;
use crate::source::Source;
use crate::{Error, Pace, Step, sql};

/// The tables that others refer to, none of whose rows are there yet.
pub(crate) fn nothing_kept(schema: &Schema) -> Kept {
    schema
        .tables
        .iter()
        .flat_map(|table| &table.foreign_keys)
        .map(|key| (key.table, HashSet::new()))
        .collect()
}

/// Copies what fits of the rows of `live`, which stand at `from`, into `table` at `into`; both places are in quotes.
pub(crate) async fn copy(
    (old, live, from): (&impl ConnectionTrait, &LiveTable, String),
    (new, table, into): (&impl ConnectionTrait, &Table, &str),
    kept: &mut Kept,
    pace: &mut impl Pace,
) -> Result<TableReport, Error> {
    let rows = sql::count(old, &from).await?;
    let name = table.name;
    pace.at(Step::Copy { table: name, rows })?;
    let engine = new.get_database_backend();
    let mut fitting = Fitting::new(table, live, engine, Misfits::Report);
    let mut report = fitting.report();
    let mut sink = Sink::new(engine, into, &fitting.columns());
    let mut source = Source::new(live, from)?;
    loop {
        let rows = source.next(old).await?;
        if rows.is_empty() {
            break;
        }
        let count = rows.len() as u64;
        for row in rows {
            let key = source.key_of(&row);
            if let Some(cells) = fitting.fit(&key, &row, kept, &mut report)? {
                sink.push(new, cells).await?;
            }
        }
        pace.at(Step::Moved(count))?;
    }
    sink.flush(new).await?;
    expect_count(name, rows, report.found)?;
    Ok(report)
}

/// Makes sure that the rows that were sent have arrived.
pub(crate) async fn verify(
    db: &impl ConnectionTrait,
    report: &TableReport,
    place: &str,
) -> Result<(), Error> {
    expect_count(&report.table, report.kept, sql::count(db, place).await?)
}

pub(crate) fn expect_count(table: &str, expected: u64, found: u64) -> Result<(), Error> {
    if expected == found {
        return Ok(());
    }
    Err(Error::Count {
        table: table.to_owned(),
        expected,
        found,
    })
}
