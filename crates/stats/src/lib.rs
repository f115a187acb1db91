//! Request records: written behind the request, rolled up by day, kept for a while.

mod error;
mod metrics;
mod record;
mod recorder;
mod settings;
mod worker;

pub use error::Error;
pub use metrics::StatsMetrics;
pub use record::{AttemptRecord, Counted, RequestRecord, Usage, UsageSource};
pub use recorder::Recorder;
pub use settings::Settings;
pub use worker::{Worker, start};
