//! The OpenAI protocol: who is served what, as strictly as the real service.

mod chat;
mod completions;
mod embeddings;
mod error;
mod fields;
mod messages;
mod models;
mod reply;
mod tools;

use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Method};
use serde_json::Value;

use crate::answer::Answer;
use crate::{Behaviour, SimulatorSettings};

pub(crate) use error::{error_event, failure};

/// Data of the event that ends a stream.
pub(crate) const DONE: &str = "[DONE]";

/// One request and how it is to be treated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exchange<'a> {
    pub(crate) method: &'a Method,
    pub(crate) path: &'a str,
    pub(crate) headers: &'a HeaderMap,
    /// The body parsed; none when it is no JSON.
    pub(crate) json: Option<&'a Value>,
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
    /// The key the caller sent.
    pub(crate) fn key(&self) -> Option<&'a str> {
        bearer(self.headers)
    }

    /// The model the caller asked for.
    pub(crate) fn model(&self) -> Option<&'a str> {
        self.json?.get("model")?.as_str()
    }

    fn field(&self, name: &str) -> Option<&'a Value> {
        self.json?.get(name).filter(|value| !value.is_null())
    }

    fn flag(&self, name: &str) -> Option<bool> {
        self.field(name)?.as_bool()
    }

    fn number_field(&self, name: &str) -> Option<u64> {
        self.field(name)?.as_u64()
    }

    /// An id of the form the service uses, that tells which simulator made it.
    fn id(&self, prefix: &str) -> String {
        format!("{prefix}-{}-{:08}", self.settings.name, self.number)
    }

    fn pace(&self) -> Pace {
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
    fn next(&mut self) -> Duration {
        let wait = self.first.take().unwrap_or(self.each);
        if self.jitter == 0.0 || wait.is_zero() {
            return wait;
        }
        wait.mul_f64(1.0 + self.jitter * (self.dice.f64() * 2.0 - 1.0))
    }

    /// The time all `tokens` take.
    fn whole(&mut self, tokens: usize) -> Duration {
        (0..tokens.max(1)).map(|_| self.next()).sum()
    }
}

/// Answers a request: routes, checks the key, and serves.
pub(crate) fn answer(exchange: &Exchange<'_>) -> Answer {
    let mut answer = route(exchange).unwrap_or_else(|error| error.answer());
    let headers = &mut answer.headers;
    headers.insert("openai-version", HeaderValue::from_static("2020-10-01"));
    headers.insert("openai-processing-ms", HeaderValue::from_static("5"));
    answer
}

fn route(exchange: &Exchange<'_>) -> Result<Answer, error::ApiError> {
    let path = exchange.path.strip_prefix("/v1").unwrap_or(exchange.path);
    let wanted = match path {
        "/chat/completions" | "/completions" | "/embeddings" => Method::POST,
        _ if path == "/models" || path.starts_with("/models/") => Method::GET,
        _ => return Err(error::ApiError::unknown_url(exchange.method, exchange.path)),
    };
    if exchange.method != wanted {
        return Err(error::ApiError::wrong_method(
            exchange.method,
            exchange.path,
        ));
    }
    error::check_key(exchange)?;
    match path {
        "/chat/completions" => chat::serve(exchange),
        "/completions" => completions::serve(exchange),
        "/embeddings" => embeddings::serve(exchange),
        _ => models::serve(exchange.settings, path),
    }
}

/// Start and end of a chat completion around a text of any length.
pub(crate) fn huge_body() -> (&'static str, &'static str) {
    (
        r#"{"id":"chatcmpl-huge","object":"chat.completion","created":0,"model":"huge","choices":[{"index":0,"message":{"role":"assistant","content":""#,
        r#""},"finish_reason":"stop"}]}"#,
    )
}

/// Start and end of a chat stream's event around a text of any length.
pub(crate) fn huge_event() -> (&'static str, &'static str) {
    (
        r#"data: {"id":"chatcmpl-huge","object":"chat.completion.chunk","created":0,"model":"huge","choices":[{"index":0,"delta":{"content":""#,
        "\"},\"finish_reason\":null}]}\n\n",
    )
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
