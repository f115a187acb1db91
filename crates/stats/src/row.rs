//! A record as it is stored: one row of `request_logs`, from which every other figure follows.

mod columns;
mod json;

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use chrono::{DateTime, SubsecRound, Utc};
use entities::{Attempt, AttemptTokens, request_log};
use sea_orm::DbBackend;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub(crate) use self::{
    columns::{Bound, Columns},
    json::write as write_attempts,
};
use crate::{AttemptRecord, Counted, RequestRecord, UsageSource, sqlite};

/// Widths of the text columns, in characters.
pub(crate) const MODEL_CHARS: usize = 100;
pub(crate) const MESSAGE_CHARS: usize = 1000;
const NAME_CHARS: usize = 100;
const METHOD_CHARS: usize = 10;
const CLASS_CHARS: usize = 50;

/// No attempt uses a billion tokens, lasts a thousand years or costs a million dollars. A provider that says so is cut to
/// this, so that no sum of a day can leave its column and hold up every other row.
const MOST_TOKENS: i64 = 1_000_000_000;
const MOST_MS: i64 = 1_000 * 366 * 86_400_000;
const MOST_COST: i64 = 1_000_000_000_000_000;

/// Marks the classes of attempts that did not answer and still count as success.
const CLIENTS_OWN: &str = "client_";

/// A row of `request_logs`; also the form that waits in the spool, so fields may be added but not renamed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) request_id: Arc<str>,
    pub(crate) provider_id: Option<i64>,
    pub(crate) model: String,
    pub(crate) provider_model: Option<Arc<str>>,
    pub(crate) endpoint: Cow<'static, str>,
    pub(crate) method: Cow<'static, str>,
    pub(crate) status_code: i32,
    pub(crate) error_class: Option<Cow<'static, str>>,
    pub(crate) error_message: Option<String>,
    pub(crate) latency_ms: i64,
    pub(crate) ttft_ms: Option<i64>,
    pub(crate) tokens: Option<AttemptTokens>,
    pub(crate) usage_source: Cow<'static, str>,
    pub(crate) cost: Option<i64>,
    pub(crate) user_id: Arc<str>,
    pub(crate) ip_address: Option<IpAddr>,
    pub(crate) stream: bool,
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) created_at: DateTime<Utc>,
    /// In no column: who is told when the row is in the database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) charged_to: Option<Uuid>,
}

impl From<RequestRecord> for Row {
    /// Cuts every value to its column; sums tokens and cost over the attempts; takes the provider that answered, else
    /// the last tried.
    fn from(record: RequestRecord) -> Self {
        let cost = record.cost();
        let attempts: Vec<Attempt> = record.attempts.iter().map(stored).collect();
        let provider = record
            .answered_by
            .and_then(|index| attempts.get(index))
            .or(attempts.last());
        Self {
            request_id: (&*record
                .request_id
                .hyphenated()
                .encode_lower(&mut Uuid::encode_buffer()))
                .into(),
            provider_id: provider.map(|attempt| attempt.provider_id),
            provider_model: provider.map(|attempt| attempt.provider_model.clone()),
            model: text(record.model, MODEL_CHARS),
            endpoint: cut(record.endpoint, NAME_CHARS).into(),
            method: cut(record.method, METHOD_CHARS).into(),
            status_code: record.status_code.into(),
            error_class: record
                .error_class
                .map(|class| cut(class, CLASS_CHARS).into()),
            error_message: record
                .error_message
                .map(|message| text(message, MESSAGE_CHARS)),
            latency_ms: millis(record.latency),
            ttft_ms: record.ttft.map(millis),
            tokens: attempts
                .iter()
                .filter_map(|attempt| attempt.tokens)
                .reduce(add),
            usage_source: source(&record.attempts).into(),
            cost,
            user_id: shared(record.key_name, NAME_CHARS),
            ip_address: record.ip.map(|ip| ip.to_canonical()),
            stream: record.stream,
            // Microseconds are what every engine keeps; beyond them MySQL rounds, possibly into the next day.
            created_at: record.arrived_at.trunc_subsecs(6),
            charged_to: record.charged_to,
            attempts,
        }
    }
}

/// What is bound when records are written to `backend`: the record path of the worker, so that it can be counted.
#[doc(hidden)]
pub fn bound(records: Vec<RequestRecord>, backend: DbBackend) -> impl Sized {
    let rows: Vec<Row> = records.into_iter().map(Row::from).collect();
    match backend {
        DbBackend::Sqlite => (sqlite::Arguments::of(rows.iter()).ok(), None),
        _ => (None, Some(Bound::of(rows.iter()))),
    }
}

impl From<&Row> for request_log::Model {
    /// The row as it will be read. Its id is 0: the database gives it one.
    fn from(row: &Row) -> Self {
        let tokens = row.tokens.as_ref();
        Self {
            id: 0,
            request_id: row.request_id.to_string(),
            provider_id: row.provider_id,
            model: row.model.clone(),
            provider_model: row.provider_model.as_deref().map(str::to_owned),
            endpoint: row.endpoint.clone().into_owned(),
            method: row.method.clone().into_owned(),
            status_code: row.status_code,
            error_class: row.error_class.clone().map(Cow::into_owned),
            error_message: row.error_message.clone(),
            latency_ms: row.latency_ms,
            ttft_ms: row.ttft_ms,
            prompt_tokens: tokens.map(|tokens| tokens.prompt),
            completion_tokens: tokens.map(|tokens| tokens.completion),
            total_tokens: tokens.map(|tokens| tokens.total),
            cached_tokens: tokens.map(|tokens| tokens.cached),
            cache_write_tokens: tokens.map(|tokens| tokens.cache_write),
            reasoning_tokens: tokens.map(|tokens| tokens.reasoning),
            usage_source: row.usage_source.clone().into_owned(),
            cost: row.cost,
            user_id: row.user_id.to_string(),
            ip_address: row.ip_address.map(|ip| ip.to_string()),
            stream: row.stream,
            attempts: serde_json::json!(row.attempts),
            created_at: row.created_at,
        }
    }
}

/// How a stored attempt counts: success if it has no class, or one that begins with `client_`; else failed. This is all
/// that is needed to recompute a provider's day from `request_logs`.
pub fn counted(attempt: &Attempt) -> Counted {
    match attempt.error_class.as_deref() {
        None => Counted::Success,
        Some(class) if class.starts_with(CLIENTS_OWN) => Counted::Success,
        Some(_) => Counted::Failed,
    }
}

/// The attempt as it is stored. What the proxy counted as success keeps or gets the prefix that says so, what it counted
/// as failed always has a class without it: [`counted`] reads back what was meant, whatever the class's own name.
fn stored(attempt: &AttemptRecord) -> Attempt {
    let class = match (attempt.counted, attempt.error_class) {
        (Counted::Success, None) => None,
        (Counted::Success, Some(class)) if class.starts_with(CLIENTS_OWN) => Some(class.to_owned()),
        (Counted::Success, Some(class)) => Some(format!("{CLIENTS_OWN}{class}")),
        (Counted::Failed, class) => {
            let class = class.unwrap_or_default().trim_start_matches(CLIENTS_OWN);
            Some(if class.is_empty() { "failed" } else { class }.to_owned())
        }
    };
    Attempt {
        provider_id: attempt.provider_id,
        provider_model: shared(attempt.provider_model.clone(), NAME_CHARS),
        status: attempt.status,
        error_class: class.map(|class| text(class, CLASS_CHARS)),
        ms: millis(attempt.elapsed),
        tokens: attempt.usage.map(|usage| AttemptTokens {
            prompt: tokens(usage.prompt),
            completion: tokens(usage.completion),
            total: tokens(usage.total),
            cached: tokens(usage.cached),
            cache_write: tokens(usage.cache_write),
            reasoning: tokens(usage.reasoning),
        }),
        cost: attempt.cost.map(bounded_cost),
    }
}

pub(crate) fn bounded_cost(cost: i64) -> i64 {
    cost.clamp(-MOST_COST, MOST_COST)
}

/// One guess among the attempts makes the sum a guess.
fn source(attempts: &[AttemptRecord]) -> &'static str {
    let mut sources = attempts
        .iter()
        .filter_map(|attempt| attempt.usage)
        .map(|usage| usage.source);
    match sources.next() {
        None => "none",
        Some(UsageSource::Estimated) => "estimated",
        Some(UsageSource::Provider) if sources.any(|source| source == UsageSource::Estimated) => {
            "estimated"
        }
        Some(UsageSource::Provider) => "provider",
    }
}

fn add(a: AttemptTokens, b: AttemptTokens) -> AttemptTokens {
    AttemptTokens {
        prompt: a.prompt.saturating_add(b.prompt),
        completion: a.completion.saturating_add(b.completion),
        total: a.total.saturating_add(b.total),
        cached: a.cached.saturating_add(b.cached),
        cache_write: a.cache_write.saturating_add(b.cache_write),
        reasoning: a.reasoning.saturating_add(b.reasoning),
    }
}

fn tokens(count: u64) -> i64 {
    i64::try_from(count).map_or(MOST_TOKENS, |count| count.min(MOST_TOKENS))
}

fn millis(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_millis()).map_or(MOST_MS, |ms| ms.min(MOST_MS))
}

/// Cuts in place, and drops what PostgreSQL cannot store.
fn text(mut text: String, chars: usize) -> String {
    if text.contains('\0') {
        text.retain(|character| character != '\0');
    }
    shorten(&mut text, chars);
    text
}

/// The same of a text that is shared, and stays so where it fits.
fn shared(whole: Arc<str>, chars: usize) -> Arc<str> {
    if whole.contains('\0') || cut(&whole, chars).len() < whole.len() {
        return text(whole.as_ref().to_owned(), chars).into();
    }
    whole
}

/// Cuts to so many characters, and gives back memory that a much longer text held.
pub(crate) fn shorten(text: &mut String, chars: usize) {
    let length = cut(text, chars).len();
    if length < text.len() {
        text.truncate(length);
        text.shrink_to_fit();
    }
}

fn cut(text: &str, chars: usize) -> &str {
    if text.len() <= chars {
        return text; // no text has more characters than bytes
    }
    text.char_indices()
        .nth(chars)
        .map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
pub(crate) mod tests;
