//! Bounds of the data path.

use std::time::Duration;

/// What an operator may set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Largest request body, in bytes.
    pub max_request_bytes: usize,
    /// Largest answer that is not streamed, in bytes.
    pub max_response_bytes: usize,
    /// Longest pause between two pieces of a request body.
    pub body_idle_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_request_bytes: 64 << 20,
            max_response_bytes: 64 << 20,
            body_idle_timeout: Duration::from_secs(30),
        }
    }
}
