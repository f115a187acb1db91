//! Active probes: a cheap request to every provider on an interval, and to an unhealthy one when its pause is over.
//!
//! Of several replicas one probes on the interval, so that their number does not multiply the probes; each finds out by
//! itself, from a probe of its own, whether a provider that it holds to be unhealthy is well again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use router::{ProviderId, Verdict};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::breaker::Claim;
use crate::clock::Moment;
use crate::handle::{Check, Health};
use crate::lease::Turn;
use crate::outcome::Outcome;
use crate::schedule::Schedule;
use crate::settings::Settings;

/// How often the schedule is looked at.
const TICK: Duration = Duration::from_secs(1);
/// A probe without an outcome by then counts as timed out, whatever clocks its own request has.
const PROBE_TIMEOUT: Duration = Duration::from_secs(30);
/// Probes on the schedule that run at a time.
const MAX_SCHEDULED: usize = 8;
/// Probes that run at a time, those on demand included; further ones wait in their queue.
const MAX_RUNNING: usize = 16;

/// Sends probes. Whoever knows the providers' addresses and models implements it.
pub trait Probe: Send + Sync + 'static {
    /// The providers to probe on the interval: enabled, and with something to ask them. Called about once per second.
    fn targets(&self) -> Vec<ProviderId>;

    /// Asks `provider` for something cheap that it really serves, and judges the answer like an attempt's. A provider that
    /// cannot be probed gets [`Verdict::ClientFault`], which is held against nobody, and an error that says why.
    fn probe(&self, provider: ProviderId) -> impl Future<Output = Outcome> + Send;
}

/// Runs the probes.
#[derive(Debug)]
pub(crate) struct Prober<P> {
    probe: Arc<P>,
    health: Health,
    probes_enabled: bool,
    schedule: Schedule,
    turn: Turn,
    checks: mpsc::Receiver<Check>,
    tasks: JoinSet<Outcome>,
    running: HashMap<Id, Running>,
}

/// A probe that is under way, and who waits for it.
#[derive(Debug)]
struct Running {
    provider: ProviderId,
    claim: Claim,
    waiting: Vec<oneshot::Sender<Outcome>>,
}

impl<P: Probe> Prober<P> {
    pub(crate) fn new(
        settings: &Settings,
        probe: P,
        health: Health,
        checks: mpsc::Receiver<Check>,
        turn: Turn,
    ) -> Self {
        Self {
            probe: Arc::new(probe),
            health,
            probes_enabled: settings.probes_enabled,
            schedule: Schedule::new(settings.probe_interval),
            turn,
            checks,
            tasks: JoinSet::new(),
            running: HashMap::new(),
        }
    }

    /// Probes until `stop`; probes that run then are cut off and teach nothing.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = tick.tick() => self.start_due(),
                Some(check) = self.checks.recv(), if self.running.len() < MAX_RUNNING => self.check(check),
                Some(ended) = self.tasks.join_next_with_id() => self.ended(ended),
            }
        }
        self.tasks.shutdown().await;
    }

    fn start_due(&mut self) {
        if !self.probes_enabled {
            return;
        }
        let now = Moment::now().instant;
        let registry = self.health.registry();
        let next_retry = |id: &ProviderId| {
            let provider = registry.providers.get(id)?;
            provider.lane.lock().breaker.next_retry()
        };
        let targets = self.probe.targets();
        let is_ours = self.turn.is_ours();
        let targets = targets
            .into_iter()
            .map(|id| (id, next_retry(&id)))
            .filter(|(_, next_retry)| is_ours || next_retry.is_some());
        for provider in self.schedule.due(targets, now, fastrand::f64) {
            if self.running.len() >= MAX_SCHEDULED {
                break; // It stays due.
            }
            if !self.running.values().any(|it| it.provider == provider) {
                self.start(provider);
            }
        }
    }

    fn check(&mut self, check: Check) {
        let same = |running: &&mut Running| running.provider == check.provider;
        let waiting = match self.running.values_mut().find(same) {
            Some(running) => &mut running.waiting,
            None => self.start(check.provider),
        };
        waiting.push(check.reply);
    }

    fn start(&mut self, provider: ProviderId) -> &mut Vec<oneshot::Sender<Outcome>> {
        let now = Moment::now().instant;
        self.schedule.started(provider, now, fastrand::f64);
        let registry = self.health.registry();
        let lane = registry.providers.get(&provider).map(|it| &it.lane);
        let running = Running {
            provider,
            claim: lane.map(|lane| lane.begin_probe()).unwrap_or_default(),
            waiting: Vec::new(),
        };
        let probe = Arc::clone(&self.probe);
        let task = self.tasks.spawn(async move {
            let outcome = tokio::time::timeout(PROBE_TIMEOUT, probe.probe(provider));
            let silent = |_| Outcome::new(Verdict::Timeout).error("the probe got no answer");
            outcome.await.unwrap_or_else(silent)
        });
        &mut self.running.entry(task.id()).or_insert(running).waiting
    }

    fn ended(&mut self, ended: Result<(Id, Outcome), JoinError>) {
        let (id, outcome) = match ended {
            Ok((id, outcome)) => (id, Some(outcome)),
            Err(error) => {
                tracing::error!(error = %error, "a provider probe broke off");
                (error.id(), None)
            }
        };
        let Some(running) = self.running.remove(&id) else {
            return;
        };
        let Some(outcome) = outcome else {
            return; // Who waits learns it from the dropped reply.
        };
        tracing::debug!(
            provider.id = running.provider.0,
            verdict = ?outcome.verdict,
            status = outcome.status,
            "provider probed"
        );
        for reply in running.waiting {
            let _gone = reply.send(outcome.clone());
        }
        let registry = self.health.registry();
        if let Some(provider) = registry.providers.get(&running.provider) {
            let now = Moment::now().instant;
            provider.lane.finish_probe(running.claim, outcome, now);
        }
    }
}

#[cfg(test)]
mod tests;
