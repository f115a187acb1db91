//! One endpoint in front of many LLM providers.

mod database;
mod listener;
mod metrics;
mod open;
mod request_body;
mod run;
mod service;
mod settings;
mod telemetry;
mod wiring;

use std::process::ExitCode;

use settings::Settings;

fn main() -> ExitCode {
    let settings = match Settings::read() {
        Ok(settings) => settings,
        Err(error) => return refuse(&error),
    };
    settings.logging.start();
    // Two crypto providers in one program make rustls guess; this one is the choice, whatever else is linked.
    if rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .is_err()
    {
        return refuse(&anyhow::anyhow!("a TLS provider was already installed"));
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return refuse(&error.into()),
    };
    match runtime.block_on(run::run(settings)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => refuse(&error),
    }
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
