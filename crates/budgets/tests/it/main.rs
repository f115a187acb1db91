//! Budgets of several replicas on real databases: SQLite, PostgreSQL and MariaDB.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

mod database;
mod outage;
mod replica;
mod shared;

/// Runs a test on each engine, each time in a database of its own.
macro_rules! on_every_engine {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { crate::database::run(sea_orm::DbBackend::Sqlite, super::$name).await; })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { crate::database::run(sea_orm::DbBackend::Postgres, super::$name).await; })*
        }
        mod mysql {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { crate::database::run(sea_orm::DbBackend::MySql, super::$name).await; })*
        }
    };
}
pub(crate) use on_every_engine;
