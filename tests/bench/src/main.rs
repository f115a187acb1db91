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

use clap::{Parser, Subcommand};

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
    Run(run::Settings),
    /// Mixed traffic for minutes with every kind of fault, and whether the books add up at the end.
    Soak(soak::Settings),
}

/// One thread: what is measured is pinned to one core.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Bare1(settings) => bare::serve(settings, bare::Kind::PassThrough).await,
        Command::BareInspect(settings) => bare::serve(settings, bare::Kind::Inspect).await,
        Command::Load(settings) => load::print(settings).await,
        Command::Run(settings) => run::run(settings).await,
        Command::Soak(settings) => soak::run(settings).await,
    }
}
