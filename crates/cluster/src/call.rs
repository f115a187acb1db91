//! One call of the script: what is told and asked, and what comes back. The script's head says what each part means.

use std::{collections::HashMap, time::Duration};

use access::limit::{
    Change, Granted, Kind, Lack, Limited, Rates, Rule, STEP, Scope, Standing, Standings, Wanted,
};
use redis::Value;
use router::CandidateId;
use serde::Serialize;
use tokio::time::Instant;

use crate::{keys, outbox::Letter};

/// Beyond this nothing is counted that anybody limits; the script's numbers are exact far above.
const MOST: i64 = 10_000_000_000_000;

/// A decision on what a request wanted.
pub(crate) type Decision = Result<Granted, Box<Limited>>;

/// A call, ready to be sent.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) keys: Vec<String>,
    pub(crate) body: String,
}

/// What came back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// Nothing was done: the count is another than the one that was told of.
    Lost,
    /// All of it was done.
    Done(Done),
}

/// What was answered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Done {
    /// Redis's time in milliseconds.
    pub(crate) now: i64,
    /// Of the pauses.
    pub(crate) version: i64,
    /// All that are left of them, if the version is a new one.
    pub(crate) pauses: Vec<(CandidateId, Duration)>,
    /// To each question.
    pub(crate) decisions: Vec<Decision>,
}

#[derive(Serialize)]
struct Body<'a> {
    epoch: &'a str,
    gateway: &'a str,
    seen: i64,
    changes: Vec<(usize, u64, i64, i64, u64)>,
    running: Vec<(usize, i64)>,
    pauses: Vec<(i64, u64)>,
    asks: Vec<Ask>,
}

#[derive(Serialize)]
struct Ask {
    tokens: u64,
    rules: Vec<[u64; 4]>,
    choices: Vec<Vec<[u64; 4]>>,
}

/// Numbers the scopes of a call.
#[derive(Default)]
struct Scopes<'a> {
    numbers: HashMap<&'a Scope, usize, foldhash::fast::RandomState>,
    keys: Vec<String>,
}

impl<'a> Scopes<'a> {
    fn number(&mut self, scope: &'a Scope) -> usize {
        let next = self.numbers.len();
        let keys = &mut self.keys;
        *self.numbers.entry(scope).or_insert_with(|| {
            keys.extend(keys::of(scope));
            next
        })
    }

    fn rules(&mut self, rules: &'a [Rule]) -> Vec<[u64; 4]> {
        let numbered = |rule: &'a Rule| {
            let Rates {
                requests,
                tokens,
                concurrent,
            } = rule.rates;
            let limits = [requests, tokens, concurrent].map(|limit| limit.unwrap_or(0));
            let [requests, tokens, concurrent] = limits;
            [
                self.number(&rule.scope) as u64,
                requests,
                tokens,
                concurrent,
            ]
        };
        rules.iter().map(numbered).collect()
    }
}

impl Call {
    /// Tells what is in `letter` and asks for what is `wanted`.
    pub(crate) fn new<'a>(
        epoch: &str,
        gateway: &str,
        seen: i64,
        letter: &'a Letter,
        wanted: impl Iterator<Item = &'a Wanted>,
    ) -> Self {
        let mut scopes = Scopes::default();
        let clamp = |amount: i64| amount.clamp(-MOST, MOST);
        let changes = letter.changes.iter().map(|(scope, step, more)| {
            let (requests, tokens) = (clamp(more.requests), clamp(more.tokens));
            let limit = more.limit.unwrap_or(0).min(MOST.unsigned_abs());
            (scopes.number(scope), *step, requests, tokens, limit)
        });
        let changes = changes.collect();
        let running = letter.running.iter();
        let running = running.map(|(scope, count)| (scopes.number(scope), *count));
        let running = running.collect();
        let now = Instant::now();
        let pauses = letter.pauses.iter().map(|(candidate, until)| {
            let pause = until.saturating_duration_since(now).as_millis();
            (candidate.0, u64::try_from(pause).unwrap_or(u64::MAX))
        });
        let body = Body {
            epoch,
            gateway,
            seen,
            changes,
            running,
            pauses: pauses.collect(),
            asks: wanted
                .map(|wanted| Ask {
                    tokens: wanted.tokens.min(MOST.unsigned_abs()),
                    rules: scopes.rules(&wanted.rules),
                    choices: wanted.choices.iter().map(|it| scopes.rules(it)).collect(),
                })
                .collect(),
        };
        let fixed = [keys::EPOCH, keys::ALIVE, keys::PAUSES].map(str::to_owned);
        Self {
            body: serde_json::to_string(&body).expect("numbers and texts are JSON"),
            keys: fixed.into_iter().chain(scopes.keys).collect(),
        }
    }
}

/// What a decision has taken, as differences.
pub(crate) fn taken(wanted: &Wanted, granted: &Granted) -> Vec<Change> {
    let chosen = wanted.choices.get(granted.lacks.len());
    let rules = wanted.rules.iter().chain(chosen.into_iter().flatten());
    let change = |rule: &Rule| {
        let tokens = rule
            .rates
            .tokens
            .map_or(0, |limit| limit.min(wanted.tokens));
        Change {
            scope: rule.scope.clone(),
            step: granted.step,
            requests: i64::from(rule.rates.requests.is_some()),
            tokens: i64::try_from(tokens).unwrap_or(MOST),
            limit: rule.rates.tokens,
            running: i64::from(rule.rates.concurrent.is_some()),
        }
    };
    rules.map(change).collect()
}

/// Reads what came back; `None` if it is nothing that the script answers.
pub(crate) fn read(reply: &Value, wanted: &[&Wanted]) -> Option<Reply> {
    let [now, state, rest @ ..] = array(reply)? else {
        return None;
    };
    let now = integer(now)?;
    if integer(state)? == 0 {
        return Some(Reply::Lost);
    }
    let [version, pauses, answers] = rest else {
        return None;
    };
    let step = u64::try_from(now).ok()? / u64::try_from(STEP.as_millis()).ok()?;
    let pauses = array(pauses)?.chunks_exact(2).map(|pair| {
        let left = millis(&pair[1])?;
        Some((CandidateId(integer(&pair[0])?), left))
    });
    let answers = array(answers)?;
    if answers.len() != wanted.len() {
        return None;
    }
    let decisions = answers.iter().zip(wanted);
    let decisions = decisions.map(|(answer, wanted)| decision(answer, wanted, step));
    Some(Reply::Done(Done {
        now,
        version: integer(version)?,
        pauses: pauses.collect::<Option<_>>()?,
        decisions: decisions.collect::<Option<_>>()?,
    }))
}

fn decision(answer: &Value, wanted: &Wanted, step: u64) -> Option<Decision> {
    let [is_granted, rule, lacks, requests, tokens] = array(answer)? else {
        return None;
    };
    let standings = Standings {
        requests: standing(requests)?,
        tokens: standing(tokens)?,
    };
    if integer(is_granted)? == 1 {
        let lacks = array(lacks)?.iter().map(lack);
        return Some(Ok(Granted {
            step,
            standings,
            lacks: lacks.collect::<Option<_>>()?,
        }));
    }
    let rule = usize::try_from(integer(rule)?).ok()?;
    let Lack {
        kind,
        limit,
        retry_after,
    } = lack(lacks)?;
    Some(Err(Box::new(Limited {
        scope: wanted.rules.get(rule)?.scope.clone(),
        kind,
        limit,
        retry_after,
        standings,
    })))
}

fn lack(value: &Value) -> Option<Lack> {
    let [kind, limit, pause] = array(value)? else {
        return None;
    };
    Some(Lack {
        kind: match integer(kind)? {
            0 => Kind::Requests,
            1 => Kind::Tokens,
            _ => Kind::Concurrent,
        },
        limit: amount(limit)?,
        retry_after: millis(pause)?,
    })
}

/// `None` within where nothing of the kind is limited.
fn standing(value: &Value) -> Option<Option<Standing>> {
    let [limit, remaining, reset] = array(value)? else {
        return None;
    };
    let standing = Standing {
        limit: amount(limit)?,
        remaining: amount(remaining)?,
        reset: millis(reset)?,
    };
    Some(Some(standing).filter(|it| it.limit > 0))
}

fn array(value: &Value) -> Option<&[Value]> {
    match value {
        Value::Array(values) => Some(values),
        _ => None,
    }
}

fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Int(number) => Some(*number),
        _ => None,
    }
}

fn amount(value: &Value) -> Option<u64> {
    u64::try_from(integer(value)?).ok()
}

fn millis(value: &Value) -> Option<Duration> {
    amount(value).map(Duration::from_millis)
}
