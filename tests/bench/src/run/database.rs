//! The database of a gateway under test: a file, or one of its own on a server.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;

use super::succeed;

/// A database until it is dropped; a file goes with the folder that it is in.
#[derive(Debug)]
pub(crate) enum Database {
    Sqlite(PathBuf),
    Postgres { server: String, name: String },
}

impl Database {
    /// Creates a database on the server, whose user must be allowed to.
    pub(crate) fn on(server: &str) -> anyhow::Result<Self> {
        let name = format!("bench_{}", std::process::id());
        let database = Self::Postgres {
            server: server.to_owned(),
            name: name.clone(),
        };
        psql(server, &format!("CREATE DATABASE {name}")).context("cannot create a database")?;
        Ok(database)
    }

    /// As the gateway takes it.
    pub(crate) fn url(&self) -> String {
        match self {
            Self::Sqlite(file) => format!("sqlite://{}?mode=rwc", file.display()),
            Self::Postgres { server, name } => named(server, name),
        }
    }

    /// The rows of `request_logs`.
    pub(crate) fn rows(&self) -> anyhow::Result<u64> {
        const COUNT: &str = "SELECT count(*) FROM request_logs";
        let told = match self {
            Self::Sqlite(file) => succeed(Command::new("sqlite3").arg(file).arg(COUNT))
                .context("cannot count the rows (is sqlite3 installed?)")?,
            Self::Postgres { .. } => psql(&self.url(), COUNT)?,
        };
        told.trim()
            .parse()
            .with_context(|| format!("no number of rows: {told:?}"))
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Self::Postgres { server, name } = self {
            // Nobody is left to be told; a database that stays behind says by its name whose it was.
            let _ = psql(server, &format!("DROP DATABASE {name} WITH (FORCE)"));
        }
    }
}

fn psql(url: &str, statement: &str) -> anyhow::Result<String> {
    succeed(Command::new("psql").args(["-X", "-A", "-t", "-w", "-q", "-c", statement, url]))
        .context("cannot ask PostgreSQL (is psql installed?)")
}

/// The URL of another database on the same server.
fn named(server: &str, name: &str) -> String {
    let (url, options) = server
        .split_once('?')
        .map_or((server, None), |(url, rest)| (url, Some(rest)));
    let host = url.find("://").map_or(0, |at| at + 3);
    let origin = url[host..]
        .find('/')
        .map_or(url, |length| &url[..host + length]);
    match options {
        Some(options) => format!("{origin}/{name}?{options}"),
        None => format!("{origin}/{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_database_keeps_server_and_options() {
        for (server, expected) in [
            ("postgres://a@b:1/postgres", "postgres://a@b:1/x"),
            ("postgres://a@b", "postgres://a@b/x"),
            (
                "postgres://b/c?sslmode=disable",
                "postgres://b/x?sslmode=disable",
            ),
        ] {
            assert_eq!(named(server, "x"), expected);
        }
    }
}
