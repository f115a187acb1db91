//! Rows as SQLite's driver binds them, without a form between.

use std::net::IpAddr;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use entities::Attempt;
use sea_orm::sqlx::error::BoxDynError;
use sea_orm::sqlx::sqlite::SqliteArguments;
use sea_orm::sqlx::{Arguments as _, Encode, Sqlite, Type};

use crate::row::{Columns, Row};

/// Values of rows for the driver. What a column has in row after row, as most do, is there once.
#[derive(Default)]
pub(crate) struct Arguments {
    values: SqliteArguments,
    /// The last text of each column.
    last: [Option<Arc<str>>; Row::COLUMNS.len()],
    /// Where JSON is written before it is known how long it is.
    json: Vec<u8>,
    refused: Option<BoxDynError>,
}

impl Arguments {
    /// The values of so many rows, one after the other.
    ///
    /// # Errors
    /// When the driver does not take a value, which it has no reason for.
    pub(crate) fn of<'a>(
        rows: impl ExactSizeIterator<Item = &'a Row>,
    ) -> Result<SqliteArguments, BoxDynError> {
        let mut arguments = Self::default();
        let count = rows.len() * Row::COLUMNS.len();
        arguments.values.reserve(count, 0);
        rows.for_each(|row| row.columns(&mut arguments));
        match arguments.refused {
            None => Ok(arguments.values),
            Some(error) => Err(error),
        }
    }

    fn add<'v>(&mut self, value: impl Encode<'v, Sqlite> + Type<Sqlite>) {
        if let Err(error) = self.values.add(value) {
            self.refused.get_or_insert(error);
        }
    }
}

impl Columns for Arguments {
    fn shared(&mut self, text: Option<&Arc<str>>) {
        self.add(text.cloned());
    }

    fn text(&mut self, text: Option<&str>) {
        let column = self.values.len() % Row::COLUMNS.len();
        let value = text.map(|text| {
            let last = &mut self.last[column];
            match last {
                Some(last) if **last == *text => last.clone(),
                _ => last.insert(Arc::from(text)).clone(),
            }
        });
        self.add(value);
    }

    fn long(&mut self, number: Option<i64>) {
        self.add(number);
    }

    fn int(&mut self, number: i32) {
        self.add(number);
    }

    fn flag(&mut self, flag: bool) {
        self.add(flag);
    }

    fn address(&mut self, address: Option<IpAddr>) {
        let written = address.map(|address| address.to_string());
        self.text(written.as_deref());
    }

    fn attempts(&mut self, attempts: &[Attempt]) {
        let mut json = std::mem::take(&mut self.json);
        json.clear();
        // Numbers and strings always have a form in JSON, which is text.
        let written = serde_json::to_writer(&mut json, attempts);
        let text = written.ok().and_then(|()| str::from_utf8(&json).ok());
        self.text(text);
        self.json = json;
    }

    fn moment(&mut self, moment: DateTime<Utc>) {
        self.add(moment);
    }
}
