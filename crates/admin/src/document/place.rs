//! Where something stands in a document, for errors that can be found again.

use std::{collections::HashMap, sync::Arc};

use serde::Serialize;
use utoipa::ToSchema;

/// The columns of a sheet, by the fields that they hold.
pub(crate) type Columns = HashMap<String, String>;

/// The key in [`Columns`] of the column that holds whatever has no column.
pub(crate) const REST: &str = "*";

/// Where an entry stands.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// In a list of a JSON or TOML document.
    Item { section: &'static str, index: usize },
    /// In a sheet; rows are counted from 1, the header's.
    Row {
        sheet: String,
        row: u32,
        columns: Arc<Columns>,
    },
    /// In a file of another gateway, which has other fields.
    Elsewhere { at: String },
}

/// Something that is wrong with a document, or worth to know of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Fault {
    /// Where in a JSON or TOML document.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "providers[0].config.base_url")]
    path: Option<String>,
    /// In which sheet of a workbook.
    #[serde(skip_serializing_if = "Option::is_none")]
    sheet: Option<String>,
    /// In which row of it; 1 is the header's.
    #[serde(skip_serializing_if = "Option::is_none")]
    row: Option<u32>,
    /// Under which header of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<String>,
    /// What is wrong.
    message: String,
}

impl Fault {
    /// Of a document as a whole, or of a place in it that is no entry.
    pub(crate) fn at_path(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: Some(path.into()),
            sheet: None,
            row: None,
            column: None,
            message: message.into(),
        }
    }

    /// Where it is, in words; empty where it is the whole.
    pub(crate) fn place(&self) -> String {
        let row = self.row.map(|row| row.to_string());
        let parts = [&self.path, &self.sheet, &row, &self.column];
        let parts: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
        parts.join(" ")
    }

    /// What is wrong.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// Of a sheet, a row of it, or a cell.
    pub(crate) fn in_sheet(
        sheet: &str,
        row: Option<u32>,
        column: Option<&str>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            path: None,
            sheet: Some(sheet.to_owned()),
            row,
            column: column.map(str::to_owned),
            message: message.into(),
        }
    }
}

impl Place {
    /// Something about `field` of what stands here; an empty field means the whole.
    pub(crate) fn fault(&self, field: &str, message: impl Into<String>) -> Fault {
        match self {
            Self::Item { section, index } => {
                let dot = if field.is_empty() { "" } else { "." };
                Fault::at_path(format!("{section}[{index}]{dot}{field}"), message)
            }
            Self::Row {
                sheet,
                row,
                columns,
            } => {
                let (column, rest) = column_of(columns, field);
                Fault::in_sheet(sheet, Some(*row), column, about(rest, message.into()))
            }
            Self::Elsewhere { at } => Fault::at_path(at, about(field, message.into())),
        }
    }
}

/// A message that says what it is about.
fn about(field: &str, message: String) -> String {
    if field.is_empty() {
        message
    } else {
        format!("{field}: {message}")
    }
}

/// The column that holds a field, or the object that it is in, and what of the field that leaves unsaid.
fn column_of<'a>(columns: &'a Columns, field: &'a str) -> (Option<&'a str>, &'a str) {
    let mut known = field;
    loop {
        if let Some(column) = columns.get(known) {
            let rest = field[known.len()..].trim_start_matches('.');
            return (Some(column), rest);
        }
        match known.rsplit_once('.') {
            Some((outer, _)) => known = outer,
            None => return (columns.get(REST).map(String::as_str), field),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_told_by_path_or_by_cell() {
        let item = Place::Item {
            section: "providers",
            index: 2,
        };
        let told = serde_json::to_value(item.fault("config.proxy", "no")).unwrap();
        assert_eq!(told["path"], "providers[2].config.proxy");
        let columns = [("config", "config"), ("config.base_url", "base_url")];
        let columns = columns.map(|(field, column)| (field.to_owned(), column.to_owned()));
        let row = Place::Row {
            sheet: "Providers".to_owned(),
            row: 3,
            columns: Arc::new(columns.into()),
        };
        let told = serde_json::to_value(row.fault("config.base_url", "no")).unwrap();
        assert_eq!(
            told,
            serde_json::json!({"sheet": "Providers", "row": 3, "column": "base_url", "message": "no"})
        );
        let told = serde_json::to_value(row.fault("config.models.m.headers", "no")).unwrap();
        assert_eq!(
            (&told["column"], &told["message"]),
            (&"config".into(), &"models.m.headers: no".into())
        );
        let told = serde_json::to_value(row.fault("other", "no")).unwrap();
        assert_eq!(told.get("column"), None);
    }
}
