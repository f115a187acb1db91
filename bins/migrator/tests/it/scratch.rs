//! A database of a test's own, gone when the test ends.

use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use sea_orm::{ConnectionTrait, Database};

#[derive(Debug, Clone, Copy)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
    MySql,
}

pub(crate) const ENGINES: [Engine; 3] = [Engine::Sqlite, Engine::Postgres, Engine::MySql];

/// An empty database; an SQLite file does not exist yet, nor its folder.
pub(crate) struct Scratch {
    pub(crate) url: String,
    pub(crate) folder: tempfile::TempDir,
    server: Option<(String, String)>,
}

impl Scratch {
    pub(crate) fn new(engine: Engine) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("migrator_{}_{number}", std::process::id());
        let folder = tempfile::tempdir().unwrap();
        let (variable, default, force) = match engine {
            Engine::Sqlite => {
                let file = folder.path().join("new/folder/test.db");
                let url = format!("sqlite://{}?mode=rwc", file.display());
                return Self {
                    url,
                    folder,
                    server: None,
                };
            }
            Engine::Postgres => (
                "TEST_POSTGRES_URL",
                "postgres://postgres@127.0.0.1:5432/postgres",
                " WITH (FORCE)",
            ),
            Engine::MySql => ("TEST_MYSQL_URL", "mysql://root@127.0.0.1:3306/", ""),
        };
        let server = std::env::var(variable).unwrap_or_else(|_| default.to_owned());
        on_server(variable, &server, &format!("CREATE DATABASE {name}"));
        let (base, _) = server.rsplit_once('/').unwrap();
        let url = format!("{base}/{name}");
        Self {
            url,
            folder,
            server: Some((server, format!("DROP DATABASE {name}{force}"))),
        }
    }

    /// The binary with this database in its environment, and no terminal.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_migrator"));
        command
            .args(arguments)
            .env("DATABASE_URL", &self.url)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs it: exit code, stdout, stderr.
    pub(crate) fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let Output {
            status,
            stdout,
            stderr,
        } = self.command(arguments).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (status.code().unwrap(), text(stdout), text(stderr))
    }

    /// Runs SQL on the database.
    #[tokio::main(flavor = "current_thread")]
    pub(crate) async fn sql(&self, sql: &str) {
        let db = Database::connect(&self.url).await.unwrap();
        db.execute_unprepared(sql).await.unwrap();
        db.close().await.unwrap();
    }
}

#[tokio::main(flavor = "current_thread")]
async fn on_server(variable: &str, url: &str, sql: &str) {
    let server = Database::connect(url)
        .await
        .unwrap_or_else(|error| panic!("no server at {variable} ({url}): {error}"));
    server.execute_unprepared(sql).await.unwrap();
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Some((url, sql)) = &self.server {
            on_server("the scratch database", url, sql);
        }
    }
}
