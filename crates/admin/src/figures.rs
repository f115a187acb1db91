//! Figures of requests: `/api/stats` and `/api/stats/daily`.

use access::money;
use axum::{Json, extract::State};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use entities::{key_usage, provider_stats};
use serde::{Deserialize, Serialize};
use stats::query::{self, Totals};
use utoipa::{IntoParams, ToSchema};

use crate::{AdminState, error::Error, extract::Query};

/// A year.
const MOST_HOURS: i64 = 24 * 366;
const MOST_DAYS: i64 = 366;
/// Days shown where no first one is given, the last included.
const DEFAULT_DAYS: i64 = 30;

/// How far back.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct SummaryQuery {
    /// Hours up to now, 1 to 8784; 24 if absent.
    hours: Option<i64>,
}

/// Figures of the requests of the last hours.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SummaryBody {
    hours: i64,
    since: DateTime<Utc>,
    #[serde(flatten)]
    totals: TotalsBody,
    /// By the provider that answered, else the last tried; most requests first, at most 100.
    providers: Vec<ProviderTotals>,
    /// By the model asked for; most requests first, at most 100.
    models: Vec<ModelTotals>,
}

/// Sums over requests.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TotalsBody {
    requests: i64,
    /// Those that ended with a status below 400.
    successes: i64,
    /// Successes per request, 0 to 1; null without a request.
    success_rate: Option<f64>,
    prompt_tokens: i64,
    completion_tokens: i64,
    total_tokens: i64,
    /// USD over the priced requests, as a decimal; null while none was priced.
    #[schema(example = "0.01275")]
    cost: Option<String>,
    avg_latency_ms: Option<i64>,
}

impl From<Totals> for TotalsBody {
    fn from(totals: Totals) -> Self {
        Self {
            requests: totals.requests,
            successes: totals.successes,
            success_rate: totals.success_rate,
            prompt_tokens: totals.prompt_tokens,
            completion_tokens: totals.completion_tokens,
            total_tokens: totals.total_tokens,
            cost: totals.cost.map(money::usd),
            avg_latency_ms: totals.avg_latency_ms,
        }
    }
}

/// A provider's part.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProviderTotals {
    /// Null for requests that no attempt was made for.
    provider_id: Option<i64>,
    #[serde(flatten)]
    totals: TotalsBody,
}

/// A model's part.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModelTotals {
    model: String,
    #[serde(flatten)]
    totals: TotalsBody,
}

/// Figures of the requests of the last hours.
#[utoipa::path(get, path = "/stats", tag = "statistics", params(SummaryQuery),
    responses((status = 200, body = SummaryBody)))]
pub(crate) async fn summary(
    State(state): State<AdminState>,
    Query(query): Query<SummaryQuery>,
) -> Result<Json<SummaryBody>, Error> {
    let hours = query.hours.unwrap_or(24);
    if !(1..=MOST_HOURS).contains(&hours) {
        let reason = format!("must be between 1 and {MOST_HOURS}");
        return Err(Error::invalid("hours", reason));
    }
    let since = Utc::now() - TimeDelta::hours(hours);
    let summary = query::summary(&state.database, since).await?;
    Ok(Json(SummaryBody {
        hours,
        since,
        totals: summary.totals.into(),
        providers: summary
            .providers
            .into_iter()
            .map(|one| ProviderTotals {
                provider_id: one.provider_id,
                totals: one.totals.into(),
            })
            .collect(),
        models: summary
            .models
            .into_iter()
            .map(|one| ModelTotals {
                model: one.model,
                totals: one.totals.into(),
            })
            .collect(),
    }))
}

/// Which days, both included.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct DailyQuery {
    /// The first day, as 2026-01-31; 29 days before the last if absent.
    from: Option<NaiveDate>,
    /// The last day, at most 366 days later; today (UTC) if absent.
    to: Option<NaiveDate>,
}

/// Figures per UTC day, oldest first. A day without requests is left out.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DailyBody {
    from: NaiveDate,
    to: NaiveDate,
    /// Attempts, per provider and day.
    providers: Vec<ProviderDay>,
    /// Requests, per client key and day.
    keys: Vec<KeyDay>,
}

/// A provider's day. It counts attempts: those that met a fault of the client's are successes.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProviderDay {
    provider_id: i64,
    date: NaiveDate,
    total_requests: i64,
    success_requests: i64,
    failed_requests: i64,
    total_tokens: i64,
    prompt_tokens: i64,
    completion_tokens: i64,
    /// Milliseconds.
    avg_response_time: i64,
    response_ms_total: i64,
    /// USD over the priced attempts, as a decimal; null while none was priced.
    cost: Option<String>,
    last_used_at: Option<DateTime<Utc>>,
}

impl From<provider_stats::Model> for ProviderDay {
    fn from(row: provider_stats::Model) -> Self {
        Self {
            provider_id: row.provider_id,
            date: row.date,
            total_requests: row.total_requests,
            success_requests: row.success_requests,
            failed_requests: row.failed_requests,
            total_tokens: row.total_tokens,
            prompt_tokens: row.prompt_tokens,
            completion_tokens: row.completion_tokens,
            avg_response_time: row.avg_response_time,
            response_ms_total: row.response_ms_total,
            cost: row.cost.map(money::usd),
            last_used_at: row.last_used_at,
        }
    }
}

/// A client key's day.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KeyDay {
    key_name: String,
    date: NaiveDate,
    total_requests: i64,
    success_requests: i64,
    failed_requests: i64,
    total_tokens: i64,
    prompt_tokens: i64,
    completion_tokens: i64,
    /// USD over the priced attempts, as a decimal; null while none was priced.
    cost: Option<String>,
    last_used_at: Option<DateTime<Utc>>,
}

impl From<key_usage::Model> for KeyDay {
    fn from(row: key_usage::Model) -> Self {
        Self {
            key_name: row.key_name,
            date: row.date,
            total_requests: row.total_requests,
            success_requests: row.success_requests,
            failed_requests: row.failed_requests,
            total_tokens: row.total_tokens,
            prompt_tokens: row.prompt_tokens,
            completion_tokens: row.completion_tokens,
            cost: row.cost.map(money::usd),
            last_used_at: row.last_used_at,
        }
    }
}

/// A range of days, both included; the last 30 by default.
pub(crate) fn days(
    from: Option<NaiveDate>,
    to: Option<NaiveDate>,
) -> Result<(NaiveDate, NaiveDate), Error> {
    let to = to.unwrap_or_else(|| Utc::now().date_naive());
    let from = from
        .or_else(|| to.checked_sub_signed(TimeDelta::days(DEFAULT_DAYS - 1)))
        .unwrap_or(to);
    if from > to {
        return Err(Error::invalid("from", "must not be after 'to'"));
    }
    if (to - from).num_days() > MOST_DAYS {
        let reason = format!("must be at most {MOST_DAYS} days before 'to'");
        return Err(Error::invalid("from", reason));
    }
    Ok((from, to))
}

/// Figures per UTC day, by provider and by client key.
#[utoipa::path(get, path = "/stats/daily", tag = "statistics", params(DailyQuery),
    responses((status = 200, body = DailyBody)))]
pub(crate) async fn daily(
    State(state): State<AdminState>,
    Query(query): Query<DailyQuery>,
) -> Result<Json<DailyBody>, Error> {
    let (from, to) = days(query.from, query.to)?;
    let daily = query::daily(&state.database, from, to).await?;
    Ok(Json(DailyBody {
        from,
        to,
        providers: daily.providers.into_iter().map(Into::into).collect(),
        keys: daily.keys.into_iter().map(Into::into).collect(),
    }))
}
