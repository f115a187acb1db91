//! Creates, checks and recreates the database schema.

mod args;
mod consent;
mod progress;
mod run;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use crate::args::Args;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    migration::keep_files_private();
    // Before anything opens a TLS connection: a second provider in the graph would make rustls refuse to choose.
    if rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .is_err()
    {
        say_error("a TLS provider was installed before ours");
        return ExitCode::from(run::FAILED);
    }
    match run::run(&Args::parse()).await {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            say_error(&chain(&error));
            ExitCode::from(run::FAILED)
        }
    }
}

/// The error and its causes, each said once: some messages repeat what caused them.
fn chain(error: &anyhow::Error) -> String {
    let mut message = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if message.contains(&cause) {
            continue;
        }
        if !message.is_empty() {
            message.push_str(": ");
        }
        message.push_str(&cause);
    }
    message
}

/// One line, also when a server's message has several.
pub(crate) fn say_error(message: &str) {
    let line = message
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join("; ");
    // Nobody is left to tell when stderr is closed.
    let _ = writeln!(std::io::stderr(), "migrator: {line}");
}
