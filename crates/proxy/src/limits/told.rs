//! How limits stand, in the headers that clients' SDKs know.

use std::time::Duration;

use access::limit::{Standing, Standings};
use bytes::BytesMut;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use http::{HeaderMap, HeaderName, HeaderValue};
use protocol::Protocol;

/// The headers of one kind of limit.
struct Names {
    limit: HeaderName,
    remaining: HeaderName,
    reset: HeaderName,
}

impl Names {
    const fn of(limit: &'static str, remaining: &'static str, reset: &'static str) -> Self {
        Self {
            limit: HeaderName::from_static(limit),
            remaining: HeaderName::from_static(remaining),
            reset: HeaderName::from_static(reset),
        }
    }

    fn tell(&self, values: &mut Values<'_>, standing: Standing, reset: &str) {
        let mut number = itoa::Buffer::new();
        values.tell(&self.limit, number.format(standing.limit));
        values.tell(&self.remaining, number.format(standing.remaining));
        values.tell(&self.reset, reset);
    }
}

/// Values that lie in one piece of memory, since each request has six of them.
struct Values<'a> {
    headers: &'a mut HeaderMap,
    text: BytesMut,
}

impl<'a> Values<'a> {
    /// All that is told at once; longer numbers have it grow.
    const ROOM: usize = 96;

    fn of(headers: &'a mut HeaderMap) -> Self {
        let text = BytesMut::with_capacity(Self::ROOM);
        Self { headers, text }
    }

    fn tell(&mut self, name: &HeaderName, value: &str) {
        self.text.extend_from_slice(value.as_bytes());
        if let Ok(value) = HeaderValue::from_maybe_shared(self.text.split().freeze()) {
            self.headers.insert(name, value);
        }
    }
}

/// Of requests, and of tokens (<https://platform.openai.com/docs/guides/rate-limits>).
static OF_OPENAI: [Names; 2] = [
    Names::of(
        "x-ratelimit-limit-requests",
        "x-ratelimit-remaining-requests",
        "x-ratelimit-reset-requests",
    ),
    Names::of(
        "x-ratelimit-limit-tokens",
        "x-ratelimit-remaining-tokens",
        "x-ratelimit-reset-tokens",
    ),
];

/// Of requests, and of tokens (<https://platform.claude.com/docs/en/api/rate-limits#response-headers>).
static OF_ANTHROPIC: [Names; 2] = [
    Names::of(
        "anthropic-ratelimit-requests-limit",
        "anthropic-ratelimit-requests-remaining",
        "anthropic-ratelimit-requests-reset",
    ),
    Names::of(
        "anthropic-ratelimit-tokens-limit",
        "anthropic-ratelimit-tokens-remaining",
        "anthropic-ratelimit-tokens-reset",
    ),
];

/// Tells it. Gemini has no headers for that.
pub(crate) fn add(
    headers: &mut HeaderMap,
    protocol: Protocol,
    standings: Standings,
    now: DateTime<Utc>,
) {
    let names = match protocol {
        Protocol::OpenAi => &OF_OPENAI,
        Protocol::Anthropic => &OF_ANTHROPIC,
        Protocol::Gemini => return,
    };
    if standings == Standings::default() {
        return;
    }
    let mut values = Values::of(headers);
    for (names, standing) in names.iter().zip([standings.requests, standings.tokens]) {
        let Some(standing) = standing else { continue };
        let reset = match protocol {
            Protocol::Anthropic => moment(now, standing.reset),
            _ => duration(standing.reset),
        };
        names.tell(&mut values, standing, &reset);
    }
}

/// OpenAI's form, as `1m2.5s`.
fn duration(time: Duration) -> String {
    let (minutes, seconds) = (time.as_secs() / 60, time.as_secs() % 60);
    let mut number = itoa::Buffer::new();
    let mut text = String::with_capacity("100m10.500s".len());
    if minutes > 0 {
        text.push_str(number.format(minutes));
        text.push('m');
    }
    text.push_str(number.format(seconds));
    let millis = time.subsec_millis();
    if millis > 0 {
        // Three digits behind the point, which the first one of four becomes.
        let digits = number.format(1_000 + millis);
        text.push('.');
        text.push_str(digits[1..].trim_end_matches('0'));
    }
    text.push('s');
    text
}

/// Anthropic's, the moment by RFC 3339.
fn moment(now: DateTime<Utc>, time: Duration) -> String {
    let time = TimeDelta::from_std(time).unwrap_or_default();
    (now + time).to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
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
            (0.0, "0s"),
            (59.9994, "59.999s"),
            (3_601.04, "60m1.04s"),
            (0.007, "0.007s"),
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
