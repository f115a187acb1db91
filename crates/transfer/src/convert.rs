//! From what was read to what a column holds: exactly, or not at all.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use migration::{Kind, Value};
use sea_orm::DbBackend;

use crate::cell::{Cell, Raw};

/// The value for a column of `kind` on `engine`, or why it cannot be one.
pub(crate) fn convert(raw: Raw, kind: Kind, engine: DbBackend) -> Result<Cell, String> {
    if kind == Kind::Blob {
        return Ok(Cell::Bytes(match raw {
            Raw::Bytes(bytes) => bytes,
            Raw::Text(text) => text.into_bytes(),
        }));
    }
    let text = match raw {
        Raw::Text(text) => text,
        Raw::Bytes(bytes) => String::from_utf8(bytes).map_err(|_| "is no text".to_owned())?,
    };
    match kind {
        Kind::Id | Kind::Ref | Kind::BigInt => integer(&text).map(Cell::Id),
        Kind::Integer => {
            let number = integer(&text)?;
            let fitting = i32::try_from(number).map_err(|_| out_of_range(&text))?;
            Ok(Cell::Integer(fitting))
        }
        Kind::Boolean => boolean(&text).map(Cell::Boolean),
        Kind::Double => match text.trim().parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Cell::Double(number)),
            _ => Err(format!("{} is no number", shown(&text))),
        },
        Kind::VarChar(length) => {
            let characters = text.chars().count();
            if characters > usize::from(length) {
                return Err(format!("has {characters} characters, {length} fit"));
            }
            refuse_nul(&text, engine)?;
            Ok(Cell::Text(text))
        }
        Kind::DateTime => time(&text)
            .map(Cell::Time)
            .ok_or_else(|| format!("{} is no time", shown(&text))),
        Kind::Date => day(&text)
            .map(Cell::Day)
            .ok_or_else(|| format!("{} is no day", shown(&text))),
        Kind::Json => {
            if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(&text) {
                return Err(format!("is no JSON: {error}"));
            }
            if engine == DbBackend::Postgres && text.contains("\\u0000") {
                return Err("holds a NUL character, which PostgreSQL cannot keep".to_owned());
            }
            Ok(Cell::Json(text))
        }
        Kind::Blob => Err("is no bytes".to_owned()),
    }
}

/// What a column without a value of its own gets.
pub(crate) fn default(value: Value, kind: Kind, engine: DbBackend) -> Result<Cell, String> {
    let text = match value {
        Value::Integer(number) => number.to_string(),
        Value::Boolean(flag) => flag.to_string(),
        Value::Text(word) => word.to_owned(),
        Value::Now => now().to_rfc3339(),
    };
    convert(Raw::Text(text), kind, engine)
}

pub(crate) fn now() -> DateTime<Utc> {
    Utc::now()
}

fn integer(text: &str) -> Result<i64, String> {
    let text = text.trim();
    if let Ok(number) = text.parse() {
        return Ok(number);
    }
    // A whole number may be written with a point; digits after it are not dropped.
    if let Some((whole, fraction)) = text.split_once('.')
        && !fraction.is_empty()
        && fraction.bytes().all(|digit| digit == b'0')
        && let Ok(number) = whole.parse()
    {
        return Ok(number);
    }
    match text {
        "true" | "t" => Ok(1),
        "false" | "f" => Ok(0),
        _ if text.parse::<i128>().is_ok() => Err(out_of_range(text)),
        _ => Err(format!("{} is no whole number", shown(text))),
    }
}

fn boolean(text: &str) -> Result<bool, String> {
    match text.trim() {
        "1" | "true" | "t" => Ok(true),
        "0" | "false" | "f" => Ok(false),
        other => Err(format!("{} is neither true nor false", shown(other))),
    }
}

/// In the spellings of all three engines; a time without a zone is UTC, as they keep it.
fn time(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    for format in ["%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f%#z"] {
        if let Ok(time) = DateTime::parse_from_str(text, format) {
            return Some(time.with_timezone(&Utc));
        }
    }
    let bare = text.strip_suffix('Z').unwrap_or(text);
    for format in ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"] {
        if let Ok(time) = NaiveDateTime::parse_from_str(bare, format) {
            return Some(time.and_utc());
        }
    }
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    Some(day.and_hms_opt(0, 0, 0)?.and_utc())
}

/// A day; a time only where it is the first of its day, since the rest would be lost.
fn day(text: &str) -> Option<NaiveDate> {
    if let Ok(day) = NaiveDate::parse_from_str(text.trim(), "%Y-%m-%d") {
        return Some(day);
    }
    let time = time(text)?.naive_utc();
    (time.time() == chrono::NaiveTime::MIN).then(|| time.date())
}

fn refuse_nul(text: &str, engine: DbBackend) -> Result<(), String> {
    if engine == DbBackend::Postgres && text.contains('\0') {
        return Err("holds a NUL character, which PostgreSQL cannot keep".to_owned());
    }
    Ok(())
}

fn out_of_range(text: &str) -> String {
    format!("{} is out of range", shown(text))
}

/// Values may be anything: enough of one to find it by.
fn shown(text: &str) -> String {
    const LONGEST: usize = 24;
    let mut shown: String = text.chars().take(LONGEST).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("{shown:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, kind: Kind, expected: Result<Cell, &str>) {
        let found = convert(Raw::Text(text.to_owned()), kind, DbBackend::Postgres);
        assert_eq!(found, expected.map_err(str::to_owned), "{text}");
    }

    #[test]
    fn numbers_fit_or_do_not() {
        check("-7", Kind::BigInt, Ok(Cell::Id(-7)));
        check("30.0", Kind::Integer, Ok(Cell::Integer(30)));
        check("true", Kind::BigInt, Ok(Cell::Id(1)));
        check("30.5", Kind::Integer, Err("\"30.5\" is no whole number"));
        check(
            "2147483648",
            Kind::Integer,
            Err("\"2147483648\" is out of range"),
        );
        check(
            "9223372036854775808",
            Kind::BigInt,
            Err("\"9223372036854775808\" is out of range"),
        );
        check("0.1", Kind::Double, Ok(Cell::Double(0.1)));
        check("NaN", Kind::Double, Err("\"NaN\" is no number"));
        check("2", Kind::Boolean, Err("\"2\" is neither true nor false"));
    }

    #[test]
    fn times_of_all_engines_are_read() {
        for text in [
            "2026-03-01 12:00:00.123456+00",
            "2026-03-01 12:00:00.123456",
            "2026-03-01T12:00:00.123456+00:00",
            "2026-03-01T12:00:00.123456Z",
            "2026-03-01 13:30:00.123456+01:30",
        ] {
            let Ok(Cell::Time(time)) = convert(
                Raw::Text(text.to_owned()),
                Kind::DateTime,
                DbBackend::Sqlite,
            ) else {
                panic!("{text}");
            };
            assert_eq!(time.timestamp_micros(), 1_772_366_400_123_456, "{text}");
        }
        check("noon", Kind::DateTime, Err("\"noon\" is no time"));
        check(
            "2026-03-01 00:00:01",
            Kind::Date,
            Err("\"2026-03-01 00:00:01\" is no day"),
        );
    }

    #[test]
    fn text_is_neither_cut_nor_mended() {
        check("äöü", Kind::VarChar(3), Ok(Cell::Text("äöü".to_owned())));
        check("äöüß", Kind::VarChar(3), Err("has 4 characters, 3 fit"));
        check(
            "{\"a\": 1}",
            Kind::Json,
            Ok(Cell::Json("{\"a\": 1}".to_owned())),
        );
        let broken = convert(Raw::Text("{".to_owned()), Kind::Json, DbBackend::Sqlite);
        assert!(broken.is_err_and(|reason| reason.starts_with("is no JSON")));
        let bytes = convert(Raw::Bytes(vec![255]), Kind::VarChar(9), DbBackend::Sqlite);
        assert_eq!(bytes, Err("is no text".to_owned()));
    }
}
