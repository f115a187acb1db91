//! Amazon Bedrock: how its streams are framed, and what is in them.

pub mod event_stream;
mod invoke;

pub use invoke::{ChunkError, unwrap_message};
