//! What the admin API asks: pages of requests, totals of the last hours, figures per day.

mod daily;
mod logs;
mod summary;

pub use daily::{Daily, daily};
pub use logs::{LogFilter, logs};
pub use summary::{ModelTotals, ProviderTotals, Summary, Totals, summary};
