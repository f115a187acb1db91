//! What is done with SQLite's driver itself.

mod arguments;
mod stuck;
mod transaction;
mod unhurried;

pub(crate) use arguments::Arguments;
pub use stuck::close_stuck;
pub(crate) use transaction::SqliteTransaction;
