//! The handle that requests and health share.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{
            AtomicBool, AtomicU64,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
    time::Duration,
};

use access::limit::{Change, Reserving, Shared, Wanted};
use health::Peers;
use router::CandidateId;
use tokio::{
    sync::{Notify, mpsc, oneshot},
    time::{Instant, timeout},
};

use crate::{call::Decision, clock::Clock, metrics::Metrics, outbox::Outbox};

/// Between two lines in the log that say the same.
const SAY_AGAIN: Duration = Duration::from_secs(60);

/// What gateways share on Redis. A cheap clone.
#[derive(Clone)]
pub struct Cluster {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) clock: Clock,
    pub(crate) outbox: Mutex<Outbox>,
    /// Something is in the outbox.
    pub(crate) wake: Notify,
    pub(crate) metrics: Arc<Metrics>,
    asks: mpsc::Sender<Ask>,
    /// Whether requests ask at all: Redis answers, and quickly.
    is_up: AtomicBool,
    timeout: Duration,
    gateways: Arc<AtomicU64>,
    said: Mutex<Option<Instant>>,
}

/// A question that waits for the worker.
pub(crate) struct Ask {
    pub(crate) wanted: Wanted,
    pub(crate) answer: oneshot::Sender<Answer>,
}

/// A decision, and what was taken by it.
pub(crate) struct Answer {
    pub(crate) decision: Decision,
    pub(crate) taken: Vec<Change>,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("Cluster");
        shown.field("is_up", &self.is_up()).finish_non_exhaustive()
    }
}

impl Cluster {
    pub(crate) fn new(
        timeout: Duration,
        gateways: Arc<AtomicU64>,
        asks: mpsc::Sender<Ask>,
    ) -> Self {
        let inner = Inner {
            clock: Clock::new(),
            outbox: Mutex::default(),
            wake: Notify::new(),
            metrics: Arc::default(),
            asks,
            is_up: AtomicBool::new(false),
            timeout,
            gateways,
            said: Mutex::default(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Whether Redis answers in time, so that limits are exact.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.inner.is_up()
    }

    /// What is counted of the work with Redis.
    #[must_use]
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.inner.metrics
    }

    async fn ask(&self, wanted: Wanted) -> Option<Decision> {
        let inner = &*self.inner;
        if !inner.is_up() {
            return None;
        }
        let (answer, came) = oneshot::channel();
        // Where so many wait that the queue is full, Redis is too slow for them.
        inner.asks.try_send(Ask { wanted, answer }).ok()?;
        let mut waiting = Waiting { inner, came };
        match timeout(inner.timeout, &mut waiting.came).await {
            Ok(answer) => answer.ok().map(|answer| answer.decision),
            Err(_) => {
                inner.give_up(&"no answer in time");
                None
            }
        }
    }
}

impl Inner {
    pub(crate) fn is_up(&self) -> bool {
        self.is_up.load(Acquire)
    }

    /// Requests decide alone from now on. It is said once a minute at most.
    pub(crate) fn give_up(&self, why: &dyn fmt::Display) {
        let was_up = self.is_up.swap(false, Release);
        if was_up {
            Metrics::count(&self.metrics.outages);
        }
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = said.is_none_or(|it| it.elapsed() >= SAY_AGAIN);
        if is_due {
            *said = Some(Instant::now());
            drop(said);
            let gateways = self.gateways.load(Relaxed);
            tracing::warn!(
                error = %why,
                gateways,
                "Redis does not answer; each gateway holds its part of the limits"
            );
        }
    }

    /// Requests ask again.
    pub(crate) fn recover(&self) {
        if !self.is_up.swap(true, Release) {
            tracing::info!("Redis answers; limits are counted together");
        }
    }

    pub(crate) fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives back what was taken for a request that does not wait for it any more.
    pub(crate) fn give_back(&self, taken: Vec<Change>) {
        let mut outbox = self.outbox();
        for change in taken {
            outbox.add(Change {
                requests: -change.requests,
                tokens: -change.tokens,
                running: -change.running,
                ..change
            });
        }
        drop(outbox);
        self.wake.notify_one();
    }
}

/// A request that waits. When it is given up, what comes too late is given back.
struct Waiting<'a> {
    inner: &'a Inner,
    came: oneshot::Receiver<Answer>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.came.close();
        if let Ok(answer) = self.came.try_recv() {
            self.inner.give_back(answer.taken);
        }
    }
}

impl Shared for Cluster {
    fn reserve(&self, wanted: Wanted) -> Reserving<'_> {
        Box::pin(async move {
            let decision = self.ask(wanted).await;
            if decision.is_none() {
                Metrics::count(&self.inner.metrics.alone);
            }
            decision
        })
    }

    fn change(&self, changes: Vec<Change>) {
        let mut outbox = self.inner.outbox();
        for change in changes {
            outbox.add(change);
        }
        drop(outbox);
        self.inner.wake.notify_one();
    }

    fn step(&self) -> u64 {
        self.inner.clock.step()
    }

    fn gateways(&self) -> u64 {
        self.inner.gateways.load(Relaxed)
    }
}

impl Peers for Cluster {
    fn tell(&self, candidate: CandidateId, pause: Duration) {
        self.inner.outbox().pause(candidate, Instant::now() + pause);
        self.inner.wake.notify_one();
    }
}
