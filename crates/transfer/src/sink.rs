//! Writing rows into a table, many with a statement.

use migration::Kind;
use sea_orm::{ConnectionTrait, DbBackend, Statement, Value};

use crate::Error;
use crate::cell::Cell;
use crate::sql::{placeholder, quote};

/// Arguments of a statement: SQLite allows 32,766, the others more.
const MAX_ARGUMENTS: usize = 12_000;
/// Bytes of a statement: MySQL's servers take 16 MB, many of them less.
const MAX_BYTES: usize = 1 << 20;

/// A table that is written.
#[derive(Debug)]
pub(crate) struct Sink {
    head: String,
    columns: Vec<Kind>,
    waiting: Vec<Value>,
    rows: usize,
    bytes: usize,
}

impl Sink {
    /// Writes `columns` of the table at `place`, which is in quotes.
    pub(crate) fn new(engine: DbBackend, place: &str, columns: &[(&str, Kind)]) -> Self {
        let names: Vec<String> = columns
            .iter()
            .map(|(name, _)| quote(engine, name))
            .collect();
        Self {
            head: format!("INSERT INTO {place} ({}) VALUES ", names.join(", ")),
            columns: columns.iter().map(|&(_, kind)| kind).collect(),
            waiting: Vec::new(),
            rows: 0,
            bytes: 0,
        }
    }

    /// Takes a row, and writes those that wait when they are many.
    pub(crate) async fn push(
        &mut self,
        db: &impl ConnectionTrait,
        row: Vec<Cell>,
    ) -> Result<(), Error> {
        let size: usize = row.iter().map(Cell::size).sum();
        if self.bytes + size > MAX_BYTES || self.waiting.len() + row.len() > MAX_ARGUMENTS {
            self.flush(db).await?;
        }
        self.bytes += size;
        self.rows += 1;
        let engine = db.get_database_backend();
        self.waiting
            .extend(row.into_iter().map(|cell| cell.into_value(engine)));
        Ok(())
    }

    /// Writes the rows that wait.
    pub(crate) async fn flush(&mut self, db: &impl ConnectionTrait) -> Result<(), Error> {
        if self.rows == 0 {
            return Ok(());
        }
        let engine = db.get_database_backend();
        let mut sql = self.head.clone();
        let mut number = 0;
        for row in 0..self.rows {
            sql.push_str(if row == 0 { "(" } else { ", (" });
            for (index, kind) in self.columns.iter().enumerate() {
                number += 1;
                if index > 0 {
                    sql.push_str(", ");
                }
                let place = placeholder(engine, number);
                if engine == DbBackend::Postgres && *kind == Kind::Json {
                    sql.push_str(&format!("{place}::jsonb"));
                } else {
                    sql.push_str(&place);
                }
            }
            sql.push(')');
        }
        let values = std::mem::take(&mut self.waiting);
        db.execute_raw(Statement::from_sql_and_values(engine, sql, values))
            .await?;
        (self.rows, self.bytes) = (0, 0);
        Ok(())
    }
}
