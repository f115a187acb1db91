//! Responses, to and from the canonical form.

pub(crate) mod count;
mod item;
mod reasoning;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod stream;
mod usage;
mod words;
