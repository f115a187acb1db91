//! What client keys have spent, beside what they may.

use std::collections::HashMap;

use access::{
    budget::{Budget, BudgetFields, Period, Unpriced},
    money,
};
use chrono::{DateTime, NaiveDate, Utc};
use entities::{api_key, budget_lease};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use stats::query::{KeyTotals, key_totals};
use utoipa::ToSchema;

use crate::error::Error;

/// How much a key may spend: decimal numbers of USD for each UTC day, each UTC month, and in all. Null does not limit.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BudgetsInput {
    #[schema(example = "10.00")]
    day: Option<String>,
    month: Option<String>,
    total: Option<String>,
    /// The share of a budget that is worth a warning when it is spent; above 0, at most 1. 0.8 by default.
    warn_at: Option<f64>,
    /// What becomes of requests for models without a price: `allow` (default) serves them and counts nothing, `refuse`
    /// does not serve them.
    #[schema(value_type = Option<String>)]
    unpriced: Option<Unpriced>,
}

impl BudgetsInput {
    /// As it is stored; none if nothing is limited.
    pub(crate) fn stored(self) -> Result<Option<Value>, Error> {
        let fields = BudgetFields {
            day: self.day,
            month: self.month,
            total: self.total,
            warn_at: self.warn_at,
            unpriced: self.unpriced,
        };
        let budget = Budget::of(&fields).map_err(|error| {
            Error::invalid(format!("budgets.{}", error.field), error.reason.to_string())
        })?;
        let stored = budget.map(|budget| serde_json::to_value(budget.fields()));
        stored
            .transpose()
            .map_err(|_| Error::Internal("a budget cannot be written"))
    }
}

/// What a key has used over all its days.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KeyUsage {
    /// Attempts, as in `/api/stats/daily`.
    attempts: i64,
    prompt_tokens: i64,
    completion_tokens: i64,
    total_tokens: i64,
    /// USD over what was priced, as a decimal; null while nothing was.
    #[schema(example = "0.01275")]
    cost: Option<String>,
}

/// What a key has spent of its budgets.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Spending {
    day: Spent,
    month: Spent,
    total: Spent,
    /// USD that gateways may spend at once, or have spent and not yet written down.
    leased: String,
}

/// What was spent in a period.
#[derive(Debug, Serialize, ToSchema)]
struct Spent {
    /// USD.
    spent: String,
    /// USD that may be spent; null is no limit.
    budget: Option<String>,
    /// USD that are left; null is no limit.
    remaining: Option<String>,
    /// `ok`, `warning` or `exhausted`; null without a limit.
    state: Option<&'static str>,
    /// When the next period begins; null if it never does.
    resets_at: Option<DateTime<Utc>>,
}

/// All there is to tell about what a key used.
#[derive(Debug)]
pub(crate) struct Figures {
    pub(crate) last_used_at: Option<DateTime<Utc>>,
    pub(crate) usage: KeyUsage,
    pub(crate) spending: Spending,
}

/// The figures of some keys, in their order.
pub(crate) async fn of(
    connection: &impl ConnectionTrait,
    rows: &[api_key::Model],
) -> Result<Vec<Figures>, Error> {
    let today = Utc::now().date_naive();
    let names = rows.iter().map(|row| row.name.as_str());
    let totals = key_totals(connection, names, today).await?;
    let leased = leased(connection, rows).await?;
    let figures = rows.iter().map(|row| {
        let totals = totals.get(&row.name).cloned().unwrap_or_default();
        figures(
            row,
            totals,
            leased.get(&row.id).copied().unwrap_or(0),
            today,
        )
    });
    Ok(figures.collect())
}

/// What replicas have leased for these keys, by key.
async fn leased(
    connection: &impl ConnectionTrait,
    rows: &[api_key::Model],
) -> Result<HashMap<i64, i64>, Error> {
    use budget_lease::{Column, Entity};
    let with_budget = rows.iter().filter(|row| row.budgets.is_some());
    let ids: Vec<i64> = with_budget.map(|row| row.id).collect();
    let mut sums = HashMap::new();
    if ids.is_empty() {
        return Ok(sums);
    }
    let leases: Vec<(i64, i64)> = Entity::find()
        .select_only()
        .columns([Column::KeyId, Column::Amount])
        .filter(Column::KeyId.is_in(ids))
        .filter(Column::ExpiresAt.gt(Utc::now()))
        .into_tuple()
        .all(connection)
        .await?;
    for (key, amount) in leases {
        let sum: &mut i64 = sums.entry(key).or_default();
        *sum = sum.saturating_add(amount);
    }
    Ok(sums)
}

fn figures(row: &api_key::Model, totals: KeyTotals, leased: i64, today: NaiveDate) -> Figures {
    // A damaged budget is told by the key not being accepted.
    let fields = row.budgets.as_ref();
    let fields = fields.and_then(|fields| BudgetFields::deserialize(fields).ok());
    let budget = fields.and_then(|fields| Budget::of(&fields).ok().flatten());
    let spent = |period: Period, nano: Option<i64>| {
        let nano = nano.unwrap_or(0);
        let cap = budget.and_then(|budget| budget.caps.of(period));
        let state = cap.zip(budget).map(|(cap, budget)| {
            if nano >= cap {
                "exhausted"
            } else if budget.is_warning(period, nano) {
                "warning"
            } else {
                "ok"
            }
        });
        Spent {
            spent: money::usd(nano),
            budget: cap.map(money::usd),
            remaining: cap.map(|cap| money::usd(cap.saturating_sub(nano).max(0))),
            state,
            resets_at: period.ends_at(today),
        }
    };
    Figures {
        last_used_at: totals.last_used_at,
        spending: Spending {
            day: spent(Period::Day, totals.cost_of_day),
            month: spent(Period::Month, totals.cost_of_month),
            total: spent(Period::Total, totals.cost),
            leased: money::usd(leased),
        },
        usage: KeyUsage {
            attempts: totals.attempts,
            prompt_tokens: totals.prompt_tokens,
            completion_tokens: totals.completion_tokens,
            total_tokens: totals.total_tokens,
            cost: totals.cost.map(money::usd),
        },
    }
}
