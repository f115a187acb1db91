//! What is measured: a process, its address, and what it did so far.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;

use super::gateway::Gateway;
use super::process::Spawned;
use super::report::{Accounting, Memory};
use super::scenario::With;
use super::stage::Stage;
use crate::load::Report;

/// Something that takes requests.
#[derive(Debug)]
pub(crate) struct System {
    /// A gateway's begins with `gateway`, and says after a space what is special about it.
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
    /// The simulator behind it.
    pub(crate) upstream: SocketAddr,
    key: &'static str,
    /// None for the simulator, which is not measured: its turn shows what the load generator can do.
    pub(crate) process: Option<Spawned>,
    /// Where it is one.
    pub(crate) gateway: Option<Gateway>,
    pub(crate) memory: Memory,
    /// Requests answered so far, whatever with, but for those refused.
    pub(crate) answered: u64,
    /// Requests refused for the processor's sake, which leave no row.
    pub(crate) refused: u64,
    /// Requests that got no complete answer.
    pub(crate) lost: u64,
}

impl System {
    /// A system as it stands, before any load.
    pub(crate) fn new(
        stage: Stage,
        name: &str,
        [address, upstream]: [SocketAddr; 2],
        key: &'static str,
        process: Option<Spawned>,
    ) -> anyhow::Result<Self> {
        let resident = process.as_ref().map(Spawned::memory).transpose()?;
        Ok(Self {
            name: name.to_owned(),
            address,
            upstream,
            key,
            memory: Memory {
                stage,
                system: name.to_owned(),
                idle_kb: resident.map_or(0, |memory| memory.now_kb),
                peak_kb: 0,
                after_kb: 0,
            },
            process,
            gateway: None,
            answered: 0,
            refused: 0,
            lost: 0,
        })
    }

    /// A gateway.
    pub(crate) fn gateway(
        stage: Stage,
        gateway: Gateway,
        upstream: SocketAddr,
        process: Spawned,
    ) -> anyhow::Result<Self> {
        let (name, addresses) = (gateway.name.clone(), [gateway.address, upstream]);
        let mut system = Self::new(stage, &name, addresses, super::CLIENT_KEY, Some(process))?;
        system.gateway = Some(gateway);
        Ok(system)
    }

    /// What clients authenticate with.
    pub(crate) fn key(&self, with: With) -> &str {
        let made = self.gateway.as_ref().map(|gateway| &gateway.keys);
        match (with, made) {
            (With::Key, Some(keys)) => &keys.plain,
            (With::Limits, Some(keys)) => &keys.limited,
            _ => self.key,
        }
    }

    /// User and system time so far.
    pub(crate) fn cpu(&self) -> anyhow::Result<Option<Duration>> {
        self.process.as_ref().map(Spawned::cpu).transpose()
    }

    /// Forgets the highest resident size so far.
    pub(crate) fn forget_peak(&self) -> anyhow::Result<()> {
        self.process.as_ref().map_or(Ok(()), Spawned::forget_peak)
    }

    /// The highest resident size since it was last forgotten; none for the simulator.
    pub(crate) fn peak_kb(&mut self) -> anyhow::Result<Option<u64>> {
        let Some(process) = &self.process else {
            return Ok(None);
        };
        let peak_kb = process.memory()?.peak_kb;
        self.memory.peak_kb = self.memory.peak_kb.max(peak_kb);
        Ok(Some(peak_kb))
    }

    /// The resident size now, which is to be shown as the one after everything.
    pub(crate) fn remember_memory(&mut self) -> anyhow::Result<()> {
        self.peak_kb()?;
        if let Some(process) = &self.process {
            self.memory.after_kb = process.memory()?.now_kb;
        }
        Ok(())
    }

    /// Adds what became of the requests of a load.
    pub(crate) fn count(&mut self, load: &Report) {
        // More connections than places are only where a gateway has few. Who is refused for those has a row.
        match self.gateway.as_ref().is_some_and(Gateway::has_few_places) {
            true => self.answered += load.answered(),
            false => {
                self.answered += load.answered() - load.refused;
                self.refused += load.refused;
            }
        }
        self.lost += load.failed;
    }

    /// Stops a gateway in an orderly way and compares its rows with what it answered; none for what is no gateway.
    pub(crate) fn settle(self) -> anyhow::Result<Option<Accounting>> {
        let Some(gateway) = self.gateway else {
            return Ok(None);
        };
        let process = self.process.context("the gateway is a process")?;
        process.terminate().context("the gateway did not stop")?;
        Ok(Some(Accounting {
            system: self.name,
            answered: self.answered,
            refused: self.refused,
            lost: self.lost,
            rows: gateway.rows()?,
        }))
    }
}
