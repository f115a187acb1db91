//! Whether a key has the money for a request, and what that may cost.

use access::{
    ClientKey,
    budget::{Period, Unpriced},
    money,
};
use budgets::{Budgets, Charge, Refusal};
use catalog::Snapshot;
use chrono::NaiveDate;
use protocol::{Endpoint, Envelope, ErrorKind, Operation};
use router::{ProviderId, Route};

use crate::{error::Error, estimate::Estimate};

/// Who asks what, and who may answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) caller: &'a ClientKey,
    pub(crate) route: &'a Route,
    /// The providers that the key may use; all if absent.
    pub(crate) allowed: Option<&'a [ProviderId]>,
    pub(crate) endpoint: Endpoint,
    pub(crate) envelope: &'a Envelope<'a>,
    pub(crate) estimate: Estimate,
}

/// Promises the request what it may cost at the dearest of those who may answer it.
///
/// # Errors
/// The key's budget does not allow it.
pub(crate) async fn charge(
    budgets: &Budgets,
    asked: Asked<'_>,
    today: NaiveDate,
) -> Result<Option<Charge>, Error> {
    let Some(budget) = &asked.caller.budget else {
        return Ok(None);
    };
    let (dearest, are_all_priced) = asked.dearest();
    let is_known = are_all_priced || budget.unpriced == Unpriced::Allow;
    let cost = dearest.filter(|_| is_known);
    budgets
        .reserve(asked.caller, cost)
        .await
        .map_err(|refusal| told(&refusal, &asked.envelope.model, today))
}

impl Asked<'_> {
    /// What it costs at most, where anybody has a price; and whether all have.
    fn dearest(&self) -> (Option<i64>, bool) {
        if matches!(self.endpoint.operation(), Operation::Count(_)) {
            return (Some(0), true); // counting is not using
        }
        let Estimate {
            prompt,
            output,
            images,
        } = self.estimate;
        let candidates = self.route.candidates().iter();
        let may_answer = candidates.filter(|candidate| {
            candidate.is_enabled()
                && candidate.is_provider_enabled()
                && self
                    .allowed
                    .is_none_or(|allowed| allowed.contains(&candidate.provider()))
        });
        let mut dearest = None;
        let mut are_all_priced = true;
        for candidate in may_answer {
            let price = self.snapshot.price(candidate.id());
            match price.and_then(|price| price.at_most(prompt, output, images)) {
                Some(cost) => dearest = dearest.max(Some(cost)),
                None => are_all_priced = false,
            }
        }
        (dearest, are_all_priced)
    }
}

/// The refusal in the client's words.
fn told(refusal: &Refusal, model: &str, today: NaiveDate) -> Error {
    match *refusal {
        Refusal::Exceeded {
            period,
            cap,
            left,
            cost,
        } => {
            let anew = match refusal.resets_at(today) {
                Some(at) => format!("It begins anew at {}.", at.format("%Y-%m-%dT%H:%M:%SZ")),
                None => "It does not begin anew.".to_owned(),
            };
            let message = format!(
                "You exceeded your current quota: this request may cost up to {} USD, and of the budget of {} USD that this \
                 API key has {} {} USD are left. {anew}",
                money::usd(cost),
                money::usd(cap),
                match period {
                    Period::Day => "for the day",
                    Period::Month => "for the month",
                    Period::Total => "in all",
                },
                money::usd(left.max(0)),
            );
            let mut error = Error::new(ErrorKind::QuotaExceeded, "budget_exceeded", message);
            error.is_final = true;
            error
        }
        Refusal::Unavailable => {
            let message = "the budget of this API key cannot be looked at";
            let mut error = Error::new(ErrorKind::Unavailable, "budget_unavailable", message);
            error.retry_after = refusal.retry_after();
            error
        }
        Refusal::Unpriced => {
            let message = format!(
                "the model '{model}' has no price, and the budget of this API key is for models that have one"
            );
            Error::new(ErrorKind::Permission, "budget_unpriced", message)
        }
    }
}
