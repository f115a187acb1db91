//! What a key may spend, and what becomes of requests whose cost nobody knows.

use serde::{Deserialize, Serialize};

use super::period::{ByPeriod, Period};
use crate::money::{self, AmountError};

/// The share of a budget that is worth a warning when it is spent, in thousandths, where none is given.
const WARN_AT: u16 = 800;

/// What becomes of a request for a model that has no price, if its key has a budget.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unpriced {
    /// It is served, and counts for nothing.
    #[default]
    Allow,
    /// It is refused.
    Refuse,
}

/// A budget as it is written down: amounts are decimal numbers of USD in text.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BudgetFields {
    /// For each UTC day.
    #[serde(default)]
    pub day: Option<String>,
    /// For each UTC month.
    #[serde(default)]
    pub month: Option<String>,
    /// For all the time.
    #[serde(default)]
    pub total: Option<String>,
    /// The share of each that is worth a warning when it is spent; above 0, at most 1, in thousandths.
    #[serde(default)]
    pub warn_at: Option<f64>,
    /// What becomes of requests for models without a price.
    #[serde(default)]
    pub unpriced: Option<Unpriced>,
}

/// Why a budget is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct BudgetError {
    /// The field that is wrong.
    pub field: &'static str,
    /// What is wrong with it.
    pub reason: BudgetReason,
}

/// What is wrong with a field of a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BudgetReason {
    /// It is no amount of money.
    #[error(transparent)]
    Amount(#[from] AmountError),
    /// It is no share.
    #[error("must be between 0.001 and 1")]
    Share,
}

/// How much a key may spend, in nano-USD; at least one period has a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// The most that may be spent in each period, where there is a limit.
    pub caps: ByPeriod<Option<i64>>,
    /// The share of a cap that is worth a warning when it is spent, in thousandths.
    pub warn_at: u16,
    /// What becomes of requests for models without a price.
    pub unpriced: Unpriced,
}

impl Budget {
    /// Reads a budget. One that limits nothing is none.
    ///
    /// # Errors
    /// A field does not hold what it should.
    pub fn of(fields: &BudgetFields) -> Result<Option<Self>, BudgetError> {
        let mut caps = ByPeriod::default();
        let given = [&fields.day, &fields.month, &fields.total];
        for (period, text) in Period::ALL.into_iter().zip(given) {
            let cap = text.as_deref().map(money::parse_usd).transpose();
            *caps.of_mut(period) = cap.map_err(|error| BudgetError {
                field: period.name(),
                reason: error.into(),
            })?;
        }
        let warn_at = match fields.warn_at {
            None => WARN_AT,
            Some(share) if (0.001..=1.0).contains(&share) => (share * 1000.0).round() as u16,
            Some(_) => {
                return Err(BudgetError {
                    field: "warn_at",
                    reason: BudgetReason::Share,
                });
            }
        };
        let budget = Self {
            caps,
            warn_at,
            unpriced: fields.unpriced.unwrap_or_default(),
        };
        Ok(budget.is_limited().then_some(budget))
    }

    /// As it is written down: each value in one way only, and every default told.
    #[must_use]
    pub fn fields(&self) -> BudgetFields {
        BudgetFields {
            day: self.caps.day.map(money::usd),
            month: self.caps.month.map(money::usd),
            total: self.caps.total.map(money::usd),
            warn_at: Some(f64::from(self.warn_at) / 1000.0),
            unpriced: Some(self.unpriced),
        }
    }

    fn is_limited(&self) -> bool {
        Period::ALL
            .into_iter()
            .any(|period| self.caps.of(period).is_some())
    }

    /// What is left of the period of which the least is left; negative where more was spent than was to be.
    #[must_use]
    pub fn tightest(&self, spent: &ByPeriod<i64>) -> Option<(Period, i64)> {
        let left = |period| {
            let cap: i64 = self.caps.of(period)?;
            Some((period, cap.saturating_sub(spent.of(period))))
        };
        // Of two that leave the same, the longer one tells more about when there will be more.
        Period::ALL
            .into_iter()
            .rev()
            .filter_map(left)
            .min_by_key(|(_, left)| *left)
    }

    /// Whether so much of a period's cap was spent that it is worth a warning.
    #[must_use]
    pub fn is_warning(&self, period: Period, spent: i64) -> bool {
        self.caps.of(period).is_some_and(|cap| {
            i128::from(spent) * 1000 >= i128::from(cap) * i128::from(self.warn_at)
        })
    }
}
