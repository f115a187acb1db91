//! Chat Completions, to and from the canonical form.
//!
//! Reasoning that is signed has no place in Chat Completions' own documents. It stands in `thinking_blocks`, beside
//! `reasoning_content`, as other gateways have it; see [`thinking`].

mod content;
mod images;
mod logprobs;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod stream;
mod thinking;
