//! Request records: written behind the request, rolled up by day, kept for a while.
//!
//! A [`Recorder`] takes what the proxy tells about an ended request and returns at once. The [`Worker`] behind it writes
//! rows in batches, each batch with what it adds to the days of providers and keys in one transaction.
//!
//! - Every record becomes exactly one row of `request_logs`. Each batch has an id that is committed with it, so a batch
//!   whose answer was lost is recognised when it comes again.
//! - Every figure of `provider_stats` and `key_usage` is the sum over the rows' attempts of that UTC day; [`counted`] is
//!   the rule that reads success or failure off a stored attempt.
//! - Every figure of `log_rollups` that is marked is the sum over the rows that arrived in that quarter of an hour. They are
//!   made behind everything else, and the mark goes with the first change of such a row.
//! - What the database has not confirmed within 150 ms lies in the spool on local disk, so a killed process loses at most
//!   what ended in its last 250 ms. However long the database is away or slow, no request notices.
//! - A record is lost only when memory and spool are both full. That is counted and logged, as is a row that the database
//!   refuses for its data; such a row is kept in the spool's `set_aside` table.
//!
//! It deliberately does not read what it wrote in order to add to it, and never holds more rows in memory than the queue
//! and the batches on their way.
//!
//! ```no_run
//! # async fn example(db: sea_orm::DatabaseConnection) -> Result<(), stats::Error> {
//! let stop = tokio_util::sync::CancellationToken::new();
//! let (recorder, worker) = stats::start(stats::Settings::new("data/spool"), db.clone(), db).await?;
//! let worker = tokio::spawn(worker.run(stop.clone()));
//! // Requests are served; each ends in `recorder.record(..)`.
//! stop.cancel();
//! worker.await.expect("the worker does not panic");
//! println!("{} rows written, {} spooled", recorder.metrics().written(), recorder.metrics().spooled());
//! # Ok(())
//! # }
//! ```

pub mod query;

mod bodies;
mod bookings;
mod desk;
mod error;
mod fault;
mod metrics;
mod observer;
mod period;
mod record;
mod recorder;
mod retention;
mod rollup;
mod row;
mod settings;
mod spool;
mod sqlite;
mod statement;
mod tail;
mod trace;
mod unit;
mod upsert;
mod worker;
mod write;

pub use bodies::{BodyRecord, BodySettings, RecordedResponse};
pub use bookings::Bookings;
pub use error::Error;
pub use metrics::StatsMetrics;
pub use observer::Observer;
pub use period::roll_up;
pub use protocol::{Usage, UsageSource};
pub use record::{AttemptRecord, Counted, RequestRecord};
pub use recorder::Recorder;
pub use retention::delete_before;
pub use row::{bound, counted};
pub use settings::{Keep, Settings};
pub use sqlite::close_stuck;
pub use tail::{Seen, Tail, Watcher};
pub use trace::{Span, Trace};
pub use worker::{Worker, start};
