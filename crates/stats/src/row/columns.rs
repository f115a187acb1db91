//! A row's columns: their names, and their values for whoever binds them.

use std::net::IpAddr;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use entities::{Attempt, AttemptTokens, request_log};
use sea_orm::Value;

use super::{Row, json};

/// Bytes that an attempt mostly has as JSON, at most.
const ATTEMPT: usize = 256;

/// Takes a row's values, one for each column, in their order.
pub(crate) trait Columns {
    /// A text that is shared, or none.
    fn shared(&mut self, text: Option<&Arc<str>>);
    /// A text, or none.
    fn text(&mut self, text: Option<&str>);
    /// A number of 64 bits, or none.
    fn long(&mut self, number: Option<i64>);
    /// A number of 32 bits.
    fn int(&mut self, number: i32);
    /// Yes or no.
    fn flag(&mut self, flag: bool);
    /// An address as it is written.
    fn address(&mut self, address: Option<IpAddr>);
    /// JSON.
    fn attempts(&mut self, attempts: &[Attempt]);
    /// A moment.
    fn moment(&mut self, moment: DateTime<Utc>);
}

impl Row {
    /// Columns in the order of [`Row::columns`].
    pub(crate) const COLUMNS: [request_log::Column; 24] = {
        use request_log::Column as C;
        [
            C::RequestId,
            C::ProviderId,
            C::Model,
            C::ProviderModel,
            C::Endpoint,
            C::Method,
            C::StatusCode,
            C::ErrorClass,
            C::ErrorMessage,
            C::LatencyMs,
            C::TtftMs,
            C::PromptTokens,
            C::CompletionTokens,
            C::TotalTokens,
            C::CachedTokens,
            C::CacheWriteTokens,
            C::ReasoningTokens,
            C::UsageSource,
            C::Cost,
            C::UserId,
            C::IpAddress,
            C::Stream,
            C::Attempts,
            C::CreatedAt,
        ]
    };

    /// The row's value for each column.
    pub(crate) fn columns(&self, to: &mut impl Columns) {
        let tokens = |field: fn(&AttemptTokens) -> i64| self.tokens.as_ref().map(field);
        to.shared(Some(&self.request_id));
        to.long(self.provider_id);
        to.text(Some(&self.model));
        to.shared(self.provider_model.as_ref());
        to.text(Some(&self.endpoint));
        to.text(Some(&self.method));
        to.int(self.status_code);
        to.text(self.error_class.as_deref());
        to.text(self.error_message.as_deref());
        to.long(Some(self.latency_ms));
        to.long(self.ttft_ms);
        to.long(tokens(|tokens| tokens.prompt));
        to.long(tokens(|tokens| tokens.completion));
        to.long(tokens(|tokens| tokens.total));
        to.long(tokens(|tokens| tokens.cached));
        to.long(tokens(|tokens| tokens.cache_write));
        to.long(tokens(|tokens| tokens.reasoning));
        to.text(Some(&self.usage_source));
        to.long(self.cost);
        to.shared(Some(&self.user_id));
        to.address(self.ip_address);
        to.flag(self.stream);
        to.attempts(&self.attempts);
        to.moment(self.created_at);
    }
}

/// Values that any engine's driver binds.
pub(crate) struct Bound(Vec<Value>);

impl Bound {
    /// The values of so many rows, one after the other.
    pub(crate) fn of<'a>(rows: impl ExactSizeIterator<Item = &'a Row>) -> Vec<Value> {
        let mut bound = Self(Vec::with_capacity(rows.len() * Row::COLUMNS.len()));
        rows.for_each(|row| row.columns(&mut bound));
        bound.0
    }

    fn push(&mut self, value: impl Into<Value>) {
        self.0.push(value.into());
    }
}

impl Columns for Bound {
    fn shared(&mut self, text: Option<&Arc<str>>) {
        self.text(text.map(AsRef::as_ref));
    }

    fn text(&mut self, text: Option<&str>) {
        self.push(text.map(str::to_owned));
    }

    fn long(&mut self, number: Option<i64>) {
        self.push(number);
    }

    fn int(&mut self, number: i32) {
        self.push(number);
    }

    fn flag(&mut self, flag: bool) {
        self.push(flag);
    }

    fn address(&mut self, address: Option<IpAddr>) {
        self.push(address.map(|address| address.to_string()));
    }

    fn attempts(&mut self, attempts: &[Attempt]) {
        let mut json = Vec::with_capacity(attempts.len() * ATTEMPT);
        json::write(attempts, &mut json);
        // As text, which JSON always is.
        self.push(String::from_utf8(json).unwrap_or_default());
    }

    fn moment(&mut self, moment: DateTime<Utc>) {
        self.push(moment);
    }
}
