//! The elements of the `attempts` column of `request_logs`.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// One try of one candidate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The provider tried.
    pub provider_id: i64,
    /// What that provider calls the model.
    pub provider_model: Arc<str>,
    /// HTTP status of its answer; null when none came.
    pub status: Option<u16>,
    /// Why it failed; null when it answered.
    pub error_class: Option<String>,
    /// From sending to the end of the attempt, in milliseconds.
    pub ms: i64,
    /// What it used; null when unknown.
    pub tokens: Option<AttemptTokens>,
    /// Nano-USD; null while unpriced.
    pub cost: Option<i64>,
}

/// Tokens of one attempt. `prompt` includes cached and cache-written ones, `completion` includes reasoning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptTokens {
    /// Input tokens in total.
    pub prompt: i64,
    /// Output tokens in total.
    pub completion: i64,
    /// As the provider totals them.
    pub total: i64,
    /// Input tokens read from the provider's cache.
    pub cached: i64,
    /// Input tokens written to the provider's cache.
    pub cache_write: i64,
    /// Output tokens spent on reasoning.
    pub reasoning: i64,
}
