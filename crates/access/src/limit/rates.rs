//! Limits as they are written down.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{Rule, Scope};
use crate::pattern::Pattern;

/// Models of a key that may have limits of their own.
const MOST_MODELS: usize = 100;
/// Far from overflow, and more than anybody is sold.
const MOST: u64 = 1_000_000_000_000;

/// The limits of a key, of a provider or of all; what is absent is not limited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RatesFields {
    /// Requests in any 60 seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rpm: Option<u64>,
    /// Tokens, in and out, in any 60 seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tpm: Option<u64>,
    /// Requests at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrent: Option<u64>,
}

/// The limits of a key as they are written down.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsFields {
    /// Requests in any 60 seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rpm: Option<u64>,
    /// Tokens, in and out, in any 60 seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tpm: Option<u64>,
    /// Requests at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrent: Option<u64>,
    /// Limits of single models beside, by name or pattern; all models that a pattern matches share its limits.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub models: BTreeMap<String, RatesFields>,
}

/// Why limits are none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct LimitError {
    /// The field that is wrong, as `models.gpt-*.rpm`.
    pub field: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Limits that hold together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rates {
    /// Requests in any 60 seconds.
    pub requests: Option<u64>,
    /// Tokens in any 60 seconds.
    pub tokens: Option<u64>,
    /// Requests at a time.
    pub concurrent: Option<u64>,
}

/// Limits of the models that a pattern matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelRates {
    /// As it is written.
    pub pattern: Arc<str>,
    matcher: Pattern,
    /// What holds for them together.
    pub rates: Rates,
}

/// The limits of a key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// Over all its requests.
    pub own: Rates,
    /// Beside that, over those for some models.
    pub models: Vec<ModelRates>,
}

impl Rates {
    /// Reads limits; an error names its field below `at`, which is empty or ends in a dot.
    ///
    /// # Errors
    /// A limit is 0, or larger than any.
    pub fn of(fields: &RatesFields, at: &str) -> Result<Self, LimitError> {
        let check = |name: &str, value: Option<u64>| match value {
            Some(value) if !(1..=MOST).contains(&value) => Err(LimitError {
                field: format!("{at}{name}"),
                reason: format!("must be between 1 and {MOST}"),
            }),
            value => Ok(value),
        };
        Ok(Self {
            requests: check("rpm", fields.rpm)?,
            tokens: check("tpm", fields.tpm)?,
            concurrent: check("concurrent", fields.concurrent)?,
        })
    }

    /// What one of so many gateways may let pass that do not know of each other; nobody's part is nothing.
    #[must_use]
    pub fn part(&self, gateways: u64) -> Self {
        let part = |limit: Option<u64>| limit.map(|limit| (limit / gateways.max(1)).max(1));
        Self {
            requests: part(self.requests),
            tokens: part(self.tokens),
            concurrent: part(self.concurrent),
        }
    }

    /// Whether anything is limited.
    #[must_use]
    pub fn is_limited(&self) -> bool {
        self.requests.is_some() || self.tokens.is_some() || self.concurrent.is_some()
    }
}

impl ModelRates {
    /// Whether the model is one of these.
    #[must_use]
    pub fn holds_for(&self, model: &str) -> bool {
        self.matcher.matches(model)
    }
}

impl Limits {
    /// Reads the limits of a key; `None` where nothing is limited.
    ///
    /// # Errors
    /// A field does not hold what it should.
    pub fn of(fields: &LimitsFields) -> Result<Option<Self>, LimitError> {
        let LimitsFields {
            rpm,
            tpm,
            concurrent,
            models,
        } = fields;
        let own = RatesFields {
            rpm: *rpm,
            tpm: *tpm,
            concurrent: *concurrent,
        };
        if models.len() > MOST_MODELS {
            return Err(LimitError {
                field: "models".to_owned(),
                reason: format!("must not have more than {MOST_MODELS} entries"),
            });
        }
        let mut limits = Self {
            own: Rates::of(&own, "")?,
            models: Vec::new(),
        };
        for (pattern, fields) in models {
            let at = format!("models.{pattern}.");
            if pattern.is_empty() || pattern.chars().count() > 100 {
                return Err(LimitError {
                    field: "models".to_owned(),
                    reason: "names must have 1 to 100 characters".to_owned(),
                });
            }
            let rates = Rates::of(fields, &at)?;
            if rates.is_limited() {
                limits.models.push(ModelRates {
                    pattern: pattern.as_str().into(),
                    matcher: Pattern::new(pattern),
                    rates,
                });
            }
        }
        let is_limited = limits.own.is_limited() || !limits.models.is_empty();
        Ok(is_limited.then_some(limits))
    }

    /// What holds for a request for `model` by the key of this name.
    pub fn rules(&self, key: &Arc<str>, model: &str) -> impl Iterator<Item = Rule> {
        let own = self.own.is_limited().then(|| Rule {
            scope: Scope::Key(key.clone()),
            rates: self.own,
        });
        let of_model = self.models.iter().filter(move |it| it.holds_for(model));
        own.into_iter().chain(of_model.map(|it| Rule {
            scope: Scope::ModelOfKey(key.clone(), it.pattern.clone()),
            rates: it.rates,
        }))
    }
}
