//! One request on its way to a dialect, and the pace of its answer.

use std::time::Duration;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Method};
use serde_json::Value;

use crate::{Behaviour, SimulatorSettings};

/// One request and how it is to be treated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exchange<'a> {
    pub(crate) method: &'a Method,
    pub(crate) path: &'a str,
    /// What follows the question mark; empty without one.
    pub(crate) query: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a Bytes,
    /// The body parsed; none when it is no JSON.
    pub(crate) json: Option<&'a Value>,
    /// The model asked for, wherever the dialect puts it.
    pub(crate) model: Option<&'a str>,
    /// The key sent, wherever the dialect puts it.
    pub(crate) key: Option<&'a str>,
    pub(crate) settings: &'a SimulatorSettings,
    pub(crate) behaviour: &'a Behaviour,
    /// Number of the request at this simulator.
    pub(crate) number: u64,
    /// Unix seconds.
    pub(crate) created: u64,
    /// Whether a stream is answered whole: see [`crate::Fault::JsonForStream`].
    pub(crate) never_stream: bool,
}

impl<'a> Exchange<'a> {
    /// A top-level field of the body; null is as good as absent.
    pub(crate) fn field(&self, name: &str) -> Option<&'a Value> {
        self.json?.get(name).filter(|value| !value.is_null())
    }

    /// A top-level boolean.
    pub(crate) fn flag(&self, name: &str) -> Option<bool> {
        self.field(name)?.as_bool()
    }

    /// A top-level whole number.
    pub(crate) fn number_field(&self, name: &str) -> Option<u64> {
        self.field(name)?.as_u64()
    }

    /// Whether the body asks for a stream, and one may be given.
    pub(crate) fn streams(&self) -> bool {
        self.flag("stream") == Some(true) && !self.never_stream
    }

    /// An id of the form the services use, that tells which simulator made it.
    pub(crate) fn id(&self, prefix: &str) -> String {
        format!("{prefix}-{}-{:08}", self.settings.name, self.number)
    }

    /// An id of letters, digits and underscores, short enough for every dialect.
    pub(crate) fn plain_id(&self, prefix: &str, index: usize) -> String {
        let name: String = self
            .settings
            .name
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .take(12)
            .collect();
        format!("{prefix}_{name}_{}_{index}", self.number)
    }

    /// Whether the model is one that is served.
    pub(crate) fn serves(&self, model: &str) -> bool {
        self.settings.models.is_empty() || self.settings.models.iter().any(|name| name == model)
    }

    /// The waits of this answer.
    pub(crate) fn pace(&self) -> Pace {
        let rate = self
            .behaviour
            .tokens_per_second
            .or(self.settings.tokens_per_second);
        Pace {
            first: Some(
                self.behaviour
                    .ttft_ms
                    .map_or(self.settings.time_to_first_token, Duration::from_millis),
            ),
            each: rate
                .filter(|rate| *rate > 0.0)
                .map_or(Duration::ZERO, |rate| Duration::from_secs_f64(1.0 / rate)),
            jitter: self.settings.jitter,
            dice: fastrand::Rng::with_seed(self.settings.seed ^ self.number),
        }
    }
}

/// The key in an `Authorization: Bearer` header.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    value
        .strip_prefix("Bearer ")
        .map(str::trim)
        .filter(|key| !key.is_empty())
}

/// A header's text, when it is not empty.
pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let value = headers.get(name)?.to_str().ok()?.trim();
    Some(value).filter(|value| !value.is_empty())
}

/// A query parameter as it was sent, percent-encoding included.
pub(crate) fn parameter<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

/// The waits between tokens.
#[derive(Debug)]
pub(crate) struct Pace {
    first: Option<Duration>,
    each: Duration,
    jitter: f64,
    dice: fastrand::Rng,
}

impl Pace {
    /// The wait before the next token.
    pub(crate) fn next(&mut self) -> Duration {
        let wait = self.first.take().unwrap_or(self.each);
        if self.jitter == 0.0 || wait.is_zero() {
            return wait;
        }
        wait.mul_f64(1.0 + self.jitter * (self.dice.f64() * 2.0 - 1.0))
    }

    /// The time all `tokens` take.
    pub(crate) fn whole(&mut self, tokens: usize) -> Duration {
        (0..tokens.max(1)).map(|_| self.next()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_the_first_token_and_then_the_pace_give_or_take() {
        let pace = |jitter: f64| Pace {
            first: Some(Duration::from_millis(400)),
            each: Duration::from_millis(100),
            jitter,
            dice: fastrand::Rng::with_seed(1),
        };
        assert_eq!(pace(0.0).whole(5), Duration::from_millis(800));
        let mut varied = pace(0.2);
        let first = varied.next();
        assert!((320..=480).contains(&first.as_millis()), "{first:?}");
        let rest: Vec<u128> = (0..100).map(|_| varied.next().as_millis()).collect();
        assert!(
            rest.iter().all(|wait| (80..=120).contains(wait)),
            "{rest:?}"
        );
        assert!(
            rest.iter().max().unwrap() - rest.iter().min().unwrap() > 20,
            "{rest:?}"
        );
    }
}
