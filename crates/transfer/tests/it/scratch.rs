//! A database of a test's own, gone when the test ends.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use sea_orm::{ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement};
use serde_json::{Map, Value};
use transfer::Silent;

pub(crate) const ENGINES: [DbBackend; 3] =
    [DbBackend::Sqlite, DbBackend::Postgres, DbBackend::MySql];

/// An empty database, made for one test.
pub(crate) struct Scratch {
    pub(crate) db: DatabaseConnection,
    pub(crate) engine: DbBackend,
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
            "transfer_{}_{}",
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
        Self {
            db,
            engine,
            url,
            cleanup,
        }
    }

    /// An empty database with our schema in it.
    pub(crate) async fn migrated(engine: DbBackend) -> Self {
        let scratch = Self::new(engine).await;
        migration::up(&scratch.db).await.unwrap();
        scratch
    }

    pub(crate) async fn run(&self, sql: &str) {
        if let Err(error) = self.db.execute_unprepared(sql).await {
            panic!("{sql}: {error}");
        }
    }

    /// The one number that `sql` answers.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        let statement = Statement::from_string(self.engine, sql);
        let row = self.db.query_one_raw(statement).await.unwrap().unwrap();
        row.try_get_by_index(0).unwrap()
    }

    /// Every row of our tables, by table and primary key, in the words of a dump. The schema must be ours.
    pub(crate) async fn rows(&self) -> BTreeMap<String, BTreeMap<String, Map<String, Value>>> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rows");
        transfer::dump(&self.url, &file, &mut Silent).await.unwrap();
        let mut tables = BTreeMap::new();
        let (mut table, mut columns, mut key) = (String::new(), Vec::new(), 0);
        for line in std::fs::read_to_string(file).unwrap().lines() {
            match serde_json::from_str(line).unwrap() {
                Value::Array(row) => {
                    let id = row[key].to_string().trim_matches('"').to_owned();
                    let names = columns.iter().cloned();
                    let rows: &mut BTreeMap<_, _> = tables.get_mut(&table).unwrap();
                    rows.insert(id, names.zip(row).collect());
                }
                mark => {
                    let Some(name) = mark["table"].as_str() else {
                        continue;
                    };
                    name.clone_into(&mut table);
                    columns = serde_json::from_value(mark["columns"].clone()).unwrap();
                    let schema = migration::schema();
                    let ours = schema.tables.iter().find(|it| it.name == table).unwrap();
                    key = columns
                        .iter()
                        .position(|it| it == ours.primary_key)
                        .unwrap();
                    tables.insert(table.clone(), BTreeMap::new());
                }
            }
        }
        tables
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
