//! Bounds of the data path.

use std::time::Duration;

use access::limit::Rates;

use crate::trace::Sampling;

/// What an operator may set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Largest request body, in bytes.
    pub max_request_bytes: usize,
    /// Largest answer that is not streamed, in bytes.
    pub max_response_bytes: usize,
    /// Requests served at once, streams included; more are refused after a moment.
    pub max_concurrent: usize,
    /// Limits over all requests together.
    pub rates: Rates,
    /// Longest pause between two pieces of a request body.
    pub body_idle_timeout: Duration,
    /// Which requests are traced; none where there are no traces.
    pub traces: Option<Sampling>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_request_bytes: 64 << 20,
            max_response_bytes: 64 << 20,
            max_concurrent: 10_000,
            rates: Rates::default(),
            body_idle_timeout: Duration::from_secs(30),
            traces: None,
        }
    }
}
