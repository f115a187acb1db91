//! What the admin API asks: pages of requests, totals of the last hours, figures over time and per day, reports of usage.

mod cover;
mod daily;
mod filter;
mod keys;
mod logs;
mod series;
mod summary;
mod usage;

pub use daily::{Daily, daily};
pub use filter::{LogFilter, Text};
pub use keys::{KeyTotals, key_totals};
pub use logs::{LogCursor, Logs, logs};
pub use series::{Figures, Percentiles, Series, SeriesOf, series};
pub use summary::{ModelTotals, ProviderTotals, Summary, Totals, summary};
pub(crate) use summary::{Sums, sums};
pub use usage::{UsageBy, UsageOf, UsageRow, usage};
