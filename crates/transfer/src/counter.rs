//! The highest id a table has given: ids are never given again, not even those of rows that are gone.

use migration::{Kind, Table};
use sea_orm::{ConnectionTrait, DbBackend};

use crate::Error;
use crate::sql::{number, quote};

pub(crate) fn counts(table: &Table) -> bool {
    table.columns.iter().any(|column| column.kind == Kind::Id)
}

/// The highest id given by the table that is called `name`, on PostgreSQL in `schema`; `None` where that is not known.
pub(crate) async fn read(
    db: &impl ConnectionTrait,
    schema: Option<&str>,
    name: &str,
) -> Result<Option<i64>, Error> {
    let engine = db.get_database_backend();
    let last = match engine {
        DbBackend::Postgres => {
            let schema = schema.map_or_else(String::new, |schema| format!("{schema}."));
            let sequence = format!("pg_get_serial_sequence('{schema}{name}', 'id')");
            let sql = format!("SELECT pg_sequence_last_value({sequence}::regclass)");
            number(db, &sql).await?
        }
        DbBackend::MySql => {
            let sql = format!(
                "SELECT CAST(auto_increment AS SIGNED) FROM information_schema.tables \
                 WHERE table_schema = database() AND table_name = '{name}'"
            );
            number(db, &sql).await?.map(|next| next - 1)
        }
        _ => {
            let there = "SELECT COUNT(*) FROM sqlite_master WHERE name = 'sqlite_sequence'";
            if number(db, there).await? == Some(0) {
                return Ok(None);
            }
            let sql = format!("SELECT MAX(seq) FROM sqlite_sequence WHERE name = '{name}'");
            number(db, &sql).await?
        }
    };
    Ok(last.filter(|&last| last > 0))
}

/// Has the table go on after its highest id, and after `last`. On MySQL this commits what runs.
pub(crate) async fn write(
    db: &impl ConnectionTrait,
    name: &str,
    last: Option<i64>,
) -> Result<(), Error> {
    let engine = db.get_database_backend();
    let place = quote(engine, name);
    let highest = number(db, &format!("SELECT MAX(id) FROM {place}")).await?;
    let Some(last) = highest.max(last) else {
        return Ok(());
    };
    match engine {
        DbBackend::Postgres => {
            let sequence = format!("pg_get_serial_sequence('{name}', 'id')");
            number(db, &format!("SELECT setval({sequence}, {last})")).await?;
        }
        DbBackend::MySql => {
            let next = last.saturating_add(1);
            db.execute_unprepared(&format!("ALTER TABLE {place} AUTO_INCREMENT = {next}"))
                .await?;
        }
        _ => {
            db.execute_unprepared(&format!(
                "DELETE FROM sqlite_sequence WHERE name = '{name}'"
            ))
            .await?;
            let sql = format!("INSERT INTO sqlite_sequence (name, seq) VALUES ('{name}', {last})");
            db.execute_unprepared(&sql).await?;
        }
    }
    Ok(())
}
