//! Load benchmarks: the gateway beside two bare proxies, in front of the provider simulator.
//!
//! One program with everything a run needs, so that `run` can start the rest of itself: the two baselines, the load
//! generator, and the runner that pins, interleaves and measures. Build it for release; its figures mean nothing
//! otherwise.

mod admin;
mod bare;
mod load;
mod run;
mod soak;

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Measures the gateway against the least a proxy can cost.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// A proxy that passes everything through unread: what hyper itself costs.
    Bare1(bare::Settings),
    /// The same, and the least a gateway for models must do: find and replace the model, set the provider's key,
    /// find the usage in the answer.
    BareInspect(bare::Settings),
    /// Sends requests and tells how they were answered, as JSON.
    Load(load::Settings),
    /// Starts everything, measures in turns, and prints a table.
    Run(Box<run::Settings>),
    /// Prints the tables of a run from its JSON file, as Markdown.
    Table {
        /// What `run --out` wrote.
        file: PathBuf,
    },
    /// Draws a run from its JSON file.
    Plot {
        /// What `run --out` wrote.
        file: PathBuf,
        /// The picture, an SVG.
        picture: PathBuf,
    },
    /// Mixed traffic for minutes with every kind of fault, and whether the books add up at the end.
    Soak(soak::Settings),
}

/// One thread: what is measured is pinned to one core.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let command = Cli::parse().command;
    raise_limit_of_files();
    match command {
        Command::Bare1(settings) => bare::serve(settings, bare::Kind::PassThrough).await,
        Command::BareInspect(settings) => bare::serve(settings, bare::Kind::Inspect).await,
        Command::Load(settings) => load::print(settings).await,
        Command::Run(settings) => run::run(*settings).await,
        Command::Table { file } => run::table(&file),
        Command::Plot { file, picture } => run::plot(&file, &picture),
        Command::Soak(settings) => soak::run(settings).await,
    }
}

/// Connections are files, on either side of a proxy. What is started from here begins with the same limit.
fn raise_limit_of_files() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    // Where it stays low, connections fail and say so.
    let _ = setrlimit(Resource::Nofile, raised);
}
