//! Streams.

mod calls;
mod ids;
mod reader;
mod writer;

pub(super) use ids::Ids;
pub(crate) use reader::Reader;
pub(crate) use writer::Writer;
