//! What became of the rows, for a person to read.

use std::collections::BTreeMap;
use std::fmt;

/// What became of the rows of every table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// In the order they were moved.
    pub tables: Vec<TableReport>,
}

/// What became of the rows of one table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableReport {
    /// The table.
    pub table: String,
    /// Rows that were there.
    pub found: u64,
    /// Rows that are there now.
    pub kept: u64,
    /// Rows that did not fit, by reason.
    pub dropped_rows: BTreeMap<String, Examples>,
    /// Values that did not fit, by what they were and became; their rows were kept.
    pub replaced_values: BTreeMap<String, Examples>,
    /// Columns that are no more, and how many values they held.
    pub dropped_columns: BTreeMap<String, u64>,
    /// Columns that are new, and what they hold now.
    pub added_columns: BTreeMap<String, String>,
}

/// How often something happened, and to whom.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Examples {
    /// How often.
    pub count: u64,
    /// The primary keys of the first few rows.
    pub keys: Vec<String>,
}

/// Rows that are named.
const NAMED: usize = 3;

impl Examples {
    pub(crate) fn add(&mut self, key: String) {
        self.count += 1;
        if self.keys.len() < NAMED {
            self.keys.push(key);
        }
    }
}

impl TableReport {
    /// Whether every row and value is what it was.
    pub fn is_whole(&self) -> bool {
        self.dropped_rows.is_empty()
            && self.replaced_values.is_empty()
            && self.dropped_columns.values().all(|&values| values == 0)
    }
}

impl Report {
    /// Whether nothing was lost.
    pub fn is_whole(&self) -> bool {
        self.tables.iter().all(TableReport::is_whole)
    }

    /// Rows that were kept.
    pub fn kept(&self) -> u64 {
        self.tables.iter().map(|table| table.kept).sum()
    }
}

/// One line for each table with rows or changes, further ones below it for what was changed.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for table in &self.tables {
            let has_changes = !table.added_columns.is_empty() || !table.dropped_columns.is_empty();
            if table.found > 0 || has_changes {
                write!(f, "{table}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for TableReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.table;
        if self.kept == self.found {
            writeln!(f, "{name}: {} kept", rows(self.kept))?;
        } else {
            writeln!(f, "{name}: {} of {} kept", self.kept, rows(self.found))?;
        }
        for (column, content) in &self.added_columns {
            writeln!(f, "  {name}.{column}: added, {content}")?;
        }
        for (column, values) in &self.dropped_columns {
            let values = match values {
                0 => "no values".to_owned(),
                1 => "1 value".to_owned(),
                _ => format!("{values} values"),
            };
            writeln!(f, "  {name}.{column}: dropped with {values}")?;
        }
        for (reason, examples) in &self.replaced_values {
            writeln!(f, "  {name}.{reason} ({examples})")?;
        }
        for (reason, examples) in &self.dropped_rows {
            writeln!(f, "  {name}: dropped, {reason} ({examples})")?;
        }
        Ok(())
    }
}

impl fmt::Display for Examples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let more = if self.count > self.keys.len() as u64 {
            ", …"
        } else {
            ""
        };
        write!(f, "{}: {}{more}", rows(self.count), self.keys.join(", "))
    }
}

fn rows(count: u64) -> String {
    match count {
        1 => "1 row".to_owned(),
        _ => format!("{count} rows"),
    }
}
