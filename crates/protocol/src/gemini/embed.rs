//! Embeddings, to and from the canonical form.
//!
//! There are two verbs: `embedContent` takes one text, `batchEmbedContents` a list. Providers are always asked by
//! `batchEmbedContents`, also for one text, as every provider has it; clients are answered by the verb they used
//! ([`EmbedRequest::single`]).

mod answer;
mod request;

#[cfg(test)]
mod tests;

pub use answer::{read_response, write_response};
pub use request::{read_request, write_request};
