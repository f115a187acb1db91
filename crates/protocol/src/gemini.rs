//! Gemini's protocol: content generation, token counts, embeddings and the model list.

pub(crate) mod array;
mod base64;
pub(crate) mod count;
pub mod embed;
mod error;
mod fields;
pub(crate) mod generate;
mod models;
mod retry_info;
pub(crate) mod usage;

pub use error::{render, render_with_pause, stream_error};
pub use generate::count::unwrap as unwrap_count;
pub use models::{model, model_list, next_page, parse_model_list};
pub use retry_info::retry_delay;
