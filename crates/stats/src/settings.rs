//! What an operator can turn.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::{BodySettings, Bookings, Observer};

/// Settings of the write-behind and of retention.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Folder of the spool; made if it does not exist. Processes may share it.
    pub spool_dir: PathBuf,
    /// Bytes of rows the spool may hold.
    pub spool_bytes: u64,
    /// Records that may wait in memory.
    pub queue_rows: usize,
    /// How bodies are recorded.
    pub bodies: BodySettings,
    /// Ages at which rows are deleted.
    pub retention: Keep,
    /// How long the end of the worker may wait for the database before it leaves the rest in the spool.
    pub drain_timeout: Duration,
    /// Told of what has come into the books.
    pub bookings: Option<Arc<dyn Bookings>>,
    /// Told of every request that has ended.
    pub observers: Vec<Arc<dyn Observer>>,
}

/// Ages at which rows are deleted; none keeps them for ever.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Keep {
    /// Of requests.
    pub requests: Option<Duration>,
    /// Of the audit log.
    pub audit: Option<Duration>,
    /// Of recorded bodies, which do not outlive their requests' rows.
    pub bodies: Option<Duration>,
}

impl Settings {
    /// The defaults: 1 GiB of spool, 32,768 records in memory, no retention, 5 s for the end.
    pub fn new(spool_dir: impl Into<PathBuf>) -> Self {
        Self {
            spool_dir: spool_dir.into(),
            spool_bytes: 1 << 30,
            queue_rows: 32_768,
            bodies: BodySettings::default(),
            retention: Keep::default(),
            drain_timeout: Duration::from_secs(5),
            bookings: None,
            observers: Vec::new(),
        }
    }
}
