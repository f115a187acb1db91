//! The series of providers, kept at hand: an attempt adds to eight of them, and to find one by its labels takes longer than
//! to add to it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use stats::AttemptRecord;

use super::{ByKind, ByOutcome, ByProvider, Dollars, Histograms, NANO, kinds, seconds};

/// What is counted of the attempts at providers.
#[derive(Debug)]
pub(super) struct Attempts {
    pub(super) attempts: Family<ByOutcome, Counter>,
    pub(super) durations: Histograms<ByProvider>,
    pub(super) tokens: Family<ByKind, Counter>,
    pub(super) cost: Family<ByProvider, Dollars>,
    /// By the provider's id. As bounded as the labels are: one for each that is or was configured.
    at_hand: Mutex<HashMap<i64, OfProvider>>,
}

/// The series that attempts at one provider have needed so far.
#[derive(Debug)]
struct OfProvider {
    name: Arc<str>,
    durations: Histogram,
    outcomes: Vec<(&'static str, Counter)>,
    tokens: Option<[Counter; 5]>,
    cost: Option<Dollars>,
}

impl Default for Attempts {
    fn default() -> Self {
        Self {
            attempts: Family::default(),
            durations: Family::new_with_constructor(seconds),
            tokens: Family::default(),
            cost: Family::default(),
            at_hand: Mutex::default(),
        }
    }
}

impl Attempts {
    /// Counts an attempt at the provider that is called so now.
    pub(super) fn count(&self, provider: &Arc<str>, attempt: &AttemptRecord) {
        let mut at_hand = self.at_hand.lock().unwrap_or_else(PoisonError::into_inner);
        let series = at_hand
            .entry(attempt.provider_id)
            .and_modify(|series| {
                if series.name != *provider {
                    *series = self.of(provider);
                }
            })
            .or_insert_with(|| self.of(provider));
        series.durations.observe(attempt.elapsed.as_secs_f64());
        self.outcome(series, attempt.error_class.unwrap_or("answered"))
            .inc();
        if let Some(usage) = attempt.usage {
            let kinds = kinds(&usage);
            let tokens = series.tokens.get_or_insert_with(|| {
                kinds.map(|(kind, _)| {
                    let provider = provider.clone();
                    self.tokens.get_or_create_owned(&ByKind { provider, kind })
                })
            });
            for (counter, (_, count)) in tokens.iter().zip(kinds) {
                counter.inc_by(count);
            }
        }
        if let Some(cost) = attempt.cost {
            let counter = series.cost.get_or_insert_with(|| {
                let provider = provider.clone();
                self.cost.get_or_create_owned(&ByProvider { provider })
            });
            // A counter never falls.
            counter.inc_by(cost.max(0) as f64 * NANO);
        }
    }

    fn of(&self, provider: &Arc<str>) -> OfProvider {
        let labels = ByProvider {
            provider: provider.clone(),
        };
        OfProvider {
            name: provider.clone(),
            durations: self.durations.get_or_create_owned(&labels),
            outcomes: Vec::new(),
            tokens: None,
            cost: None,
        }
    }

    fn outcome<'s>(&self, series: &'s mut OfProvider, outcome: &'static str) -> &'s Counter {
        let known = series
            .outcomes
            .iter()
            .position(|(name, _)| *name == outcome);
        let index = known.unwrap_or_else(|| {
            let provider = series.name.clone();
            let labels = ByOutcome { provider, outcome };
            let counter = self.attempts.get_or_create_owned(&labels);
            series.outcomes.push((outcome, counter));
            series.outcomes.len() - 1
        });
        &series.outcomes[index].1
    }
}

#[cfg(test)]
mod tests;
