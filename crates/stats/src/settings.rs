//! What an operator can turn.

use std::path::PathBuf;
use std::time::Duration;

/// Settings of the write-behind and of retention.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Folder of the spool; made if it does not exist. Processes may share it.
    pub spool_dir: PathBuf,
    /// Bytes of rows the spool may hold.
    pub spool_bytes: u64,
    /// Records that may wait in memory.
    pub queue_rows: usize,
    /// Age at which request rows are deleted; none keeps them for ever.
    pub retention: Option<Duration>,
    /// How long the end of the worker may wait for the database before it leaves the rest in the spool.
    pub drain_timeout: Duration,
}

impl Settings {
    /// The defaults: 1 GiB of spool, 32,768 records in memory, no retention, 5 s for the end.
    pub fn new(spool_dir: impl Into<PathBuf>) -> Self {
        Self {
            spool_dir: spool_dir.into(),
            spool_bytes: 1 << 30,
            queue_rows: 32_768,
            retention: None,
            drain_timeout: Duration::from_secs(5),
        }
    }
}
