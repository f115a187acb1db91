//! What has been taken of every limit in this process.

use std::{
    collections::HashMap,
    hash::BuildHasher,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use foldhash::fast::RandomState;

use super::{
    Change, Rates, Shared,
    window::{STEP, STEPS, Step, Window},
};

/// Parts of the map, so that requests of different keys do not wait for each other.
const SHARDS: usize = 16;
/// Scopes of a part at which those that nobody uses are first looked for.
const SWEEP_FROM: usize = 64;
/// Steps that news may take to those who count together, on clocks that differ a little.
const ON_THE_WAY: u64 = 4;
/// When a request that found too many running may come again.
const BUSY: Duration = Duration::from_secs(1);

/// Whose limits they are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Everybody's.
    All,
    /// A client key's, by its name.
    Key(Arc<str>),
    /// Those of a client key for the models that a pattern matches.
    ModelOfKey(Arc<str>, Arc<str>),
    /// A provider's, by its row.
    Provider(i64),
    /// Those of a provider for one of its models.
    ModelOfProvider(i64, Arc<str>),
}

/// Limits, and whose they are.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Whose.
    pub scope: Scope,
    /// How much.
    pub rates: Rates,
}

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Requests a minute.
    Requests,
    /// Tokens a minute.
    Tokens,
    /// Requests at a time.
    Concurrent,
}

/// How much of a limit is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The limit.
    pub limit: u64,
    /// What is left of it.
    pub remaining: u64,
    /// When all of it is left again, if nothing comes.
    pub reset: Duration,
}

impl Standing {
    /// The one of which less is left.
    fn tighter(one: Option<Self>, other: Self) -> Option<Self> {
        Some(match one {
            Some(one) if one.remaining <= other.remaining => one,
            _ => other,
        })
    }
}

/// The tightest of each kind that holds for a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standings {
    /// Of requests a minute.
    pub requests: Option<Standing>,
    /// Of tokens a minute.
    pub tokens: Option<Standing>,
}

/// A limit does not let the request pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limited {
    /// Whose limit.
    pub scope: Scope,
    /// Of what.
    pub kind: Kind,
    /// How much it is.
    pub limit: u64,
    /// When the same request would pass, if nothing else comes.
    pub retry_after: Duration,
    /// How all limits of the request stand.
    pub standings: Standings,
}

/// What was taken of one scope's limits.
#[derive(Debug, Default)]
struct Taken {
    requests: Option<Box<Window>>,
    tokens: Option<Box<Window>>,
    running: u64,
}

/// One scope's account.
#[derive(Debug)]
struct Meter {
    scope: Scope,
    taken: Mutex<Taken>,
}

impl Meter {
    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one scope's account says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Whose it is.
    pub scope: Scope,
    /// Requests of the last minute, each with its age in [steps](super::STEP).
    pub requests: Vec<(u64, u64)>,
    /// Tokens of the last minute.
    pub tokens: Vec<(u64, u64)>,
    /// Tokens that are owed to the minutes to come.
    pub owed: u64,
    /// The limit of tokens that they are owed by.
    pub limit: Option<u64>,
}

/// What is limited is named by operators, so that nobody can choose what falls together.
type Shard = Mutex<HashMap<Scope, Arc<Meter>, RandomState>>;

/// The accounts of all scopes. They outlive configurations, so that a limit which changes counts what was there before.
#[derive(Debug)]
pub struct Limiter {
    shards: [Shard; SHARDS],
    hasher: RandomState,
    epoch: Instant,
}

/// What a request holds of its limits. Dropped, it runs no more, and what it reserved stays taken.
#[derive(Debug)]
pub struct Admission {
    held: Vec<Held>,
    epoch: Instant,
    /// Where others count it too, and when it was taken by their clock.
    shared: Option<(Arc<dyn Shared>, u64)>,
    /// How the limits stood when it was let in.
    pub standings: Standings,
}

#[derive(Debug)]
struct Held {
    meter: Arc<Meter>,
    /// Where one request is counted.
    requests: Option<Step>,
    /// Where tokens are counted, and how many.
    tokens: Option<(Step, u64)>,
    /// Of how many a minute.
    limit: Option<u64>,
    /// Whether it is one of those at a time.
    runs: bool,
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.runs {
            let mut taken = self.meter.lock();
            taken.running = taken.running.saturating_sub(1);
        }
    }
}

impl Limiter {
    /// Nothing was taken yet. Time is counted from `now` on.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            shards: Default::default(),
            hasher: RandomState::default(),
            epoch: now,
        }
    }

    /// Takes one request and `tokens` of each rule's limits, or nothing of any.
    ///
    /// A request of more tokens than a limit has takes all of it: it passes when nothing else has come for a minute.
    ///
    /// # Errors
    /// One of them has not as much left.
    pub fn admit(
        &self,
        rules: &[Rule],
        tokens: u64,
        now: Instant,
    ) -> Result<Admission, Box<Limited>> {
        let step = step(self.epoch, now);
        let mut admission = self.nothing(rules.len());
        for rule in rules {
            let meter = self.meter(&rule.scope, step);
            let standings = &mut admission.standings;
            match take(&meter, rule, tokens, step, standings, true) {
                Ok(held) => admission.held.push(held),
                Err((kind, limit, retry_after)) => {
                    let standings = admission.standings;
                    admission.refund(now);
                    return Err(Box::new(Limited {
                        scope: rule.scope.clone(),
                        kind,
                        limit,
                        retry_after,
                        standings,
                    }));
                }
            }
        }
        Ok(admission)
    }

    /// Takes the same of what may be overdrawn, since the decision fell elsewhere.
    #[must_use]
    pub fn enter(&self, rules: &[Rule], tokens: u64, now: Instant) -> Admission {
        let step = step(self.epoch, now);
        let mut admission = self.nothing(rules.len());
        for rule in rules {
            let meter = self.meter(&rule.scope, step);
            let standings = &mut admission.standings;
            let taken = take(&meter, rule, tokens, step, standings, false);
            admission.held.extend(taken.ok());
        }
        admission
    }

    /// What all accounts say.
    #[must_use]
    pub fn accounts(&self, now: Instant) -> Vec<Account> {
        let now = step(self.epoch, now);
        let mut accounts = Vec::new();
        for shard in &self.shards {
            let meters = shard.lock().unwrap_or_else(PoisonError::into_inner);
            accounts.extend(meters.values().map(|meter| {
                let mut taken = meter.lock();
                let Taken {
                    requests, tokens, ..
                } = &mut *taken;
                let by_age = |window: &mut Option<Box<Window>>| {
                    let counts = window.as_mut().map(|it| it.by_age(now).collect());
                    counts.unwrap_or_default()
                };
                let debt = tokens.as_mut().map(|it| it.debt(now));
                Account {
                    scope: meter.scope.clone(),
                    requests: by_age(requests),
                    tokens: by_age(tokens),
                    owed: debt.map_or(0, |(owed, _)| owed),
                    limit: debt.map(|(_, limit)| limit),
                }
            }));
        }
        accounts
    }

    fn nothing(&self, room: usize) -> Admission {
        Admission {
            held: Vec::with_capacity(room),
            epoch: self.epoch,
            shared: None,
            standings: Standings::default(),
        }
    }

    fn meter(&self, scope: &Scope, now: Step) -> Arc<Meter> {
        let shard = self.hasher.hash_one(scope) as usize % SHARDS;
        let mut meters = self.shards[shard]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(meter) = meters.get(scope) {
            return meter.clone();
        }
        // Those of keys that were deleted do not pile up: each doubling looks for them once.
        if meters.len() >= SWEEP_FROM && meters.len().is_power_of_two() {
            meters.retain(|_, meter| Arc::strong_count(meter) > 1 || !is_idle(meter, now));
        }
        let meter = Arc::new(Meter {
            scope: scope.clone(),
            taken: Mutex::default(),
        });
        meters.insert(scope.clone(), meter.clone());
        meter
    }
}

/// Whether it knows nothing that a new one would not.
fn is_idle(meter: &Meter, now: Step) -> bool {
    let mut taken = meter.lock();
    let Taken {
        requests,
        tokens,
        running,
    } = &mut *taken;
    let is_empty =
        |window: &mut Option<Box<Window>>| window.as_mut().is_none_or(|it| it.sum(now) == 0);
    *running == 0 && is_empty(requests) && is_empty(tokens)
}

fn step(epoch: Instant, now: Instant) -> Step {
    let passed = now.saturating_duration_since(epoch);
    u64::try_from(passed.as_millis() / STEP.as_millis()).unwrap_or(Step::MAX)
}

fn time(steps: u64) -> Duration {
    STEP * u32::try_from(steps).unwrap_or(u32::MAX)
}

/// Takes from one scope, or says what it has too little of, if that matters. How it stands is noted either way.
fn take(
    meter: &Arc<Meter>,
    rule: &Rule,
    tokens: u64,
    now: Step,
    standings: &mut Standings,
    is_bound: bool,
) -> Result<Held, (Kind, u64, Duration)> {
    let mut taken = meter.lock();
    let Taken {
        requests,
        tokens: used,
        running,
    } = &mut *taken;
    let rates = &rule.rates;
    let mut requests = rates
        .requests
        .map(|limit| (limit, window(requests, limit, now)));
    let mut used = rates.tokens.map(|limit| (limit, window(used, limit, now)));
    let wanted = used.as_ref().map(|(limit, _)| tokens.min(*limit));

    let lacks = |counted: &mut Option<(u64, &mut Window)>, amount: u64, kind| {
        let (limit, window) = counted.as_mut()?;
        let most = limit.saturating_sub(amount);
        let steps = window.until(most, now);
        (steps > 0).then(|| (kind, *limit, time(steps)))
    };
    let lacking = lacks(&mut requests, 1, Kind::Requests)
        .or_else(|| lacks(&mut used, wanted.unwrap_or(0), Kind::Tokens))
        .or_else(|| {
            let limit = rates.concurrent.filter(|limit| *running >= *limit)?;
            Some((Kind::Concurrent, limit, BUSY))
        });
    let result = match lacking.filter(|_| is_bound) {
        Some(lacking) => Err(lacking),
        None => {
            let runs = rates.concurrent.is_some();
            *running += u64::from(runs);
            let requests = requests.as_mut().map(|(_, window)| window.add(1, now));
            let used = used.as_mut().zip(wanted);
            let tokens = used.map(|((_, window), amount)| (window.add(amount, now), amount));
            Ok(Held {
                meter: meter.clone(),
                requests,
                tokens,
                limit: rates.tokens,
                runs,
            })
        }
    };
    if let Some((limit, window)) = &mut requests {
        standings.requests = Standing::tighter(standings.requests, standing(*limit, window, now));
    }
    if let Some((limit, window)) = &mut used {
        standings.tokens = Standing::tighter(standings.tokens, standing(*limit, window, now));
    }
    result
}

fn window(kept: &mut Option<Box<Window>>, limit: u64, now: Step) -> &mut Window {
    let window = kept.get_or_insert_with(|| Box::new(Window::new(now)));
    window.limit(limit, now);
    window
}

fn standing(limit: u64, window: &mut Window, now: Step) -> Standing {
    Standing {
        limit,
        remaining: limit.saturating_sub(window.sum(now)),
        reset: time(window.until_empty(now)),
    }
}

impl Admission {
    /// The same, counted by others too: since that `step` of their clock, or, where they do not know of it yet, from now on.
    #[must_use]
    pub fn shared(mut self, shared: &Arc<dyn Shared>, step: Option<u64>) -> Self {
        if step.is_none() && !self.held.is_empty() {
            let present = shared.step();
            let taken = |held: &Held| Change {
                scope: held.meter.scope.clone(),
                step: present,
                requests: i64::from(held.requests.is_some()),
                tokens: held.tokens.map_or(0, |(_, amount)| signed(amount)),
                limit: held.limit,
                running: i64::from(held.runs),
            };
            shared.change(self.held.iter().map(taken).collect());
        }
        let step = step.unwrap_or_else(|| shared.step());
        self.shared = Some((shared.clone(), step));
        self
    }

    /// The request has ended, and this many tokens were used. What it used beyond its reservation is counted with that; where
    /// its minute is over, as of now; and where the limit has no room for it, in the minutes to come.
    pub fn settle(mut self, used: u64, now: Instant) {
        let step = step(self.epoch, now);
        for held in &self.held {
            let Some((at, reserved)) = held.tokens else {
                continue;
            };
            if let Some(window) = &mut held.meter.lock().tokens {
                window.correct(reserved, used, at, step);
            }
        }
        self.tell(|held| {
            let more = |(_, reserved)| signed(used) - signed(reserved);
            (0, held.tokens.map_or(0, more))
        });
    }

    /// Nothing was sent for the request: it does not count.
    pub fn refund(mut self, now: Instant) {
        let step = step(self.epoch, now);
        for held in &self.held {
            let mut taken = held.meter.lock();
            if let (Some(window), Some(at)) = (&mut taken.requests, held.requests) {
                window.correct(1, 0, at, step);
            }
            if let (Some(window), Some((at, reserved))) = (&mut taken.tokens, held.tokens) {
                window.correct(reserved, 0, at, step);
            }
        }
        self.tell(|held| {
            let tokens = held.tokens.map_or(0, |(_, reserved)| -signed(reserved));
            (-i64::from(held.requests.is_some()), tokens)
        });
    }

    /// Tells the others that it has ended, and by how many requests and tokens each of its accounts changes.
    fn tell(&mut self, difference: impl Fn(&Held) -> (i64, i64)) {
        let Some((shared, step)) = self.shared.take() else {
            return;
        };
        let present = shared.step();
        let is_over = present.saturating_sub(step) + ON_THE_WAY >= STEPS;
        let changes = self.held.iter().map(|held| {
            let (requests, tokens) = difference(held);
            Change {
                scope: held.meter.scope.clone(),
                step: if is_over && tokens > 0 { present } else { step },
                requests,
                tokens,
                limit: held.limit,
                running: -i64::from(held.runs),
            }
        });
        let is_change = |it: &Change| (it.requests, it.tokens, it.running) != (0, 0, 0);
        let changes: Vec<_> = changes.filter(is_change).collect();
        if !changes.is_empty() {
            shared.change(changes);
        }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.tell(|_| (0, 0));
    }
}

fn signed(amount: u64) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX)
}
