//! Opening the database that a URL names, for the few statements of a migration or a check.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use sea_orm::sqlx::mysql::MySqlConnectOptions;
use sea_orm::sqlx::postgres::PgConnectOptions;
use sea_orm::sqlx::sqlite::SqliteConnectOptions;
use sea_orm::{ConnectOptions, Database, DatabaseConnection, DbErr, RuntimeErr, SqlxError};

use crate::{CONNECT_TIMEOUT, Error, LOCK_TIMEOUT};

/// Opens the database at `url`, one connection at most.
///
/// `url` is `sqlite://path[?mode=rwc]`, `postgres://user:password@host/database` or
/// `mysql://user:password@host/database`. An SQLite file named with `mode=rwc` is created together with its folder.
pub async fn connect(url: &str) -> Result<DatabaseConnection, Error> {
    if !has_mode(url, "rwc") {
        return connect_existing(url).await;
    }
    if let Some(path) = sqlite_file(url)?
        && let Some(folder) = path.parent()
    {
        std::fs::create_dir_all(folder).map_err(|source| Error::Folder {
            path: folder.to_owned(),
            source,
        })?;
    }
    open(url, true).await
}

/// As [`connect`], but never creates anything: an SQLite file that is not there is [`Error::NoFile`].
pub async fn connect_existing(url: &str) -> Result<DatabaseConnection, Error> {
    if let Some(path) = sqlite_file(url)?
        && !path.exists()
    {
        return Err(Error::NoFile(path));
    }
    open(url, false).await
}

/// A URL with the scheme that drivers know: `mariadb://` is `mysql://`.
#[must_use]
pub fn with_known_scheme(url: String) -> String {
    match url.strip_prefix("mariadb://") {
        Some(rest) => format!("mysql://{rest}"),
        None => url,
    }
}

/// The place a URL names, for messages: without user, password and parameters.
pub fn place(url: &str) -> String {
    if let Ok(Some(path)) = sqlite_file(url) {
        return path.display().to_string();
    }
    // A password may hold anything, also a slash that should have been encoded: all up to the last @ goes.
    let (scheme, rest) = url.split_once("://").unwrap_or(("database", url));
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let host = host.split(['?', '#']).next().unwrap_or_default();
    format!("{scheme}://{host}")
}

async fn open(url: &str, may_create: bool) -> Result<DatabaseConnection, Error> {
    check_url(url)?;
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(1)
        // An in-memory database lives as long as its connection.
        .min_connections(1)
        .idle_timeout(None::<Duration>)
        .max_lifetime(None::<Duration>)
        .acquire_timeout(CONNECT_TIMEOUT)
        .sqlx_logging(false)
        .map_sqlx_sqlite_opts(move |sqlite| {
            let sqlite = sqlite.busy_timeout(LOCK_TIMEOUT);
            if may_create {
                sqlite
            } else {
                sqlite.create_if_missing(false)
            }
        });
    Database::connect(options).await.map_err(|source| {
        let database = place(url);
        if let DbErr::Conn(RuntimeErr::SqlxError(cause)) = &source
            && matches!(cause.as_ref(), SqlxError::PoolTimedOut)
        {
            // The pool repeats a refused connection until its time is over.
            return Error::Unreachable { database };
        }
        Error::Connect { database, source }
    })
}

/// Finds what is wrong with a URL before anyone repeats it, password and all, in a message.
fn check_url(url: &str) -> Result<(), Error> {
    if url.starts_with("sqlite:") {
        return Ok(());
    }
    let is_mysql = url.starts_with("mysql://");
    let is_valid = if is_mysql {
        MySqlConnectOptions::from_str(url).is_ok()
    } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        PgConnectOptions::from_str(url).is_ok()
    } else {
        return Err(Error::Url(
            "must begin with sqlite://, postgres:// or mysql://",
        ));
    };
    if !is_valid {
        return Err(Error::Url(
            "is not a valid URL: special characters in user and password are written as %XX",
        ));
    }
    let names_database = place(url)
        .splitn(4, '/')
        .nth(3)
        .is_some_and(|name| !name.is_empty());
    if is_mysql && !names_database {
        return Err(Error::Url("names no database: mysql://host/DATABASE"));
    }
    Ok(())
}

/// The file an SQLite URL names; `None` for a server or a database in memory.
///
/// # Errors
/// [`Error::Url`] when the URL is not understood.
pub fn sqlite_file(url: &str) -> Result<Option<PathBuf>, Error> {
    if !url.starts_with("sqlite:") || url.contains(":memory:") || has_mode(url, "memory") {
        return Ok(None);
    }
    let options = SqliteConnectOptions::from_str(url).map_err(|_| {
        Error::Url(
            "is not understood: sqlite://PATH?mode=rwc takes only mode, cache, immutable and vfs",
        )
    })?;
    Ok(Some(options.get_filename().to_owned()))
}

fn has_mode(url: &str, mode: &str) -> bool {
    let parameters = url.split_once('?').map_or("", |(_, rest)| rest);
    parameters
        .split('&')
        .any(|parameter| parameter.strip_prefix("mode=") == Some(mode))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_show_no_secret() {
        for (url, expected) in [
            (
                "postgres://me:secret@db:5432/app?sslmode=require",
                "postgres://db:5432/app",
            ),
            ("mysql://root@127.0.0.1/app", "mysql://127.0.0.1/app"),
            ("postgres://me:se/cr@et@db/app", "postgres://db/app"),
            ("postgres://me:se?cr@db/app", "postgres://db/app"),
            ("sqlite://data/x.db?mode=rwc", "data/x.db"),
            ("nonsense:secret@host", "database://host"),
        ] {
            assert_eq!(place(url), expected);
        }
    }

    #[test]
    fn the_name_of_mariadb_is_understood() {
        for (url, expected) in [
            ("mariadb://me:secret@db/app", "mysql://me:secret@db/app"),
            ("mysql://me@db/mariadb://", "mysql://me@db/mariadb://"),
        ] {
            assert_eq!(with_known_scheme(url.to_owned()), expected);
        }
        // Where it was not made to be, it is refused without being repeated.
        let refused = check_url("mariadb://me:secret@db/app").unwrap_err();
        assert!(!refused.to_string().contains("secret"), "{refused}");
    }

    #[test]
    fn urls_that_cannot_work_are_refused_with_the_reason() {
        for (url, expected) in [
            ("oracle://x/y", "must begin with"),
            ("", "must begin with"),
            ("mysql://root@host:3306/", "names no database"),
            ("mysql://root@host", "names no database"),
            ("postgres://me:secret@[broken/x", "not a valid URL"),
            ("mysql://me:se/cret@host/x", "not a valid URL"),
        ] {
            let error = check_url(url).unwrap_err().to_string();
            assert!(error.contains(expected), "{url}: {error}");
        }
        assert!(sqlite_file("sqlite://x.db?mode=sideways").is_err());
    }

    #[test]
    fn memory_is_no_file() {
        for url in [
            "sqlite::memory:",
            "sqlite://:memory:",
            "sqlite://?mode=memory",
        ] {
            assert_eq!(sqlite_file(url).unwrap(), None);
        }
    }
}
