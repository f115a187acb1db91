//! Connections that have been served once and stay: what each costs, and whether it is still served.

use std::sync::Arc;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use tokio::time::{Duration, sleep};

use super::scenario::With;
use super::system::System;
use crate::load::connection::Connection;
use crate::load::{Protocol, Shape, prompt};

/// How long resident memory is given to settle.
const SETTLE: Duration = Duration::from_secs(2);
/// Requests that run at once while connections are opened.
const AT_A_TIME: usize = 64;
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
    /// Connections that were used again, and those of them that had been closed meanwhile.
    used: usize,
    closed: usize,
}

impl Idle {
    /// Opens connections, few at a time, so that few requests run at once.
    pub(super) async fn measure(system: &mut System, connections: usize) -> anyhow::Result<Self> {
        let resident = |system: &System| {
            let process = system.process.as_ref().context("it is no process")?;
            process.memory().map(|memory| memory.now_kb)
        };
        let key = system.key(With::Nothing);
        let request: Arc<[u8]> =
            prompt::request(Protocol::Chat, Shape::Small, "bench-model", key).into();
        let before_kb = resident(system)?;
        let mut open = Vec::with_capacity(connections);
        while open.len() < connections {
            let mut served = JoinSet::new();
            for _ in 0..AT_A_TIME.min(connections - open.len()) {
                let (request, address) = (Arc::clone(&request), system.address);
                served.spawn(async move {
                    let mut connection = Connection::open(address).await?;
                    ask(&mut connection, &request).await?;
                    anyhow::Ok(connection)
                });
            }
            while let Some(connection) = served.join_next().await {
                let connection = connection?.with_context(|| system.name.clone())?;
                system.answered += 1;
                open.push(connection);
            }
        }
        sleep(SETTLE).await;
        let open_kb = resident(system)?;
        let (mut used, mut closed) = (0, 0);
        for connection in open.iter_mut().step_by(USED_AGAIN) {
            used += 1;
            match ask(connection, &request).await {
                Ok(()) => system.answered += 1,
                // An idle connection may be closed, and then the request was not seen.
                Err(_) => {
                    closed += 1;
                    system.lost += 1;
                }
            }
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
            used,
            closed,
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
            "| {} | {} | {before:.1} | {open:.1} | {after:.1} | {:.1} | {} of {} |",
            self.system,
            self.connections,
            self.each_kb(),
            self.closed,
            self.used
        )
    }
}

/// What the lines stand under.
pub(super) const HEAD: &str = "| system | idle connections | before MB | open MB | after MB | kB each | closed when used again |\n\
                               |---|---|---|---|---|---|---|\n";

async fn ask(connection: &mut Connection, request: &[u8]) -> anyhow::Result<()> {
    let mut body = Vec::new();
    let head = connection.exchange(request, &mut body).await?;
    anyhow::ensure!(
        head.status == 200 && head.keep_alive,
        "status {} on a connection that is to stay, kept: {}",
        head.status,
        head.keep_alive
    );
    Ok(())
}
