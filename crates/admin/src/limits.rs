//! Limits of client keys, as the admin API takes them.

use std::collections::BTreeMap;

use access::limit::{Limits, LimitsFields, RatesFields};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::error::Error;

/// How much may be asked for in how much time. What is absent is not limited.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LimitsInput {
    /// Requests in any 60 seconds, at least 1.
    #[schema(minimum = 1, example = 600)]
    rpm: Option<u64>,
    /// Tokens, in and out, in any 60 seconds, at least 1.
    #[schema(minimum = 1, example = 100_000)]
    tpm: Option<u64>,
    /// Requests at a time, at least 1.
    #[schema(minimum = 1)]
    concurrent: Option<u64>,
    /// Limits for single models beside these, by name or by a pattern such as `gpt-*`, whose models share them.
    #[schema(value_type = Option<BTreeMap<String, RatesInput>>)]
    models: Option<BTreeMap<String, Option<RatesInput>>>,
}

/// Limits of some of a key's models.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RatesInput {
    /// Requests in any 60 seconds, at least 1.
    #[schema(minimum = 1)]
    rpm: Option<u64>,
    /// Tokens, in and out, in any 60 seconds, at least 1.
    #[schema(minimum = 1)]
    tpm: Option<u64>,
    /// Requests at a time, at least 1.
    #[schema(minimum = 1)]
    concurrent: Option<u64>,
}

impl LimitsInput {
    /// As they are stored; none if nothing is limited.
    pub(crate) fn stored(self) -> Result<Option<Value>, Error> {
        let models = self.models.unwrap_or_default().into_iter();
        let fields = LimitsFields {
            rpm: self.rpm,
            tpm: self.tpm,
            concurrent: self.concurrent,
            models: models
                .filter_map(|(pattern, rates)| Some((pattern, rates?)))
                .map(|(pattern, rates)| {
                    let fields = RatesFields {
                        rpm: rates.rpm,
                        tpm: rates.tpm,
                        concurrent: rates.concurrent,
                    };
                    (pattern, fields)
                })
                .collect(),
        };
        let limits = Limits::of(&fields)
            .map_err(|error| Error::invalid(format!("limits.{}", error.field), error.reason))?;
        let stored = limits.map(|_| serde_json::to_value(fields));
        stored
            .transpose()
            .map_err(|_| Error::Internal("limits cannot be written"))
    }
}
