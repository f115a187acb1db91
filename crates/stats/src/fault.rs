//! What a failed write means for the rows in it.

use sea_orm::sqlx::Error as SqlxError;
use sea_orm::{DbBackend, DbErr, RuntimeErr, SqlErr};

/// What to do about a failed write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Lost a race with another writer: the same again, at once.
    Again,
    /// The database is there and will never take this data.
    Refused,
    /// Everything else. The rows wait: a fault we do not know must not cost a row.
    Away,
}

impl Fault {
    pub(crate) fn of(error: &DbErr, backend: DbBackend) -> Self {
        match error.sql_err() {
            Some(SqlErr::UniqueConstraintViolation(_)) => return Self::Refused,
            // The provider was deleted after we saw it; the next look will not see it.
            Some(SqlErr::ForeignKeyConstraintViolation(_)) => return Self::Again,
            _ => {}
        }
        match (code(error), backend) {
            (Some(code), DbBackend::Sqlite) => Self::of_sqlite(&code),
            (Some(code), _) => Self::of_sqlstate(&code),
            (None, _) => Self::Away,
        }
    }

    /// SQLite: the low byte is the primary code. TOOBIG, CONSTRAINT and MISMATCH are about the data.
    fn of_sqlite(code: &str) -> Self {
        match code.parse::<u32>().map(|code| code & 0xff) {
            Ok(18..=20) => Self::Refused,
            _ => Self::Away,
        }
    }

    /// SQLSTATE classes: 22 data exception, 23 integrity, 54 program limit, 40 transaction rollback (deadlock,
    /// serialization failure).
    fn of_sqlstate(code: &str) -> Self {
        match code.get(..2) {
            Some("22" | "23" | "54") => Self::Refused,
            Some("40") => Self::Again,
            _ => Self::Away,
        }
    }
}

/// Whether an SQLite file is not one, or is damaged (CORRUPT, NOTADB).
pub(crate) fn is_damaged(error: &DbErr) -> bool {
    code(error)
        .is_some_and(|code| matches!(code.parse::<u32>().map(|code| code & 0xff), Ok(11 | 26)))
}

fn code(error: &DbErr) -> Option<String> {
    let (DbErr::Conn(source) | DbErr::Exec(source) | DbErr::Query(source)) = error else {
        return None;
    };
    match source {
        RuntimeErr::SqlxError(error) => match error.as_ref() {
            SqlxError::Database(error) => error.code().map(|code| code.into_owned()),
            _ => None,
        },
        RuntimeErr::Internal(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(sqlite: bool, code: &str, expected: Fault) {
        let of = if sqlite {
            Fault::of_sqlite
        } else {
            Fault::of_sqlstate
        };
        assert_eq!(of(code), expected, "{code}");
    }

    #[test]
    fn only_what_the_data_caused_is_refused() {
        check(true, "2067", Fault::Refused); // unique
        check(true, "1299", Fault::Refused); // not null
        check(true, "5", Fault::Away); // busy
        check(true, "13", Fault::Away); // disk full
        check(true, "8", Fault::Away); // read-only
        check(true, "11", Fault::Away); // corrupt
        check(false, "22001", Fault::Refused); // too long
        check(false, "22P05", Fault::Refused); // NUL in JSON
        check(false, "23514", Fault::Refused); // check
        check(false, "40P01", Fault::Again); // deadlock
        check(false, "40001", Fault::Again); // serialization, and InnoDB's deadlock
        check(false, "42P01", Fault::Away); // no such table
        check(false, "53100", Fault::Away); // disk full
        check(false, "57P01", Fault::Away); // shutting down
        check(false, "HY000", Fault::Away);
        check(false, "", Fault::Away);
    }
}
