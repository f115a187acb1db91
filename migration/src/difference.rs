//! Comparing the tables found with those described, each difference as one line.

use std::fmt;

use crate::shape::{ColumnShape, ForeignKeyShape, IndexShape, Shape};

/// One thing in which a live database is not what this build expects.
///
/// Displays as one line: `models.timeout: default: expected 30, found 60`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// The table, always one of ours or the version table.
    pub table: String,
    /// The column, where one column differs.
    pub column: Option<String>,
    /// What about it differs.
    pub aspect: Aspect,
    /// What this build expects, in the engine's words; `none` for what should not be there.
    pub expected: String,
    /// What is there; `none` for what is missing.
    pub found: String,
}

/// What about a table or a column differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Aspect {
    /// The whole table is missing, or kept by another storage engine.
    Table,
    /// The whole column is missing, or not ours.
    Column,
    /// The column's type.
    Type,
    /// Whether the column may hold NULL.
    Null,
    /// The column's default.
    Default,
    /// The table's primary key.
    PrimaryKey,
    /// A unique constraint or unique index.
    Unique,
    /// A plain index.
    Index,
    /// A reference to another table.
    ForeignKey,
    /// A row of the version table.
    Version,
}

impl fmt::Display for Aspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Table => "table",
            Self::Column => "column",
            Self::Type => "type",
            Self::Null => "null",
            Self::Default => "default",
            Self::PrimaryKey => "primary key",
            Self::Unique => "unique",
            Self::Index => "index",
            Self::ForeignKey => "foreign key",
            Self::Version => "version",
        })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.table)?;
        if let Some(column) = &self.column {
            write!(f, ".{column}")?;
        }
        let Self {
            aspect,
            expected,
            found,
            ..
        } = self;
        write!(f, ": {aspect}: expected {expected}, found {found}")
    }
}

impl Difference {
    /// Something about `table`; what is `None` shows as `none`.
    pub(crate) fn of_table(
        table: &str,
        aspect: Aspect,
        expected: Option<String>,
        found: Option<String>,
    ) -> Self {
        let or_none = |what: Option<String>| what.unwrap_or_else(|| "none".to_owned());
        Self {
            table: table.to_owned(),
            column: None,
            aspect,
            expected: or_none(expected),
            found: or_none(found),
        }
    }

    fn of_column(
        table: &str,
        column: &str,
        aspect: Aspect,
        expected: Option<String>,
        found: Option<String>,
    ) -> Self {
        Self {
            column: Some(column.to_owned()),
            ..Self::of_table(table, aspect, expected, found)
        }
    }
}

/// All that differs in one table. `found` is `None` where there is no such table.
pub(crate) fn compare(expected: &Shape, found: Option<&Shape>) -> Vec<Difference> {
    let table = expected.name.as_str();
    let Some(found) = found else {
        let expected = format!("{} columns", expected.columns.len());
        return vec![Difference::of_table(
            table,
            Aspect::Table,
            Some(expected),
            None,
        )];
    };
    let mut differences = compare_columns(table, &expected.columns, &found.columns);
    if expected.storage != found.storage {
        differences.push(Difference::of_table(
            table,
            Aspect::Table,
            expected.storage.clone(),
            found.storage.clone(),
        ));
    }
    if expected.primary_key != found.primary_key {
        let key =
            |columns: &[String]| (!columns.is_empty()).then(|| format!("({})", columns.join(", ")));
        differences.push(Difference::of_table(
            table,
            Aspect::PrimaryKey,
            key(&expected.primary_key),
            key(&found.primary_key),
        ));
    }
    differences.extend(compare_indexes(table, &expected.indexes, &found.indexes));
    differences.extend(compare_foreign_keys(
        table,
        &expected.foreign_keys,
        &found.foreign_keys,
    ));
    differences
}

/// The order of columns means nothing: every statement of ours names them.
fn compare_columns(
    table: &str,
    expected: &[ColumnShape],
    found: &[ColumnShape],
) -> Vec<Difference> {
    let named = |columns: &[ColumnShape], name: &str| {
        columns.iter().find(|column| column.name == name).cloned()
    };
    let mut differences = Vec::new();
    for column in expected {
        let Some(live) = named(found, &column.name) else {
            let expected = Some(column.to_string());
            differences.push(Difference::of_column(
                table,
                &column.name,
                Aspect::Column,
                expected,
                None,
            ));
            continue;
        };
        let null = |nullable| Some(if nullable { "NULL" } else { "NOT NULL" }.to_owned());
        let aspects = [
            (
                Aspect::Type,
                Some(column.kind.clone()),
                Some(live.kind.clone()),
            ),
            (Aspect::Null, null(column.nullable), null(live.nullable)),
            (
                Aspect::Default,
                column.default.clone(),
                live.default.clone(),
            ),
        ];
        differences.extend(
            aspects
                .into_iter()
                .filter(|(_, expected, found)| expected != found)
                .map(|(aspect, expected, found)| {
                    Difference::of_column(table, &column.name, aspect, expected, found)
                }),
        );
    }
    for column in found {
        if named(expected, &column.name).is_none() {
            let found = Some(column.to_string());
            differences.push(Difference::of_column(
                table,
                &column.name,
                Aspect::Column,
                None,
                found,
            ));
        }
    }
    differences
}

/// Pairs what is missing with what is there too much where both are on the same columns: that is one change.
fn compare_indexes(table: &str, expected: &[IndexShape], found: &[IndexShape]) -> Vec<Difference> {
    let (missing, mut extra) = unmatched(expected, found);
    let aspect = |index: &IndexShape| match index.unique {
        true => Aspect::Unique,
        false => Aspect::Index,
    };
    let mut differences = Vec::new();
    for index in missing {
        let instead = take_first(&mut extra, |other| other.columns == index.columns);
        differences.push(Difference::of_table(
            table,
            aspect(index),
            Some(index.to_string()),
            instead.map(ToString::to_string),
        ));
    }
    differences.extend(
        extra
            .into_iter()
            .map(|index| Difference::of_table(table, aspect(index), None, Some(index.to_string()))),
    );
    differences
}

fn compare_foreign_keys(
    table: &str,
    expected: &[ForeignKeyShape],
    found: &[ForeignKeyShape],
) -> Vec<Difference> {
    let (missing, mut extra) = unmatched(expected, found);
    let mut differences = Vec::new();
    for key in missing {
        let instead = take_first(&mut extra, |other| other.columns == key.columns);
        differences.push(Difference::of_table(
            table,
            Aspect::ForeignKey,
            Some(key.to_string()),
            instead.map(ToString::to_string),
        ));
    }
    differences.extend(
        extra.into_iter().map(|key| {
            Difference::of_table(table, Aspect::ForeignKey, None, Some(key.to_string()))
        }),
    );
    differences
}

/// What is expected and not found, and what is found and not expected; one is matched by one.
fn unmatched<'a, T: PartialEq>(expected: &'a [T], found: &'a [T]) -> (Vec<&'a T>, Vec<&'a T>) {
    let mut extra: Vec<&T> = found.iter().collect();
    let missing = expected
        .iter()
        .filter(|&one| take_first(&mut extra, |other| other == one).is_none())
        .collect();
    (missing, extra)
}

fn take_first<'a, T>(from: &mut Vec<&'a T>, is_it: impl Fn(&T) -> bool) -> Option<&'a T> {
    let position = from.iter().position(|one| is_it(one))?;
    Some(from.remove(position))
}

impl fmt::Display for ColumnShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind)?;
        if !self.nullable {
            f.write_str(" NOT NULL")?;
        }
        if let Some(default) = &self.default {
            write!(f, " DEFAULT {default}")?;
        }
        Ok(())
    }
}

impl fmt::Display for IndexShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unique = if self.unique { "unique " } else { "" };
        write!(f, "{unique}({})", self.columns.join(", "))?;
        match &self.only {
            Some(condition) => write!(f, " WHERE {condition}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for ForeignKeyShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "({}) -> {}({}) ON DELETE {}",
            self.columns.join(", "),
            self.table,
            self.referred.join(", "),
            self.on_delete
        )?;
        if self.on_update != "NO ACTION" {
            write!(f, " ON UPDATE {}", self.on_update)?;
        }
        Ok(())
    }
}
