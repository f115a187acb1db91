//! The runner: starts everything, pins it, measures in turns, and checks the books at the end.
//!
//! What is measured has one core to itself; the simulator and the load generator share the other. Systems take turns
//! within a round (A B C, A B C), so that a machine that slows down slows down all of them, and each figure is the
//! median over the rounds.

mod gateway;
mod overload;
pub(crate) mod process;
mod report;
mod scenario;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use clap::ValueEnum;

use crate::load::Report;
use gateway::Gateway;
use process::{Cores, Spawned};
use report::{Accounting, Memory, Results, Sample};
use scenario::{Case, Scenario};

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
    /// How often each system has its turn.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of a turn.
    #[arg(long, default_value_t = 4.0)]
    seconds: f64,
    /// Seconds of load on each system before anything is measured.
    #[arg(long, default_value_t = 1.0)]
    warmup: f64,
    /// Scenarios to run, comma-separated.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Scenario::Small, Scenario::Large, Scenario::Stream, Scenario::Steady, Scenario::Translate, Scenario::Overload])]
    scenarios: Vec<Scenario>,
    /// Requests per second of the steady scenario.
    #[arg(long, default_value_t = 2000.0)]
    rate: f64,
    /// Tokens of an answer, which is also the chunks of a stream.
    #[arg(long, default_value_t = 64)]
    tokens: u32,
    /// Core of the system that is measured.
    #[arg(long, default_value_t = 0)]
    core: usize,
    /// Core of the simulator and the load generator.
    #[arg(long, default_value_t = 1)]
    load_core: usize,
    /// File for all figures as JSON.
    #[arg(long)]
    out: Option<PathBuf>,
}

/// Something that takes requests and is measured.
struct System {
    name: &'static str,
    address: SocketAddr,
    key: &'static str,
    /// None for the simulator, which is not measured: its turn shows what the load generator can do.
    process: Option<Spawned>,
    memory: Memory,
    answered: u64,
    lost: u64,
}

/// The provider's key: clients of the gateway and of `bare-inspect` do not have it.
pub(crate) const PROVIDER_KEY: &str = "sk-provider";
pub(crate) const CLIENT_KEY: &str = "sk-client";

/// Runs the benchmark; an error when a system answered wrongly or the gateway's books do not add up.
pub(crate) async fn run(settings: Settings) -> anyhow::Result<()> {
    let myself = std::env::current_exe().context("cannot find this program")?;
    let cores = Cores {
        measured: settings.core,
        load: settings.load_core,
    };
    let simulator = settings
        .simulator
        .clone()
        .unwrap_or_else(|| myself.with_file_name("simulator"));
    let mut command = cores.load(&simulator);
    command.args([
        "--listen",
        "127.0.0.1:0",
        "--fixed",
        "--api-key",
        PROVIDER_KEY,
    ]);
    command.args(["--tokens", &settings.tokens.to_string()]);
    let (_simulator, upstream) =
        Spawned::with_address(command).context("the simulator did not start")?;

    let mut systems = vec![System::new("direct", upstream, PROVIDER_KEY, None)?];
    for (name, key) in [("bare1", PROVIDER_KEY), ("bare-inspect", CLIENT_KEY)] {
        let mut command = cores.measured(&myself);
        command.args([
            name,
            "--upstream",
            &upstream.to_string(),
            "--key",
            PROVIDER_KEY,
        ]);
        let (process, address) =
            Spawned::with_address(command).with_context(|| format!("{name} did not start"))?;
        systems.push(System::new(name, address, key, Some(process))?);
    }
    let mut gateway = None;
    if let Some(binary) = &settings.gateway {
        let migrator = settings
            .migrator
            .clone()
            .unwrap_or_else(|| binary.with_file_name("migrator"));
        let (started, process) = Gateway::start(&cores, binary, &migrator, upstream).await?;
        systems.push(System::new(
            "gateway",
            started.address,
            CLIENT_KEY,
            Some(process),
        )?);
        gateway = Some(started);
    }

    let bench = Bench {
        settings: &settings,
        myself,
        cores,
        upstream,
    };
    let mut results = bench.measure(&mut systems)?;
    if settings.scenarios.contains(&Scenario::Overload)
        && let Some(system) = systems.last_mut().filter(|_| gateway.is_some())
    {
        results.overload = overload::measure(&bench, system)?;
    }
    std::thread::sleep(Duration::from_secs(2));
    for system in &mut systems {
        system.remember_memory()?;
        results
            .memory
            .extend(system.process.as_ref().map(|_| system.memory.clone()));
    }
    if let Some(gateway) = gateway {
        let system = systems.pop().context("the gateway is the last system")?;
        results.accounting = Some(settle(gateway, system)?);
    }
    results.print(settings.out.as_deref())
}

/// Stops the gateway in an orderly way and compares its rows with what it answered.
fn settle(gateway: Gateway, system: System) -> anyhow::Result<Accounting> {
    let process = system.process.context("the gateway is a process")?;
    process.terminate().context("the gateway did not stop")?;
    Ok(Accounting {
        answered: system.answered,
        lost: system.lost,
        rows: gateway.rows()?,
    })
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
    upstream: SocketAddr,
}

impl Bench<'_> {
    fn measure(&self, systems: &mut [System]) -> anyhow::Result<Results> {
        let mut results = Results::default();
        for &scenario in &self.settings.scenarios {
            let cases = scenario.cases();
            for (case, system) in turns(&cases, systems.len()) {
                if case.concerns(systems[system].name) {
                    self.load(&mut systems[system], case, self.settings.warmup)?;
                }
            }
            for round in 0..self.settings.rounds {
                for (case, system) in turns(&cases, systems.len()) {
                    let system = &mut systems[system];
                    if !case.concerns(system.name) {
                        continue;
                    }
                    let before = system.cpu()?;
                    let load = self.load(system, case, self.settings.seconds)?;
                    let cpu = system
                        .cpu()?
                        .zip(before)
                        .map(|(after, before)| after.saturating_sub(before));
                    results.add(Sample::new(*case, system.name, round, &load, cpu));
                }
            }
        }
        Ok(results)
    }

    fn load(&self, system: &mut System, case: &Case, seconds: f64) -> anyhow::Result<Report> {
        let is_steady = case.scenario == Scenario::Steady;
        let pace = Pace {
            rate: is_steady.then_some(self.settings.rate),
            connections: None,
        };
        self.load_at(system, case, seconds, pace)
    }

    fn load_at(
        &self,
        system: &mut System,
        case: &Case,
        seconds: f64,
        pace: Pace,
    ) -> anyhow::Result<Report> {
        let mut command = self.cores.load(&self.myself);
        command.args([
            "load",
            "--target",
            &system.address.to_string(),
            "--key",
            system.key,
        ]);
        command.args([
            "--reference",
            &self.upstream.to_string(),
            "--reference-key",
            PROVIDER_KEY,
        ]);
        command.args(["--seconds", &seconds.to_string()]);
        command.args(["--model", case.model()]);
        command.args(["--protocol", &name(case.protocol())]);
        command.args(["--shape", &name(case.shape)]);
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
        system.answered += report.answered();
        system.lost += report.failed;
        Ok(report)
    }
}

/// Each case on each system, in the order of their turns.
fn turns(cases: &[Case], systems: usize) -> impl Iterator<Item = (&Case, usize)> {
    cases
        .iter()
        .flat_map(move |case| (0..systems).map(move |system| (case, system)))
}

/// What a value is called on the command line.
fn name<T: ValueEnum>(value: T) -> String {
    value
        .to_possible_value()
        .map(|value| value.get_name().to_owned())
        .unwrap_or_default()
}

impl System {
    fn new(
        name: &'static str,
        address: SocketAddr,
        key: &'static str,
        process: Option<Spawned>,
    ) -> anyhow::Result<Self> {
        let idle_kb = process
            .as_ref()
            .map(Spawned::memory)
            .transpose()?
            .map_or(0, |memory| memory.now_kb);
        let memory = Memory {
            system: name,
            idle_kb,
            peak_kb: 0,
            after_kb: 0,
        };
        Ok(Self {
            name,
            address,
            key,
            process,
            memory,
            answered: 0,
            lost: 0,
        })
    }

    /// User and system time so far.
    fn cpu(&self) -> anyhow::Result<Option<Duration>> {
        self.process.as_ref().map(Spawned::cpu).transpose()
    }

    fn peak_kb(&self) -> anyhow::Result<u64> {
        let process = self.process.as_ref().context("it is no process of ours")?;
        Ok(process.memory()?.peak_kb)
    }

    fn remember_memory(&mut self) -> anyhow::Result<()> {
        if let Some(process) = &self.process {
            let memory = process.memory()?;
            (self.memory.peak_kb, self.memory.after_kb) = (memory.peak_kb, memory.now_kb);
        }
        Ok(())
    }
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
