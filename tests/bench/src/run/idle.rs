//! Connections that have been served once and stay: what each costs, and whether it is still served.

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use tokio::time::{Duration, sleep};

use super::system::System;
use crate::load::connection::Connection;
use crate::load::{Protocol, Shape, prompt};

/// How long resident memory is given to settle.
const SETTLE: Duration = Duration::from_secs(2);
/// Every so many connections one is used again.
const USED_AGAIN: usize = 100;

/// What the connections cost one system.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Idle {
    system: String,
    connections: usize,
    /// Resident memory before them, while they stand, and after they are gone.
    before_kb: u64,
    open_kb: u64,
    after_kb: u64,
}

impl Idle {
    /// Opens connections one after the other, so that no more than one request runs.
    pub(super) async fn measure(system: &mut System, connections: usize) -> anyhow::Result<Self> {
        let resident = |system: &System| {
            let process = system.process.as_ref().context("it is no process")?;
            process.memory().map(|memory| memory.now_kb)
        };
        let key = system.key(super::scenario::With::Nothing);
        let request = prompt::request(Protocol::Chat, Shape::Small, "bench-model", key);
        let before_kb = resident(system)?;
        let mut open = Vec::with_capacity(connections);
        for _ in 0..connections {
            let mut connection = Connection::open(system.address).await?;
            ask(system, &mut connection, &request).await?;
            open.push(connection);
        }
        sleep(SETTLE).await;
        let open_kb = resident(system)?;
        for connection in open.iter_mut().step_by(USED_AGAIN) {
            ask(system, connection, &request).await?;
        }
        drop(open);
        sleep(SETTLE).await;
        system.peak_kb()?;
        Ok(Self {
            system: system.name.clone(),
            connections,
            before_kb,
            open_kb,
            after_kb: resident(system)?,
        })
    }

    /// Memory for each connection.
    pub(super) fn each_kb(&self) -> f64 {
        self.open_kb.saturating_sub(self.before_kb) as f64 / self.connections.max(1) as f64
    }

    /// A line of [`HEAD`]'s table.
    pub(super) fn line(&self) -> String {
        let [before, open, after] =
            [self.before_kb, self.open_kb, self.after_kb].map(|kb| kb as f64 / 1024.0);
        format!(
            "| {} | {} | {before:.1} | {open:.1} | {after:.1} | {:.1} |",
            self.system,
            self.connections,
            self.each_kb()
        )
    }
}

/// What the lines stand under.
pub(super) const HEAD: &str = "| system | idle connections | before MB | open MB | after MB | kB each |\n\
                               |---|---|---|---|---|---|\n";

async fn ask(
    system: &mut System,
    connection: &mut Connection,
    request: &[u8],
) -> anyhow::Result<()> {
    let mut body = Vec::new();
    let head = connection.exchange(request, &mut body).await;
    let name = &system.name;
    let head = head.with_context(|| format!("{name} did not answer on an idle connection"))?;
    system.answered += 1;
    anyhow::ensure!(
        head.status == 200 && head.keep_alive,
        "{name}: status {} on an idle connection, kept: {}",
        head.status,
        head.keep_alive
    );
    Ok(())
}
