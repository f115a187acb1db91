//! Requests.

mod node;
mod read;
mod write;

pub(crate) use read::{read, read_count};
pub(crate) use write::{body, write};

/// The schema of a tool that takes no arguments, which has to be there nonetheless.
const NO_PARAMETERS: &str = r#"{"type":"object"}"#;
