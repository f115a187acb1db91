//! Whether a key, a provider or all together may have one more request now, and what clients are told of it.

mod counts;
mod told;

use access::{
    ClientKey,
    limit::{Admission, Kind, Limited, Rates, Rule, Scope},
};
use catalog::{Provider, Snapshot};
use protocol::ErrorKind;
use router::{Candidate, CandidateId, Plan};

pub(crate) use self::{
    counts::{Ahead, Counts, Reserved, Room},
    told::add,
};
use crate::error::Error;

/// Lets a request of `caller` pass by all limits that hold for it; the first is `None` where none does. With it, what is known
/// of the limits of the candidates of `plan`.
///
/// # Errors
/// One of them refuses it; the standings come with the error.
pub(crate) async fn admit(
    counts: &Counts,
    all: Rates,
    caller: &ClientKey,
    model: &str,
    tokens: u64,
    (snapshot, plan): (&Snapshot, &Plan<'_>),
) -> Result<(Option<Admission>, Ahead), Box<Limited>> {
    if caller.limits.is_none() && !all.is_limited() {
        return Ok(Default::default());
    }
    let mut rules = Vec::with_capacity(3);
    if all.is_limited() {
        rules.push(Rule {
            scope: Scope::All,
            rates: all,
        });
    }
    if let Some(limits) = &caller.limits {
        rules.extend(limits.rules(&caller.name, model));
    }
    if rules.is_empty() {
        return Ok(Default::default());
    }
    let choices = if counts.are_shared() {
        choices(snapshot, plan)
    } else {
        Vec::new()
    };
    let (admission, ahead) = counts.take(rules, choices, tokens).await?;
    Ok((Some(admission), ahead))
}

/// The candidates that will be tried until the first whose provider has no limits, each with those.
fn choices(snapshot: &Snapshot, plan: &Plan<'_>) -> Vec<(CandidateId, Vec<Rule>)> {
    let limited = plan.candidates().map_while(|candidate| {
        let provider = snapshot.provider(candidate.provider())?;
        let rules = of_provider(provider, candidate.provider_model(), true);
        (!rules.is_empty()).then(|| (candidate.id(), rules))
    });
    limited.collect()
}

/// The limits of a provider and of its model. How many it may serve at a time is counted here by its own gate, and among
/// these where gateways count together.
fn of_provider(provider: &Provider, model: &str, are_shared: bool) -> Vec<Rule> {
    let mut rules = Vec::new();
    let mut rates = provider.rates;
    if are_shared {
        rates.concurrent = provider.max_concurrent.map(|limit| limit as u64);
    }
    if rates.is_limited() {
        rules.push(Rule {
            scope: Scope::Provider(provider.id.0),
            rates,
        });
    }
    rules.extend(provider.model_rates(model).map(|rates| Rule {
        scope: Scope::ModelOfProvider(provider.id.0, model.into()),
        rates,
    }));
    rules
}

/// Lets an attempt pass by the limits of the provider and of its model.
///
/// # Errors
/// What they lack.
pub(crate) async fn admit_attempt(
    counts: &Counts,
    ahead: &Ahead,
    provider: &Provider,
    candidate: &Candidate,
    tokens: u64,
) -> Room {
    let rules = of_provider(provider, candidate.provider_model(), counts.are_shared());
    if rules.is_empty() {
        return Ok(Reserved::default());
    }
    match ahead.take(candidate.id()) {
        Some(room) => room,
        None => counts.take_of_provider(rules, tokens).await,
    }
}

/// The refusal in the client's words.
pub(crate) fn refused(limited: &Limited) -> Error {
    let whose = match &limited.scope {
        Scope::All => "this gateway".to_owned(),
        Scope::Key(_) => "this API key".to_owned(),
        Scope::ModelOfKey(_, pattern) => format!("this API key for '{pattern}'"),
        Scope::Provider(_) | Scope::ModelOfProvider(..) => "the provider".to_owned(),
    };
    let limit = limited.limit;
    let what = match limited.kind {
        Kind::Requests => format!("{limit} requests per minute"),
        Kind::Tokens => format!("{limit} tokens per minute"),
        Kind::Concurrent => format!("{limit} requests at a time"),
    };
    let seconds = limited.retry_after.as_secs_f64();
    let message =
        format!("Rate limit reached: {whose} may have {what}. Try again in {seconds:.1} s.");
    let mut error = Error::new(ErrorKind::RateLimited, "limited", message);
    error.retry_after = Some(limited.retry_after);
    error
}
