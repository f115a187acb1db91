//! A database that the binary is run on.

use std::process::{Command, Output, Stdio};

use scratch::Place;
use sea_orm::{ConnectionTrait, Database, DbBackend};

/// An empty database; an SQLite file does not exist yet, nor its folder.
pub(crate) struct Scratch {
    pub(crate) place: Place,
}

impl Scratch {
    #[tokio::main(flavor = "current_thread")]
    pub(crate) async fn new(engine: DbBackend) -> Self {
        let place = Place::new(engine).await;
        Self { place }
    }

    /// The binary with this database in its environment, and no terminal.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_migrator"));
        command
            .args(arguments)
            .env("DATABASE_URL", self.place.url())
            .current_dir(self.place.folder())
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
        let db = Database::connect(self.place.url()).await.unwrap();
        db.execute_unprepared(sql).await.unwrap();
        db.close().await.unwrap();
    }
}
