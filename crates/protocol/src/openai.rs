//! OpenAI's protocol: Chat Completions, Responses, Completions, Embeddings and the model list.

pub(crate) mod chat;
pub mod completions;
pub(crate) mod count;
pub mod embeddings;
mod error;
mod media;
mod models;
mod object;
pub(crate) mod responses;
mod strict;
pub(crate) mod usage;

pub use error::{render, stream_error};
pub use models::{ListedModel, model, model_list, parse_model_list};

/// The event that ends a stream: `data: [DONE]`.
pub const DONE: &[u8] = b"[DONE]";
