//! Whether a gateway works with the database.

use migration::LiveTable;
use sea_orm::{ConnectionTrait, DbBackend, Statement};

use crate::Error;

/// A gateway that has not been seen for so long is dead: six times the pause between two of its heartbeats.
const PATIENCE_SECONDS: i64 = 30;

/// Refuses a database that gateways work with. One whose tables know of no heartbeat is taken as it is.
pub(crate) async fn refuse_if_alive(
    db: &impl ConnectionTrait,
    live: &[LiveTable],
) -> Result<(), Error> {
    let knows = live.iter().any(|table| {
        let has = |name| table.columns.iter().any(|column| column.name == name);
        table.name == "replicas" && has("name") && has("seen_at")
    });
    if !knows {
        return Ok(());
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
    if names.is_empty() {
        return Ok(());
    }
    Err(Error::Alive {
        count: names.len(),
        names: names.join(", "),
    })
}
