//! Writes workbooks.

use rust_xlsxwriter::{Format, Workbook, Worksheet, XlsxError};
use serde_json::{Map, Value, json};

use super::{Column, MORE};
use crate::{
    document::{Document, Entry, Kind},
    error::Error,
    input,
};

/// What one cell holds at most, in UTF-16 units, as spreadsheets have it.
const CELL_UNITS: usize = 32_767;

/// Writes the sections of a document; the first three sheets are there in any case.
pub(crate) fn write(document: &Document) -> Result<Vec<u8>, Error> {
    let mut workbook = Workbook::new();
    for kind in Kind::ALL {
        let entries = document.section(kind).unwrap_or_default();
        if entries.is_empty() && !is_basic(kind) {
            continue;
        }
        let sheet = begin(workbook.add_worksheet(), kind)?;
        for (index, entry) in entries.iter().enumerate() {
            let row = u32::try_from(index + 1).map_err(|_| too_large(kind, index))?;
            write_row(sheet, kind, row, entry)?;
        }
    }
    workbook.save_to_buffer().map_err(|_| FAILED)
}

/// A workbook to fill in, with one example in each sheet.
pub(crate) fn template() -> Result<Vec<u8>, Error> {
    let examples = [
        (
            Kind::Provider,
            json!({"name": "openai", "type": "openai", "enabled": true, "config": {
                "api_key": "env:OPENAI_API_KEY", "base_url": "https://api.openai.com/v1",
                "priority": 100, "weight": 100}}),
        ),
        (
            Kind::Model,
            json!({"name": "gpt-5", "remark": "what clients ask for", "max_retry": 3, "timeout": 30,
                "enabled": true}),
        ),
        (
            Kind::Association,
            json!({"model": "gpt-5", "provider": "openai", "provider_model": "gpt-5", "weight": 1,
                "tool_call": true, "structured_output": true, "image": false, "enabled": true}),
        ),
    ];
    let mut document = Document::default();
    for (kind, example) in examples {
        let place = crate::document::Place::Item {
            section: kind.section(),
            index: 0,
        };
        let fields = input::fields(example);
        document.insert(kind, vec![Entry { place, fields }]);
    }
    write(&document)
}

const FAILED: Error = Error::Internal("a workbook could not be written");

fn is_basic(kind: Kind) -> bool {
    matches!(kind, Kind::Provider | Kind::Model | Kind::Association)
}

fn too_large(kind: Kind, index: usize) -> Error {
    let (name, number) = (kind.name(), index + 1);
    Error::Conflict {
        field: None,
        message: format!("{name} {number} does not fit into a sheet; export it as json or toml"),
    }
}

fn begin(sheet: &mut Worksheet, kind: Kind) -> Result<&mut Worksheet, Error> {
    let mut written = || -> Result<(), XlsxError> {
        sheet.set_name(kind.sheet())?;
        let bold = Format::new().set_bold();
        let headers = kind.columns().iter().map(|column| column.header);
        for (number, header) in (0..).zip(headers.chain([MORE])) {
            sheet.write_string_with_format(0, number, header, &bold)?;
            sheet.set_column_width(number, 18)?;
        }
        sheet.set_freeze_panes(1, 0)?;
        Ok(())
    };
    written().map_err(|_| FAILED)?;
    Ok(sheet)
}

fn write_row(sheet: &mut Worksheet, kind: Kind, row: u32, entry: &Entry) -> Result<(), Error> {
    let mut rest = entry.fields.clone();
    let columns = kind.columns();
    for (number, column) in (0..).zip(columns) {
        let Some(value) = take(&mut rest, *column) else {
            continue;
        };
        let written = match value {
            Value::Bool(flag) => sheet.write_boolean(row, number, flag),
            Value::String(text) => sheet.write_string(row, number, text),
            other => sheet.write_number(row, number, other.as_f64().unwrap_or_default()),
        };
        written.map_err(|_| FAILED)?;
    }
    if !rest.is_empty() {
        let text = Value::Object(rest).to_string();
        if text.encode_utf16().count() > CELL_UNITS {
            return Err(too_large(kind, row as usize - 1));
        }
        let number = u16::try_from(columns.len()).map_err(|_| FAILED)?;
        sheet.write_string(row, number, text).map_err(|_| FAILED)?;
    }
    Ok(())
}

/// Takes out what the column can show so that it is read again as it is.
fn take(fields: &mut Map<String, Value>, column: Column) -> Option<Value> {
    let (object, name) = match column.field.split_once('.') {
        None => (fields, column.field),
        Some((outer, name)) => (fields.get_mut(outer)?.as_object_mut()?, name),
    };
    let is_shown = match object.get(name)? {
        Value::Bool(_) => true,
        Value::Number(number) => number.as_i64().is_some_and(|number| number.abs() < 1 << 53),
        Value::String(text) => {
            let is_plain = !text.contains(char::is_control) && !text.contains("_x");
            !text.is_empty() && text.trim() == text && is_plain && text.len() <= CELL_UNITS
        }
        _ => false,
    };
    is_shown.then(|| object.remove(name)).flatten()
}
