//! How an attempt ended, as far as routing and health care.

use std::time::Duration;

/// The judgement of one attempt. Whoever sends the request decides which of these it met; what follows from it
/// (try another candidate, wait, stop; held against provider or association) is decided here and in `health`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// The candidate answered; a refusal or an empty but complete answer is an answer.
    Answered,
    /// The client's own fault (a 4xx that no other candidate would judge differently, content policy).
    ClientFault,
    /// The client went away.
    ClientGone,
    /// The prompt is too long for this provider model; another provider model may hold more.
    ContextLengthExceeded,
    /// Connect, DNS or TLS failure, reset, 5xx, 408, 409, an unusable 200, a stream that ended before content.
    Failed,
    /// No connection within the connect timeout.
    ConnectTimeout,
    /// Connected, but silent for longer than the clock in force allows.
    Timeout,
    /// The provider does not know the model or the path (404).
    NotFound,
    /// The provider refuses our credentials or redirects us: 401, 402, 403, 3xx.
    Misconfigured,
    /// 429; `retry_after` as the provider told it, in whatever form it did.
    RateLimited {
        /// Time until the provider takes requests again, if it said so.
        retry_after: Option<Duration>,
    },
    /// 529, or 503 with a `Retry-After`.
    Overloaded {
        /// Time until the provider takes requests again, if it said so.
        retry_after: Option<Duration>,
    },
    /// Nothing was sent: the candidate's half-open trial was taken by another request, or a local limit was full.
    Held,
}
