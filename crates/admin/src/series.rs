//! Figures of requests over time: `/api/stats/series`.

use axum::{Json, extract::State};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use stats::query::{self, Figures, Percentiles, SeriesOf};
use utoipa::{IntoParams, ToSchema};

use crate::{AdminState, error::Error, extract::Query, figures::TotalsBody};

/// A month.
const MOST_HOURS: i64 = 24 * 31;
/// Seconds that steps may have, and how many steps there are at most.
const STEPS: [i64; 9] = [30, 60, 300, 900, 1800, 3600, 10_800, 21_600, 86_400];
const MOST_STEPS: i64 = 120;

/// Which requests.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct SeriesQuery {
    /// Hours up to now, 1 to 744; 24 if absent.
    hours: Option<i64>,
    /// Only those that this provider answered, else was the last tried for.
    provider_id: Option<i64>,
    /// Only those that asked for this model.
    model: Option<String>,
}

/// Figures over time.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SeriesBody {
    hours: i64,
    /// Seconds of each step.
    step: i64,
    /// Over all of it.
    totals: FiguresBody,
    /// Oldest first, every step, the last one not yet over.
    points: Vec<Point>,
}

/// A step.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Point {
    /// When it begins.
    at: DateTime<Utc>,
    #[serde(flatten)]
    figures: FiguresBody,
}

/// Sums and percentiles.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FiguresBody {
    #[serde(flatten)]
    totals: TotalsBody,
    /// Milliseconds from arrival to the end of the answer; null without a request.
    latency_ms: Option<PercentilesBody>,
    /// Milliseconds from arrival to the first content of a stream; null without a stream.
    ttft_ms: Option<PercentilesBody>,
}

/// Exact below 100, else to two digits, rounded down.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PercentilesBody {
    p50: i64,
    p95: i64,
    p99: i64,
}

impl From<Percentiles> for PercentilesBody {
    fn from(Percentiles { p50, p95, p99 }: Percentiles) -> Self {
        Self { p50, p95, p99 }
    }
}

impl From<Figures> for FiguresBody {
    fn from(figures: Figures) -> Self {
        Self {
            totals: figures.totals.into(),
            latency_ms: figures.latency_ms.map(Into::into),
            ttft_ms: figures.ttft_ms.map(Into::into),
        }
    }
}

/// Figures of the requests of the last hours in steps, at most 120.
#[utoipa::path(get, path = "/stats/series", tag = "statistics", params(SeriesQuery),
    responses((status = 200, body = SeriesBody)))]
pub(crate) async fn get(
    State(state): State<AdminState>,
    Query(query): Query<SeriesQuery>,
) -> Result<Json<SeriesBody>, Error> {
    let hours = query.hours.unwrap_or(24);
    if !(1..=MOST_HOURS).contains(&hours) {
        let reason = format!("must be between 1 and {MOST_HOURS}");
        return Err(Error::invalid("hours", reason));
    }
    let seconds = hours * 3600;
    let step = STEPS
        .into_iter()
        .find(|step| seconds / step <= MOST_STEPS)
        .unwrap_or(STEPS[STEPS.len() - 1]);
    let now = Utc::now();
    let since = now - TimeDelta::hours(hours);
    let of = SeriesOf {
        since,
        step,
        provider_id: query.provider_id,
        model: query.model,
    };
    let mut series = query::series(&state.database, &of).await?;
    let whole = |at: DateTime<Utc>| at.timestamp() - at.timestamp().rem_euclid(step);
    let mut points = Vec::new();
    let mut at = whole(since);
    while at <= whole(now) {
        points.push(Point {
            at: DateTime::from_timestamp(at, 0).unwrap_or_default(),
            figures: series.steps.remove(&at).unwrap_or_default().into(),
        });
        at += step;
    }
    Ok(Json(SeriesBody {
        hours,
        step,
        totals: series.all.into(),
        points,
    }))
}
