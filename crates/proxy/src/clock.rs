//! The one place where the proxy asks for the time.
//!
//! Every rule runs on the monotonic clock, so that a step of the wall clock ends no request and begins none. It is tokio's,
//! which tests pause and turn forward. The wall clock only says when a request arrived, and what a date in `Retry-After`
//! means.

use std::time::{Instant, SystemTime};

use chrono::{DateTime, Utc};

/// The monotonic clock.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// The wall clock.
pub(crate) fn wall() -> SystemTime {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the wall clock is read"
    )]
    SystemTime::now()
}

/// The wall clock, as records tell it.
pub(crate) fn utc() -> DateTime<Utc> {
    wall().into()
}

/// Lets `future` take the time that is left; `None` where that was not enough.
pub(crate) async fn within<F: Future>(deadline: Option<Instant>, future: F) -> Option<F::Output> {
    match deadline {
        Some(deadline) => tokio::time::timeout_at(deadline.into(), future).await.ok(),
        None => Some(future.await),
    }
}
