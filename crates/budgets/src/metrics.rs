//! What budgets count.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use access::budget::Crossed;

use crate::Refusal;

/// Warnings that are kept for whoever asks.
const KEPT: usize = 64;

/// A share of a key's budget that is worth a warning has been spent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetWarning {
    /// The key's name.
    pub key_name: String,
    /// Of which budget, and how much.
    pub crossed: Crossed,
}

/// Counters, to be read at any time.
#[derive(Debug, Default)]
pub struct BudgetMetrics {
    pub(crate) turns: AtomicU64,
    pub(crate) failures: AtomicU64,
    pub(crate) credits: AtomicU64,
    refused: [AtomicU64; 3],
    warnings: [AtomicU64; 3],
    /// The last ones, the newest last. Only workers come here.
    recent: Mutex<VecDeque<BudgetWarning>>,
}

impl BudgetMetrics {
    /// Rounds with the database that came to a good end.
    pub fn turns(&self) -> u64 {
        self.turns.load(Relaxed)
    }

    /// Rounds with the database that failed.
    pub fn failures(&self) -> u64 {
        self.failures.load(Relaxed)
    }

    /// Requests served although nothing was leased, as the database was away.
    pub fn credits(&self) -> u64 {
        self.credits.load(Relaxed)
    }

    /// Requests refused as too little was left, as the database was away, and as they had no price.
    pub fn refused(&self) -> [u64; 3] {
        self.refused.each_ref().map(|count| count.load(Relaxed))
    }

    /// Warnings that a share of a budget was spent, of days, of months and in all.
    pub fn warnings(&self) -> [u64; 3] {
        self.warnings.each_ref().map(|count| count.load(Relaxed))
    }

    pub(crate) fn refuse(&self, refusal: &Refusal) {
        let index = match refusal {
            Refusal::Exceeded { .. } => 0,
            Refusal::Unavailable => 1,
            Refusal::Unpriced => 2,
        };
        self.refused[index].fetch_add(1, Relaxed);
    }

    /// How many warnings there were, and those after the first `seen` of them, the oldest first; of very many, the last.
    pub fn warnings_after(&self, seen: u64) -> (u64, Vec<BudgetWarning>) {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let count: u64 = self.warnings().iter().sum();
        let new = usize::try_from(count.saturating_sub(seen)).unwrap_or(KEPT);
        let skipped = recent.len().saturating_sub(new);
        (count, recent.iter().skip(skipped).cloned().collect())
    }

    pub(crate) fn warn(&self, key_name: &str, crossed: Crossed) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        self.warnings[crossed.period as usize].fetch_add(1, Relaxed);
        if recent.len() == KEPT {
            recent.pop_front();
        }
        recent.push_back(BudgetWarning {
            key_name: key_name.to_owned(),
            crossed,
        });
    }
}

#[cfg(test)]
mod tests {
    use access::budget::Period;

    use super::*;

    #[test]
    fn warnings_are_told_once_to_whoever_says_what_was_seen() {
        let metrics = BudgetMetrics::default();
        assert_eq!(metrics.warnings_after(0), (0, vec![]));
        let warning = |number: i64| BudgetWarning {
            key_name: "team".to_owned(),
            crossed: Crossed {
                period: Period::Day,
                spent: number,
                cap: 100,
            },
        };
        for number in 0..70 {
            metrics.warn("team", warning(number).crossed);
        }
        assert_eq!(
            metrics.warnings_after(68),
            (70, vec![warning(68), warning(69)])
        );
        assert_eq!(metrics.warnings_after(70), (70, vec![]));
        assert_eq!(metrics.warnings_after(0).1.len(), KEPT);
    }
}
