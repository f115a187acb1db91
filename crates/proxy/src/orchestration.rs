//! What one request asks of the gateway itself, by headers or by fields of its body; headers win.

use std::{borrow::Cow, str::FromStr, time::Duration};

use http::{HeaderMap, HeaderName};
use protocol::{ClientError, Envelope, ErrorKind};

use crate::error::Error;

/// Most further attempts a request may ask for.
const MOST_RETRIES: u32 = 5;

/// How the names of the headers begin.
const OURS: &str = "x-gateway-";

/// Orchestration of one request.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Orchestration<'a> {
    pub(crate) provider: Option<Cow<'a, str>>,
    pub(crate) fallback_providers: Vec<Cow<'a, str>>,
    /// For the whole request, up to the commit.
    pub(crate) timeout: Option<Duration>,
    pub(crate) max_retry: Option<u32>,
    /// What ties requests together, if the client named it.
    pub(crate) session: Option<Cow<'a, str>>,
    /// Whether a stream that breaks goes on with another provider; `None` leaves that to the model.
    pub(crate) verified_resume: Option<bool>,
}

impl<'a> Orchestration<'a> {
    pub(crate) fn of(headers: &'a HeaderMap, envelope: &Envelope<'a>) -> Result<Self, Error> {
        let own = &envelope.orchestration;
        // Few requests name any of these; one look at the names is cheaper than a search for each.
        let is_ours = |name: &HeaderName| name.as_str().starts_with(OURS);
        let headers = headers.keys().any(is_ours).then_some(headers);
        let fallback_providers = match text(headers, "x-gateway-fallback-providers")? {
            Some(names) => names
                .split(',')
                .map(str::trim)
                .filter(|name| !name.is_empty())
                .map(Cow::Borrowed)
                .collect(),
            None => own.fallback_providers.clone(),
        };
        let timeout = match parsed::<f64>(headers, "x-gateway-timeout")? {
            Some(seconds) => Some(duration("x-gateway-timeout", seconds)?),
            None => own
                .timeout
                .map(|seconds| duration("timeout", seconds))
                .transpose()?,
        };
        let max_retry = match parsed::<u32>(headers, "x-gateway-retry-count")? {
            Some(count) if count > MOST_RETRIES => return Err(invalid("x-gateway-retry-count")),
            Some(count) => Some(count),
            None => own.retry_count.map(u32::from),
        };
        Ok(Self {
            provider: text(headers, "x-gateway-provider")?
                .map(Cow::Borrowed)
                .or_else(|| own.provider.clone()),
            fallback_providers,
            timeout,
            max_retry,
            session: text(headers, "x-gateway-session")?
                .map(Cow::Borrowed)
                .or_else(|| envelope.session.clone()),
            verified_resume: parsed(headers, "x-gateway-verified-resume")?,
        })
    }

    /// A number for what ties this request to others: what the client named, else the beginning of its prompt, by which
    /// providers' caches work too. The same on every replica.
    pub(crate) fn session(&self, body: &[u8]) -> u64 {
        /// Providers cache from about this many bytes of a prompt on.
        const PREFIX: usize = 4096;
        let hash = match &self.session {
            Some(session) => blake3::hash(session.as_bytes()),
            None => blake3::hash(&body[..body.len().min(PREFIX)]),
        };
        let mut first = [0; 8];
        first.copy_from_slice(&hash.as_bytes()[..8]);
        u64::from_le_bytes(first)
    }
}

fn text<'a>(headers: Option<&'a HeaderMap>, name: &'static str) -> Result<Option<&'a str>, Error> {
    let Some(value) = headers.and_then(|headers| headers.get(name)) else {
        return Ok(None);
    };
    let text = value.to_str().map_err(|_| invalid(name))?.trim();
    if text.is_empty() {
        Err(invalid(name))
    } else {
        Ok(Some(text))
    }
}

fn parsed<T: FromStr>(headers: Option<&HeaderMap>, name: &'static str) -> Result<Option<T>, Error> {
    text(headers, name)?
        .map(|text| text.parse().map_err(|_| invalid(name)))
        .transpose()
}

fn duration(name: &'static str, seconds: f64) -> Result<Duration, Error> {
    let duration = Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|duration| !duration.is_zero());
    duration.ok_or_else(|| invalid(name))
}

fn invalid(name: &'static str) -> Error {
    let mut error = ClientError::new(
        ErrorKind::InvalidRequest,
        format!("invalid value for '{name}'"),
    );
    error.param = Some(name.to_owned());
    error.into()
}

#[cfg(test)]
mod tests {
    use protocol::Endpoint;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect()
    }

    const BODY: &[u8] = br#"{"model":"m","messages":[],"provider":"a","fallback_providers":["b"],"timeout":2,"retry_count":1,"user":"u"}"#;

    #[test]
    fn headers_win_over_the_body() {
        let envelope = Envelope::scan(Endpoint::ChatCompletions, None, BODY).unwrap();
        let none = headers(&[]);
        let from_body = Orchestration::of(&none, &envelope).unwrap();
        assert_eq!(from_body.provider.as_deref(), Some("a"));
        assert_eq!(from_body.fallback_providers, ["b"]);
        assert_eq!(from_body.timeout, Some(Duration::from_secs(2)));
        assert_eq!(from_body.max_retry, Some(1));
        assert_eq!(from_body.session.as_deref(), Some("u"));
        let all = headers(&[
            ("x-gateway-provider", "x"),
            ("x-gateway-fallback-providers", "y, z"),
            ("x-gateway-timeout", "0.5"),
            ("x-gateway-retry-count", "0"),
            ("x-gateway-session", "s"),
            ("x-gateway-verified-resume", "true"),
        ]);
        let from_headers = Orchestration::of(&all, &envelope).unwrap();
        assert_eq!(from_headers.provider.as_deref(), Some("x"));
        assert_eq!(from_headers.fallback_providers, ["y", "z"]);
        assert_eq!(from_headers.timeout, Some(Duration::from_millis(500)));
        assert_eq!(from_headers.max_retry, Some(0));
        assert_eq!(from_headers.session.as_deref(), Some("s"));
        assert_eq!(from_headers.verified_resume, Some(true));
    }

    #[test]
    fn nonsense_is_refused_by_its_name() {
        let envelope = Envelope::scan(Endpoint::ChatCompletions, None, BODY).unwrap();
        for (name, value) in [
            ("x-gateway-timeout", "soon"),
            ("x-gateway-timeout", "-1"),
            ("x-gateway-timeout", "0"),
            ("x-gateway-timeout", "NaN"),
            ("x-gateway-timeout", "1e300"),
            ("x-gateway-retry-count", "6"),
            ("x-gateway-retry-count", "1.5"),
            ("x-gateway-provider", ""),
            ("x-gateway-verified-resume", "1"),
        ] {
            let headers = headers(&[(name, value)]);
            let error = Orchestration::of(&headers, &envelope).unwrap_err();
            assert!(error.message().contains(name), "{name}: {value}");
        }
    }

    #[test]
    fn a_session_is_named_or_follows_from_the_prompt() {
        let named = |session: &'static str| Orchestration {
            session: Some(session.into()),
            ..Default::default()
        };
        assert_eq!(named("a").session(b"x"), named("a").session(b"y"));
        assert_ne!(named("a").session(b"x"), named("b").session(b"x"));
        let unnamed = Orchestration::default();
        assert_eq!(
            unnamed.session(&[b'x'; 5000]),
            unnamed.session(&[b'x'; 6000])
        );
        assert_ne!(unnamed.session(b"x"), unnamed.session(b"y"));
    }
}
