//! One round with the books: what was spent and came into them is leased no more, and more is leased.

use std::{
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

use chrono::NaiveDate;

use super::{
    account::Account,
    period::{ByPeriod, Period},
};

/// Of what could be had, a replica leases one part of so many beyond what is asked for.
const SHARE: i64 = 20;
/// The same for a key that is idle, while there is plenty.
const IDLE_SHARE: i64 = 100;
/// There is plenty while more than one part of so many is left.
const PLENTY: i64 = 10;

/// How long what was waited for stays where it is, for those who waited.
const KEPT: Duration = Duration::from_millis(500);

/// What the books say of a key, in nano-USD. The leases have to be read before what was spent: what moves from one to the
/// other meanwhile must be seen twice rather than not at all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// What all other replicas have leased.
    pub others: i64,
    /// What was spent in the day, the month and in all.
    pub spent: ByPeriod<i64>,
}

/// What a turn learnt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outlook {
    /// When the turn ended.
    pub at: Instant,
    /// What nobody had leased after it; negative where more was spent than was to be.
    pub room: i64,
    /// What was spent, by the books.
    pub spent: ByPeriod<i64>,
}

/// A share of a budget that is worth a warning has been spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crossed {
    /// The budget's period.
    pub period: Period,
    /// What was spent in it.
    pub spent: i64,
    /// What may be.
    pub cap: i64,
}

/// One round with the books. There must be no second one of the same account at the same time.
///
/// The lease in the books is only ever written by the replica that holds it, as an amount and not as a change. So a turn
/// whose end is not known (the answer to a commit was lost) does no harm: what is given back is out of requests' reach
/// before it is written, what is added comes within their reach after, and the next turn writes the lease anew.
#[derive(Debug)]
#[must_use = "a turn that is dropped has failed"]
pub struct Turn<'a> {
    account: &'a Account,
    began: Instant,
    held: i64,
    grows_by: i64,
    room: i64,
    spent: ByPeriod<i64>,
    /// When it failed.
    ended: Option<Instant>,
    is_decided: bool,
    is_committed: bool,
}

impl<'a> Turn<'a> {
    /// Begins a turn at `now`, before the books are read.
    pub fn begin(account: &'a Account, now: Instant) -> Self {
        let booked = account.booked.swap(0, Relaxed);
        // A lease that is over may be another's by now: what was not spent of it is gone.
        let lapsed = match account.is_valid(now) {
            true => 0,
            false => take_down_to(account, 0),
        };
        let mut slow = account.slow();
        slow.held = slow
            .held
            .saturating_sub(booked)
            .saturating_sub(lapsed)
            .max(0);
        let held = slow.held;
        drop(slow);
        Self {
            account,
            began: now,
            held,
            grows_by: 0,
            room: 0,
            spent: ByPeriod::default(),
            ended: None,
            is_decided: false,
            is_committed: false,
        }
    }

    /// The amount to write down as leased, in nano-USD; 0 is no lease.
    pub fn decide(&mut self, standing: &Standing) -> i64 {
        let account = self.account;
        let mut slow = account.slow();
        let (wanted, least) = (std::mem::take(&mut slow.wanted), slow.least.take());
        let free = account.free.load(Relaxed);
        let (target, room) = match slow.budget {
            None => (0, 0),
            Some(budget) => {
                let left = budget.tightest(&standing.spent);
                let (period, left) = left.unwrap_or((Period::Total, 0));
                let room = left
                    .saturating_sub(standing.others)
                    .saturating_sub(self.held);
                let reach = room.max(0).saturating_add(free.max(0));
                let has_plenty = room > budget.caps.of(period).unwrap_or(0) / PLENTY;
                let spare = match (account.is_idle(self.began), has_plenty) {
                    (false, _) => reach / SHARE,
                    (true, true) => reach / IDLE_SHARE,
                    (true, false) => 0,
                };
                account.low.store(spare / 2, Relaxed);
                // Who waited may not have come to take it yet.
                let kept = match slow.kept_until {
                    Some(until) if self.began < until => free.max(0),
                    _ => 0,
                };
                // What is too little for anybody here may be enough together with what others give back.
                let target = match least {
                    Some(least) if least > reach => 0,
                    _ => wanted.saturating_add(spare).min(reach),
                };
                (target.max(kept), room)
            }
        };
        if wanted > 0 {
            slow.kept_until = Some(self.began + KEPT);
        }
        let returned = take_down_to(account, target);
        self.held = self.held.saturating_sub(returned).max(0);
        slow.held = self.held;
        self.room = room.saturating_add(returned);
        // What was spent beyond what was leased is spent, whether there is room for it or not.
        let owed = free.saturating_neg().max(0);
        self.grows_by = target.saturating_sub(free).min(room.max(0)).max(owed);
        self.spent = standing.spent;
        self.is_decided = true;
        self.held.saturating_add(self.grows_by)
    }

    /// The books could not be read or written, or nobody knows, which is found out at `now`.
    pub fn failed(mut self, now: Instant) {
        self.ended = Some(now);
    }

    /// The lease is written down by `now`, and may be spent until `valid_until`: before anybody else may think that it is over.
    /// Budgets of which so much is spent now that it is worth a warning are told once.
    pub fn committed(
        mut self,
        now: Instant,
        valid_until: Instant,
        today: NaiveDate,
    ) -> Vec<Crossed> {
        debug_assert!(self.is_decided, "there is nothing to commit");
        let account = self.account;
        let mut slow = account.slow();
        slow.held = self.held.saturating_add(self.grows_by);
        slow.turned = Some((self.began, true));
        slow.outlook = Some(Outlook {
            at: now,
            room: self.room.saturating_sub(self.grows_by),
            spent: self.spent,
        });
        account.set_valid_until(valid_until);
        account.free.fetch_add(self.grows_by, Relaxed);
        self.is_committed = true;
        let Some(budget) = slow.budget else {
            return Vec::new();
        };
        let mut crossed = Vec::new();
        for period in Period::ALL {
            let begins = Some(period.first_day(today).unwrap_or(NaiveDate::MIN));
            let (spent, warned) = (self.spent.of(period), slow.warned.of_mut(period));
            if budget.is_warning(period, spent) && *warned != begins {
                *warned = begins;
                let cap = budget.caps.of(period).unwrap_or(0);
                crossed.push(Crossed { period, spent, cap });
            }
        }
        crossed
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if !self.is_committed {
            // Who waits for money is told, rather than served by the next turn.
            let mut slow = self.account.slow();
            (slow.wanted, slow.least) = (0, None);
            slow.turned = Some((self.ended.unwrap_or(self.began), false));
        }
    }
}

/// Until when a lease may be spent that was asked for at `asked` and lasts for `ttl`: clocks of replicas may differ by a
/// tenth of it.
#[must_use]
pub fn spendable_until(asked: Instant, ttl: Duration) -> Instant {
    asked + ttl - ttl / 10
}

/// Takes what is free beyond `target` out of requests' reach, and says how much that was.
fn take_down_to(account: &Account, target: i64) -> i64 {
    let down = |free: i64| (free > target).then_some(target);
    match account.free.fetch_update(Relaxed, Relaxed, down) {
        Ok(free) => free - target,
        Err(_) => 0,
    }
}
