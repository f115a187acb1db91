//! Reads workbooks, within bounds: they are archives, and small ones can hold much.

use std::{
    collections::HashMap,
    io::{self, Cursor, Read},
    sync::Arc,
};

use calamine::{DataRef, ExcelDateTime, Reader, Xlsx};
use serde_json::{Map, Value};

use super::{Column, Holds, MORE};
use crate::{
    document::{
        Document, Entry, Fault, Kind, Place,
        place::{Columns, REST},
    },
    error::Error,
    input,
};

/// Most that all files of the archive may hold, unpacked.
const UNPACKED_BYTES: u64 = 64 << 20;
const MOST_FILES: usize = 500;
const MOST_ROWS: u32 = 50_000;
const MOST_COLUMNS: u32 = 100;

/// Reads a workbook; sheets of other names are passed over, and told of.
pub(crate) fn read(bytes: &[u8]) -> Result<(Document, Vec<Fault>), Error> {
    check_archive(bytes)?;
    let mut workbook =
        Xlsx::new(Cursor::new(bytes)).map_err(|error| unreadable(&error.to_string()))?;
    let mut document = Document::default();
    let (mut faults, mut warnings) = (Vec::new(), Vec::new());
    for sheet in workbook.sheet_names() {
        let named = |kind: &Kind| kind.sheet().eq_ignore_ascii_case(sheet.trim());
        let Some(kind) = Kind::ALL.into_iter().find(named) else {
            warnings.push(Fault::in_sheet(&sheet, None, None, "is passed over"));
            continue;
        };
        if document.section(kind).is_some() {
            faults.push(Fault::in_sheet(&sheet, None, None, "is there twice"));
            continue;
        }
        let mut reading = Sheet::new(&sheet, kind);
        reading.read(&mut workbook)?;
        reading.end_row();
        faults.extend(reading.faults);
        document.insert(kind, reading.entries);
    }
    if faults.is_empty()
        && Kind::ALL
            .iter()
            .all(|kind| document.section(*kind).is_none())
    {
        let names = Kind::ALL.map(Kind::sheet).join(", ");
        let message = format!("has none of the sheets {names}");
        faults.push(Fault::at_path("", message));
    }
    if faults.is_empty() {
        Ok((document, warnings))
    } else {
        Err(Error::Document(faults))
    }
}

fn unreadable(reason: &str) -> Error {
    let message = format!("is no workbook that can be read: {reason}");
    Error::Document(vec![Fault::at_path("", message)])
}

/// Unpacks everything into nothing, since what an archive says of its sizes need not be true.
fn check_archive(bytes: &[u8]) -> Result<(), Error> {
    let mut archive =
        zip::ZipArchive::new(Cursor::new(bytes)).map_err(|error| unreadable(&error.to_string()))?;
    if archive.len() > MOST_FILES {
        return Err(unreadable("it has too many parts"));
    }
    let mut left = UNPACKED_BYTES;
    for index in 0..archive.len() {
        let file = archive
            .by_index(index)
            .map_err(|error| unreadable(&error.to_string()))?;
        let read = io::copy(&mut file.take(left + 1), &mut io::sink())
            .map_err(|error| unreadable(&error.to_string()))?;
        left = left
            .checked_sub(read)
            .ok_or_else(|| unreadable("unpacked, it is larger than 64 MiB"))?;
    }
    Ok(())
}

/// One sheet, being read.
struct Sheet<'a> {
    name: &'a str,
    kind: Kind,
    /// By number.
    columns: HashMap<u32, Option<Column>>,
    places: Arc<Columns>,
    row: u32,
    fields: Map<String, Value>,
    entries: Vec<Entry>,
    faults: Vec<Fault>,
}

impl<'a> Sheet<'a> {
    fn new(name: &'a str, kind: Kind) -> Self {
        Self {
            name,
            kind,
            columns: HashMap::new(),
            places: Arc::default(),
            row: 0,
            fields: Map::new(),
            entries: Vec::new(),
            faults: Vec::new(),
        }
    }

    /// Cell by cell, so that a sheet with a cell far out takes no room for those before it.
    fn read<R: Read + io::Seek>(&mut self, workbook: &mut Xlsx<R>) -> Result<(), Error> {
        let failed = |error: calamine::XlsxError| unreadable(&error.to_string());
        let mut cells = workbook.worksheet_cells_reader(self.name).map_err(failed)?;
        while let Some(cell) = cells.next_cell().map_err(failed)? {
            let (row, column) = cell.get_position();
            if is_blank(cell.get_value()) {
                continue;
            }
            if row >= MOST_ROWS || column >= MOST_COLUMNS {
                let message = format!("has more than {MOST_ROWS} rows or {MOST_COLUMNS} columns");
                self.faults
                    .push(Fault::in_sheet(self.name, None, None, message));
                return Ok(());
            }
            if row != self.row {
                self.end_row();
                self.row = row;
            }
            if row == 0 {
                self.header(column, cell.get_value());
            } else {
                self.cell(column, cell.get_value());
            }
        }
        Ok(())
    }

    fn header(&mut self, number: u32, value: &DataRef<'_>) {
        let header = text(value).trim().to_lowercase().replace(' ', "_");
        let named = |column: &&Column| column.header == header || column.alias == Some(&*header);
        let column = self.kind.columns().iter().find(named);
        let mut refuse = |message: &str| {
            let fault = Fault::in_sheet(self.name, Some(1), Some(&header), message);
            self.faults.push(fault);
        };
        if column.is_none() && header != MORE {
            return refuse("is not a known header");
        }
        let field = column.map_or(REST, |column| column.field);
        let places = Arc::make_mut(&mut self.places);
        if places.insert(field.to_owned(), header.clone()).is_some() {
            return refuse("is there twice");
        }
        self.columns.insert(number, column.copied());
    }

    fn cell(&mut self, number: u32, value: &DataRef<'_>) {
        let read = match self.columns.get(&number) {
            None => Err((REST, "stands under no header".to_owned())),
            Some(None) => match serde_json::from_str(&text(value)) {
                Ok(Value::Object(rest)) => {
                    input::merge(&mut self.fields, rest);
                    Ok(())
                }
                _ => Err((REST, "must be a JSON object".to_owned())),
            },
            Some(Some(column)) => match converted(value, column.holds) {
                Ok(value) => {
                    insert(&mut self.fields, column.field, value);
                    Ok(())
                }
                Err(reason) => Err((column.field, reason)),
            },
        };
        if let Err((field, reason)) = read {
            self.faults.push(self.place().fault(field, reason));
        }
    }

    fn place(&self) -> Place {
        Place::Row {
            sheet: self.name.to_owned(),
            row: self.row + 1,
            columns: Arc::clone(&self.places),
        }
    }

    /// Takes the cells of the row; one without any is none.
    fn end_row(&mut self) {
        let fields = std::mem::take(&mut self.fields);
        if !fields.is_empty() {
            let place = self.place();
            self.entries.push(Entry { place, fields });
        }
    }
}

fn insert(fields: &mut Map<String, Value>, field: &str, value: Value) {
    match field.split_once('.') {
        None => {
            fields.insert(field.to_owned(), value);
        }
        Some((outer, name)) => {
            let object = fields
                .entry(outer)
                .or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(object) = object {
                object.insert(name.to_owned(), value);
            }
        }
    }
}

fn is_blank(value: &DataRef<'_>) -> bool {
    match value {
        DataRef::Empty => true,
        DataRef::String(text) => text.trim().is_empty(),
        DataRef::SharedString(text) => text.trim().is_empty(),
        _ => false,
    }
}

fn text(value: &DataRef<'_>) -> String {
    match value {
        DataRef::Int(number) => number.to_string(),
        DataRef::Float(number) => number.to_string(),
        DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => {
            text.clone()
        }
        DataRef::SharedString(text) => (*text).to_owned(),
        DataRef::Bool(flag) => flag.to_string(),
        DataRef::DateTime(time) => moment(time),
        DataRef::Error(error) => error.to_string(),
        DataRef::Empty => String::new(),
    }
}

/// The form that the API reads times in.
fn moment(time: &ExcelDateTime) -> String {
    let (year, month, day, hour, minute, second, _) = time.to_ymd_hms_milli();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

fn converted(value: &DataRef<'_>, holds: Holds) -> Result<Value, String> {
    if let DataRef::Error(error) = value {
        return Err(format!("holds the error {error}"));
    }
    let text = text(value);
    let text = text.trim();
    match holds {
        Holds::Text | Holds::Time => Ok(text.into()),
        Holds::Date => Ok(text.split('T').next().unwrap_or_default().into()),
        Holds::Integer => text
            .parse::<i64>()
            .map(Into::into)
            .map_err(|_| format!("must be a whole number, not '{text}'")),
        Holds::Flag => match &*text.to_lowercase() {
            "true" | "yes" | "1" | "是" => Ok(true.into()),
            "false" | "no" | "0" | "否" => Ok(false.into()),
            _ => Err(format!("must be true or false, not '{text}'")),
        },
    }
}
