//! One key's money in one process.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{
            AtomicI64, AtomicU64,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
    time::{Duration, Instant},
};

use chrono::NaiveDate;

use super::{
    period::{ByPeriod, Period},
    policy::Budget,
    turn::Outlook,
};

/// How long after the last request a key counts as idle, so that others may have what is leased for it here.
pub(super) const IDLE: Duration = Duration::from_secs(5);
/// How long what the books said is believed before they are asked again.
const BELIEVED: Duration = Duration::from_millis(500);
/// How long after the last request that cost something rows are thought to be on their way to the books: what takes longer
/// is not worth waiting for.
const UNDER_WAY: Duration = Duration::from_secs(5);
/// Shortest time between two turns that nobody waits for.
const PACE: Duration = Duration::from_secs(1);

/// One key's money in one process. Requests take from what is free and give back what they did not spend, without a lock;
/// what concerns the books goes in [turns](super::Turn), one at a time.
#[derive(Debug)]
pub struct Account {
    /// The key's row.
    pub key_id: i64,
    /// The key's name, by which the books have it.
    pub name: Arc<str>,
    /// What times are told from.
    began: Instant,
    /// Nano-USD that are leased and promised to no request. Negative when requests cost more than was thought.
    pub(super) free: AtomicI64,
    /// Nano-USD that were spent here and have come into the books since the last turn.
    pub(super) booked: AtomicI64,
    /// Nano-USD that were spent here and have not come into the books.
    spent: AtomicI64,
    /// When a request that cost something last ended, in milliseconds.
    spent_at: AtomicU64,
    /// Below it there should be a turn.
    pub(super) low: AtomicI64,
    /// Until when the lease may be spent, in milliseconds.
    valid_until: AtomicU64,
    /// When a request last took something, in milliseconds.
    used_at: AtomicU64,
    slow: Mutex<Slow>,
}

/// What only turns and refusals look at.
#[derive(Debug, Default)]
pub(super) struct Slow {
    pub(super) budget: Option<Budget>,
    /// Nano-USD that the lease in the books has to cover: what is free, promised, or spent and not in the books.
    pub(super) held: i64,
    /// What requests wait for, in all.
    pub(super) wanted: i64,
    /// The least that one of them waits for.
    pub(super) least: Option<i64>,
    /// Until when nothing that is free is given back.
    pub(super) kept_until: Option<Instant>,
    pub(super) outlook: Option<Outlook>,
    /// When the last turn began that came to a good end, or when it failed; and which of the two.
    pub(super) turned: Option<(Instant, bool)>,
    /// The first days of the periods that a warning was given for.
    pub(super) warned: ByPeriod<Option<NaiveDate>>,
}

impl Slow {
    fn want(&mut self, amount: i64) {
        self.wanted = self.wanted.saturating_add(amount);
        self.least = Some(self.least.map_or(amount, |least| least.min(amount)));
    }
}

/// Why a request gets no money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lacking {
    /// Nothing is known that is new enough: a turn may bring it.
    Unknown,
    /// The books cannot be read or written.
    Books,
    /// What is left of the budget is less.
    Money {
        /// The period of which the least is left.
        period: Period,
        /// What may be spent in it.
        cap: i64,
        /// What is left for this request.
        left: i64,
    },
}

impl Account {
    /// The account of a key that has leased nothing yet.
    #[must_use]
    pub fn new(key_id: i64, name: Arc<str>, budget: Budget, now: Instant) -> Self {
        Self {
            key_id,
            name,
            began: now,
            free: AtomicI64::new(0),
            booked: AtomicI64::new(0),
            spent: AtomicI64::new(0),
            spent_at: AtomicU64::new(0),
            low: AtomicI64::new(0),
            valid_until: AtomicU64::new(0),
            used_at: AtomicU64::new(0),
            slow: Mutex::new(Slow {
                budget: Some(budget),
                ..Slow::default()
            }),
        }
    }

    /// Has another budget from now on; without one, what is leased is given back. Whether that changes anything.
    pub fn set_budget(&self, budget: Option<Budget>) -> bool {
        let mut slow = self.slow();
        let is_new = slow.budget != budget;
        if is_new {
            slow.budget = budget;
            slow.outlook = None;
            slow.warned = ByPeriod::default();
        }
        is_new
    }

    /// Promises `amount` nano-USD to a request; none if there is not so much that is free, or the lease is over, of which
    /// [`Self::lacks`] tells more. Nothing is asked and nothing waits.
    pub fn reserve(self: &Arc<Self>, amount: i64, now: Instant) -> Option<Reservation> {
        let millis = self.millis(now);
        // What costs nothing needs no money.
        if amount > 0 {
            if millis >= self.valid_until.load(Relaxed) {
                return None;
            }
            let take = |free: i64| (free >= amount).then(|| free - amount);
            self.free.fetch_update(Relaxed, Relaxed, take).ok()?;
        }
        self.used_at.store(millis, Relaxed);
        Some(Reservation {
            account: Arc::clone(self),
            rest: amount.max(0),
        })
    }

    /// Promises what is not there, to be made up for when the books can be had again.
    pub fn reserve_on_credit(self: &Arc<Self>, amount: i64, now: Instant) -> Reservation {
        let amount = amount.max(0);
        self.free.fetch_sub(amount, Relaxed);
        self.used_at.store(self.millis(now), Relaxed);
        Reservation {
            account: Arc::clone(self),
            rest: amount,
        }
    }

    /// Why `amount` could not be had. Where a turn may help, it will bring so much if it can.
    pub fn lacks(&self, amount: i64, now: Instant) -> Lacking {
        let is_valid = self.is_valid(now);
        let free = match is_valid {
            true => self.free.load(Relaxed).max(0),
            false => 0,
        };
        let mut slow = self.slow();
        let is_fresh = |at: Instant| now.saturating_duration_since(at) < BELIEVED;
        if slow.turned.is_some_and(|(at, good)| !good && is_fresh(at)) {
            return Lacking::Books;
        }
        if let (Some(outlook), Some(budget)) = (&slow.outlook, &slow.budget)
            && is_fresh(outlook.at)
            && let Some((period, _)) = budget.tightest(&outlook.spent)
            && amount > outlook.room.max(0).saturating_add(free)
        {
            return Lacking::Money {
                period,
                cap: budget.caps.of(period).unwrap_or(0),
                left: outlook.room.max(0).saturating_add(free),
            };
        }
        slow.want(amount);
        Lacking::Unknown
    }

    /// Has the next turn bring `amount`, whatever the last one learnt.
    pub fn want(&self, amount: i64) {
        self.slow().want(amount);
    }

    /// What was spent here has come into the books.
    pub fn book(&self, cost: i64) {
        // In this order, so that who sees that it is under way no more sees that it has come.
        self.booked.fetch_add(cost.max(0), Relaxed);
        self.spent.fetch_sub(cost.max(0), Release);
    }

    /// Whether what was spent here is on its way to the books. When it arrives it is counted there, and as leased too until a
    /// turn: a request that finds too little may find more then.
    #[must_use]
    pub fn is_settling(&self, now: Instant) -> bool {
        let since = self.millis(now).saturating_sub(self.spent_at.load(Relaxed));
        self.spent.load(Acquire) > 0 && u128::from(since) < UNDER_WAY.as_millis()
    }

    /// Whether what was spent here has come into the books since the last turn, which counted it twice if it saw it.
    #[must_use]
    pub fn is_booked(&self) -> bool {
        self.booked.load(Relaxed) > 0
    }

    /// Whether so little is left that a turn should be taken before it is missed.
    #[must_use]
    pub fn is_low(&self) -> bool {
        self.free.load(Relaxed) < self.low.load(Relaxed)
    }

    /// Whether time has come for a turn that nobody waits for. `ttl` is how long a lease lasts.
    #[must_use]
    pub fn is_due(&self, ttl: Duration, now: Instant) -> bool {
        let slow = self.slow();
        let Some((turned, is_good)) = slow.turned else {
            return true;
        };
        let since = now.saturating_duration_since(turned);
        if since < PACE {
            return false;
        }
        let is_newly_idle = self.is_idle(now) && turned < self.last_use() + IDLE;
        !is_good || self.is_booked() || (slow.held > 0 && (since >= ttl / 4 || is_newly_idle))
    }

    /// Whether the last turn came to a good end, or none has been taken.
    #[must_use]
    pub fn is_trusted(&self) -> bool {
        self.slow().turned.is_none_or(|(_, good)| good)
    }

    /// Whether it has no budget any more, nor anything leased.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        let slow = self.slow();
        slow.budget.is_none() && slow.held == 0
    }

    /// What the last turn learnt.
    #[must_use]
    pub fn outlook(&self) -> Option<Outlook> {
        self.slow().outlook
    }

    pub(super) fn slow(&self) -> MutexGuard<'_, Slow> {
        // Whoever holds the lock only moves numbers: none is half moved by a panic.
        self.slow.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_valid(&self, now: Instant) -> bool {
        self.millis(now) < self.valid_until.load(Relaxed)
    }

    pub(super) fn set_valid_until(&self, until: Instant) {
        self.valid_until.store(self.millis(until), Relaxed);
    }

    pub(super) fn is_idle(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.last_use()) >= IDLE
    }

    fn last_use(&self) -> Instant {
        self.began + Duration::from_millis(self.used_at.load(Relaxed))
    }

    fn millis(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.began);
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}

/// Money that is promised to one request. Dropped, all of it is free again.
#[derive(Debug)]
#[must_use = "what is promised is given back when this is dropped"]
pub struct Reservation {
    account: Arc<Account>,
    /// What goes back.
    rest: i64,
}

impl Reservation {
    /// The request has ended at `now`, and cost this; what it did not cost is free again.
    pub fn settle(mut self, cost: i64, now: Instant) {
        let cost = cost.max(0);
        self.rest = self.rest.saturating_sub(cost);
        if cost > 0 {
            let account = &self.account;
            account.spent_at.store(account.millis(now), Relaxed);
            account.spent.fetch_add(cost, Relaxed);
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.account.free.fetch_add(self.rest, Relaxed);
    }
}
