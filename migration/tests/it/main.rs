//! The migration on real databases: SQLite files, and the PostgreSQL and MySQL or MariaDB servers that
//! `TEST_POSTGRES_URL` and `TEST_MYSQL_URL` name. A server that cannot be reached fails the test.
#![expect(
    clippy::unwrap_used,
    reason = "tests, also where they share a function"
)]

mod check;
mod entities;
mod mutate;
mod rules;
mod up;
