//! Rebuilds, dumps and loads on SQLite and on the servers that `TEST_POSTGRES_URL` and `TEST_MYSQL_URL` name. A server
//! that cannot be reached fails the test.
#![expect(
    clippy::unwrap_used,
    reason = "tests, also where they share a function"
)]

mod backup;
mod dump;
mod old;
mod properties;
mod rebuild;
mod rows;
