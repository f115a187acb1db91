//! Requests.

mod read;
mod write;

pub(crate) use read::read;
pub(in crate::openai) use read::{orchestration, sampling};
pub(crate) use write::write;

#[cfg(test)]
mod tests;
