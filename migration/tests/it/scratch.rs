//! A database of a test's own, gone when the test ends.

use std::sync::atomic::{AtomicU32, Ordering};

use sea_orm::{ConnectionTrait, Database, DatabaseConnection, DbBackend};

pub(crate) const ENGINES: [DbBackend; 3] =
    [DbBackend::Sqlite, DbBackend::Postgres, DbBackend::MySql];

/// An empty database, made for one test.
pub(crate) struct Scratch {
    pub(crate) db: DatabaseConnection,
    pub(crate) url: String,
    cleanup: Cleanup,
}

enum Cleanup {
    Folder(tempfile::TempDir),
    Server { url: String, statement: String },
}

impl Scratch {
    pub(crate) async fn new(engine: DbBackend) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "migration_{}_{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let (url, cleanup) = match engine {
            DbBackend::Sqlite => {
                let folder = tempfile::tempdir().unwrap();
                let file = folder.path().join("nested/test.db");
                let url = format!("sqlite://{}?mode=rwc", file.display());
                (url, Cleanup::Folder(folder))
            }
            DbBackend::Postgres => {
                server(
                    "TEST_POSTGRES_URL",
                    "postgres://postgres@127.0.0.1:5432/postgres",
                    &name,
                    " WITH (FORCE)",
                )
                .await
            }
            _ => server("TEST_MYSQL_URL", "mysql://root@127.0.0.1:3306/", &name, "").await,
        };
        let db = migration::connect(&url).await.unwrap();
        Self { db, url, cleanup }
    }

    /// An empty database with our schema in it.
    pub(crate) async fn migrated(engine: DbBackend) -> Self {
        let scratch = Self::new(engine).await;
        migration::up(&scratch.db).await.unwrap();
        scratch
    }

    /// The differences as lines.
    pub(crate) async fn check(&self) -> Vec<String> {
        let differences = migration::check(&self.db).await.unwrap();
        differences.iter().map(ToString::to_string).collect()
    }

    pub(crate) async fn run(&self, sql: &str) {
        if let Err(error) = self.db.execute_unprepared(sql).await {
            panic!("{sql}: {error}");
        }
    }
}

/// Creates database `name` on the server that `variable` names.
async fn server(variable: &str, default: &str, name: &str, force: &str) -> (String, Cleanup) {
    let url = std::env::var(variable).unwrap_or_else(|_| default.to_owned());
    let server = Database::connect(&url)
        .await
        .unwrap_or_else(|error| panic!("no server at {variable} ({url}): {error}"));
    let create = format!("CREATE DATABASE {name}");
    server.execute_unprepared(&create).await.unwrap();
    let (base, _) = url.rsplit_once('/').unwrap();
    let statement = format!("DROP DATABASE {name}{force}");
    (format!("{base}/{name}"), Cleanup::Server { url, statement })
}

impl Drop for Scratch {
    fn drop(&mut self) {
        match &self.cleanup {
            Cleanup::Folder(folder) => drop(std::fs::remove_dir_all(folder.path())),
            Cleanup::Server { url, statement } => {
                // A runtime cannot be entered from within another: hence the thread.
                std::thread::scope(|scope| {
                    scope.spawn(|| drop_database(url, statement));
                });
            }
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn drop_database(url: &str, statement: &str) {
    let server = Database::connect(url).await.unwrap();
    server.execute_unprepared(statement).await.unwrap();
}
