//! Log lines.

use std::io::{self, IsTerminal};

use anyhow::Context;
use clap::ValueEnum;
use serde::Deserialize;
use tracing_subscriber::{EnvFilter, fmt};

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// What is logged, and how.
#[derive(Debug)]
pub(crate) struct Logging {
    directives: String,
    format: LogFormat,
}

impl Logging {
    /// Reads directives such as `info` or `proxy=debug,info`.
    pub(crate) fn new(directives: &str, format: LogFormat) -> anyhow::Result<Self> {
        EnvFilter::try_new(directives)
            .with_context(|| format!("'{directives}' is no log level"))?;
        Ok(Self {
            directives: directives.to_owned(),
            format,
        })
    }

    /// Starts logging to standard output.
    pub(crate) fn start(&self) {
        let lines = fmt()
            .with_env_filter(EnvFilter::new(&self.directives))
            .with_target(false);
        match self.format {
            LogFormat::Text => lines.with_ansi(io::stdout().is_terminal()).init(),
            LogFormat::Json => lines.json().flatten_event(true).init(),
        }
    }
}
