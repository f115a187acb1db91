//! Request records: written behind the request, rolled up by day, kept for a while.

pub mod query;

mod error;
mod fault;
mod metrics;
mod record;
mod recorder;
mod retention;
mod rollup;
mod row;
mod settings;
mod spool;
mod upsert;
mod worker;
mod write;

pub use error::Error;
pub use metrics::StatsMetrics;
pub use protocol::{Usage, UsageSource};
pub use record::{AttemptRecord, Counted, RequestRecord};
pub use recorder::Recorder;
pub use retention::delete_before;
pub use row::counted;
pub use settings::Settings;
pub use worker::{Worker, start};
