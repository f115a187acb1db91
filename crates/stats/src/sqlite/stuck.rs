//! SQLite connections whose transaction is not what the driver believes.
//!
//! When the disk is full, SQLite may roll a transaction back by itself (<https://www.sqlite.org/lang_transaction.html>,
//! "Response to errors within a transaction"). The driver's own rollback then fails, and it goes on to count the
//! transaction as open: what follows on that connection becomes a savepoint in a transaction that nobody ends, and rows
//! that were reported as committed are seen by nobody else and lost with the connection.

use sea_orm::sqlx::pool::PoolOptions;
use sea_orm::sqlx::{Connection, Sqlite};

/// Lets a pool close a connection that is given back with a transaction open.
pub fn close_stuck(options: PoolOptions<Sqlite>) -> PoolOptions<Sqlite> {
    options.after_release(|connection, _| {
        Box::pin(async move {
            if connection.is_in_transaction() {
                // A rollback may still be on its way to the connection's thread, which takes one command after the other.
                connection.ping().await?;
            }
            Ok(!connection.is_in_transaction())
        })
    })
}

#[cfg(test)]
mod tests {
    use sea_orm::{
        ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbErr, Statement,
        TransactionTrait,
    };

    use super::*;

    async fn open(url: &str) -> DatabaseConnection {
        let mut options = ConnectOptions::new(url);
        options
            .max_connections(1)
            .sqlx_logging(false)
            .map_sqlx_sqlite_pool_opts(close_stuck);
        Database::connect(options).await.unwrap()
    }

    async fn insert(db: &DatabaseConnection, id: usize) -> Result<(), DbErr> {
        let transaction = db.begin().await?;
        let row = format!("INSERT INTO rows VALUES ({id}, randomblob(3000))");
        transaction.execute_unprepared(&row).await?;
        transaction.commit().await
    }

    #[tokio::test]
    async fn what_is_committed_after_a_full_disk_is_there_for_others() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}?mode=rwc", folder.path().join("db").display());
        let db = open(&url).await;
        let table = "CREATE TABLE rows (id INTEGER PRIMARY KEY, body BLOB)";
        db.execute_unprepared(table).await.unwrap();
        // A file that may not grow: SQLite answers as it does on a full disk.
        db.execute_unprepared("PRAGMA max_page_count = 4")
            .await
            .unwrap();
        let mut id = 0;
        while insert(&db, id).await.is_ok() {
            id += 1;
        }
        assert!(id > 0);
        // There is room again.
        db.execute_unprepared("PRAGMA max_page_count = 1000")
            .await
            .unwrap();
        insert(&db, 0).await.unwrap_err(); // it is there already
        insert(&db, 1_000).await.unwrap();

        let other = open(&url).await;
        let count = Statement::from_string(
            other.get_database_backend(),
            "SELECT count(*) AS count FROM rows",
        );
        let count = other.query_one_raw(count).await.unwrap().unwrap();
        let count: i64 = count.try_get("", "count").unwrap();
        assert_eq!(count, i64::try_from(id).unwrap() + 1);
    }
}
