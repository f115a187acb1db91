//! The one that speaks with Redis.
//!
//! One call is on its way at a time and carries all that has come up meanwhile: the more there is to do, the more one call
//! does. Redis therefore hears this gateway's news in their order, and it is known what it was told when a connection breaks.

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use access::limit::{Account, Change, Limiter, Wanted};
use health::Health;
use redis::RedisError;
use router::CandidateId;
use tokio::{
    sync::mpsc,
    time::{Instant, Interval, MissedTickBehavior, interval, sleep},
};
use tokio_util::sync::CancellationToken;

use crate::{
    call::{Call, Done, Reply, taken},
    error::Error,
    handle::{Answer, Ask, Cluster, Inner},
    link::{Link, Links},
    metrics::Metrics,
    settings::Settings,
};

/// Questions that may wait.
const QUEUE: usize = 4096;
/// Questions of one call, which thereby holds up Redis for less than a millisecond.
const MOST_ASKS: usize = 64;
/// Changes of one call.
const MOST_CHANGES: usize = 512;
/// A call is made at least so often: to be seen alive, and to hear of pauses.
const TICK: Duration = Duration::from_millis(250);
/// What runs is told again after so long, before Redis forgets it.
const REPEAT: Duration = Duration::from_secs(10);
/// Quick answers in a row after which requests ask again.
const QUICK_ENOUGH: u32 = 2;
/// Between two tries to connect, at first and at last.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Makes the handle, and the worker that speaks with Redis. `limiter` counts here what is counted there, `gateways` says how
/// many there are, and `health` is told of pauses that others have heard of.
///
/// # Errors
/// The settings make no sense. That Redis is away is no error.
pub fn start(
    settings: &Settings,
    limiter: Arc<Limiter>,
    gateways: Arc<AtomicU64>,
    health: Health,
) -> Result<(Cluster, Worker), Error> {
    let links = Links::new(settings)?;
    let (asks, waiting) = mpsc::channel(QUEUE);
    let cluster = Cluster::new(settings.timeout, gateways, asks);
    let worker = Worker {
        links,
        state: State {
            inner: cluster.inner.clone(),
            limiter,
            health,
            waiting,
            asks: VecDeque::new(),
            gateway: settings.gateway.clone(),
            timeout: settings.timeout,
            epoch: None,
            seen: 0,
            quick: 0,
            has_more: false,
            repeat_at: Instant::now(),
        },
    };
    Ok((cluster, worker))
}

/// Speaks with Redis.
#[derive(Debug)]
#[must_use = "nothing is shared unless it runs"]
pub struct Worker {
    links: Links,
    state: State,
}

struct State {
    inner: Arc<Inner>,
    limiter: Arc<Limiter>,
    health: Health,
    waiting: mpsc::Receiver<Ask>,
    /// Taken from the queue, and not answered.
    asks: VecDeque<Ask>,
    gateway: String,
    timeout: Duration,
    /// The count that Redis knows this gateway's part of.
    epoch: Option<String>,
    /// Version of the pauses that were heard of.
    seen: i64,
    /// Quick answers in a row.
    quick: u32,
    /// The last call did not take all that there was to tell.
    has_more: bool,
    repeat_at: Instant,
}

impl std::fmt::Debug for State {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = formatter.debug_struct("State");
        shown.field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

impl Worker {
    /// Works until `stop`. Stop it after the last request has ended.
    pub async fn run(self, stop: CancellationToken) {
        let Self {
            mut links,
            mut state,
        } = self;
        let mut pause = FIRST_PAUSE;
        while !stop.is_cancelled() {
            let worked = match stop.run_until_cancelled(links.connect()).await {
                None => return,
                Some(Ok(mut link)) => state.work(&mut link, &stop, &mut pause).await,
                Some(Err(error)) => Err(error),
            };
            let Err(error) = worked else { return };
            state.fail(&error);
            let spread = pause.mul_f64(0.5 + fastrand::f64());
            if stop.run_until_cancelled(sleep(spread)).await.is_none() {
                return;
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

impl State {
    /// The connection broke: who waits decides alone. What was on its way is taken to have arrived.
    fn fail(&mut self, error: &RedisError) {
        Metrics::count(&self.inner.metrics.failures);
        self.inner.give_up(error);
        self.quick = 0;
        self.asks.clear();
        while self.waiting.try_recv().is_ok() {}
        self.inner.outbox().forget(self.inner.clock.step());
    }

    /// Tells and asks over this connection until it breaks, or until `stop`.
    async fn work(
        &mut self,
        link: &mut Link<'_>,
        stop: &CancellationToken,
        pause: &mut Duration,
    ) -> Result<(), RedisError> {
        self.enroll(link).await?;
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let goes_on = self.wait(&mut ticks, stop).await;
            self.exchange(link).await?;
            if !goes_on {
                return Ok(());
            }
            if self.inner.is_up() {
                *pause = FIRST_PAUSE;
            }
        }
    }

    /// Waits for something to do; whether there will be more.
    async fn wait(&mut self, ticks: &mut Interval, stop: &CancellationToken) -> bool {
        if self.asks.is_empty() && !self.has_more {
            tokio::select! {
                biased;
                () = stop.cancelled() => return false,
                ask = self.waiting.recv() => self.asks.extend(ask),
                () = self.inner.wake.notified(), if self.inner.is_up() => {}
                _ = ticks.tick() => {}
            }
        }
        while self.asks.len() < MOST_ASKS {
            let Ok(ask) = self.waiting.try_recv() else {
                break;
            };
            self.asks.push_back(ask);
        }
        // Nobody waits for the answer to these any more.
        self.asks.retain(|ask| !ask.answer.is_closed());
        true
    }

    /// Makes sure that the count there knows what was counted here.
    async fn enroll(&mut self, link: &mut Link<'_>) -> Result<(), RedisError> {
        let fresh = format!("{:016x}", fastrand::u64(..));
        let epoch = link.epoch(&fresh).await?;
        let is_known = self.epoch.as_ref() == Some(&epoch);
        self.epoch = Some(epoch);
        let now = tokio::time::Instant::now().into_std();
        // Of a count that is still there only what has changed since is missing.
        if is_known {
            self.inner.outbox().repeat();
        } else {
            self.learn_time(link).await?;
            let changes = changes(self.limiter.accounts(now), self.inner.clock.step());
            self.inner.outbox().replace(changes);
        }
        Ok(())
    }

    /// Asks nothing and tells nothing, to hear what time it is.
    async fn learn_time(&mut self, link: &mut Link<'_>) -> Result<(), RedisError> {
        let letter = Default::default();
        self.call(link, &letter, &[]).await.map(|_| ())
    }

    async fn call(
        &mut self,
        link: &mut Link<'_>,
        letter: &crate::outbox::Letter,
        wanted: &[&Wanted],
    ) -> Result<Option<Done>, RedisError> {
        let epoch = self.epoch.as_deref().unwrap_or_default();
        let call = Call::new(
            epoch,
            &self.gateway,
            self.seen,
            letter,
            wanted.iter().copied(),
        );
        let sent = Instant::now();
        let reply = link.call(&call, wanted).await?;
        let came = Instant::now();
        Metrics::count(&self.inner.metrics.calls);
        let Reply::Done(done) = reply else {
            return Ok(None);
        };
        self.inner.clock.heard(done.now, sent, came);
        self.judge(came - sent);
        Ok(Some(done))
    }

    /// One call, and what follows from it.
    async fn exchange(&mut self, link: &mut Link<'_>) -> Result<(), RedisError> {
        let (letter, is_all) = {
            let mut outbox = self.inner.outbox();
            if self.repeat_at <= Instant::now() {
                self.repeat_at = Instant::now() + REPEAT;
                outbox.repeat();
            }
            outbox.forget(self.inner.clock.step());
            let letter = outbox.take(MOST_CHANGES);
            (letter, outbox.is_empty())
        };
        // Questions wait until all is told that bears on them.
        let count = if is_all { self.asks.len() } else { 0 };
        let asks: Vec<Ask> = self.asks.drain(..count).collect();
        let wanted: Vec<&Wanted> = asks.iter().map(|ask| &ask.wanted).collect();
        let Some(done) = self.call(link, &letter, &wanted).await? else {
            // The count is gone, and with it all that it was told.
            tracing::info!("Redis has lost the count of limits; it is told anew");
            self.keep(letter.pauses);
            self.asks.extend(asks);
            self.has_more = true;
            return self.enroll(link).await;
        };
        self.seen = done.version;
        let now = tokio::time::Instant::now().into_std();
        for (candidate, pause) in done.pauses {
            self.health.hear(candidate, pause, now);
        }
        for (ask, decision) in asks.into_iter().zip(done.decisions) {
            let taken = decision.as_ref().map(|granted| taken(&ask.wanted, granted));
            self.answer(
                ask,
                Answer {
                    taken: taken.unwrap_or_default(),
                    decision,
                },
            );
        }
        self.has_more = !is_all;
        if is_all && self.quick >= QUICK_ENOUGH {
            self.inner.recover();
        }
        Ok(())
    }

    /// Keeps pauses that have not arrived.
    fn keep(&self, pauses: Vec<(CandidateId, Instant)>) {
        let mut outbox = self.inner.outbox();
        for (candidate, until) in pauses {
            outbox.pause(candidate, until);
        }
    }

    fn answer(&self, ask: Ask, answer: Answer) {
        let mut outbox = self.inner.outbox();
        for change in answer.taken.iter().filter(|it| it.running > 0) {
            outbox.runs(&change.scope);
        }
        drop(outbox);
        if let Err(answer) = ask.answer.send(answer) {
            self.inner.give_back(answer.taken);
        }
    }

    /// Who answers slowly is asked no more until it is quick again.
    fn judge(&mut self, time: Duration) {
        if time <= self.timeout {
            self.quick = self.quick.saturating_add(1);
        } else {
            self.quick = 0;
            self.inner.give_up(&format_args!("an answer took {time:?}"));
        }
    }
}

/// What all accounts say, as differences to nothing.
fn changes(accounts: Vec<Account>, present: u64) -> impl Iterator<Item = Change> {
    accounts.into_iter().flat_map(move |account| {
        let change = |age: u64, requests: u64, tokens: u64| Change {
            scope: account.scope.clone(),
            step: present.saturating_sub(age),
            requests: i64::try_from(requests).unwrap_or(i64::MAX),
            tokens: i64::try_from(tokens).unwrap_or(i64::MAX),
            limit: account.limit,
            running: 0,
        };
        let requests = account
            .requests
            .iter()
            .map(|(age, it)| change(*age, *it, 0));
        let tokens = account.tokens.iter().map(|(age, it)| change(*age, 0, *it));
        // What the minute has no room for is owed there too.
        let owed = change(0, 0, account.owed);
        requests.chain(tokens).chain([owed]).collect::<Vec<_>>()
    })
}
