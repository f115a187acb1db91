//! How quickly a stream came.

use std::time::Duration;

use stats::{AttemptRecord, RequestRecord};

/// The pace of a request that was answered by a stream.
pub(crate) struct Pace<'a> {
    pub(crate) attempt: &'a AttemptRecord,
    /// From arrival to the first content.
    pub(crate) first: Duration,
    /// Seconds between two tokens, in the mean; none where the stream broke, or had no two.
    pub(crate) each: Option<f64>,
}

impl<'a> Pace<'a> {
    /// `None` where there was no stream.
    pub(crate) fn of(record: &'a RequestRecord) -> Option<Self> {
        let attempt = record.attempts.get(record.answered_by?)?;
        let first = record.ttft?;
        let later = attempt
            .usage
            .map_or(0, |usage| usage.completion.saturating_sub(1));
        let each = (later > 0 && record.error_class.is_none())
            .then(|| record.latency.saturating_sub(first).as_secs_f64() / later as f64);
        Some(Self {
            attempt,
            first,
            each,
        })
    }
}
