//! What an operator may set.

use std::time::Duration;

/// Settings of health care, as the binary read and validated them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// `HEALTH_CHECK_ENABLED`: whether providers are probed on an interval. Everything else goes on without.
    pub probes_enabled: bool,
    /// `HEALTH_CHECK_INTERVAL`: time between two probes of a provider, give or take a tenth.
    pub probe_interval: Duration,
    /// `HEALTH_CHECK_MAX_ERRORS`: consecutive failures that make a provider or an association unhealthy; 0 acts as 1.
    pub max_errors: u32,
    /// `HEALTH_CHECK_RETRY_HOURS`: the longest pause of an unhealthy one before it gets its next trial.
    pub max_pause: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            probes_enabled: true,
            probe_interval: Duration::from_secs(300),
            max_errors: 5,
            max_pause: Duration::from_secs(3600),
        }
    }
}
