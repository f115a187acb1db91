//! One value on its way.

use chrono::{DateTime, NaiveDate, Utc};
use migration::Kind;
use sea_orm::{DbBackend, Value};

/// A value as it was read, in the words of its source. NULL is `None` around it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Raw {
    /// Anything that has a spelling.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

/// A value that fits its column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    /// Nothing, in a column of that kind.
    Null(Kind),
    Id(i64),
    Integer(i32),
    Boolean(bool),
    Double(f64),
    Text(String),
    Time(DateTime<Utc>),
    Day(NaiveDate),
    /// Text that is JSON, kept as it was written.
    Json(String),
    Bytes(Vec<u8>),
}

impl Cell {
    /// The value as a statement's argument.
    pub(crate) fn into_value(self, engine: DbBackend) -> Value {
        match self {
            Self::Null(kind) => match kind {
                Kind::Id | Kind::Ref | Kind::BigInt => None::<i64>.into(),
                Kind::Integer => None::<i32>.into(),
                Kind::VarChar(_) | Kind::Json => None::<String>.into(),
                Kind::Boolean => None::<bool>.into(),
                Kind::DateTime => None::<DateTime<Utc>>.into(),
                Kind::Date => None::<NaiveDate>.into(),
                Kind::Double => None::<f64>.into(),
                Kind::Blob => None::<Vec<u8>>.into(),
            },
            Self::Id(number) => number.into(),
            Self::Integer(number) => number.into(),
            Self::Boolean(flag) => flag.into(),
            Self::Double(number) => number.into(),
            Self::Text(text) | Self::Json(text) => text.into(),
            // As the driver tells it a time in UTC, MariaDB makes null of one after January 2038.
            Self::Time(time) if engine == DbBackend::MySql => time.naive_utc().into(),
            Self::Time(time) => time.into(),
            Self::Day(day) => day.into(),
            Self::Bytes(bytes) => bytes.into(),
        }
    }

    /// About how many bytes it takes on its way.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Text(text) | Self::Json(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
            _ => 8,
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Self::Null(_))
    }

    /// Something that is equal where the values are, for tables of what has been seen.
    pub(crate) fn spelling(&self) -> String {
        match self {
            Self::Null(_) => String::new(),
            Self::Id(number) => number.to_string(),
            Self::Integer(number) => number.to_string(),
            Self::Boolean(flag) => flag.to_string(),
            Self::Double(number) => number.to_string(),
            Self::Text(text) | Self::Json(text) => text.clone(),
            Self::Time(time) => time.to_rfc3339(),
            Self::Day(day) => day.to_string(),
            Self::Bytes(bytes) => format!("{bytes:?}"),
        }
    }
}
