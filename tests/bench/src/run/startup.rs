//! From starting a gateway on a database that is there to its first answer.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::process::Cores;
use super::scenario::With;
use super::system::System;
use crate::load::connection::Connection;
use crate::load::{Protocol, Shape, prompt};

/// Between two looks.
const POLL: Duration = Duration::from_micros(500);
/// How long a start may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long the starts of one gateway took.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Startup {
    pub(super) system: String,
    /// From the start of the process until a request was answered with 200.
    pub(super) ms: Vec<f64>,
    /// Resident memory then.
    pub(super) resident_kb: u64,
}

impl Startup {
    /// Stops a gateway and starts it again, so many times.
    pub(super) async fn measure(
        cores: &Cores,
        system: &mut System,
        times: usize,
    ) -> anyhow::Result<Self> {
        let mut startup = Self {
            system: system.name.clone(),
            ms: Vec::new(),
            resident_kb: 0,
        };
        let key = system.key(With::Nothing);
        let request = prompt::request(Protocol::Chat, Shape::Small, "bench-model", key);
        for _ in 0..times {
            let running = system.process.take().context("a gateway is a process")?;
            running.terminate().context("the gateway did not stop")?;
            let gateway = system
                .gateway
                .as_ref()
                .context("only gateways are started")?;
            let start = Instant::now();
            let process = gateway.spawn(cores)?;
            first_answer(system, &request, start).await?;
            startup.ms.push(start.elapsed().as_secs_f64() * 1e3);
            startup.resident_kb = process.memory()?.now_kb;
            system.process = Some(process);
        }
        Ok(startup)
    }
}

async fn first_answer(system: &mut System, request: &[u8], start: Instant) -> anyhow::Result<()> {
    let mut body = Vec::new();
    loop {
        anyhow::ensure!(
            start.elapsed() < PATIENCE,
            "{} did not answer within {PATIENCE:?} of its start",
            system.name
        );
        if let Ok(mut connection) = Connection::open(system.address).await {
            match connection.exchange(request, &mut body).await {
                Ok(head) if head.status == 200 => {
                    system.answered += 1;
                    return Ok(());
                }
                // Too early: it may have a row or not.
                _ => system.lost += 1,
            }
        }
        tokio::time::sleep(POLL).await;
    }
}
