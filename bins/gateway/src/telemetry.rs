//! Log lines.

use anyhow::Context;
use tracing_subscriber::{EnvFilter, fmt};

use crate::settings::{LogFormat, Settings};

/// Reads directives such as `info` or `proxy=debug,info`.
pub(crate) fn filter(directives: &str) -> anyhow::Result<EnvFilter> {
    EnvFilter::try_new(directives).with_context(|| format!("'{directives}' is no log level"))
}

/// Starts logging to standard output. The level was checked with the settings; should it be bad all the same, `info` it is.
pub(crate) fn init(settings: &Settings) {
    let filter = filter(&settings.log_level).unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = fmt().with_env_filter(filter).with_target(false);
    match settings.log_format {
        LogFormat::Text => lines
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stdout()))
            .init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
}
