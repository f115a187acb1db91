//! One endpoint in front of many LLM providers.

mod apply;
mod client_address;
mod core_dumps;
mod cors;
mod database;
mod descriptors;
mod head_timer;
mod healthcheck;
mod in_turn;
mod last_resort;
mod listener;
mod logging;
mod metrics;
mod open;
mod patient;
mod patient_body;
mod request_body;
mod run;
mod service;
mod settings;
mod tls;
mod turned_away;
mod wiring;

use std::{io::Write, process::ExitCode, thread::available_parallelism};

use settings::{Command, Settings};
use tikv_jemallocator::Jemalloc;
use tokio::runtime::{Builder, Runtime};

/// Measured: requests cost less than with the system's, and memory is given back after a peak.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    migration::keep_files_private();
    let (settings, command) = match Settings::read() {
        Ok(read) => read,
        Err(error) => return refuse(&error),
    };
    match command {
        None => serve(settings),
        Some(Command::Healthcheck) => end(healthcheck::ask(&settings)),
        Some(Command::Apply(apply)) => {
            core_dumps::forbid();
            match start_runtime()
                .and_then(|runtime| runtime.block_on(apply::run(&settings, &apply)))
            {
                Ok(code) => code,
                Err(error) => refuse_in_full(&error),
            }
        }
        Some(Command::Reseal) => {
            core_dumps::forbid();
            end(start_runtime().and_then(|runtime| {
                let count = runtime.block_on(wiring::reseal(&settings))?;
                writeln!(
                    std::io::stdout(),
                    "sealed anew: the secrets of {count} providers"
                )?;
                Ok(())
            }))
        }
    }
}

fn serve(settings: Settings) -> ExitCode {
    settings.logging.start();
    core_dumps::forbid();
    descriptors::raise_limit();
    end(start_runtime().and_then(|runtime| runtime.block_on(run::run(settings))))
}

/// The runtime, and what is chosen for the whole program before.
fn start_runtime() -> anyhow::Result<Runtime> {
    // Two crypto providers in one program make rustls guess; this one is the choice, whatever else is linked.
    if rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .is_err()
    {
        anyhow::bail!("a TLS provider was already installed");
    }
    let is_alone = available_parallelism().is_ok_and(|threads| threads.get() == 1);
    let mut builder = match is_alone {
        // There is nobody to share work with, which costs something, and only this scheduler gives each task its turn in order.
        true => Builder::new_current_thread(),
        false => Builder::new_multi_thread(),
    };
    Ok(builder.enable_all().build()?)
}

fn end(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => refuse(&error),
    }
}

/// Says in as many lines as it takes what is wrong with a file.
#[expect(clippy::print_stderr, reason = "the last word of a program that ends")]
fn refuse_in_full(error: &anyhow::Error) -> ExitCode {
    eprintln!("gateway: {error:#}");
    ExitCode::FAILURE
}

/// Says in one line why there is no gateway.
#[expect(
    clippy::print_stderr,
    reason = "the last word of a program that does not start"
)]
fn refuse(error: &anyhow::Error) -> ExitCode {
    let line = format!("{error:#}").replace('\n', " ");
    eprintln!("gateway: {line}");
    ExitCode::FAILURE
}
