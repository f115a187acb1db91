//! The write-behind against real databases: SQLite, PostgreSQL and MariaDB.

mod database;
mod link;
mod once;
mod outage;
mod query;
mod records;
mod retention;
mod spool;
mod sums;

/// Runs a test on each engine, each time in a database of its own.
macro_rules! on_every_engine {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { crate::database::run(crate::database::Engine::Sqlite, super::$name).await; })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { crate::database::run(crate::database::Engine::Postgres, super::$name).await; })*
        }
        mod mysql {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { crate::database::run(crate::database::Engine::MySql, super::$name).await; })*
        }
    };
}
pub(crate) use on_every_engine;
