//! Where a test may have a database.

use std::path::Path;

use sea_orm::{ConnectionTrait, Database, DbBackend};
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
    drop: String,
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
                let server = server(engine);
                execute(&server, &format!("CREATE DATABASE {name}")).await;
                let (start, _) = server
                    .rsplit_once('/')
                    .expect("a server's URL ends with /database");
                let force = match engine {
                    DbBackend::Postgres => " WITH (FORCE)",
                    _ => "",
                };
                let url = format!("{start}/{name}");
                let drop = format!("DROP DATABASE {name}{force}");
                (url, Some(OnServer { url: server, drop }))
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
        if let Some(OnServer { url, drop }) = &self.on_server {
            // A runtime cannot be entered from within another: hence the thread.
            std::thread::scope(|scope| {
                scope.spawn(|| execute_from_anywhere(url, drop));
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

async fn execute(url: &str, sql: &str) {
    let server = Database::connect(url)
        .await
        .unwrap_or_else(|error| panic!("this test needs the server at {url}: {error}"));
    let done = server.execute_unprepared(sql).await;
    done.unwrap_or_else(|error| panic!("{sql}: {error}"));
    server
        .close()
        .await
        .unwrap_or_else(|error| panic!("{url}: {error}"));
}

#[tokio::main(flavor = "current_thread")]
async fn execute_from_anywhere(url: &str, sql: &str) {
    execute(url, sql).await;
}
