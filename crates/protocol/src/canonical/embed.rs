//! Embeddings: texts in, vectors out.

use crate::Usage;

/// A request for embeddings.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EmbedRequest {
    /// The texts, in order.
    pub inputs: Vec<String>,
    /// Length of the vectors wanted.
    pub dimensions: Option<u64>,
    /// What they are for, in Gemini's words (`RETRIEVAL_QUERY`).
    pub task_type: Option<String>,
    /// Title of the document, where it is one.
    pub title: Option<String>,
    /// Id of the end user.
    pub user: Option<String>,
    /// Whether the client reads vectors as base64 of little-endian 32-bit floats instead of numbers.
    pub base64: bool,
    /// Whether the client asked for one text as such (Gemini's `embedContent`), not for a list of one.
    pub single: bool,
}

/// The vectors.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EmbedResponse {
    /// One for each text, in its order.
    pub vectors: Vec<Vec<f32>>,
    /// The model, as the provider reports it.
    pub model: Option<String>,
    /// Tokens used.
    pub usage: Option<Usage>,
}
