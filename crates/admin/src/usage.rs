//! What was used and what it cost, as a report: `/api/usage`.

use access::money;
use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use chrono::NaiveDate;
use entities::provider;
use http::{HeaderValue, header};
use sea_orm::{EntityTrait, QuerySelect};
use serde::{Deserialize, Serialize};
use stats::query::{self, UsageBy, UsageOf, UsageRow};
use std::{borrow::Cow, collections::HashMap, fmt::Write};
use utoipa::{IntoParams, ToSchema};

use crate::{AdminState, error::Error, extract::Query, figures::days};

/// Which report.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct UsageQuery {
    /// `key`, `model`, `provider` or `day`.
    #[param(inline)]
    group_by: GroupBy,
    /// The first day, as 2026-01-31; 29 days before the last if absent.
    from: Option<NaiveDate>,
    /// The last day, at most 366 days later; today (UTC) if absent.
    to: Option<NaiveDate>,
    /// `json` (default) or `csv`.
    #[serde(default)]
    #[param(inline)]
    format: Format,
}

#[derive(Debug, Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum GroupBy {
    Key,
    Model,
    Provider,
    Day,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Format {
    #[default]
    Json,
    Csv,
}

/// What a range of days used, by group.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UsageBody {
    group_by: GroupBy,
    from: NaiveDate,
    to: NaiveDate,
    /// Days oldest first, all else by count; at most 1000.
    data: Vec<UsageGroup>,
}

/// What one group used. Of `key`, `model`, `provider_id` with `provider`, and `date` it has the one it is grouped by.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UsageGroup {
    /// The client key's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// As clients asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_id: Option<i64>,
    /// The provider's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<String>,
    /// A UTC day.
    #[serde(skip_serializing_if = "Option::is_none")]
    date: Option<NaiveDate>,
    /// Attempts, as in `/api/stats/daily`; absent by model.
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts: Option<i64>,
    /// By model only: the requests that are still logged.
    #[serde(skip_serializing_if = "Option::is_none")]
    requests: Option<i64>,
    prompt_tokens: i64,
    completion_tokens: i64,
    total_tokens: i64,
    /// USD over what was priced, as a decimal; null while nothing was.
    #[schema(example = "0.01275")]
    cost: Option<String>,
}

impl UsageGroup {
    fn of(row: UsageRow, providers: &HashMap<i64, String>) -> Self {
        let mut group = Self {
            key: None,
            model: None,
            provider_id: None,
            provider: None,
            date: None,
            attempts: Some(row.count),
            requests: None,
            prompt_tokens: row.prompt_tokens,
            completion_tokens: row.completion_tokens,
            total_tokens: row.total_tokens,
            cost: row.cost.map(money::usd),
        };
        match row.of {
            UsageOf::Key(name) => group.key = Some(name),
            UsageOf::Model(name) => {
                group.model = Some(name);
                (group.attempts, group.requests) = (None, Some(row.count));
            }
            UsageOf::Provider(id) => {
                group.provider_id = Some(id);
                group.provider = providers.get(&id).cloned();
            }
            UsageOf::Day(date) => group.date = Some(date),
        }
        group
    }
}

/// What was used and what it cost, by key, model, provider or day.
///
/// By key, provider and day it is summed up from the daily figures, which stay when requests are deleted, and counts
/// attempts; a provider that is deleted is missing among the providers only. By model it is summed up from the logged requests, so that it reaches back as far as they are kept.
#[utoipa::path(get, path = "/usage", tag = "statistics", params(UsageQuery),
    responses((status = 200, content((UsageBody = "application/json"), (String = "text/csv")))))]
pub(crate) async fn get(
    State(state): State<AdminState>,
    Query(query): Query<UsageQuery>,
) -> Result<Response, Error> {
    let (from, to) = days(query.from, query.to)?;
    let by = match query.group_by {
        GroupBy::Key => UsageBy::Key,
        GroupBy::Model => UsageBy::Model,
        GroupBy::Provider => UsageBy::Provider,
        GroupBy::Day => UsageBy::Day,
    };
    let rows = query::usage(&state.database, by, from, to).await?;
    let providers = match by {
        UsageBy::Provider => names(&state).await?,
        _ => HashMap::new(),
    };
    let data = rows
        .into_iter()
        .map(|row| UsageGroup::of(row, &providers))
        .collect();
    let body = UsageBody {
        group_by: query.group_by,
        from,
        to,
        data,
    };
    Ok(match query.format {
        Format::Json => Json(body).into_response(),
        Format::Csv => csv(&body),
    })
}

async fn names(state: &AdminState) -> Result<HashMap<i64, String>, Error> {
    let names: Vec<(i64, String)> = provider::Entity::find()
        .select_only()
        .column(provider::Column::Id)
        .column(provider::Column::Name)
        .into_tuple()
        .all(&state.database)
        .await?;
    Ok(names.into_iter().collect())
}

/// The report as RFC 4180 has it: a line of names, then one of each group. What is null is empty.
fn csv(body: &UsageBody) -> Response {
    let (group, count) = match body.group_by {
        GroupBy::Key => ("key", "attempts"),
        GroupBy::Model => ("model", "requests"),
        GroupBy::Provider => ("provider_id,provider", "attempts"),
        GroupBy::Day => ("date", "attempts"),
    };
    let mut text = format!("{group},{count},prompt_tokens,completion_tokens,total_tokens,cost\r\n");
    for row in &body.data {
        let name = row.key.as_deref().or(row.model.as_deref());
        let group = match (row.provider_id, row.date) {
            (Some(id), _) => format!("{id},{}", cell(row.provider.as_deref().unwrap_or_default())),
            (_, Some(date)) => date.to_string(),
            _ => cell(name.unwrap_or_default()).into_owned(),
        };
        let count = row.attempts.or(row.requests).unwrap_or(0);
        let tokens = [row.prompt_tokens, row.completion_tokens, row.total_tokens];
        let [prompt, completion, total] = tokens;
        let cost = row.cost.as_deref().unwrap_or_default();
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "{group},{count},{prompt},{completion},{total},{cost}\r\n"
        );
    }
    const HEADERS: [(http::HeaderName, HeaderValue); 2] = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/csv; charset=utf-8; header=present"),
        ),
        (
            header::CONTENT_DISPOSITION,
            HeaderValue::from_static("attachment; filename=\"usage.csv\""),
        ),
    ];
    (HEADERS, text).into_response()
}

/// A name as a cell. Clients choose the names of models: one that a spreadsheet would take for a formula gets an
/// apostrophe before it.
fn cell(name: &str) -> Cow<'_, str> {
    let is_formula = name.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if !is_formula && !name.contains([',', '"', '\r', '\n']) {
        return Cow::Borrowed(name);
    }
    let mark = if is_formula { "'" } else { "" };
    Cow::Owned(format!("\"{mark}{}\"", name.replace('"', "\"\"")))
}

#[cfg(test)]
mod tests {
    use super::cell;

    #[test]
    fn a_name_is_one_cell_and_no_formula() {
        for (name, expected) in [
            ("gpt-5", "gpt-5"),
            ("", ""),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            ("=1+1", "\"'=1+1\""),
            ("@cmd", "\"'@cmd\""),
        ] {
            assert_eq!(cell(name), expected);
        }
    }
}
