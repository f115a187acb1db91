//! Whole answers.

mod read;
mod write;

pub(crate) use read::read;
pub(super) use read::{StopDetails, finish};
pub(crate) use write::write;
pub(super) use write::{Stop, id, picture, reasons};

#[cfg(test)]
mod tests;
