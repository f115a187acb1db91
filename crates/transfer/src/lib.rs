//! Moving rows: rebuilding a database around those it holds, dumping them to a file, loading them from one.
//!
//! All three read and write by the one typed description of the tables, [`migration::schema`]. Ids stay what they are,
//! and so do values to the last digit, whatever engine they come from and go to; what does not fit a column is never
//! bent to fit, but reported or refused. Tables that are not ours are neither read nor touched.
//!
//! A rebuild that fails or is killed, at whatever step, leaves the database as it was: on SQLite and PostgreSQL all of
//! it is one transaction, on MySQL and MariaDB the new tables take the old ones' places in one statement.

mod alive;
mod cell;
mod convert;
mod copy;
mod counter;
mod dump;
mod error;
mod fit;
mod format;
mod load;
mod pace;
mod rebuild;
mod report;
mod sink;
mod source;
mod sql;

pub use alive::gateways_alive;
pub use dump::{Dumped, dump};
pub use error::Error;
pub use load::{Loaded, load};
pub use pace::{Pace, Silent, Step};
pub use rebuild::{Options, Rebuilt, rebuild};
pub use report::{Examples, Report, TableReport};
