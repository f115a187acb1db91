//! Files for browsers, within the program and compressed.
//!
//! A build script has [`mod@pack`] put them into a table, which the crate that serves them includes and whose rows are
//! [`Asset`]s. Compressing there instead of when the program starts keeps that quick, and gzip, unlike Brotli, is taken by
//! browsers over plain HTTP too. The few who do not take it get the file unpacked.

mod asset;
pub mod pack;

pub use asset::Asset;
