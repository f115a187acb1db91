//! Alerts by webhook: providers that fail and come back, budgets that run out, a spool in use, rows that are lost.
//!
//! Once a second a [`Watch`] looks at what health, budgets and the record writer say of themselves, so nothing is asked of
//! requests. What is news goes into a bounded queue per receiver, and is sent until the receiver takes it or it is too
//! old to be news. Something that goes to and fro is told at most every ten seconds, and only if it is then
//! other than it was last told to be.

mod delivery;
mod event;
mod news;
mod watch;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use bytes::Bytes;
use http::Uri;
use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;
use upstream::Client;

use self::{delivery::Receiver, event::Event};
pub use self::{event::Told, watch::Watch};

/// Alerts that may wait for one receiver.
const QUEUE: usize = 64;

/// Who is alerted, and how.
#[derive(Clone)]
pub struct Settings {
    /// Where alerts are posted to. Each may be a secret.
    pub receivers: Vec<Uri>,
    /// What they are signed with.
    pub secret: Option<Bytes>,
    /// How this gateway calls itself.
    pub gateway: String,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Settings")
            .field("receivers", &self.receivers.len())
            .finish_non_exhaustive()
    }
}

/// Counters, to be read at any time.
#[derive(Debug, Default)]
pub struct AlertMetrics {
    delivered: AtomicU64,
    failed: AtomicU64,
}

impl AlertMetrics {
    /// Alerts that a receiver has taken.
    pub fn delivered(&self) -> u64 {
        self.delivered.load(Relaxed)
    }

    /// Alerts that a receiver never took, or that found its queue full.
    pub fn failed(&self) -> u64 {
        self.failed.load(Relaxed)
    }
}

/// Looks for news and sends them.
#[derive(Debug)]
pub struct Worker {
    settings: Settings,
    watch: Watch,
    client: Arc<Client>,
    metrics: Arc<AlertMetrics>,
}

/// Makes the worker, and what it counts. Receivers are reached through `client`.
#[must_use]
pub fn start(settings: Settings, watch: Watch, client: Arc<Client>) -> (Arc<AlertMetrics>, Worker) {
    let metrics = Arc::<AlertMetrics>::default();
    let worker = Worker {
        settings,
        watch,
        client,
        metrics: metrics.clone(),
    };
    (metrics, worker)
}

impl Worker {
    /// Works until `stop`. What a receiver has not taken by then is given one more try.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut receivers = JoinSet::new();
        let queues: Vec<mpsc::Sender<Arc<Event>>> = self
            .settings
            .receivers
            .iter()
            .map(|address| {
                let (queue, events) = mpsc::channel(QUEUE);
                let receiver = Receiver {
                    address: address.clone(),
                    secret: self.settings.secret.clone(),
                    client: self.client.clone(),
                    metrics: self.metrics.clone(),
                };
                receivers.spawn(receiver.run(events, stop.clone()));
                queue
            })
            .collect();
        let mut ticks = tokio::time::interval(watch::INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            for told in self.watch.look() {
                let event = Arc::new(Event::new(told, &self.settings.gateway));
                tracing::info!(alert.event = event.name(), alert.id = %event.id(), "an alert");
                for queue in &queues {
                    if queue.try_send(event.clone()).is_err() {
                        self.metrics.failed.fetch_add(1, Relaxed);
                        tracing::warn!(alert.id = %event.id(), "an alert found its queue full");
                    }
                }
            }
        }
        drop(queues);
        while receivers.join_next().await.is_some() {}
    }
}
