//! Whether a gateway works with the database.

use migration::LiveTable;
use sea_orm::{ConnectionTrait, DbBackend, Statement};

use crate::Error;

/// A gateway that has not been seen for so long is dead: six times the pause between two of its heartbeats.
const PATIENCE_SECONDS: i64 = 30;

/// The names of gateways that work with the database, as a sentence begins; `None` if there are none.
///
/// # Errors
/// The database does not answer.
pub async fn gateways_alive(db: &impl ConnectionTrait) -> Result<Option<String>, Error> {
    let names = names(db, &migration::live_tables(db).await?).await?;
    let what = match names.len() {
        0 => return Ok(None),
        1 => "a gateway",
        _ => "each of these gateways",
    };
    Ok(Some(format!("{what} ({})", names.join(", "))))
}

/// Refuses a database that gateways work with.
pub(crate) async fn refuse_if_alive(
    db: &impl ConnectionTrait,
    live: &[LiveTable],
) -> Result<(), Error> {
    let names = names(db, live).await?;
    if names.is_empty() {
        return Ok(());
    }
    Err(Error::Alive {
        count: names.len(),
        names: names.join(", "),
    })
}

/// Whose heartbeat is young. None where the tables know of no heartbeat.
async fn names(db: &impl ConnectionTrait, live: &[LiveTable]) -> Result<Vec<String>, Error> {
    let knows = live.iter().any(|table| {
        let has = |name| table.columns.iter().any(|column| column.name == name);
        table.name == "replicas" && has("name") && has("seen_at")
    });
    if !knows {
        return Ok(Vec::new());
    }
    // The database's clock on both sides: nobody else's need be right.
    let age = match db.get_database_backend() {
        DbBackend::Postgres => "EXTRACT(EPOCH FROM now() - seen_at)::bigint",
        DbBackend::MySql => "TIMESTAMPDIFF(SECOND, seen_at, CURRENT_TIMESTAMP(6))",
        _ => "CAST(strftime('%s', 'now') AS INTEGER) - CAST(strftime('%s', seen_at) AS INTEGER)",
    };
    let sql = format!("SELECT name FROM replicas WHERE {age} < {PATIENCE_SECONDS} ORDER BY name");
    let statement = Statement::from_string(db.get_database_backend(), sql);
    let names = db
        .query_all_raw(statement)
        .await?
        .iter()
        .map(|row| row.try_get_by_index::<String>(0))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(names)
}
