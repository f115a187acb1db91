//! What stands when scenarios run: the simulator with answers of their length, and the systems in front of it.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use super::gateway::{Gateway, Setup};
use super::nginx::{self, Nginx};
use super::process::Spawned;
use super::system::System;
use super::{Bench, CLIENT_KEY, PROVIDER_KEY};

/// A line-up of systems; scenarios that need the same share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stage {
    /// One gateway beside every other system.
    Usual,
    /// The same anew, for how much memory many streams take.
    Many,
    /// The same, with answers of 1,000 tokens.
    Long,
    /// The same, with tokens that come at a pace.
    Paced,
    /// A provider that takes its time, and a gateway that serves few at a time.
    Places,
    /// The usual ones anew, for how much memory connections take.
    Idle,
    /// Gateways with 1, 100 and 10,000 models.
    Models,
    /// Gateways on SQLite and on PostgreSQL.
    Postgres,
    /// Gateways on one core and on both.
    Cores,
}

/// The gateway that is not on a file.
const POSTGRES: &str = "gateway postgres";
/// The gateway that may run where the load does, too.
const BOTH_CORES: &str = "gateway on both";
/// Tokens of long answers.
const LONG: u32 = 1_000;
/// Of paced ones: to the first token, and after it.
const FIRST_TOKEN_MS: u32 = 10;
const TOKENS_PER_SECOND: u32 = 100;
/// Of a provider that takes its time: to its whole answer.
const ANSWER_MS: u32 = 50;
/// Requests that a gateway serves at a time, where these are few.
const PLACES: usize = 64;

/// Everything that stands.
pub(super) struct Lineup {
    pub(super) systems: Vec<System>,
    /// The simulator.
    upstream: SocketAddr,
    /// All that must live as long.
    _simulators: Vec<Spawned>,
    _folder: Option<TempDir>,
}

impl Stage {
    /// In the order in which they are measured.
    pub(crate) const ALL: [Self; 9] = [
        Self::Usual,
        Self::Many,
        Self::Long,
        Self::Paced,
        Self::Places,
        Self::Idle,
        Self::Models,
        Self::Postgres,
        Self::Cores,
    ];

    /// Gateways, by name, and their number of models where that matters.
    fn gateways(self) -> &'static [(&'static str, Option<usize>)] {
        match self {
            Self::Usual | Self::Many | Self::Long | Self::Paced | Self::Idle => {
                &[("gateway", None)]
            }
            Self::Places => &[("gateway 64 places", None)],
            Self::Models => &[
                ("gateway 1 model", Some(1)),
                ("gateway 100 models", Some(100)),
                ("gateway 10,000 models", Some(10_000)),
            ],
            Self::Postgres => &[("gateway sqlite", None), (POSTGRES, None)],
            Self::Cores => &[("gateway on one", None), (BOTH_CORES, None)],
        }
    }
}

impl Lineup {
    /// Starts everything, idle.
    pub(super) async fn start(bench: &Bench<'_>, stage: Stage) -> anyhow::Result<Self> {
        let tokens = match stage {
            Stage::Long => LONG,
            _ => bench.settings.tokens,
        };
        let (main, upstream) = simulator(bench, |arguments| {
            arguments.extend([
                "--fixed".to_owned(),
                "--tokens".to_owned(),
                tokens.to_string(),
            ]);
            match stage {
                Stage::Paced => arguments.extend([
                    format!("--ttft-ms={FIRST_TOKEN_MS}"),
                    format!("--tokens-per-second={TOKENS_PER_SECOND}"),
                ]),
                Stage::Places => arguments.push(format!("--ttft-ms={ANSWER_MS}")),
                _ => {}
            }
        })?;
        let mut lineup = Self {
            systems: vec![System::new(
                stage,
                "direct",
                [upstream; 2],
                PROVIDER_KEY,
                None,
            )?],
            upstream,
            _simulators: vec![main],
            _folder: None,
        };
        lineup.start_bare(bench, stage)?;
        if let Some(binary) = &bench.settings.gateway {
            lineup.start_gateways(bench, stage, binary).await?;
        }
        Ok(lineup)
    }

    /// All but the simulator itself.
    pub(super) fn measured(&mut self) -> impl Iterator<Item = &mut System> {
        let systems = self.systems.iter_mut();
        systems.filter(|system| system.process.is_some())
    }

    /// The gateways.
    pub(super) fn gateways(&mut self) -> impl Iterator<Item = &mut System> {
        let systems = self.systems.iter_mut();
        systems.filter(|system| system.gateway.is_some())
    }

    fn start_bare(&mut self, bench: &Bench<'_>, stage: Stage) -> anyhow::Result<()> {
        for (name, key) in [("bare1", PROVIDER_KEY), ("bare-inspect", CLIENT_KEY)] {
            let mut command = bench.cores.measured(&bench.myself);
            command.args([name, "--upstream", &self.upstream.to_string()]);
            command.args(["--key", PROVIDER_KEY]);
            let (process, address) =
                Spawned::with_address(command).with_context(|| format!("{name} did not start"))?;
            let system = System::new(stage, name, [address, self.upstream], key, Some(process))?;
            self.systems.push(system);
        }
        if let Some(program) = nginx::find() {
            let nginx = Nginx::start(&bench.cores, &program, self.upstream)?;
            let process = Some(nginx.process);
            let addresses = [nginx.address, self.upstream];
            let system = System::new(stage, "nginx", addresses, PROVIDER_KEY, process)?;
            self.systems.push(system);
            self._folder = Some(nginx.folder);
        }
        Ok(())
    }

    async fn start_gateways(
        &mut self,
        bench: &Bench<'_>,
        stage: Stage,
        binary: &PathBuf,
    ) -> anyhow::Result<()> {
        let failing = if stage == Stage::Usual {
            let (busy, at_busy) = failing(bench, r#"{"status":429,"retry_after":{"seconds":0}}"#)?;
            let (broken, at_broken) = failing(bench, r#"{"status":500}"#)?;
            self._simulators.extend([busy, broken]);
            Some([at_busy, at_broken])
        } else {
            None
        };
        let beside = || binary.with_file_name("migrator");
        let migrator = bench.settings.migrator.clone().unwrap_or_else(beside);
        for &(name, models) in stage.gateways() {
            let setup = Setup {
                name,
                binary,
                migrator: &migrator,
                upstream: self.upstream,
                failing,
                models,
                both_cores: name == BOTH_CORES,
                places: (stage == Stage::Places).then_some(PLACES),
                postgres: (name == POSTGRES)
                    .then_some(bench.settings.postgres.as_deref())
                    .flatten(),
            };
            let started = Gateway::start(&bench.cores, setup).await;
            let (gateway, process) = started.with_context(|| format!("{name} did not start"))?;
            let system = System::gateway(stage, gateway, self.upstream, process)?;
            self.systems.push(system);
        }
        Ok(())
    }
}

/// A simulator that answers nothing but this fault.
fn failing(bench: &Bench<'_>, fault: &str) -> anyhow::Result<(Spawned, SocketAddr)> {
    simulator(bench, |arguments| {
        arguments.extend(["--fault-rate=1", "--journal=0", "--fault", fault].map(str::to_owned));
    })
}

fn simulator(
    bench: &Bench<'_>,
    more: impl FnOnce(&mut Vec<String>),
) -> anyhow::Result<(Spawned, SocketAddr)> {
    let beside = || bench.myself.with_file_name("simulator");
    let program = bench.settings.simulator.clone().unwrap_or_else(beside);
    let mut arguments = ["--listen", "127.0.0.1:0", "--api-key", PROVIDER_KEY]
        .map(str::to_owned)
        .to_vec();
    more(&mut arguments);
    let mut command = bench.cores.load(&program);
    command.args(arguments);
    Spawned::with_address(command).context("the simulator did not start")
}
