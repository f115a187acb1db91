//! Requests.

mod budget;
mod calls;
mod config;
mod contents;
mod media;
mod read;
mod results;
mod schema;
mod settings;
mod tools;
mod write;

pub(crate) use read::{read, read_fields};
pub(crate) use write::{Body, body, write};
