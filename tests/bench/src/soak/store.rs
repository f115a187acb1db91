//! The gateway's database: one of its own that goes away now and then, and what stands in it at the end.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use clap::ValueEnum;
use serde_json::Value;
use tempfile::TempDir;

use super::descriptors::Database;
use crate::run::succeed;

/// Which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Engine {
    /// A server of its own, from the installed packages, that is stopped and started again.
    Postgres,
    /// A file, which another connection locks for a while.
    Sqlite,
}

/// How long the database is away each time.
const AWAY: Duration = Duration::from_secs(4);

/// A database until it is dropped.
#[derive(Debug)]
pub(crate) enum Store {
    Postgres(Server),
    Sqlite(PathBuf),
}

/// A PostgreSQL server in a folder of its own.
#[derive(Debug)]
pub(crate) struct Server {
    folder: TempDir,
    programs: PathBuf,
    port: u16,
    is_root: bool,
}

impl Store {
    /// Makes it; a file goes into `folder`.
    pub(crate) fn start(engine: Engine, folder: &Path) -> anyhow::Result<Self> {
        Ok(match engine {
            Engine::Postgres => Self::Postgres(Server::start()?),
            Engine::Sqlite => Self::Sqlite(folder.join("soak.db")),
        })
    }

    /// As the gateway takes it.
    pub(crate) fn url(&self) -> String {
        match self {
            Self::Postgres(server) => {
                format!("postgres://postgres@127.0.0.1:{}/postgres", server.port)
            }
            Self::Sqlite(file) => format!("sqlite://{}?mode=rwc", file.display()),
        }
    }

    /// What connections to it are known by.
    pub(crate) fn database(&self) -> Database<'_> {
        match self {
            Self::Postgres(server) => Database::Port(server.port),
            Self::Sqlite(file) => Database::File(file),
        }
    }

    /// Takes it away for some seconds; `hard` leaves it no time to finish what it does.
    pub(crate) fn outage(&self, hard: bool) -> anyhow::Result<()> {
        match self {
            Self::Postgres(server) => {
                server.stop(if hard { "immediate" } else { "fast" })?;
                std::thread::sleep(AWAY);
                server.go()
            }
            Self::Sqlite(file) => {
                // It waits for its turn, holds the only lock for writing, and lets go.
                let sleep = format!(".system sleep {}", AWAY.as_secs());
                let script = [".timeout 10000", "BEGIN EXCLUSIVE", &sleep, "COMMIT"];
                succeed(Command::new("sqlite3").arg(file).args(script)).map(drop)
            }
        }
    }

    /// The rows of a query whose only column is a JSON object, which each engine makes in its own way.
    pub(crate) fn rows(&self, query: &Query) -> anyhow::Result<Vec<Value>> {
        let text = match self {
            Self::Postgres(server) => {
                let port = server.port.to_string();
                succeed(
                    Command::new("psql")
                        .args(["-X", "-A", "-t", "-h", "127.0.0.1", "-U", "postgres", "-p"])
                        .args([&port, "-c", query.postgres]),
                )
            }
            Self::Sqlite(file) => succeed(
                Command::new("sqlite3")
                    .args(["-cmd", ".timeout 10000"])
                    .arg(file)
                    .arg(query.sqlite),
            ),
        }
        .context("cannot query the database")?;
        let lines = text.lines().filter(|line| !line.is_empty());
        lines
            .map(|line| serde_json::from_str(line).with_context(|| format!("no JSON: {line}")))
            .collect()
    }
}

/// One question in the words of both engines.
#[derive(Debug)]
pub(crate) struct Query {
    pub(crate) postgres: &'static str,
    pub(crate) sqlite: &'static str,
}

impl Server {
    fn start() -> anyhow::Result<Self> {
        let programs = programs()?;
        let folder = tempfile::Builder::new()
            .prefix("soak-postgres-")
            .tempdir()
            .context("cannot make a folder for PostgreSQL")?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let is_root = succeed(Command::new("id").arg("-u"))?.trim() == "0";
        if is_root {
            succeed(Command::new("chown").arg("postgres").arg(folder.path()))?;
        }
        let server = Self {
            folder,
            programs,
            port,
            is_root,
        };
        let mut initdb = server.program("initdb");
        initdb.arg("-D").arg(server.data());
        initdb.args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]);
        succeed(&mut initdb).context("cannot make a PostgreSQL cluster")?;
        server.go()?;
        Ok(server)
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A command of the server's, as its user where we are root, since it refuses to run as that.
    fn program(&self, name: &str) -> Command {
        let program = self.programs.join(name);
        let mut command = if self.is_root {
            let mut command = Command::new("setpriv");
            command.args([
                "--reuid",
                "postgres",
                "--regid",
                "postgres",
                "--clear-groups",
            ]);
            command.arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir(self.folder.path());
        command
    }

    /// Starts it. A crash of the server must lose nothing that it has confirmed, one of the machine may.
    fn go(&self) -> anyhow::Result<()> {
        let folder = self.folder.path();
        let options = format!(
            "-p {} -h 127.0.0.1 -k {} -c fsync=off -c timezone=UTC -c max_connections=60",
            self.port,
            folder.display()
        );
        let mut command = self.program("pg_ctl");
        command.arg("-D").arg(self.data());
        command.arg("-l").arg(folder.join("log"));
        command.args(["-s", "-w", "-t", "60", "-o", &options, "start"]);
        // Not piped: the server inherits what its starter has, and the pipe would never end.
        let status = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .context("cannot run pg_ctl")?;
        anyhow::ensure!(status.success(), "PostgreSQL did not start");
        Ok(())
    }

    fn stop(&self, mode: &str) -> anyhow::Result<()> {
        let mut command = self.program("pg_ctl");
        command.arg("-D").arg(self.data());
        command.args(["-s", "-w", "-m", mode, "stop"]);
        succeed(&mut command).map(drop)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that has stopped already need not be stopped.
        let _ = self.stop("immediate");
    }
}

/// The folder of the newest server that is installed.
fn programs() -> anyhow::Result<PathBuf> {
    let installed = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten();
    let folders = installed.filter_map(|entry| Some(entry.ok()?.path().join("bin")));
    let newest = folders
        .filter(|folder| folder.join("initdb").exists())
        .max();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = || std::env::split_paths(&path).find(|folder| folder.join("initdb").exists());
    newest
        .or_else(in_path)
        .context("no initdb: install PostgreSQL (on Debian or Ubuntu: apt-get install postgresql)")
}

/// Creates the schema.
pub(crate) fn migrate(migrator: &Path, store: &Store) -> anyhow::Result<()> {
    let mut command = Command::new(std::path::absolute(migrator)?);
    command.arg("up").env("DATABASE_URL", store.url());
    succeed(&mut command).context("cannot migrate").map(drop)
}
