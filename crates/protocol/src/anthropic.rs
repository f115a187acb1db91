//! Anthropic's protocol: Messages, token counts and the model list.

pub(crate) mod count;
mod error;
pub(crate) mod messages;
mod models;
pub(crate) mod usage;

pub use error::{render, stream_error};
pub(crate) use messages::request::read_count as read_count_request;
pub use models::{model, model_list, next_page, parse_model_list};
