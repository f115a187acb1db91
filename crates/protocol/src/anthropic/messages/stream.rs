//! Streams.

mod arguments;
mod frame;
mod reader;
mod wire;
mod writer;

pub(crate) use reader::Reader;
pub(crate) use writer::{Adopted, Writer};

#[cfg(test)]
mod tests;
