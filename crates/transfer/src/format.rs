//! The file of a dump: a line of JSON for each thing, which people can read and tools can take apart.
//!
//! The first line says what the file is. A line with `table` begins a table; each line that is an array is a row of it,
//! in the order of the table's `columns`. The last line has `end`, by which a file that was cut off is told from a whole
//! one. Numbers, truth values and texts are JSON's own; times are RFC 3339 in UTC, bytes are base64, and a JSON value
//! stands in an array of its own, since its `null` is not that of the column. A name that ends in `.gz` is compressed.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::SecondsFormat;
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use migration::{Kind, Table};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::cell::{Cell, Raw};

/// What the first line calls the file.
pub(crate) const NAME: &str = "llm-orchestrator";
/// Raised when an older build could not read a newer file.
pub(crate) const FORMAT: u32 = 1;
/// Tables whose rows mean nothing elsewhere: who is at work, and who holds what.
const FLEETING: [&str; 2] = ["replicas", "leases"];
/// Tables that a gateway fills from the rows of others: they go with them, and are made of those that are there.
pub(crate) const DERIVED: [&str; 2] = ["log_periods", "log_rollups"];

/// Whether rows of the table stand in a dump.
pub(crate) fn is_dumped(table: &Table) -> bool {
    !FLEETING.contains(&table.name) && !DERIVED.contains(&table.name)
}

/// A line that is no row.
#[derive(Debug, Deserialize, Serialize)]
#[serde(untagged)]
pub(crate) enum Mark {
    Head {
        dump: String,
        format: u32,
        schema: String,
        engine: String,
        made_at: String,
    },
    Table {
        table: String,
        columns: Vec<String>,
        rows: u64,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        last_id: Option<i64>,
    },
    End {
        end: Totals,
    },
}

/// What there must have been before the end.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Totals {
    pub(crate) tables: u64,
    pub(crate) rows: u64,
}

/// Tells schemas apart, for messages.
pub(crate) fn schema_id() -> String {
    let described = format!("{:?}", migration::schema());
    blake3::hash(described.as_bytes()).to_hex()[..16].to_owned()
}

/// Adds a value to a row's line.
pub(crate) fn write_cell(line: &mut String, cell: &Cell) {
    let text = |line: &mut String, text: &str| {
        line.push_str(&serde_json::Value::from(text).to_string());
    };
    match cell {
        Cell::Null(_) => line.push_str("null"),
        Cell::Id(number) => line.push_str(&number.to_string()),
        Cell::Integer(number) => line.push_str(&number.to_string()),
        Cell::Boolean(flag) => line.push_str(&flag.to_string()),
        Cell::Double(number) => line.push_str(&serde_json::Value::from(*number).to_string()),
        Cell::Text(value) => text(line, value),
        Cell::Time(time) => text(line, &time.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
        Cell::Day(day) => text(line, &day.to_string()),
        // Outside of texts, which hold none, breaks of lines are but space.
        Cell::Json(json) => {
            line.push('[');
            line.push_str(&json.replace(['\n', '\r'], " "));
            line.push(']');
        }
        Cell::Bytes(bytes) => text(line, &STANDARD.encode(bytes)),
    }
}

/// The value of a row's line, for a column of `kind`; of a column that is not known, `None`.
pub(crate) fn read_cell(value: &RawValue, kind: Option<Kind>) -> Result<Raw, String> {
    let written = value.get();
    let plain = || match written.starts_with('"') {
        true => serde_json::from_str(written).map_err(|error| error.to_string()),
        false => Ok(written.to_owned()),
    };
    match kind {
        Some(Kind::Blob) => {
            let bytes = STANDARD.decode(plain()?);
            Ok(Raw::Bytes(
                bytes.map_err(|error| format!("no base64: {error}"))?,
            ))
        }
        Some(Kind::Json) => {
            let inner = written
                .strip_prefix('[')
                .and_then(|rest| rest.strip_suffix(']'))
                .ok_or("a JSON value stands in an array")?;
            Ok(Raw::Text(inner.to_owned()))
        }
        _ => Ok(Raw::Text(plain()?)),
    }
}

/// A file that is written, compressed if its name says so.
#[derive(Debug)]
pub(crate) enum Output {
    Plain(BufWriter<File>),
    Gzip(Box<BufWriter<GzEncoder<File>>>),
}

impl Output {
    /// Makes the file, for its owner alone: dumps hold the keys of providers, if sealed.
    pub(crate) fn create(path: &Path, is_compressed: bool) -> io::Result<Self> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)?;
        Ok(match is_compressed {
            true => Self::Gzip(Box::new(BufWriter::new(GzEncoder::new(
                file,
                Compression::default(),
            )))),
            false => Self::Plain(BufWriter::new(file)),
        })
    }

    pub(crate) fn line(&mut self, line: &str) -> io::Result<()> {
        let writer: &mut dyn Write = match self {
            Self::Plain(writer) => writer,
            Self::Gzip(writer) => writer,
        };
        writer.write_all(line.as_bytes())?;
        writer.write_all(b"\n")
    }

    /// Makes it last.
    pub(crate) fn finish(self) -> io::Result<()> {
        let file = match self {
            Self::Plain(writer) => writer.into_inner()?,
            Self::Gzip(writer) => writer.into_inner()?.finish()?,
        };
        file.sync_all()
    }
}

/// A file that is read.
pub(crate) fn open(path: &Path) -> io::Result<Box<dyn BufRead + Send>> {
    let file = File::open(path)?;
    Ok(match is_compressed(path) {
        true => Box::new(BufReader::new(MultiGzDecoder::new(file))),
        false => Box::new(BufReader::new(file)),
    })
}

pub(crate) fn is_compressed(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "gz")
}
