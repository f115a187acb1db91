//! What a set of rows adds to the days of providers and keys.
//!
//! Every figure is a sum over the rows' attempts, under the UTC day the request arrived. Maps are ordered, so that
//! replicas lock days in the same order.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use entities::Attempt;

use crate::Counted;
use crate::row::{Row, counted};

/// The figures of one day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) total_requests: i64,
    pub(crate) success_requests: i64,
    pub(crate) failed_requests: i64,
    pub(crate) total_tokens: i64,
    pub(crate) prompt_tokens: i64,
    pub(crate) completion_tokens: i64,
    pub(crate) response_ms_total: i64,
    pub(crate) cost: Option<i64>,
    pub(crate) last_used_at: DateTime<Utc>,
}

impl Sums {
    fn add(&mut self, attempt: &Attempt, used_at: DateTime<Utc>) {
        self.total_requests += 1;
        match counted(attempt) {
            Counted::Success => self.success_requests += 1,
            Counted::Failed => self.failed_requests += 1,
        }
        let tokens = attempt.tokens.unwrap_or_default();
        self.total_tokens += tokens.total;
        self.prompt_tokens += tokens.prompt;
        self.completion_tokens += tokens.completion;
        self.response_ms_total += attempt.ms;
        if let Some(cost) = attempt.cost {
            *self.cost.get_or_insert(0) += cost;
        }
        self.last_used_at = self.last_used_at.max(used_at);
    }
}

/// The days a set of rows touches.
#[derive(Debug, Default)]
pub(crate) struct Days<'a> {
    pub(crate) providers: BTreeMap<(i64, NaiveDate), Sums>,
    pub(crate) keys: BTreeMap<(&'a str, NaiveDate), Sums>,
}

impl<'a> Days<'a> {
    /// Sums up. Rows without attempts add nothing.
    pub(crate) fn of(rows: impl IntoIterator<Item = &'a Row>) -> Self {
        let mut days = Self::default();
        for row in rows {
            let date = row.created_at.date_naive();
            for attempt in &row.attempts {
                let provider = days
                    .providers
                    .entry((attempt.provider_id, date))
                    .or_default();
                provider.add(attempt, row.created_at);
                let key = days.keys.entry((&*row.user_id, date)).or_default();
                key.add(attempt, row.created_at);
            }
        }
        days
    }
}
