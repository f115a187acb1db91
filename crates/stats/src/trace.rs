//! Where a request stands in a distributed trace.

use std::time::Duration;

/// The spans of a request that is traced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// The trace: the caller's, or one that begins here. Never 0.
    pub trace_id: u128,
    /// The request's own span. Never 0.
    pub span_id: u64,
    /// The caller's span, where it sent one.
    pub parent_id: Option<u64>,
    /// Whether the spans are exported. One that is not still passes its ids on.
    pub is_sampled: bool,
    /// The caller's `tracestate`, which is passed on.
    pub state: Option<String>,
    /// Of each attempt of the record, in their order.
    pub attempts: Vec<Span>,
}

/// The span of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Never 0.
    pub id: u64,
    /// From the request's arrival to when the attempt was sent.
    pub after: Duration,
}
