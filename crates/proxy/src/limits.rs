//! Whether a key, a provider or all together may have one more request now, and what clients are told of it.

mod counts;

use access::{
    ClientKey,
    limit::{Admission, Kind, Limited, Rates, Rule, Scope, Standing, Standings},
};
use catalog::{Provider, Snapshot};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use http::{HeaderMap, HeaderName, HeaderValue};
use protocol::{ErrorKind, Protocol};
use router::{Candidate, CandidateId, Plan};

pub(crate) use self::counts::{Ahead, Counts, Reserved, Room};
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

/// Tells how the limits stand, in the headers that the client's SDK knows. Gemini's has none.
pub(crate) fn add(
    headers: &mut HeaderMap,
    protocol: Protocol,
    standings: Standings,
    now: DateTime<Utc>,
) {
    for (kind, standing) in [
        ("requests", standings.requests),
        ("tokens", standings.tokens),
    ] {
        let Some(standing) = standing else { continue };
        match protocol {
            Protocol::OpenAi => of_openai(headers, kind, standing),
            Protocol::Anthropic => of_anthropic(headers, kind, standing, now),
            Protocol::Gemini => {}
        }
    }
}

fn set(headers: &mut HeaderMap, name: &str, value: &str) {
    let name = HeaderName::try_from(name);
    if let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value)) {
        headers.insert(name, value);
    }
}

/// `x-ratelimit-*`: times are durations such as `1m2.5s`
/// (<https://platform.openai.com/docs/guides/rate-limits>).
fn of_openai(headers: &mut HeaderMap, kind: &str, standing: Standing) {
    let reset = standing.reset.as_millis();
    let (minutes, millis) = (reset / 60_000, reset % 60_000);
    let seconds = match (millis / 1000, millis % 1000) {
        (whole, 0) => format!("{whole}s"),
        (whole, rest) => format!("{}s", format!("{whole}.{rest:03}").trim_end_matches('0')),
    };
    let reset = match minutes {
        0 => seconds,
        minutes => format!("{minutes}m{seconds}"),
    };
    set(
        headers,
        &format!("x-ratelimit-limit-{kind}"),
        &standing.limit.to_string(),
    );
    set(
        headers,
        &format!("x-ratelimit-remaining-{kind}"),
        &standing.remaining.to_string(),
    );
    set(headers, &format!("x-ratelimit-reset-{kind}"), &reset);
}

/// `anthropic-ratelimit-*`: times are instants of RFC 3339
/// (<https://platform.claude.com/docs/en/api/rate-limits#response-headers>).
fn of_anthropic(headers: &mut HeaderMap, kind: &str, standing: Standing, now: DateTime<Utc>) {
    let reset = TimeDelta::from_std(standing.reset).unwrap_or_default();
    let reset = (now + reset).to_rfc3339_opts(SecondsFormat::Secs, true);
    set(
        headers,
        &format!("anthropic-ratelimit-{kind}-limit"),
        &standing.limit.to_string(),
    );
    set(
        headers,
        &format!("anthropic-ratelimit-{kind}-remaining"),
        &standing.remaining.to_string(),
    );
    set(
        headers,
        &format!("anthropic-ratelimit-{kind}-reset"),
        &reset,
    );
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn told(protocol: Protocol, reset: f64) -> Vec<(String, String)> {
        let standing = Standing {
            limit: 600,
            remaining: 599,
            reset: Duration::from_secs_f64(reset),
        };
        let standings = Standings {
            requests: Some(standing),
            tokens: None,
        };
        let mut headers = HeaderMap::new();
        add(
            &mut headers,
            protocol,
            standings,
            "2026-01-01T00:00:00Z".parse().unwrap(),
        );
        let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
        let pairs = headers
            .iter()
            .map(|(name, value)| (name.to_string(), text(value)));
        pairs.collect()
    }

    #[test]
    fn each_protocol_is_told_in_its_own_headers() {
        for (reset, expected) in [
            (0.5, "0.5s"),
            (60.5, "1m0.5s"),
            (3.0, "3s"),
            (120.0, "2m0s"),
        ] {
            let told = told(Protocol::OpenAi, reset);
            assert_eq!(told[0], ("x-ratelimit-limit-requests".into(), "600".into()));
            assert_eq!(
                told[1],
                ("x-ratelimit-remaining-requests".into(), "599".into())
            );
            assert_eq!(
                told[2],
                ("x-ratelimit-reset-requests".into(), expected.into())
            );
        }
        let anthropic = told(Protocol::Anthropic, 60.0);
        assert_eq!(anthropic[2].0, "anthropic-ratelimit-requests-reset");
        assert_eq!(anthropic[2].1, "2026-01-01T00:01:00Z");
        assert_eq!(told(Protocol::Gemini, 60.0), []);
    }
}
