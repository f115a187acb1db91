//! The form between the formats: what a request, an answer and a stream say, whatever protocol they say it in.
//!
//! A format is read into it and written from it; no format knows another. Its rules:
//!
//! - Messages stand in the order of the conversation. Neighbours of one role are allowed, but for [`Role::Tool`]: the
//!   results of one turn are one message, whose parts are all [`Part::ToolResult`].
//! - System and developer instructions are messages of their own roles, wherever they stood.
//! - Base64 is the standard alphabet with padding; readers convert.
//! - JSON that belongs to others (schemas, arguments) is carried as text ([`Json`]), so that numbers, the order of members
//!   and unknown keywords survive.
//! - A [`Signature`] belongs to the family of models that made it. The writer of a format keeps its own family's and
//!   carries others' where it can ([`Signature::carried`]), so that a conversation which returns to their maker has them.

#[cfg(test)]
pub(crate) mod arbitrary;
mod embed;
mod event;
mod json;
mod message;
mod request;
mod response;
mod signature;

pub use embed::{EmbedRequest, EmbedResponse};
pub use event::Event;
pub use json::Json;
pub use message::{
    CacheControl, Detail, Media, Message, Part, Role, Source, Thinking, ToolCall, ToolResult,
};
pub use request::{
    Effort, Extra, JsonSchema, Logprobs, Output, Reasoning, ReasoningMode, Request, Summary, Tool,
    ToolChoice,
};
pub use response::{Choice, Finish, Response, TokenLogprob};
pub use signature::{CARRIED, Family, Signature};
