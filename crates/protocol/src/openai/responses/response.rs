//! Whole answers.

pub(super) mod echo;
mod read;
mod write;

pub(crate) use read::read;
pub(super) use read::{Logprob, OutputItem, finish_of_incomplete};
pub(crate) use write::write;

#[cfg(test)]
mod tests;
