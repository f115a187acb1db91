//! What runs beside the requests.

use std::{panic::AssertUnwindSafe, pin::Pin, sync::Arc, time::Duration};

use catalog::{Heartbeat, Poller};
use futures_util::FutureExt;
use proxy::{Backlog, Prober};
use telemetry::{alerts, meters, traces};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::configured::Returning;

/// Polls the configuration, probes providers, writes rows.
#[derive(Debug)]
pub(crate) struct Workers {
    /// What requests wait in to begin, and how late is too late.
    pub(super) watched: (Arc<Backlog>, Option<Duration>),
    pub(super) poller: Poller,
    pub(super) heartbeat: Heartbeat,
    pub(super) health: health::Worker<Prober>,
    pub(super) stats: stats::Worker,
    pub(super) budgets: budgets::Worker,
    pub(super) alerts: Option<alerts::Worker>,
    pub(super) traces: Option<traces::Worker>,
    pub(super) meters: Option<meters::Worker>,
    pub(super) cluster: Option<cluster::Worker>,
    pub(super) returning: Option<Returning>,
}

impl Workers {
    /// Starts them; they end, with everything written, after `stop`. One that ends before cancels `failed`.
    pub(crate) fn start(self, stop: &CancellationToken, failed: &CancellationToken) -> JoinSet<()> {
        let mut running = JoinSet::new();
        let mut start = |name, work| {
            running.spawn(supervise(name, work, stop.clone(), failed.clone()));
        };
        let (stopped, poller, returning) = (stop.clone(), self.poller, self.returning);
        start(
            "configuration",
            Box::pin(async move {
                if let Some(returning) = returning
                    && stopped
                        .run_until_cancelled(Box::pin(returning.wait()))
                        .await
                        .is_none()
                {
                    return;
                }
                poller.run(stopped).await;
            }) as Work,
        );
        let (stopped, (backlog, longest)) = (stop.clone(), self.watched);
        start(
            "backlog",
            Box::pin(async move { backlog.watch(longest, &stopped).await }),
        );
        start("heartbeat", Box::pin(self.heartbeat.run(stop.clone())));
        start("health", Box::pin(self.health.run(stop.clone())));
        if let Some(cluster) = self.cluster {
            start("cluster", Box::pin(cluster.run(stop.clone())));
        }
        // What is leased is given back when the last record is in the books.
        let (stopped, written) = (stop.clone(), CancellationToken::new());
        let (stats, end) = (self.stats, written.clone().drop_guard());
        start(
            "accounting",
            Box::pin(async move {
                stats.run(stopped).await;
                drop(end);
            }),
        );
        start("budgets", Box::pin(self.budgets.run(written.clone())));
        if let Some(alerts) = self.alerts {
            start("alerts", Box::pin(alerts.run(stop.clone())));
        }
        if let Some(meters) = self.meters {
            start("metrics", Box::pin(meters.run(written.clone())));
        }
        if let Some(traces) = self.traces {
            start("traces", Box::pin(traces.run(written)));
        }
        running
    }
}

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs a worker. A gateway without one would go on with old configuration, blind to its providers or without accounts,
/// and nobody would know: so the end of one is the end of all.
async fn supervise(name: &str, work: Work, stop: CancellationToken, failed: CancellationToken) {
    let has_panicked = AssertUnwindSafe(work).catch_unwind().await.is_err();
    if has_panicked || !stop.is_cancelled() {
        tracing::error!(worker = name, has_panicked, "a worker has failed");
        failed.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn has_failed(work: Work, stops: bool) -> bool {
        let (stop, failed) = (CancellationToken::new(), CancellationToken::new());
        if stops {
            stop.cancel();
        }
        supervise("test", work, stop, failed.clone()).await;
        failed.is_cancelled()
    }

    #[tokio::test]
    async fn only_a_worker_that_ends_when_it_is_asked_to_has_not_failed() {
        assert!(has_failed(Box::pin(async { panic!("on purpose") }), false).await);
        assert!(has_failed(Box::pin(async { panic!("on purpose") }), true).await);
        assert!(has_failed(Box::pin(async {}), false).await);
        assert!(!has_failed(Box::pin(async {}), true).await);
    }
}
