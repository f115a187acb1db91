//! Streams.

mod failure;
mod reader;
mod writer;

pub(crate) use failure::error_event;
pub(crate) use reader::Reader;
pub(crate) use writer::Writer;
