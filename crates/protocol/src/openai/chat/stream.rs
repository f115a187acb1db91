//! Streams.

mod reader;
mod writer;

pub(crate) use reader::Reader;
pub(crate) use writer::Writer;

#[cfg(test)]
mod tests;
