//! OpenAI's protocol: Chat Completions, Completions, Embeddings and the model list.

mod answer;
mod chunk;
mod envelope;
mod error;
mod models;
mod usage;

pub use answer::{Answer, Unusable};
pub use chunk::{Chunk, Malformed};
pub use envelope::{Envelope, Needs, Orchestration};
pub use error::{ProviderError, render, stream_error};
pub use models::{ListedModel, model, model_list, parse_model_list};

/// The event that ends a stream: `data: [DONE]`.
pub const DONE: &[u8] = b"[DONE]";
