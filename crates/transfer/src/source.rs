//! Reading the rows of a table in the order of its primary key, a batch at a time.
//!
//! Whatever a column is, the engine spells it as text, so that a table of another build is read without knowing its
//! types; bytes are spelt in hex.

use migration::{LiveColumn, LiveTable};
use sea_orm::{ConnectionTrait, DbBackend, QueryResult, Statement};

use crate::Error;
use crate::cell::Raw;
use crate::sql::{placeholder, quote};

/// Rows per statement.
const BATCH: usize = 500;

/// A row, column by column as the source has them.
pub(crate) type Row = Vec<Option<Raw>>;

/// A table that is read.
#[derive(Debug)]
pub(crate) struct Source {
    columns: Vec<LiveColumn>,
    /// Its place, in quotes.
    pub(crate) place: String,
    key: usize,
    last: Option<Raw>,
}

impl Source {
    /// Reads `table` where it stands at `place`, which is in quotes.
    pub(crate) fn new(table: &LiveTable, place: String) -> Result<Self, Error> {
        let key = match table.primary_key.as_slice() {
            [name] => table.columns.iter().position(|column| &column.name == name),
            _ => None,
        };
        Ok(Self {
            columns: table.columns.clone(),
            place,
            key: key.ok_or_else(|| Error::NoKey(table.name.clone()))?,
            last: None,
        })
    }

    /// The next rows; none at the end.
    pub(crate) async fn next(&mut self, db: &impl ConnectionTrait) -> Result<Vec<Row>, Error> {
        let engine = db.get_database_backend();
        let key = quote(engine, &self.columns[self.key].name);
        let columns: Vec<String> = self
            .columns
            .iter()
            .enumerate()
            // With names of their own: ORDER BY takes the name of an output before that of a column.
            .map(|(index, column)| format!("{} AS spelt_{index}", spelt(engine, column)))
            .collect();
        let mut sql = format!("SELECT {} FROM {}", columns.join(", "), self.place);
        let mut values = Vec::new();
        if let Some(Raw::Text(last)) = &self.last {
            sql.push_str(&format!(" WHERE {key} > {}", placeholder(engine, 1)));
            let kind = self.columns[self.key].kind.to_lowercase();
            values.push(match last.parse::<i64>() {
                Ok(number) if kind.contains("int") => number.into(),
                _ => last.clone().into(),
            });
        }
        sql.push_str(&format!(" ORDER BY {key} LIMIT {BATCH}"));
        let found = db
            .query_all_raw(Statement::from_sql_and_values(engine, sql, values))
            .await?;
        let rows = found
            .iter()
            .map(|row| self.read(row))
            .collect::<Result<Vec<_>, _>>()?;
        if let Some(row) = rows.last() {
            self.last.clone_from(&row[self.key]);
        }
        Ok(rows)
    }

    /// The primary key of a row, for messages.
    pub(crate) fn key_of(&self, row: &Row) -> String {
        match &row[self.key] {
            Some(Raw::Text(text)) => text.clone(),
            _ => "?".to_owned(),
        }
    }

    fn read(&self, row: &QueryResult) -> Result<Row, Error> {
        let mut cells = Vec::with_capacity(self.columns.len());
        for (index, column) in self.columns.iter().enumerate() {
            let text: Option<String> = row.try_get_by_index(index)?;
            cells.push(text.map(|text| match holds_bytes(column) {
                true => Raw::Bytes(from_hex(&text)),
                false => Raw::Text(text),
            }));
        }
        Ok(cells)
    }
}

fn holds_bytes(column: &LiveColumn) -> bool {
    let kind = column.kind.to_lowercase();
    ["blob", "bytea", "binary"]
        .iter()
        .any(|word| kind.contains(word))
}

/// The column as an expression that answers text.
fn spelt(engine: DbBackend, column: &LiveColumn) -> String {
    let name = quote(engine, &column.name);
    match (engine, holds_bytes(column)) {
        (DbBackend::Postgres, true) => format!("encode({name}, 'hex')"),
        (DbBackend::Postgres, false) => format!("{name}::text"),
        (DbBackend::MySql, true) => format!("HEX({name})"),
        (DbBackend::MySql, false) => format!("CAST({name} AS CHAR)"),
        // hex(NULL) is an empty text.
        (_, true) => format!("CASE WHEN {name} IS NOT NULL THEN hex({name}) END"),
        // As text a number with a point loses all but 15 digits.
        (_, false) => format!(
            "CASE typeof({name}) WHEN 'real' THEN printf('%!.17g', {name}) ELSE CAST({name} AS TEXT) END"
        ),
    }
}

/// The engines write hex well; what is no digit there could only be 0.
fn from_hex(text: &str) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).unwrap_or(0) as u8;
    text.as_bytes()
        .chunks_exact(2)
        .map(|pair| digit(pair[0]) << 4 | digit(pair[1]))
        .collect()
}
