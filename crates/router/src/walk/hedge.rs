//! A second candidate beside one that is slow.

use std::time::Instant;

use super::{StopReason, Walk};
use crate::{Candidate, Verdict};

/// Who is tried beside a candidate that is slow.
#[derive(Debug, Clone, Copy)]
pub enum Hedge<'r> {
    /// This candidate, now.
    Try(&'r Candidate),
    /// Somebody would be, but the budget is spent.
    Unpaid,
    /// Nobody.
    Nobody,
}

/// One of two attempts that run side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leg {
    /// The one that ran first.
    First,
    /// The one beside it.
    Hedge,
}

impl<'r> Walk<'r> {
    /// The candidate to try beside the one under way, at most once in a walk: the next that was not tried yet, of the same
    /// tier if there is one that leaves an attempt for every lower tier, and that `is_well`. It is one of the attempts, and
    /// always drawn from the budget. One that was not sent, as [`Verdict::Held`] tells, leaves room for another.
    pub fn hedge(&mut self, now: Instant, is_well: impl Fn(&Candidate) -> bool) -> Hedge<'r> {
        let Some((current, _)) = self.current else {
            return Hedge::Nobody;
        };
        if self.is_hedged || self.is_forced || self.attempts_left == 0 {
            return Hedge::Nobody;
        }
        self.open_marks();
        let is_fit = |index: &usize| {
            *index != current && self.is_fresh(*index) && is_well(self.candidate(*index))
        };
        let is_spared = self.attempts_left as usize > self.lower_tiers();
        let of_tier = self.tier.clone().find(|index| is_spared && is_fit(index));
        let lower = || (self.tier.end..self.places.len()).find(is_fit);
        let Some(index) = of_tier.or_else(lower) else {
            return Hedge::Nobody;
        };
        let Some(charge) = self.draw(now) else {
            return Hedge::Unpaid;
        };
        self.is_hedged = true;
        self.hedge = Some((index, charge));
        self.count_attempt();
        Hedge::Try(self.candidate(index))
    }

    /// Takes in how one of two attempts that ran side by side ended, while the other goes on. Answers why to stop at once,
    /// if that decides it. How the other ends is told to [`next`](Self::next).
    pub fn leg_failed(&mut self, leg: Leg, verdict: Verdict, now: Instant) -> Option<StopReason> {
        let hedge = self.hedge.take()?;
        let ended = match leg {
            Leg::First => self.current.replace(hedge)?,
            Leg::Hedge => {
                self.is_hedged = verdict.is_attempt();
                hedge
            }
        };
        self.stopped = self.judge(ended, verdict, now);
        self.stopped
    }
}
