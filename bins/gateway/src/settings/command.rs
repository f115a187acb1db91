//! What the program can be told to do.

use std::path::PathBuf;

use clap::Subcommand;

/// What to do instead of serving.
#[derive(Subcommand, Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// Ask the gateway that listens by these settings whether it is ready; exit status 1 if it is not
    Healthcheck,
    /// Seal all secrets of providers under the secret key in force, also those of the previous one, and end
    Reseal,
    /// Make the database what a file declares, after a diff; gateways that run take it up within two seconds
    Apply(Apply),
}

/// What is declared, and how.
#[derive(clap::Args, Debug, Clone, PartialEq, Eq)]
pub(crate) struct Apply {
    /// TOML file with any of the sections providers, models, associations, policies, prices and keys
    pub(crate) file: PathBuf,
    /// Only show the diff
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Delete what this file declared before and names no more
    #[arg(long, conflicts_with = "release")]
    pub(crate) prune: bool,
    /// Let go of what this file declared before and names no more: it stays, and can be changed elsewhere
    #[arg(long)]
    pub(crate) release: bool,
    /// What the objects are declared by, in place of the file's name
    #[arg(long, value_name = "NAME")]
    pub(crate) owner: Option<String>,
    /// Exit with 2 where there are changes, made or to be made
    #[arg(long)]
    pub(crate) detailed_exitcode: bool,
}
