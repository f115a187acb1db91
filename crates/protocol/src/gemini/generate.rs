//! generateContent, to and from the canonical form.

pub(crate) mod count;
mod escape;
mod finish;
mod logprobs;
mod part;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod stream;

pub(crate) use escape::{json_text, write_json};
pub(crate) use finish::is_broken;

#[cfg(test)]
mod tests;
