//! Where a test may have a database.

use std::path::Path;

use sea_orm::{ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement};
use tempfile::TempDir;

/// Where an empty database is, gone when this is dropped. An SQLite file does not exist yet, nor its folder.
#[derive(Debug)]
pub struct Place {
    engine: DbBackend,
    url: String,
    folder: TempDir,
    on_server: Option<OnServer>,
}

#[derive(Debug)]
struct OnServer {
    /// Where the server lets others be created and dropped.
    url: String,
    /// The database's name.
    name: String,
}

impl Place {
    /// Makes one.
    ///
    /// # Panics
    /// If that is not possible: the test cannot go on.
    pub async fn new(engine: DbBackend) -> Self {
        let folder = TempDir::new().expect("a temporary folder can be made");
        // Unlike that of any other process on the same server.
        let name = format!("scratch_{:016x}", fastrand::u64(..));
        let (url, on_server) = match engine {
            DbBackend::Sqlite => {
                let file = folder.path().join("new/folder/test.db");
                (format!("sqlite://{}?mode=rwc", file.display()), None)
            }
            _ => {
                let url = server(engine);
                let server = connect(&url).await;
                execute(&server, &format!("CREATE DATABASE {name}")).await;
                close(server).await;
                let (start, _) = url
                    .rsplit_once('/')
                    .expect("a server's URL ends with /database");
                (format!("{start}/{name}"), Some(OnServer { url, name }))
            }
        };
        Self {
            engine,
            url,
            folder,
            on_server,
        }
    }

    /// What it is on.
    pub fn engine(&self) -> DbBackend {
        self.engine
    }

    /// As `DATABASE_URL` would name it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A folder that goes with it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(on_server) = &self.on_server {
            // A runtime cannot be entered from within another: hence the thread.
            std::thread::scope(|scope| {
                scope.spawn(|| on_server.drop_database());
            });
        }
    }
}

fn server(engine: DbBackend) -> String {
    let (variable, default) = match engine {
        DbBackend::MySql => ("TEST_MYSQL_URL", "mysql://root@127.0.0.1:3306/"),
        _ => (
            "TEST_POSTGRES_URL",
            "postgres://postgres@127.0.0.1:5432/postgres",
        ),
    };
    std::env::var(variable).unwrap_or_else(|_| default.to_owned())
}

impl OnServer {
    /// Drops it, whoever is still connected: a test's runtime stands still meanwhile, and cannot end its transactions.
    #[tokio::main(flavor = "current_thread")]
    async fn drop_database(&self) {
        let Self { url, name } = self;
        let server = connect(url).await;
        let drop = match server.get_database_backend() {
            DbBackend::Postgres => format!("DROP DATABASE {name} WITH (FORCE)"),
            _ => {
                end_connections(&server, name).await;
                format!("DROP DATABASE {name}")
            }
        };
        execute(&server, &drop).await;
        close(server).await;
    }
}

/// Ends the connections to a database of MariaDB, which would wait for their transactions.
async fn end_connections(server: &DatabaseConnection, name: &str) {
    let of_it = format!(
        "SELECT CAST(id AS SIGNED) FROM information_schema.processlist WHERE db = '{name}'"
    );
    let statement = Statement::from_string(server.get_database_backend(), of_it);
    let rows = server.query_all_raw(statement).await.unwrap_or_default();
    for id in rows
        .iter()
        .filter_map(|row| row.try_get_by_index::<i64>(0).ok())
    {
        // It may have ended by itself.
        let _ = server.execute_unprepared(&format!("KILL {id}")).await;
    }
}

async fn connect(url: &str) -> DatabaseConnection {
    Database::connect(url)
        .await
        .unwrap_or_else(|error| panic!("this test needs the server at {url}: {error}"))
}

async fn execute(server: &DatabaseConnection, sql: &str) {
    let done = server.execute_unprepared(sql).await;
    done.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

async fn close(server: DatabaseConnection) {
    let closed = server.close().await;
    closed.unwrap_or_else(|error| panic!("a server: {error}"));
}

#[cfg(test)]
mod tests {
    use sea_orm::TransactionTrait;

    use super::*;

    #[tokio::test]
    async fn a_database_goes_although_a_transaction_on_it_is_open() {
        for engine in [DbBackend::Postgres, DbBackend::MySql] {
            let place = Place::new(engine).await;
            let url = place.url().to_owned();
            let db = connect(&url).await;
            execute(&db, "CREATE TABLE t (n INTEGER)").await;
            let open = db.begin().await.unwrap();
            open.execute_unprepared("INSERT INTO t VALUES (1)")
                .await
                .unwrap();
            drop(place);
            assert!(open.commit().await.is_err(), "{engine:?}");
            assert!(Database::connect(&url).await.is_err(), "{engine:?}");
        }
    }
}
