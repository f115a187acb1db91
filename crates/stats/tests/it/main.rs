//! The write-behind against real databases: SQLite, PostgreSQL and MariaDB.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

mod database;
mod link;
mod once;
mod outage;
mod query;
mod records;
mod retention;
mod rollups;
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

/// Runs a test on the engines that are reached over a network.
macro_rules! on_every_server {
    ($name:ident) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn postgres() {
            crate::database::run(crate::database::Engine::Postgres, super::$name).await;
        }
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn mysql() {
            crate::database::run(crate::database::Engine::MySql, super::$name).await;
        }
    };
}
pub(crate) use on_every_server;
