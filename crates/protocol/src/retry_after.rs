//! How long a provider asks to be left alone, in the forms that providers say it.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName};

/// The pause that response headers ask for, seen at wall-clock time `now`: `retry-after-ms` (OpenAI, Azure), else
/// `retry-after` in seconds or as an HTTP date (RFC 9110 section 10.2.3), else the latest reset of an exhausted pair:
/// `x-ratelimit-remaining-*` with `x-ratelimit-reset-*`, a span (OpenAI), or `anthropic-ratelimit-*-remaining` with
/// `anthropic-ratelimit-*-reset`, a date of RFC 3339. A date in the past is a pause of zero.
#[must_use]
pub fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name: &str| text(headers, name);
    if let Some(pause) = text("retry-after-ms").and_then(|value| seconds(value, 1e-3)) {
        return Some(pause);
    }
    if let Some(value) = text("retry-after") {
        return seconds(value, 1.0).or_else(|| {
            let date = httpdate::parse_http_date(value).ok()?;
            Some(date.duration_since(now).unwrap_or_default())
        });
    }
    exhausted(headers, now)
}

/// How long a provider has nothing left of one of its limits, by the same pairs, also where it answered: the latest reset.
#[must_use]
pub fn exhausted(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    // Most answers tell nothing of limits, and one look at their few names says so.
    let is_of_limits = |name: &HeaderName| {
        let name = name.as_str();
        name.starts_with("x-ratelimit-") || name.starts_with("anthropic-ratelimit-")
    };
    if !headers.keys().any(is_of_limits) {
        return None;
    }
    let text = |name: &str| text(headers, name);
    let of_openai = OPENAI_PAIRS
        .into_iter()
        .filter(|(remaining, _)| text(remaining) == Some("0"))
        .filter_map(|(_, reset)| span(text(reset)?));
    let of_anthropic = ANTHROPIC_PAIRS
        .into_iter()
        .filter(|(remaining, _)| text(remaining) == Some("0"))
        .filter_map(|(_, reset)| until(text(reset)?, now));
    of_openai.chain(of_anthropic).max()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// What is left, and when it is full again.
const OPENAI_PAIRS: [(&str, &str); 2] = [
    (
        "x-ratelimit-remaining-requests",
        "x-ratelimit-reset-requests",
    ),
    ("x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
];
const ANTHROPIC_PAIRS: [(&str, &str); 4] = [
    (
        "anthropic-ratelimit-requests-remaining",
        "anthropic-ratelimit-requests-reset",
    ),
    (
        "anthropic-ratelimit-tokens-remaining",
        "anthropic-ratelimit-tokens-reset",
    ),
    (
        "anthropic-ratelimit-input-tokens-remaining",
        "anthropic-ratelimit-input-tokens-reset",
    ),
    (
        "anthropic-ratelimit-output-tokens-remaining",
        "anthropic-ratelimit-output-tokens-reset",
    ),
];

/// The time until a date of RFC 3339.
fn until(value: &str, now: SystemTime) -> Option<Duration> {
    let date = chrono::DateTime::parse_from_rfc3339(value).ok()?;
    let date = SystemTime::from(date);
    Some(date.duration_since(now).unwrap_or_default())
}

fn seconds(value: &str, unit: f64) -> Option<Duration> {
    let number: f64 = value.parse().ok().filter(|number: &f64| !number.is_nan())?;
    Duration::try_from_secs_f64(number.max(0.0) * unit).ok()
}

/// OpenAI's spans: `1s`, `6m0s`, `250ms`, `1h2m3.5s`; a bare number is seconds.
fn span(value: &str) -> Option<Duration> {
    if let Some(plain) = seconds(value, 1.0) {
        return Some(plain);
    }
    let mut total = Duration::ZERO;
    let mut rest = value;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(digits);
        let unit = tail
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(tail.len());
        let (name, tail) = tail.split_at(unit);
        let scale = match name {
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            _ => return None,
        };
        total = total.checked_add(seconds(number, scale)?)?;
        rest = tail;
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(headers: &[(&'static str, &str)], expected: Option<Duration>) {
        let map = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect();
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        assert_eq!(retry_after(&map, now), expected, "{headers:?}");
    }

    #[test]
    fn every_form_is_understood() {
        let ms = |ms| Some(Duration::from_millis(ms));
        check(&[], None);
        check(&[("retry-after", "3")], ms(3_000));
        check(&[("retry-after", "0.5")], ms(500));
        check(&[("retry-after", " 2 ")], ms(2_000));
        check(&[("retry-after-ms", "250"), ("retry-after", "9")], ms(250));
        check(
            &[("retry-after", "Sun, 06 Nov 1994 08:49:47 GMT")],
            ms(10_000),
        );
        check(&[("retry-after", "Sun, 06 Nov 1994 08:00:00 GMT")], ms(0));
        check(
            &[
                ("x-ratelimit-remaining-requests", "0"),
                ("x-ratelimit-reset-requests", "6m0s"),
            ],
            ms(360_000),
        );
        check(
            &[
                ("x-ratelimit-remaining-tokens", "0"),
                ("x-ratelimit-reset-tokens", "1h2m3.5s"),
            ],
            ms(3_723_500),
        );
        check(
            &[
                ("anthropic-ratelimit-requests-remaining", "0"),
                ("anthropic-ratelimit-requests-reset", "1994-11-06T08:49:47Z"),
                ("anthropic-ratelimit-input-tokens-remaining", "0"),
                (
                    "anthropic-ratelimit-input-tokens-reset",
                    "1994-11-06T09:49:57+01:00",
                ),
                ("anthropic-ratelimit-output-tokens-remaining", "5"),
                (
                    "anthropic-ratelimit-output-tokens-reset",
                    "1994-11-06T10:00:00Z",
                ),
            ],
            ms(20_000),
        );
        check(
            &[
                ("x-ratelimit-remaining-tokens", "7"),
                ("x-ratelimit-reset-tokens", "1s"),
            ],
            None,
        );
    }

    #[test]
    fn nonsense_is_no_pause() {
        for value in [
            "soon",
            "-",
            "1e999",
            "NaN",
            "inf",
            "1x",
            "9999999999999999999999s",
        ] {
            check(&[("retry-after", value)], None);
            check(
                &[
                    ("x-ratelimit-remaining-requests", "0"),
                    ("x-ratelimit-reset-requests", value),
                ],
                None,
            );
        }
        check(
            &[
                ("anthropic-ratelimit-tokens-remaining", "0"),
                ("anthropic-ratelimit-tokens-reset", "tomorrow"),
            ],
            None,
        );
        check(&[("retry-after", "-5")], Some(Duration::ZERO));
    }
}
