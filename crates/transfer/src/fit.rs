//! Which rows of a source fit a table, and as what.

use std::collections::{HashMap, HashSet};

use migration::{Column, Kind, LiveTable, OnDelete, Table, Value};
use sea_orm::DbBackend;

use crate::Error;
use crate::cell::{Cell, Raw};
use crate::convert::{convert, default};
use crate::report::TableReport;

/// What becomes of what does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Misfits {
    /// It is replaced or dropped, and reported.
    Report,
    /// It ends the work.
    Refuse,
}

/// The ids of the tables that others refer to.
pub(crate) type Kept = HashMap<&'static str, HashSet<i64>>;

/// What a value was and became, and in which row. Told only of rows that are kept.
type Replaced = (String, String);

/// Fits rows into one table.
#[derive(Debug)]
pub(crate) struct Fitting<'a> {
    table: &'a Table,
    engine: DbBackend,
    misfits: Misfits,
    /// The table's columns that the source has, and where; what is not among them gets its default by itself.
    columns: Vec<(&'a Column, usize)>,
    /// A column that is new, may not be NULL and has no default: no row has a value for it.
    lacking: Option<&'a Column>,
    /// Positions in `columns` that are unique together, where the source did not see to that, and what was there.
    unique: Vec<(Vec<usize>, HashSet<Vec<String>>)>,
    dropped: Vec<(String, usize)>,
}

impl<'a> Fitting<'a> {
    /// Fits rows with the columns of `source` into `table` on `engine`.
    pub(crate) fn new(
        table: &'a Table,
        source: &LiveTable,
        engine: DbBackend,
        misfits: Misfits,
    ) -> Self {
        let position = |name: &str| source.columns.iter().position(|it| it.name == name);
        let columns: Vec<_> = table
            .columns
            .iter()
            .filter_map(|column| Some((column, position(column.name)?)))
            .collect();
        let lacking = table.columns.iter().find(|column| {
            let is_there = position(column.name).is_some();
            !is_there && !column.nullable && column.default.is_none() && column.kind != Kind::Id
        });
        let key = [table.primary_key].to_vec();
        let unique = std::iter::once(&key)
            .chain(&table.unique)
            .filter(|names| !is_seen_to(names, source))
            .filter_map(|names| {
                let find =
                    |name: &&str| columns.iter().position(|(column, _)| column.name == *name);
                let positions = names.iter().map(find).collect::<Option<Vec<_>>>()?;
                Some((positions, HashSet::new()))
            })
            .collect();
        let dropped = source
            .columns
            .iter()
            .enumerate()
            .filter(|(_, live)| table.columns.iter().all(|column| column.name != live.name))
            .map(|(position, live)| (live.name.clone(), position))
            .collect();
        Self {
            table,
            engine,
            misfits,
            columns,
            lacking,
            unique,
            dropped,
        }
    }

    /// The columns that rows have after fitting.
    pub(crate) fn columns(&self) -> Vec<(&'a str, Kind)> {
        self.columns
            .iter()
            .map(|(column, _)| (column.name, column.kind))
            .collect()
    }

    /// What can be said before any row is seen.
    pub(crate) fn report(&self) -> TableReport {
        let is_there = |column: &Column| self.columns.iter().any(|(it, _)| it.name == column.name);
        TableReport {
            table: self.table.name.to_owned(),
            dropped_columns: self
                .dropped
                .iter()
                .map(|(name, _)| (name.clone(), 0))
                .collect(),
            added_columns: self
                .table
                .columns
                .iter()
                .filter(|column| !is_there(column))
                .map(|column| (column.name.to_owned(), content(column)))
                .collect(),
            ..TableReport::default()
        }
    }

    /// The row as it fits, or `None` where it does not. `report` learns what was lost.
    ///
    /// # Errors
    /// [`Error::Misfit`] where misfits are refused.
    pub(crate) fn fit(
        &mut self,
        key: &str,
        row: &[Option<Raw>],
        kept: &mut Kept,
        report: &mut TableReport,
    ) -> Result<Option<Vec<Cell>>, Error> {
        report.found += 1;
        for (name, position) in &self.dropped {
            if row[*position].is_some()
                && let Some(values) = report.dropped_columns.get_mut(name)
            {
                *values += 1;
            }
        }
        let mut replaced = Vec::new();
        match self.fit_row(key, row, kept, &mut replaced)? {
            Ok(cells) => {
                report.kept += 1;
                for (what, whom) in replaced {
                    report.replaced_values.entry(what).or_default().add(whom);
                }
                self.keep(&cells, kept);
                Ok(Some(cells))
            }
            Err(reason) => {
                self.refuse(key, &reason)?;
                report
                    .dropped_rows
                    .entry(reason)
                    .or_default()
                    .add(key.to_owned());
                Ok(None)
            }
        }
    }

    fn fit_row(
        &mut self,
        key: &str,
        row: &[Option<Raw>],
        kept: &Kept,
        replaced: &mut Vec<Replaced>,
    ) -> Result<Result<Vec<Cell>, String>, Error> {
        if let Some(column) = self.lacking {
            let reason = format!(
                "{} is new, without a default, and may not be NULL",
                column.name
            );
            return Ok(Err(reason));
        }
        let mut cells = Vec::with_capacity(self.columns.len());
        for &(column, position) in &self.columns {
            match self.fit_cell(key, column, row[position].clone(), replaced)? {
                Ok(cell) => cells.push(cell),
                Err(reason) => return Ok(Err(format!("{}: {reason}", column.name))),
            }
        }
        if let Err(reason) = self.refer(key, &mut cells, kept, replaced)? {
            return Ok(Err(reason));
        }
        for (positions, seen) in &mut self.unique {
            // NULL is equal to nothing, not even to NULL.
            if positions.iter().any(|&it| cells[it].is_null()) {
                continue;
            }
            let value: Vec<String> = positions.iter().map(|&it| cells[it].spelling()).collect();
            if !seen.insert(value) {
                let names: Vec<&str> = positions
                    .iter()
                    .map(|&it| self.columns[it].0.name)
                    .collect();
                return Ok(Err(format!(
                    "another row has the same {}",
                    names.join(", ")
                )));
            }
        }
        Ok(Ok(cells))
    }

    /// The value, or its stand-in where it does not fit: the default, else NULL where that is allowed.
    fn fit_cell(
        &self,
        key: &str,
        column: &Column,
        raw: Option<Raw>,
        replaced: &mut Vec<Replaced>,
    ) -> Result<Result<Cell, String>, Error> {
        let is_null = raw.is_none();
        let reason = match raw {
            None if column.nullable => return Ok(Ok(Cell::Null(column.kind))),
            None => "is NULL".to_owned(),
            Some(raw) => match convert(raw, column.kind, self.engine) {
                Ok(cell) => return Ok(Ok(cell)),
                Err(reason) => reason,
            },
        };
        // A key that is not its own would be a row that is not itself.
        let is_key = column.name == self.table.primary_key
            || self.table.unique.iter().any(|it| it.contains(&column.name))
            || self
                .table
                .foreign_keys
                .iter()
                .any(|it| it.column == column.name);
        let stand_in = match column.default {
            _ if is_key => None,
            Some(value) => default(value, column.kind, self.engine).ok(),
            None if column.nullable => Some(Cell::Null(column.kind)),
            None => None,
        };
        self.refuse(key, &format!("{}: {reason}", column.name))?;
        let Some(stand_in) = stand_in else {
            return Ok(Err(general(&reason)));
        };
        let became = column.default.map_or_else(|| "NULL".to_owned(), spelt);
        let was = if is_null { "NULL" } else { "what did not fit" };
        let what = format!("{}: {was} became {became}", column.name);
        replaced.push((what, format!("{key} {reason}")));
        Ok(Ok(stand_in))
    }

    /// Makes sure that the rows this one refers to were kept; else it goes too, or its reference where that is the rule.
    fn refer(
        &self,
        own_key: &str,
        cells: &mut [Cell],
        kept: &Kept,
        replaced: &mut Vec<Replaced>,
    ) -> Result<Result<(), String>, Error> {
        for key in &self.table.foreign_keys {
            let is_it = |(column, _): &(&Column, usize)| column.name == key.column;
            let Some(position) = self.columns.iter().position(is_it) else {
                continue;
            };
            let Cell::Id(id) = cells[position] else {
                continue;
            };
            if kept.get(key.table).is_some_and(|ids| ids.contains(&id)) {
                continue;
            }
            let column = self.columns[position].0;
            let reason = format!("{}: its row of {} is not there", key.column, key.table);
            if key.on_delete != OnDelete::SetNull || !column.nullable {
                return Ok(Err(reason));
            }
            self.refuse(own_key, &reason)?;
            cells[position] = Cell::Null(column.kind);
            replaced.push((format!("{reason}, became NULL"), format!("{own_key} {id}")));
        }
        Ok(Ok(()))
    }

    fn keep(&self, cells: &[Cell], kept: &mut Kept) {
        let Some(ids) = kept.get_mut(self.table.name) else {
            return;
        };
        let position = self.columns.iter().position(|(it, _)| it.name == "id");
        if let Some(Cell::Id(id)) = position.and_then(|it| cells.get(it)) {
            ids.insert(*id);
        }
    }

    fn refuse(&self, key: &str, reason: &str) -> Result<(), Error> {
        if self.misfits == Misfits::Report {
            return Ok(());
        }
        Err(Error::Misfit {
            table: self.table.name.to_owned(),
            key: key.to_owned(),
            reason: reason.to_owned(),
        })
    }
}

/// Whether the source had these columns unique, by values that stay what they are.
fn is_seen_to(names: &[&str], source: &LiveTable) -> bool {
    let mut names = names.to_vec();
    names.sort_unstable();
    std::iter::once(&source.primary_key)
        .chain(&source.unique)
        .any(|unique| {
            let mut unique: Vec<&str> = unique.iter().map(String::as_str).collect();
            unique.sort_unstable();
            unique == names
        })
        && names.iter().all(|name| {
            let kind = source
                .columns
                .iter()
                .find(|it| it.name == *name)
                .map(|it| it.kind.to_lowercase());
            kind.is_some_and(|it| it.contains("char") || it.contains("int") || it == "date")
        })
}

/// Reasons are counted, so they say what is wrong and not with which value.
fn general(reason: &str) -> String {
    match reason.rsplit_once('"') {
        Some((_, rest)) => format!("a value {}", rest.trim_start()),
        None if reason.starts_with("has ") => "a text is too long".to_owned(),
        None => format!("a value {reason}"),
    }
}

fn content(column: &Column) -> String {
    match column.default {
        _ if column.kind == Kind::Id => "numbered".to_owned(),
        Some(value) => spelt(value),
        None if column.nullable => "NULL".to_owned(),
        None => "without a default".to_owned(),
    }
}

fn spelt(value: Value) -> String {
    match value {
        Value::Integer(number) => number.to_string(),
        Value::Boolean(flag) => flag.to_string(),
        Value::Text(word) => format!("'{word}'"),
        Value::Now => "the present".to_owned(),
    }
}

#[cfg(test)]
mod tests;
