//! A group of batches, in one transaction.
//!
//! Each batch's id goes first into `write_batches`. An id that is there already means that the batch is too, and that
//! only the answer to its commit was lost. Then come the rows, then what they add to the days of providers and keys, by
//! additive upserts in key order, and last the quarters of hours whose roll-ups they outdate.

use std::time::Duration;

use chrono::Utc;
use entities::{provider, write_batch};
use sea_orm::sea_query::Query;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr,
    EntityTrait, IsolationLevel, QueryFilter, QuerySelect, TransactionTrait,
};
use uuid::Uuid;

use crate::fault::Fault;
use crate::rollup::Days;
use crate::row::Row;
use crate::sqlite::SqliteTransaction;
use crate::unit::Unit;
use crate::{period, statement, upsert};

/// Rows that were sealed together. The id is made with the first row, so it tells its age.
#[derive(Debug, Clone)]
pub(crate) struct Batch {
    pub(crate) id: Uuid,
    pub(crate) rows: Vec<Row>,
}

/// What became of a group.
#[derive(Debug, Default)]
pub(crate) struct Written {
    /// Rows that are in the database now.
    pub(crate) rows: usize,
    /// Rows it refused, and why.
    pub(crate) refused: Vec<(Row, String)>,
}

/// Rows that the processor has the time for to run others between: where more have come together, there is so much to do that
/// rows would be left behind.
const UNHURRIED_ROWS: usize = 512;
/// For how long it runs others, of the [time in which as many more come](crate::desk).
const PATIENCE: Duration = Duration::from_millis(20);
/// Attempts against other writers before a group goes back to wait.
const RACES: u32 = 8;

/// Writes a group, all or nothing, except for rows that the database refuses for their data.
///
/// # Errors
/// When the database did not confirm. The group may be in it nevertheless: write the same batches again.
pub(crate) async fn write(db: &DatabaseConnection, batches: &[Batch]) -> Result<Written, DbErr> {
    let mut todo: Vec<&Batch> = batches.iter().collect();
    let mut sift = false;
    let mut races = 0;
    loop {
        let error = match transact(db, &todo, sift).await {
            Ok(Attempted::Committed(refused)) => {
                let rows: usize = batches.iter().map(|batch| batch.rows.len()).sum();
                return Ok(Written {
                    rows: rows - refused.len(),
                    refused,
                });
            }
            Ok(Attempted::Known) => {
                todo = unknown(db, todo).await?;
                races += 1;
                if races > RACES {
                    return Err(DbErr::Custom(
                        "batch ids collide with a writer that does not end".into(),
                    ));
                }
                continue;
            }
            Err(error) => error,
        };
        match Fault::of(&error, db.get_database_backend()) {
            Fault::Again if races < RACES => {
                let pause = 1u64 << races;
                races += 1;
                tokio::time::sleep(Duration::from_millis(pause + fastrand::u64(0..=pause))).await;
            }
            Fault::Refused if !sift => sift = true,
            Fault::Again | Fault::Refused | Fault::Away => return Err(error),
        }
    }
}

enum Attempted {
    Committed(Vec<(Row, String)>),
    /// At least one of the batches is in the database already; nothing was done.
    Known,
}

async fn transact(
    db: &DatabaseConnection,
    batches: &[&Batch],
    sift: bool,
) -> Result<Attempted, DbErr> {
    if batches.is_empty() {
        return Ok(Attempted::Committed(Vec::new()));
    }
    match (db.get_database_backend(), sift) {
        (DbBackend::Sqlite, false) => {
            let rows: usize = batches.iter().map(|batch| batch.rows.len()).sum();
            let pool = db.get_sqlite_connection_pool();
            let transaction = SqliteTransaction::begin(pool, patience(rows)).await?;
            insert_claimed(transaction, batches).await
        }
        (_, false) => insert_claimed(begin(db).await?, batches).await,
        (_, true) => insert_sifted(begin(db).await?, batches).await,
    }
}

fn patience(rows: usize) -> Duration {
    match rows <= UNHURRIED_ROWS {
        true => PATIENCE,
        false => Duration::ZERO,
    }
}

async fn begin(db: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    // InnoDB's default would take gap locks on which replicas deadlock; the others' defaults do.
    let isolation =
        (db.get_database_backend() == DbBackend::MySql).then_some(IsolationLevel::ReadCommitted);
    db.begin_with_config(isolation, None).await
}

async fn insert_claimed(transaction: impl Unit, batches: &[&Batch]) -> Result<Attempted, DbErr> {
    let Some(transaction) = claimed(transaction, batches).await? else {
        return Ok(Attempted::Known);
    };
    insert(&transaction, &rows(batches)).await?;
    transaction.commit().await?;
    Ok(Attempted::Committed(Vec::new()))
}

/// The transaction with the batches' ids in it; `None` if the database knows one of them already.
async fn claimed<T: Unit>(transaction: T, batches: &[&Batch]) -> Result<Option<T>, DbErr> {
    let Err(error) = claim(&transaction, batches).await else {
        return Ok(Some(transaction));
    };
    let backend = transaction.get_database_backend();
    transaction.rollback().await?;
    match Fault::of(&error, backend) {
        Fault::Refused => Ok(None),
        Fault::Again | Fault::Away => Err(error),
    }
}

fn rows<'a>(batches: &[&'a Batch]) -> Vec<&'a Row> {
    batches.iter().flat_map(|batch| &batch.rows).collect()
}

/// Writes the batches' ids.
async fn claim(transaction: &impl ConnectionTrait, batches: &[&Batch]) -> Result<(), DbErr> {
    let now = Utc::now();
    let mut insert = Query::insert();
    insert
        .into_table(write_batch::Entity)
        .columns([write_batch::Column::Id, write_batch::Column::CreatedAt]);
    for batch in batches {
        insert.values_panic([batch.id.to_string().into(), now.into()]);
    }
    transaction.execute(&insert).await.map(drop)
}

/// The batches that are not in the database yet.
async fn unknown<'a>(
    db: &DatabaseConnection,
    batches: Vec<&'a Batch>,
) -> Result<Vec<&'a Batch>, DbErr> {
    let ids = batches.iter().map(|batch| batch.id.to_string());
    let known: Vec<String> = write_batch::Entity::find()
        .select_only()
        .column(write_batch::Column::Id)
        .filter(write_batch::Column::Id.is_in(ids))
        .into_tuple()
        .all(db)
        .await?;
    Ok(batches
        .into_iter()
        .filter(|batch| !known.contains(&batch.id.to_string()))
        .collect())
}

/// Rows and what follows from them.
async fn insert(connection: &impl Unit, rows: &[&Row]) -> Result<(), DbErr> {
    for (sql, part) in statement::inserts(connection.get_database_backend(), rows) {
        connection.insert(sql, part).await?;
    }
    let days = Days::of(rows.iter().copied());
    let existing = existing_providers(connection, &days).await?;
    let providers = days
        .providers
        .iter()
        .filter(|((provider_id, _), _)| existing.contains(provider_id));
    upsert::providers(connection, providers).await?;
    upsert::keys(connection, days.keys.iter()).await?;
    period::touch(connection, rows.iter().map(|row| row.created_at)).await
}

/// A provider may be gone by the time its last rows are written; its days went with it.
async fn existing_providers(
    connection: &impl ConnectionTrait,
    days: &Days<'_>,
) -> Result<Vec<i64>, DbErr> {
    let mut ids: Vec<i64> = days
        .providers
        .keys()
        .map(|(provider_id, _)| *provider_id)
        .collect();
    ids.dedup();
    if ids.is_empty() {
        return Ok(ids);
    }
    provider::Entity::find()
        .select_only()
        .column(provider::Column::Id)
        .filter(provider::Column::Id.is_in(ids))
        .into_tuple()
        .all(connection)
        .await
}

/// Inserts what the database takes and gives back what it refuses, by halving: each part is tried under a savepoint.
async fn insert_sifted(
    transaction: DatabaseTransaction,
    batches: &[&Batch],
) -> Result<Attempted, DbErr> {
    let Some(transaction) = claimed(transaction, batches).await? else {
        return Ok(Attempted::Known);
    };
    let rows = rows(batches);
    let mut refused = Vec::new();
    let mut parts = vec![&*rows];
    while let Some(part) = parts.pop() {
        let savepoint = transaction.begin().await?;
        let Err(error) = insert(&savepoint, part).await else {
            savepoint.commit().await?;
            continue;
        };
        if Fault::of(&error, transaction.get_database_backend()) != Fault::Refused {
            return Err(error); // a deadlock has taken the savepoint with it
        }
        savepoint.rollback().await?;
        match part {
            [row] => refused.push(((*row).clone(), error.to_string())),
            _ => {
                let (first, second) = part.split_at(part.len() / 2);
                parts.extend([second, first]);
            }
        }
    }
    transaction.commit().await?;
    Ok(Attempted::Committed(refused))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_rows_are_written_without_patience() {
        assert_eq!(patience(1), PATIENCE);
        assert_eq!(patience(UNHURRIED_ROWS), PATIENCE);
        assert_eq!(patience(UNHURRIED_ROWS + 1), Duration::ZERO);
    }
}
