//! The few words of SQL that engines spell differently.

use sea_orm::{ConnectionTrait, DbBackend, Statement};

use crate::Error;

/// A name in the engine's quotes.
pub(crate) fn quote(engine: DbBackend, name: &str) -> String {
    let mark = if engine == DbBackend::MySql {
        "`"
    } else {
        "\""
    };
    format!("{mark}{}{mark}", name.replace(mark, &mark.repeat(2)))
}

/// The place of the `number`th value, from 1.
pub(crate) fn placeholder(engine: DbBackend, number: usize) -> String {
    if engine == DbBackend::Postgres {
        format!("${number}")
    } else {
        "?".to_owned()
    }
}

/// The one number that `sql` answers; `None` where it answers NULL or nothing.
pub(crate) async fn number(db: &impl ConnectionTrait, sql: &str) -> Result<Option<i64>, Error> {
    let statement = Statement::from_string(db.get_database_backend(), sql);
    match db.query_one_raw(statement).await? {
        Some(row) => Ok(row.try_get_by_index(0)?),
        None => Ok(None),
    }
}

/// How many rows `table` (in quotes already) has.
pub(crate) async fn count(db: &impl ConnectionTrait, table: &str) -> Result<u64, Error> {
    let rows = number(db, &format!("SELECT COUNT(*) FROM {table}")).await?;
    Ok(rows.unwrap_or(0).unsigned_abs())
}
