//! Requests.

mod call_ids;
mod content;
mod fields;
mod input;
mod options;
mod read;
mod write;

pub(crate) use read::read;
pub(super) use write::body;
pub(crate) use write::write;

#[cfg(test)]
mod tests;
