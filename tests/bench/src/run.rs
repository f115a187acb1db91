//! The runner: starts everything, pins it, measures in turns, and checks the books at the end.
//!
//! What is measured has one core to itself; the simulators and the load generator share the other. Systems take turns
//! within a round (A B C, A B C), so that a machine that slows down slows down all of them, and each figure is the
//! median over the rounds. Scenarios that need the same systems share a stage: what stands until they are done.

mod database;
mod gateway;
mod idle;
mod nginx;
mod overload;
pub(crate) mod process;
mod report;
mod scenario;
mod stage;
mod startup;
mod system;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use clap::ValueEnum;

use crate::load::Report;
use idle::Idle;
use process::Cores;
use report::{Binary, Results, Sample};
use scenario::{Case, Chosen, Scenario};
use stage::{Lineup, Stage};
use startup::Startup;
use system::System;

/// What to measure, and for how long.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Settings {
    /// The gateway binary; without it only the baselines are measured.
    #[arg(long)]
    gateway: Option<PathBuf>,
    /// The migrator binary; by default the one beside the gateway.
    #[arg(long)]
    migrator: Option<PathBuf>,
    /// The simulator binary; by default the one beside this program.
    #[arg(long)]
    simulator: Option<PathBuf>,
    /// A PostgreSQL server for the scenario of that name, which makes a database on it and drops it; else that is left
    /// out.
    #[arg(long, env = "TEST_POSTGRES_URL", hide_env_values = true)]
    postgres: Option<String>,
    /// How often each system has its turn.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of a turn.
    #[arg(long, default_value_t = 4.0)]
    seconds: f64,
    /// Seconds of load on each system before anything is measured.
    #[arg(long, default_value_t = 1.0)]
    warmup: f64,
    /// Scenarios to run, comma-separated: names, or the groups `usual` and `all`.
    #[arg(long, value_parser = Chosen::parse, value_delimiter = ',', default_value = Chosen::USUAL)]
    scenarios: Vec<Chosen>,
    /// Requests per second of the steady scenario.
    #[arg(long, default_value_t = 2000.0)]
    rate: f64,
    /// Tokens of an answer, which is also the chunks of a stream.
    #[arg(long, default_value_t = 64)]
    tokens: u32,
    /// Streams at once, in the scenarios with many.
    #[arg(long, default_value_t = 2000)]
    many: usize,
    /// Connections of the idle scenario.
    #[arg(long, default_value_t = 10_000)]
    idle_connections: usize,
    /// Core of the system that is measured.
    #[arg(long, default_value_t = 0)]
    core: usize,
    /// Core of the simulator and the load generator.
    #[arg(long, default_value_t = 1)]
    load_core: usize,
    /// File for all figures as JSON.
    #[arg(long)]
    out: Option<PathBuf>,
    /// File for a picture of the ratios, an SVG.
    #[arg(long)]
    plot: Option<PathBuf>,
}

impl Settings {
    /// What was chosen of a stage, each once.
    fn scenarios(&self, stage: Stage) -> Vec<Scenario> {
        let is_chosen = |scenario: &Scenario| {
            let mut chosen = self.scenarios.iter();
            scenario.stage() == stage && chosen.any(|chosen| chosen.0.contains(scenario))
        };
        let all = Scenario::value_variants().iter().copied();
        all.filter(is_chosen).collect()
    }
}

/// The provider's key: clients of the gateway and of `bare-inspect` do not have it.
pub(crate) const PROVIDER_KEY: &str = "sk-provider";
pub(crate) const CLIENT_KEY: &str = "sk-client";

/// Runs the benchmark; an error when a system answered wrongly or the gateway's books do not add up.
pub(crate) async fn run(settings: Settings) -> anyhow::Result<()> {
    let bench = Bench {
        settings: &settings,
        myself: std::env::current_exe().context("cannot find this program")?,
        cores: Cores {
            measured: settings.core,
            load: settings.load_core,
        },
    };
    let mut results = Results::default();
    if let Some(gateway) = &settings.gateway {
        results.binaries.push(Binary::of("gateway", gateway)?);
    }
    if nginx::find().is_none() {
        let reason = "nginx is not installed (on Debian or Ubuntu: apt-get install nginx-light)";
        results.leave_out(format!("nginx: {reason}"))?;
    }
    // What was measured before something went wrong is still worth having.
    let outcome = bench.perform_all(&mut results).await;
    write!(std::io::stdout(), "{}", results.tables())?;
    if let Some(file) = &settings.out {
        results.write(file)?;
    }
    if let Some(picture) = &settings.plot {
        results.plot(picture)?;
    }
    outcome?;
    results.check()
}

/// Prints the tables of an earlier run.
pub(crate) fn table(file: &Path) -> anyhow::Result<()> {
    let results = Results::read(file)?;
    write!(std::io::stdout(), "{}", results.tables())?;
    Ok(())
}

/// Draws an earlier run.
pub(crate) fn plot(file: &Path, picture: &Path) -> anyhow::Result<()> {
    Results::read(file)?.plot(picture)
}

/// How a load is given.
#[derive(Clone, Copy, Debug, Default)]
struct Pace {
    /// Requests per second; none for as many as are answered.
    rate: Option<f64>,
    /// As many as the load generator has by itself, if none.
    connections: Option<usize>,
}

struct Bench<'a> {
    settings: &'a Settings,
    myself: PathBuf,
    cores: Cores,
}

impl Bench<'_> {
    /// All chosen scenarios, stage by stage.
    async fn perform_all(&self, results: &mut Results) -> anyhow::Result<()> {
        for stage in Stage::ALL {
            let scenarios = self.settings.scenarios(stage);
            if scenarios.is_empty() {
                continue;
            }
            if stage == Stage::Postgres && self.settings.postgres.is_none() {
                let reason = "no server is named by --postgres or TEST_POSTGRES_URL";
                results.leave_out(format!("postgres: {reason}"))?;
                continue;
            }
            self.perform(stage, &scenarios, results).await?;
        }
        Ok(())
    }

    /// Everything of one stage, from starting its systems to settling their books.
    async fn perform(
        &self,
        stage: Stage,
        scenarios: &[Scenario],
        results: &mut Results,
    ) -> anyhow::Result<()> {
        let mut lineup = Lineup::start(self, stage).await?;
        for &scenario in scenarios {
            writeln!(std::io::stderr(), "measuring {}", name(scenario))?;
            match scenario {
                Scenario::Overload => {
                    for system in lineup.gateways() {
                        results.overload = overload::measure(self, system, scenario)?;
                    }
                }
                Scenario::Places => {
                    for system in lineup.gateways() {
                        results.places = overload::measure(self, system, scenario)?;
                    }
                }
                Scenario::Idle => {
                    let connections = self.settings.idle_connections;
                    for system in lineup.measured() {
                        results.idle.push(Idle::measure(system, connections).await?);
                    }
                }
                Scenario::Startup => {
                    let times = self.settings.rounds;
                    for system in lineup.gateways() {
                        let startup = Startup::measure(&self.cores, system, times).await?;
                        results.startup.push(startup);
                    }
                }
                _ => self.measure(scenario, &mut lineup, results)?,
            }
        }
        std::thread::sleep(Duration::from_secs(2));
        for mut system in lineup.systems {
            if system.process.is_some() {
                system.remember_memory()?;
                results.memory.push(system.memory.clone());
            }
            results.accounting.extend(system.settle()?);
        }
        Ok(())
    }

    /// The loads of a scenario, in turns.
    fn measure(
        &self,
        scenario: Scenario,
        lineup: &mut Lineup,
        results: &mut Results,
    ) -> anyhow::Result<()> {
        let cases = scenario.cases();
        let pace = scenario.pace(self.settings);
        let systems = &mut lineup.systems;
        for (case, system) in turns(&cases, systems.len()) {
            if case.concerns(&systems[system].name) {
                self.load(&mut systems[system], case, self.settings.warmup, pace)?;
            }
        }
        for round in 0..self.settings.rounds {
            for (case, system) in turns(&cases, systems.len()) {
                let system = &mut systems[system];
                if !case.concerns(&system.name) {
                    continue;
                }
                system.forget_peak()?;
                let before = system.cpu()?;
                let load = self.load(system, case, self.settings.seconds, pace)?;
                let cpu = system.cpu()?.zip(before);
                let cpu = cpu.map(|(after, before)| after.saturating_sub(before));
                let peak_kb = system.peak_kb()?;
                results.add(Sample::new(case, &system.name, round, &load, cpu, peak_kb));
            }
        }
        Ok(())
    }

    fn load(
        &self,
        system: &mut System,
        case: Case,
        seconds: f64,
        pace: Pace,
    ) -> anyhow::Result<Report> {
        let mut command = self.cores.load(&self.myself);
        command.args(["load", "--target", &system.address.to_string()]);
        command.args(["--key", system.key(case.with)]);
        command.args(["--reference", &system.upstream.to_string()]);
        command.args(["--reference-key", PROVIDER_KEY]);
        command.args(["--seconds", &seconds.to_string()]);
        command.args(["--model", case.model()]);
        command.args(["--protocol", &name(case.protocol())]);
        command.args(["--shape", &name(case.shape)]);
        if matches!(case.scenario.stage(), Stage::Many | Stage::Long) {
            // Many at once take their turns on one core.
            command.args(["--patience", "120"]);
        }
        if let Some(rate) = pace.rate {
            command.args(["--rate", &rate.to_string()]);
        }
        if let Some(connections) = pace.connections {
            command.args(["--connections", &connections.to_string()]);
        }
        let output = command
            .stderr(std::process::Stdio::inherit())
            .output()
            .context("cannot start the load")?;
        anyhow::ensure!(
            output.status.success(),
            "the load on {} failed",
            system.name
        );
        let report: Report =
            serde_json::from_slice(&output.stdout).context("the load told nothing")?;
        system.count(&report);
        Ok(report)
    }
}

/// Each case on each system, in the order of their turns.
fn turns(cases: &[Case], systems: usize) -> impl Iterator<Item = (Case, usize)> {
    cases
        .iter()
        .flat_map(move |&case| (0..systems).map(move |system| (case, system)))
}

/// What a value is called on the command line.
fn name<T: ValueEnum>(value: T) -> String {
    value
        .to_possible_value()
        .map(|value| value.get_name().to_owned())
        .unwrap_or_default()
}

/// Runs a command that must succeed.
pub(crate) fn succeed(command: &mut Command) -> anyhow::Result<String> {
    let output = command
        .output()
        .with_context(|| format!("cannot run {:?}", command.get_program()))?;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    anyhow::ensure!(
        output.status.success(),
        "{:?} failed: {told}",
        command.get_program()
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
